"""The ledger's own task: leases, flushes, gives back, rotates. Requests ask it; none of its work runs in theirs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Sequence
from typing import Any

from core.ledger import transactions
from core.ledger.books import Books
from core.ledger.leases import Pool
from core.ledger.record import Record
from core.ledger.recovery import Refused, recover_all
from core.ledger.safety import Safety
from core.ledger.transactions import GuardLost, Leased
from core.ledger.waiting import lacks

logger = logging.getLogger("isthmus.ledger")

SEEN_LIMIT = 10_000
"""Purses remembered from lease transactions."""
BACKOFF = (0.05, 2.0)
"""Seconds to the next try after an error: the first, and the longest."""


class Keeper:
    """Squares the books with the database."""

    def __init__(self, books: Books, safety: Safety) -> None:
        self._books, self._safety = books, safety
        self._flush_at = self._chore_at = 0.0
        self._step_lock = asyncio.Lock()
        self._refused: Refused = {}

    async def work(self) -> None:
        """Until the ledger closes or the incarnation is ended by somebody else."""
        books, backoff = self._books, 0.0
        clock = books.seams.clock
        while not books.closing:
            due = min(self._chore_at, self._flush_at) if books.pending else self._chore_at
            if backoff:
                await asyncio.sleep(backoff)
            elif due > clock():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(due - clock()):
                        await books.wake.wait()
            books.wake.clear()
            try:
                await self.step()
                backoff = 0.0
            except GuardLost:
                return
            except Exception as error:  # noqa: BLE001 (whatever the database throws: it is tried again)
                first, longest = BACKOFF
                backoff = min(longest, backoff * 2 or first)
                logger.error("the ledger's database work failed: %r", error)

    async def look_for_orphans(self) -> None:
        """Replays the journals of workers that died, now and then."""
        books = self._books
        while True:
            await asyncio.sleep(books.tuning.orphans)
            try:
                await recover_all(books.db, books.journal.path.parent, books.seams, self._refused)
            except Exception as error:  # noqa: BLE001 (tried again in a moment)
                logger.error("recovery failed: %r", error)

    async def step(self) -> None:
        """One round: leases, then the flush, then what goes back. Raises what the database raised."""
        books = self._books
        async with self._step_lock:
            try:
                # What an earlier round became must be known before this one chooses what to do.
                await books.session.resolve()
                await self._lease()
                now = books.seams.clock()
                if books.pending and (books.flush_now or now >= self._flush_at):
                    await self._flush_batch()
                if now >= self._chore_at:
                    self._chore_at = now + books.tuning.chore
                    await self._give_back(now)
                    self._rotate()
                books.trouble = None
            except GuardLost as error:
                books.trouble = error
                logger.critical("this worker's incarnation was ended by somebody else; no more requests are taken")
                self._safety.give_up()
                raise
            except Exception as error:
                books.trouble = error
                raise

    async def _lease(self) -> None:
        books = self._books
        wants, books.wants = books.wants, []
        needs: dict[int, Sequence[int]] = dict(lacks(wants, books.pools))
        low, books.low = books.low, set()
        for purse_id in low:
            needs.setdefault(purse_id, ())

        def done(got: dict[int, Leased]) -> None:
            now = books.seams.clock()
            for purse_id, leased in got.items():
                books.seen[purse_id] = leased
                if leased.units:
                    pool = books.pools.get(purse_id)
                    pool.free += leased.units
                    pool.used_at = now
                    pool.low = leased.units // 4 if leased.units > max([0, *needs[purse_id]]) else 0
                elif purse_id in books.pools.by_purse:
                    books.pools.by_purse[purse_id].low = 0

        try:
            if needs:
                await books.session.run(transactions.lease, needs, books.tuning.cap, done=done)
        except BaseException:
            # They wait on, for the next round or their own deadline.
            books.wants[:0] = [want for want in wants if not want.answered.done()]
            raise
        for want in wants:
            if not want.answered.done():
                want.answered.set_result(None)
        if len(books.seen) > SEEN_LIMIT:
            books.seen.clear()

    async def _flush_batch(self) -> None:
        books = self._books
        pending, pools = books.pending, books.pools

        def posted(part: Sequence[Record], moved: bool) -> None:
            for record in part:
                assert pending[0] is record, "records become final in their order"
                pending.popleft()
                if moved:
                    pools.flushed(record.draws)
            self._safety.flushed(part[-1].end)

        batch = list(itertools.islice(pending, books.tuning.batch))
        if batch:
            await self._safety.before_flush()
            await books.session.post(batch, posted)
        self._flush_at = books.seams.clock() + books.settings.batch_flush_seconds
        books.flush_now = len(pending) >= books.tuning.batch or self._safety.asked
        if books.flush_now:
            books.wake.set()

    async def _give_back(self, now: float) -> None:
        books = self._books
        recalled: set[int] = set()
        if books.pools.by_purse:
            incarnation, now_ms = books.session.incarnation, books.seams.now_ms()
            recalled = set(await books.db.read(transactions.recalled, books.db, incarnation, now_ms))
        idle = now - books.tuning.idle
        back = [
            pool
            for pool in books.pools.by_purse.values()
            if pool.free and (pool.used_at <= idle or pool.purse_id in recalled)
        ]
        if back:
            await self._return(back)
        books.pools.prune()

    async def _return(self, back: Sequence[Pool]) -> None:
        books = self._books
        units = {pool.purse_id: pool.free for pool in back}
        for pool in back:
            pool.returning += pool.free
            pool.free = pool.low = 0

        def done(_: Any) -> None:
            for pool in back:
                pool.returning -= units[pool.purse_id]

        def void() -> None:
            for pool in back:
                pool.returning -= units[pool.purse_id]
                pool.free += units[pool.purse_id]

        await books.session.run(transactions.give_back, units, done=done, void=void)

    def _rotate(self) -> None:
        books = self._books
        journal, flushed_to = books.journal, books.session.flushed_to
        waste = journal.file_bytes - (journal.end - flushed_to)
        if waste < books.tuning.rotate or self._safety.busy:
            return
        before = journal.fd
        try:
            # The new file must hold as much room for open holds as the old one did.
            journal.rotate(flushed_to, books.progress.values(), books.holds * books.tuning.room)
        except OSError as error:
            logger.error("the journal could not be shortened: %s", error)
            if journal.fd != before:
                self._safety.distrust(error)

    async def flush(self) -> None:
        """Writes every record appended so far to the database. Raises what the database raised."""
        books = self._books
        target = books.journal.end
        while books.pending and books.session.flushed_to < target:
            books.flush_now = True
            await self.step()

    async def end(self) -> None:
        """The last transaction: gives every lease back and ends the incarnation. Raises what the database raised."""
        await self._books.session.run(_end)


def _end(db: Any, guard: transactions.Guard) -> None:
    transactions.enter(db, guard)
    transactions.close(db, guard.incarnation, "closed")

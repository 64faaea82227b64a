"""The ledger of one worker process: the interface of core/ledger/interface.py over leases, a journal and a database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import billing_pb2

from core.errors import InsufficientQuota, KeyQuotaExceeded, Overloaded, ShuttingDown
from core.ledger import changes, transactions
from core.ledger.interface import Draws, Hold
from core.ledger.journal import SUFFIX, Journal
from core.ledger.leases import Pool, Pools
from core.ledger.record import ENDED, NOTED, PROGRESS, SETTLED, Record, encode
from core.ledger.recovery import recover_all
from core.ledger.session import Session, Unsure, new_token
from core.ledger.transactions import GuardLost, Leased
from core.ledger.waiting import Want, lacks
from core.settings import CoreSettings

logger = logging.getLogger("isthmus.ledger")


ANSWER = 20
"""How many times the patience a request waits for the database's own answer: a slow one is no empty purse."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times in seconds, money in units, sizes in bytes. The defaults are the design's; tests shorten them."""

    patience: float = 0.5
    """How long a request waits for others' settlements."""
    idle: float = 1.0
    """After this long without use a lease's free units go back."""
    chore: float = 0.2
    """Between looks at idle and recalled leases."""
    orphans: float = 3.0
    """Between looks for journals of dead workers."""
    cap: int = 2_500_000
    """Largest lease in advance: 5 USD."""
    batch: int = 500
    """Most records of one flush."""
    room: int = 16 << 10
    """Journal room kept for each open hold."""
    rotate: int = 8 << 20
    """A journal file above this is shortened once most of it is flushed."""
    background: bool = True
    """Run the ledger's own tasks; the simulation steps by itself."""


class WorkerLedger:
    """Implements core.ledger.interface.Ledger. Made by open_ledger."""

    def __init__(
        self,
        db: Any,
        settings: CoreSettings,
        session: Session,
        journal: Journal,
        *,
        name: str,
        tuning: Tuning,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db, self._settings, self._session, self._journal = db, settings, session, journal
        self._name, self._tuning, self._clock = name, tuning, clock
        self._limit = settings.journal_limit_mb << 20
        self.pools = Pools()
        self._pending: deque[Record] = deque()
        self._progress: dict[str, bytes] = {}
        self._holds = 0
        self._wants: list[Want] = []
        self._low: set[int] = set()
        self._seen: dict[int, Leased] = {}
        self._freed = asyncio.Event()
        self._wake = asyncio.Event()
        self._safe: list[tuple[int, asyncio.Future[None]]] = []
        self._synced = 0
        self._syncing: asyncio.Task[None] | None = None
        self._trouble: BaseException | None = None
        self._closing = self._closed = False
        self._flush_at = self._chore_at = 0.0
        self._flush_now = False
        self._step_lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        if tuning.background:
            self._tasks = [asyncio.ensure_future(self._work()), asyncio.ensure_future(self._orphans())]

    # Reserve

    def _refusal(self) -> Overloaded | None:
        """Why no request may begin now; None: it may."""
        if self._closing:
            return ShuttingDown()
        if self._session.lost:
            return Overloaded("This worker's leases were released; it must be restarted.")
        if self._journal.end - self._session.flushed_to > self._limit:
            return Overloaded("The journal is full; the database does not take it.")
        if not self._journal.room((self._holds + 1) * self._tuning.room):
            return Overloaded("The journal's disk is full.")
        return None

    def try_reserve(self, request_id: str, draws: Draws, units: int) -> Hold | None:
        """See the interface."""
        if units < 0 or self._refusal() is not None:
            return None
        hold = Hold(request_id, draws, 0)
        if not self.pools.take(hold, units, self._clock()):
            return None
        self._holds += 1
        self._look_low(hold)
        return hold

    def _look_low(self, hold: Hold) -> None:
        for purse_id in hold.taken:
            pool = self.pools.by_purse[purse_id]
            if pool.free < pool.low and purse_id not in self._low:
                self._low.add(purse_id)
                self._wake.set()

    async def reserve(self, request_id: str, draws: Draws, units: int) -> Hold:
        """See the interface."""
        if units < 0:
            raise ValueError("A reserve is never negative.")
        hold = Hold(request_id, draws, 0)
        await self._take(hold, units)
        self._holds += 1
        self._look_low(hold)
        return hold

    async def extend(self, hold: Hold, units: int) -> None:
        """See the interface."""
        if units < 0 or hold.ended:
            raise ValueError("Only a hold that has not ended grows.")
        await self._take(hold, units)
        self._look_low(hold)

    async def _take(self, hold: Hold, units: int) -> None:
        """Takes units more, leasing and waiting as needed."""
        deadline = self._clock() + self._tuning.patience
        draws, choice = hold.draws, 0
        while True:
            refusal = self._refusal()
            if refusal is not None:
                raise refusal
            if hold.ended:
                raise ValueError("The hold ended while it waited.")
            if self.pools.take(hold, units, self._clock()):
                return
            first = draws.first_of[choice : choice + 1]
            if self.pools.payer(draws, units) is not None:
                first = ()
            asked = (*draws.all_of, *first)
            left = deadline - self._clock()
            if left <= 0:
                raise self._shortage(draws, units)
            self._freed.clear()
            want = Want(asked, units, asyncio.get_running_loop().create_future())
            self._wants.append(want)
            self._wake.set()
            asked_at = self._clock()
            try:
                await asyncio.wait_for(want.answered, left if self._trouble else self._tuning.patience * ANSWER)
            except TimeoutError:
                # What the purse holds is not known: that is no lack of money.
                raise Overloaded("The database does not answer; try again later.", retry_after_ms=1000) from None
            # Patience is for others' settlements alone.
            deadline += self._clock() - asked_at
            if self.pools.take(hold, units, self._clock()):
                return
            if first and self.pools.free(first[0]) < units and choice + 1 < len(draws.first_of):
                choice += 1
                continue
            if self._hopeless(draws, units):
                raise self._shortage(draws, units)
            choice = 0
            # Others hold it: their settlements, here or (seen by leasing again) elsewhere, may free it.
            pause = min(0.05, max(0.0, deadline - self._clock()))
            try:
                await asyncio.wait_for(self._freed.wait(), pause)
            except TimeoutError:
                continue

    def _could(self, purse_id: int, units: int) -> bool:
        """Whether a purse could cover units if all that is leased of it came back unspent."""
        seen = self._seen.get(purse_id)
        pool = self.pools.by_purse.get(purse_id)
        if pool is not None and pool.free >= units:
            return True
        if seen is None:
            return True
        spent = pool.spent if pool is not None else 0
        return seen.available + seen.leased - spent >= units

    def _hopeless(self, draws: Draws, units: int) -> bool:
        if not all(self._could(each, units) for each in draws.all_of):
            return True
        return bool(draws.first_of) and not any(self._could(each, units) for each in draws.first_of)

    def _shortage(self, draws: Draws, units: int) -> Exception:
        if self._trouble is not None:
            return Overloaded("The database does not answer; try again later.", retry_after_ms=1000)
        if any(self.pools.free(each) < units for each in draws.all_of):
            return KeyQuotaExceeded()
        return InsufficientQuota()

    # Settle

    def settle(self, hold: Hold, units: int, receipt: billing_pb2.Receipt) -> None:
        """See the interface."""
        if hold.ended:
            raise ValueError("A hold ends once.")
        reserved = hold.units
        if self._closed:
            # The incarnation has ended and its leases are back: nothing here may move money any more.
            paid: dict[int, int] = {}
            logger.critical("settled after the ledger was closed", extra={"request_id": hold.request_id})
        else:
            paid = self.pools.split(hold, units, beyond=True)
        self._describe(hold, units, paid, receipt)
        receipt.reserved = reserved
        self.pools.settle(hold, paid, self._clock())
        self._ended(hold)
        if not self._closed:
            self._append(SETTLED, receipt, tuple(paid.items()))

    def _describe(self, hold: Hold, units: int, paid: dict[int, int], receipt: billing_pb2.Receipt) -> None:
        draws = hold.draws
        if draws.first_of:
            billed = sum(paid.get(purse_id, 0) for purse_id in draws.first_of)
        else:
            billed = min((paid.get(purse_id, 0) for purse_id in draws.all_of), default=0)
        receipt.quota, receipt.unbilled, receipt.node = billed, units - billed, self._name
        receipt.request_id = hold.request_id
        receipt.purses.clear()
        for purse_id, part in paid.items():
            receipt.purses[purse_id] = part
        if not receipt.settled_ms:
            receipt.settled_ms = int(time.time() * 1000)

    def _append(self, kind: int, receipt: billing_pb2.Receipt, draws: tuple[tuple[int, int], ...]) -> None:
        content = receipt.SerializeToString()
        data = encode(kind, receipt.request_id, receipt.entry, draws, content)
        end = self._journal.append(data)
        self._pending.append(Record(kind, receipt.request_id, receipt.entry, draws, content, end))
        if len(self._pending) == self._tuning.batch:
            self._flush_now = True
            self._wake.set()

    def _ended(self, hold: Hold) -> None:
        self._holds -= 1
        self._progress.pop(hold.request_id, None)
        self._freed.set()

    def record(self, receipt: billing_pb2.Receipt) -> None:
        """See the interface. Without room on the disk the line is dropped: room is kept for settlements."""
        if self._closed or not self._journal.room(self._holds * self._tuning.room + receipt.ByteSize() + 512):
            logger.error("no room for a receipt that moves no money", extra={"request_id": receipt.request_id})
            return
        receipt.quota = 0
        receipt.purses.clear()
        receipt.node = self._name
        if not receipt.settled_ms:
            receipt.settled_ms = int(time.time() * 1000)
        self._append(NOTED, receipt, ())

    def release(self, hold: Hold) -> None:
        """See the interface. A request that journalled progress leaves a mark that voids it."""
        if hold.ended:
            raise ValueError("A hold ends once.")
        self.pools.give_back(hold)
        if hold.request_id in self._progress and not self._closed:
            self._journal_only(ENDED, hold.request_id, (), b"")
        self._ended(hold)

    def progress(self, hold: Hold, units: int, receipt: billing_pb2.Receipt) -> None:
        """See the interface. Counts only what the hold covers: that much is sure to be in the lease at recovery."""
        if hold.ended or self._closed:
            return
        if not self._journal.room((self._holds + 1) * self._tuning.room + receipt.ByteSize()):
            return
        paid = self.pools.split(hold, units, beyond=False)
        self._describe(hold, units, paid, receipt)
        receipt.reserved = hold.units
        data = self._journal_only(PROGRESS, hold.request_id, tuple(paid.items()), receipt.SerializeToString())
        self._progress[hold.request_id] = data

    def _journal_only(self, kind: int, request_id: str, draws: tuple[tuple[int, int], ...], content: bytes) -> bytes:
        data = encode(kind, request_id, 0, draws, content)
        end = self._journal.append(data)
        self._pending.append(Record(kind, request_id, 0, (), b"", end))
        return data

    async def settled(self, receipt: billing_pb2.Receipt) -> None:
        """See the interface. Raises Overloaded where the worker's incarnation was released meanwhile."""
        safety, target = self._settings.journal_safety, self._journal.end
        if safety == "group":
            while self._synced < target:
                if self._syncing is None or self._syncing.done():
                    self._syncing = asyncio.ensure_future(self._sync())
                await asyncio.shield(self._syncing)
        elif safety == "database" and self._session.flushed_to < target:
            if self._session.lost or self._closed:
                raise Overloaded("The receipt could not be written to the database.")
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._safe.append((target, future))
            self._flush_now = True
            self._wake.set()
            await future

    async def _sync(self) -> None:
        """One fdatasync for everybody who waits; rotation keeps away meanwhile."""
        target = self._journal.end
        if self._journal.written:
            await asyncio.to_thread(self._journal.sync)
            self._synced = max(self._synced, target)
        else:
            await asyncio.sleep(0.05)

    # The ledger's own task

    async def _work(self) -> None:
        backoff = 0.0
        while not self._closing:
            now = self._clock()
            due = min(self._chore_at, self._flush_at if self._pending else self._chore_at)
            timeout = max(0.0, due - now, backoff)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout) if timeout else None
            if backoff:
                await asyncio.sleep(backoff)
            self._wake.clear()
            try:
                await self.step()
                backoff = 0.0
            except GuardLost:
                return
            except Exception as error:  # noqa: BLE001 (whatever the database throws: it is tried again)
                backoff = min(2.0, backoff * 2 or 0.05)
                logger.error("the ledger's database work failed: %r", error)

    async def step(self) -> None:
        """One round of the own work: leases, then the flush, then what goes back. Raises what the database raised."""
        async with self._step_lock:
            try:
                await self._lease()
                now = self._clock()
                if self._pending and (self._flush_now or now >= self._flush_at):
                    await self._flush_batch()
                if now >= self._chore_at:
                    self._chore_at = now + self._tuning.chore
                    await self._give_back(now)
                    self._rotate()
                self._trouble = None
            except GuardLost as error:
                self._trouble = error
                logger.critical("this worker's incarnation was ended by somebody else; no more requests are taken")
                for _, future in self._safe:
                    if not future.done():
                        future.set_exception(Overloaded("The receipt could not be written to the database."))
                self._safe.clear()
                raise
            except Exception as error:
                self._trouble = error
                raise

    async def _lease(self) -> None:
        wants, self._wants = self._wants, []
        needs: dict[int, Sequence[int]] = dict(lacks(wants, self.pools))
        low, self._low = self._low, set()
        for purse_id in low:
            needs.setdefault(purse_id, ())

        def done(got: dict[int, Leased]) -> None:
            now = self._clock()
            for purse_id, leased in got.items():
                self._seen[purse_id] = leased
                if leased.units:
                    pool = self.pools.get(purse_id)
                    pool.free += leased.units
                    pool.used_at = now
                    pool.low = leased.units // 4 if leased.units > max([0, *needs[purse_id]]) else 0
                elif purse_id in self.pools.by_purse:
                    self.pools.by_purse[purse_id].low = 0

        try:
            if needs:
                await self._session.run(transactions.lease, needs, self._tuning.cap, done=done)
            for want in wants:
                if not want.answered.done():
                    want.answered.set_result(None)
        except Exception:
            # They wait on, for the next round or their own deadline.
            self._wants[:0] = [want for want in wants if not want.answered.done()]
            raise
        if len(self._seen) > 10_000:
            self._seen.clear()

    async def _flush_batch(self) -> None:
        batch = [self._pending[i] for i in range(min(self._tuning.batch, len(self._pending)))]

        def posted(part: Sequence[Record], moved: bool) -> None:
            for record in part:
                assert self._pending[0] is record
                self._pending.popleft()
                if moved:
                    self.pools.flushed(dict(record.draws))
            while self._safe and self._safe[0][0] <= part[-1].end:
                future = self._safe.pop(0)[1]
                if not future.done():
                    future.set_result(None)

        await self._session.resolve()
        if self._pending and batch[0] is self._pending[0]:
            await self._session.post(batch, posted)
        self._flush_at = self._clock() + self._settings.batch_flush_seconds
        self._flush_now = len(self._pending) >= self._tuning.batch or bool(self._safe)
        if self._flush_now:
            self._wake.set()

    async def _give_back(self, now: float) -> None:
        recalled: set[int] = set()
        if self.pools.by_purse:
            incarnation = self._session.incarnation
            now_ms = int(time.time() * 1000)
            recalled = set(await self._db.read(transactions.recalled, self._db, incarnation, now_ms))
        idle = now - self._tuning.idle
        back = [
            pool
            for pool in self.pools.by_purse.values()
            if pool.free and (pool.used_at <= idle or pool.purse_id in recalled)
        ]
        if back:
            await self._return(back)
        self.pools.prune()

    async def _return(self, back: Sequence[Pool]) -> None:
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

        await self._session.run(transactions.give_back, units, done=done, void=void)

    def _rotate(self) -> None:
        waste = self._journal.file_bytes - (self._journal.end - self._session.flushed_to)
        if waste < self._tuning.rotate or (self._syncing is not None and not self._syncing.done()):
            return
        try:
            self._journal.rotate(self._session.flushed_to, self._progress.values())
        except OSError as error:
            logger.error("the journal could not be shortened: %s", error)

    async def _orphans(self) -> None:
        while True:
            await asyncio.sleep(self._tuning.orphans)
            try:
                await recover_all(self._db, self._journal.path.parent)
            except Exception as error:  # noqa: BLE001 (tried again in a moment)
                logger.error("recovery failed: %r", error)

    # Management

    async def purse(self, purse_id: int) -> billing_pb2.Purse:
        """See the interface."""
        return await changes.purse(self._db, purse_id)

    async def adjust(self, purse_id: int, delta: int) -> billing_pb2.Purse:
        """See the interface."""
        return await changes.adjust(self._db, purse_id, delta)

    async def set_remaining(self, purse_id: int, units: int) -> billing_pb2.Purse:
        """See the interface."""
        return await changes.set_remaining(self._db, purse_id, units)

    # The end

    async def flush(self) -> None:
        """See the interface. Raises what the database raised."""
        target = self._journal.end
        while self._pending and self._session.flushed_to < target:
            self._flush_now = True
            await self.step()

    async def close(self) -> None:
        """See the interface. With the database away the journal stays, for the next start to replay."""
        if self._closed:
            return
        self._closing = True
        self._wake.set()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        clean = False
        for attempt in range(5):
            try:
                await self.flush()
                if not self._pending:
                    # From here on nothing may be appended: the next transaction is the last.
                    self._closed = True
                    await self._session.run(_end)
                    clean = True
                    break
            except (GuardLost, AssertionError):
                break
            except Exception as error:  # noqa: BLE001 (the journal is kept)
                logger.error("the ledger could not be closed yet: %r", error)
                if not isinstance(error, Unsure):
                    self._closed = False
                await asyncio.sleep(0.05 * 2**attempt)
        if self._syncing is not None:
            await asyncio.gather(self._syncing, return_exceptions=True)
        self._closed = True
        self._journal.close(remove=clean)

    def abandon(self) -> None:
        """Lets go of everything as a killed process would: nothing is flushed or given back. For tests."""
        self._closing = self._closed = True
        for task in self._tasks:
            task.cancel()
        self._journal.close(remove=False)


def _end(db: Any, guard: transactions.Guard) -> None:
    transactions.enter(db, guard)
    transactions.close(db, guard.incarnation, "closed")


async def open_ledger(db: Any, settings: CoreSettings, *, tuning: Tuning | None = None, **seams: Any) -> WorkerLedger:
    """Recovers what dead workers left in the data folder, then begins a new incarnation.

    Raises database errors, OSError for the journal's folder. seams: clock, and
    write and allocate of the journal (tests break them).
    """
    if settings.journal_safety not in ("os", "group", "database"):
        raise ValueError("ISTHMUS_JOURNAL_SAFETY is os, group or database.")
    folder = settings.data / "journal"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    await recover_all(db, folder)
    node = (settings.node or socket.gethostname())[:64]
    started_ms = int(time.time() * 1000)
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", node)
    incarnation = f"{safe}-{settings.slot}-{started_ms}-{os.urandom(3).hex()}"
    parts = {name: seams[name] for name in ("write", "allocate") if name in seams}
    journal = Journal(folder / (incarnation + SUFFIX), **parts)
    token = new_token()
    try:
        await db.write(transactions.register, db, incarnation, node, settings.slot, started_ms, token)
    except BaseException:
        journal.close(remove=True)
        raise
    clock = seams.get("clock", time.monotonic)
    session = Session(db, incarnation, token, 0)
    return WorkerLedger(
        db,
        settings,
        session,
        journal,
        name=f"{node}/{settings.slot}",
        tuning=tuning or Tuning(),
        clock=clock,
    )

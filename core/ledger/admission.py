"""Reserve and extend: from what is leased at once, else by waiting for leases and for others' settlements."""

from __future__ import annotations

import asyncio

from core.errors import InsufficientQuota, KeyQuotaExceeded, Overloaded, ShuttingDown
from core.ledger.books import Books
from core.ledger.interface import Draws, Hold
from core.ledger.waiting import Want

PAUSE = 0.05
"""Seconds between looks at a purse that others hold: settlements elsewhere are only seen by leasing again."""

LINGER = 0.25
"""Seconds a request waits for the purse that comes first, where others hold what it lacks, before the next one pays."""

SHORT = 1.0
"""Seconds a purse that was too short is passed over without asking again."""

LOOK = 0.5
"""Seconds between looks whether a database that is slow to answer is in trouble."""


class Admission:
    """Decides who may begin, and holds the units for it."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._limit = books.settings.journal_limit_mb << 20

    def _refusal(self) -> Overloaded | None:
        """Why no request may begin now; None: it may."""
        books = self._books
        if books.closing:
            return ShuttingDown()
        if books.session.lost:
            return Overloaded("This worker's leases were released; it must be restarted.")
        if books.journal.end - books.session.flushed_to > self._limit:
            return Overloaded("The journal is full; the database does not take it.")
        if not books.journal.room((books.holds + 1) * books.tuning.room):
            return Overloaded("The journal's disk is full.")
        return None

    def try_reserve(self, request_id: str, draws: Draws, units: int) -> Hold | None:
        """See the interface."""
        if units < 0 or self._refusal() is not None:
            return None
        books = self._books
        hold = Hold(request_id, draws, 0)
        if not books.pools.take(hold, units, books.seams.clock()):
            return None
        books.holds += 1
        self._look_low(hold)
        return hold

    def _look_low(self, hold: Hold) -> None:
        books = self._books
        by_purse = books.pools.by_purse
        for purse_id in hold.taken:
            pool = by_purse.get(purse_id)
            if pool is None:
                continue  # 0 units keep no pool: it may be pruned by now
            if pool.free < pool.low and purse_id not in books.low:
                books.low.add(purse_id)
                books.wake.set()

    async def reserve(self, request_id: str, draws: Draws, units: int) -> Hold:
        """See the interface."""
        if units < 0:
            raise ValueError("A reserve is never negative.")
        hold = Hold(request_id, draws, 0)
        await self._take(hold, units)
        self._books.holds += 1
        self._look_low(hold)
        return hold

    async def extend(self, hold: Hold, units: int) -> None:
        """See the interface."""
        if units < 0 or hold.ended:
            raise ValueError("Only a hold that has not ended grows.")
        await self._take(hold, units)
        self._look_low(hold)

    async def _take(self, hold: Hold, units: int) -> None:
        """Takes units more, leasing and waiting as needed. Between the taking and the return nothing is awaited."""
        books, draws = self._books, hold.draws
        clock = books.seams.clock
        deadline = clock() + books.tuning.patience
        linger = clock() + LINGER
        choice = 0
        passed: set[int] = set()
        while True:
            refusal = self._refusal()
            if refusal is not None:
                raise refusal
            if hold.ended:
                raise ValueError("The hold ended while it waited.")
            if books.pools.take(hold, units, clock(), passed):
                return
            left = deadline - clock()
            if left <= 0:
                raise self._shortage(draws, units)
            first = draws.first_of[choice : choice + 1]
            if books.pools.payer(draws, units, clock(), passed) is not None:
                first = ()
            books.freed.clear()
            asked_at = clock()
            if not await self._ask((*draws.all_of, *first), units, left):
                # What the purse holds is not known: that is no lack of money.
                raise Overloaded("The database does not answer; try again later.", retry_after_ms=1000)
            # Patience is for others' settlements alone: a slow database is no empty purse.
            deadline += clock() - asked_at
            linger += clock() - asked_at
            if books.pools.take(hold, units, clock(), passed):
                return
            if first and books.pools.free(first[0]) < units and choice + 1 < len(draws.first_of):
                if clock() >= linger or not self._could(first[0], units):
                    passed.add(first[0])
                    books.pools.note_short(first[0], units, clock() + SHORT)
                    choice += 1
                    continue
            else:
                if self._hopeless(draws, units):
                    raise self._shortage(draws, units)
                choice = 0
                passed.clear()
            # Others hold it: their settlements, here or elsewhere, may free it.
            try:
                async with asyncio.timeout(min(PAUSE, max(0.0, deadline - clock()))):
                    await books.freed.wait()
            except TimeoutError:
                continue

    async def _ask(self, asked: tuple[int, ...], units: int, left: float) -> bool:
        """Has the keeper lease; False: no answer in time, or (after the patience left) the database is in trouble."""
        books, clock = self._books, self._books.seams.clock
        want = Want(asked, units, asyncio.get_running_loop().create_future())
        books.wants.append(want)
        books.wake.set()
        until, pause = clock() + books.tuning.answer, left
        try:
            # Not wait_for: it would swallow a cancellation (3.11).
            while not (await asyncio.wait((want.answered,), timeout=pause))[0]:
                if books.trouble is not None or clock() >= until:
                    return False
                pause = LOOK
        finally:
            want.answered.cancel()
        return True

    def _could(self, purse_id: int, units: int) -> bool:
        """Whether a purse could cover units if all that is leased of it came back unspent."""
        seen = self._books.seen.get(purse_id)
        pool = self._books.pools.by_purse.get(purse_id)
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
        if self._books.trouble is not None:
            return Overloaded("The database does not answer; try again later.", retry_after_ms=1000)
        if any(self._books.pools.free(each) < units for each in draws.all_of):
            return KeyQuotaExceeded()
        return InsufficientQuota()

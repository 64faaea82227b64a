"""The ledger of one worker process: the interface of core/ledger/interface.py over leases, a journal and a database.

Its parts, over the same books: admission (reserve), settlement (settle), safety
(when an answer may end), keeper (the own task that speaks with the database).
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from isthmus.v1 import billing_pb2

from core.ledger import changes, transactions
from core.ledger.admission import Admission
from core.ledger.books import Books
from core.ledger.interface import Draws, Hold
from core.ledger.journal import SUFFIX, Journal
from core.ledger.keeper import Keeper
from core.ledger.leases import Pools
from core.ledger.recovery import recover_all
from core.ledger.safety import LEVELS, Safety
from core.ledger.seams import REAL, Seams
from core.ledger.session import TOKEN_BYTES, Session, Unsure
from core.ledger.settlement import Settlement
from core.ledger.transactions import GuardLost
from core.ledger.tuning import Tuning
from core.settings import CoreSettings

logger = logging.getLogger("isthmus.ledger")

CLOSE_TRIES = 5
CLOSE_PAUSE = 0.05
"""Seconds after the first failed try to close; doubled each time."""


class WorkerLedger:
    """Implements core.ledger.interface.Ledger. Made by open_ledger."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._admission, self._settlement, self._safety = Admission(books), Settlement(books), Safety(books)
        self._keeper = Keeper(books, self._safety)
        self._end: asyncio.Task[None] | None = None
        self._claimed: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        if books.tuning.background:
            for work in (self._keeper.work(), self._keeper.look_for_orphans()):
                self._tasks.append(asyncio.ensure_future(work))
        # The hot path is the parts' own.
        self.try_reserve = self._admission.try_reserve
        self.settle = self._settlement.settle

    @property
    def pools(self) -> Pools:
        """What this worker holds of its leases."""
        return self.books.pools

    def lag(self) -> int:
        """See the interface."""
        return self.books.journal.end - self.books.session.flushed_to

    async def reserve(self, request_id: str, draws: Draws, units: int) -> Hold:
        """See the interface."""
        return await self._admission.reserve(request_id, draws, units)

    @contextmanager
    def alone(self, draws: Draws) -> Iterator[bool]:
        """See the interface."""
        pools, purses = self.books.pools.by_purse, (*draws.all_of, *draws.first_of)
        alone = not any(each in self._claimed or (each in pools and pools[each].held) for each in purses)
        if alone:
            self._claimed.update(purses)
        try:
            yield alone
        finally:
            if alone:
                self._claimed.difference_update(purses)

    async def extend(self, hold: Hold, units: int) -> None:
        """See the interface."""
        await self._admission.extend(hold, units)

    def record(self, receipt: billing_pb2.Receipt) -> None:
        """See the interface."""
        self._settlement.record(receipt)

    def release(self, hold: Hold) -> None:
        """See the interface."""
        self._settlement.release(hold)

    def progress(self, hold: Hold, units: int, receipt: billing_pb2.Receipt) -> None:
        """See the interface."""
        self._settlement.progress(hold, units, receipt)

    async def settled(self, receipt: billing_pb2.Receipt) -> None:
        """See the interface."""
        await self._safety.settled()

    async def purse(self, purse_id: int) -> billing_pb2.Purse:
        """See the interface."""
        return await changes.purse(self.books.db, purse_id)

    async def adjust(self, purse_id: int, delta: int) -> billing_pb2.Purse:
        """See the interface."""
        return await changes.adjust(self.books.db, purse_id, delta, self.books.seams)

    async def set_remaining(self, purse_id: int, units: int) -> billing_pb2.Purse:
        """See the interface."""
        return await changes.set_remaining(self.books.db, purse_id, units, self.books.seams)

    async def step(self) -> None:
        """One round of the own work, for who opened the ledger without its tasks."""
        await _apart(self._keeper.step())

    async def flush(self) -> None:
        """See the interface. Raises what the database raised."""
        await _apart(self._keeper.flush())

    async def close(self) -> None:
        """See the interface. With the database away the journal stays, for the next start to replay."""
        if self._end is None:
            self._end = asyncio.ensure_future(self._close())
        await asyncio.shield(self._end)

    async def _close(self) -> None:
        books = self.books
        books.closing = True
        books.wake.set()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        clean = False
        for attempt in range(CLOSE_TRIES):
            if attempt:
                await asyncio.sleep(CLOSE_PAUSE * 2**attempt)
            try:
                await self._keeper.flush()
                if not books.pending:
                    # From here on nothing may be appended: the next transaction is the last.
                    books.closed = True
                    await self._keeper.end()
                    clean = True
                    break
            except GuardLost:
                break
            except Exception as error:  # noqa: BLE001 (the journal is kept)
                logger.error("the ledger could not be closed yet: %r", error)
                if not isinstance(error, Unsure):
                    books.closed = False
        books.closed = True
        self._safety.give_up()
        await self._safety.drain()
        books.journal.close(remove=clean)

    def abandon(self) -> None:
        """Lets go of everything as a killed process would: nothing is flushed or given back. For tests."""
        self.books.closing = self.books.closed = True
        for task in self._tasks:
            task.cancel()
        self.books.journal.close(remove=False)


async def _apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs work in a task of its own: who waits may be cancelled, the work is not."""
    await asyncio.shield(asyncio.ensure_future(work))


async def open_ledger(
    db: Any, settings: CoreSettings, *, tuning: Tuning | None = None, seams: Seams = REAL
) -> WorkerLedger:
    """Recovers what dead workers left in the data folder, then begins a new incarnation.

    Raises database errors, OSError for the journal's folder.
    """
    if settings.journal_safety not in LEVELS:
        raise ValueError("ISTHMUS_JOURNAL_SAFETY is os, group or database.")
    folder = settings.data / "journal"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    await recover_all(db, folder, seams)
    node = (settings.node or socket.gethostname())[:64]
    started_ms = seams.now_ms()
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", node)
    incarnation = f"{safe}-{settings.slot}-{started_ms}-{seams.unique(3)}"
    journal = Journal(folder / (incarnation + SUFFIX), seams)
    token = seams.unique(TOKEN_BYTES)
    try:
        await db.write(transactions.register, db, incarnation, node, settings.slot, started_ms, token)
    except BaseException:
        # Whether the row is there is not known: the next recovery finds the empty journal, and ends both.
        journal.close(remove=False)
        raise
    session = Session(db, incarnation, token, 0, seams)
    books = Books(db, settings, tuning or Tuning(), seams, session, journal, name=f"{node}/{settings.slot}")
    return WorkerLedger(books)

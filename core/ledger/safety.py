"""When a settlement is as safe as the setting asks: os (at once), group (fdatasync), database (flushed)."""

from __future__ import annotations

import asyncio
import logging

from core.errors import Overloaded
from core.ledger.books import Books

logger = logging.getLogger("isthmus.ledger")

LEVELS = ("os", "group", "database")
RETRY = 0.05
"""Seconds before a refused write is tried again."""


class Safety:
    """Lets answers wait until what they cost is safe."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._level = books.settings.journal_safety
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._synced = 0
        self._syncing: asyncio.Task[None] | None = None

    @property
    def asked(self) -> bool:
        """Whether anybody waits for the database."""
        return bool(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether an fdatasync is under way: rotation keeps away meanwhile."""
        return self._syncing is not None and not self._syncing.done()

    async def settled(self) -> None:
        """Waits for everything appended so far. Raises Overloaded where it can no longer become safe."""
        target = self._books.journal.end
        if self._level == "os":
            return
        while self._level == "group" and self._synced < target and self._books.session.flushed_to < target:
            if self._books.closed:
                break
            await self._synced_once()
        if self._synced < target:
            await self._flushed(target)

    async def before_flush(self) -> None:
        """Syncs what is about to be flushed, if that can be: a journal should never end before what the database has.

        Else, with the machine's death, a request's progress could outlive its settlement (see recovery).
        """
        target = self._books.journal.end
        for _ in range(2):  # one under way may have begun before the last record
            if self._level == "group" and self._synced < target and self._books.journal.written:
                await self._synced_once()

    async def _synced_once(self) -> None:
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.ensure_future(self._sync())
        await asyncio.shield(self._syncing)

    async def _flushed(self, target: int) -> None:
        books = self._books
        if books.session.flushed_to >= target:
            return
        if books.session.lost or books.closed:
            raise Overloaded("The receipt could not be written to the database.")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((target, future))
        books.ask_flush()
        await future

    async def _sync(self) -> None:
        """One fdatasync for everybody who waits."""
        journal = self._books.journal
        target = journal.end
        if not journal.written:
            await asyncio.sleep(RETRY)
            return
        try:
            await asyncio.to_thread(journal.sync)
        except OSError as error:
            self.distrust(error)
        else:
            self._synced = max(self._synced, target)

    def distrust(self, error: OSError) -> None:
        """Has this worker's answers wait for the database from now on.

        After a failed fdatasync the kernel may have dropped what it could not write, and a second one would not tell.
        """
        if self._level == "group":
            self._level = "database"
            logger.critical("the journal's disk failed to sync; answers wait for the database now: %s", error)

    def flushed(self, end: int) -> None:
        """Tells who waits that the database holds everything before end."""
        while self._waiting and self._waiting[0][0] <= end:
            future = self._waiting.pop(0)[1]
            if not future.done():
                future.set_result(None)

    def give_up(self) -> None:
        """Tells who still waits that the database will not hold it by this worker's doing."""
        for _, future in self._waiting:
            if not future.done():
                future.set_exception(Overloaded("The receipt could not be written to the database."))
        self._waiting.clear()

    async def drain(self) -> None:
        """Waits for an fdatasync under way."""
        if self._syncing is not None:
            await asyncio.gather(self._syncing, return_exceptions=True)

"""Settle, release, progress: what a request cost, in memory and in the journal. Nothing here awaits."""

from __future__ import annotations

import logging

from isthmus.v1 import billing_pb2

from core.ledger.books import Books
from core.ledger.interface import Hold
from core.ledger.record import ENDED, NOTED, PROGRESS, SETTLED, Record, encode

logger = logging.getLogger("isthmus.ledger")

MARGIN = 512
"""Bytes of a record beside its receipt: frame, id, draws."""


class Settlement:
    """Ends holds, and writes down what came of them."""

    def __init__(self, books: Books) -> None:
        self._books = books

    def settle(self, hold: Hold, units: int, receipt: billing_pb2.Receipt) -> None:
        """See the interface. Raises ValueError, with nothing charged, for a receipt no record can hold."""
        if hold.ended:
            raise ValueError("A hold ends once.")
        books = self._books
        if books.closed:
            # The incarnation has ended and its leases are back: nothing here may move money any more.
            paid: dict[int, int] = {}
            logger.critical("settled after the ledger was closed", extra={"request_id": hold.request_id})
        else:
            paid = books.pools.split(hold, units, beyond=True)
        self._describe(hold, units, paid, receipt)
        entry, draws, content = receipt.entry, tuple(paid.items()), receipt.SerializeToString()
        data = encode(SETTLED, hold.request_id, entry, draws, content)
        books.pools.settle(hold, paid, books.seams.clock())
        self._ended(hold)
        if not books.closed:
            self._append(data, SETTLED, hold.request_id, entry, draws, content)

    def _describe(self, hold: Hold, units: int, paid: dict[int, int], receipt: billing_pb2.Receipt) -> None:
        draws = hold.draws
        if draws.first_of:
            billed = 0
            for purse_id in draws.first_of:
                billed += paid.get(purse_id, 0)
        else:
            billed = min((paid.get(purse_id, 0) for purse_id in draws.all_of), default=0)
        receipt.quota = billed
        receipt.unbilled = units - billed
        receipt.node = self._books.name
        receipt.reserved = hold.units
        receipt.request_id = hold.request_id
        purses = receipt.purses
        purses.clear()
        for purse_id, part in paid.items():
            purses[purse_id] = part
        if not receipt.settled_ms:
            receipt.settled_ms = self._books.seams.now_ms()

    def _append(
        self, data: bytes, kind: int, request_id: str, entry: int, draws: tuple[tuple[int, int], ...], content: bytes
    ) -> None:
        books = self._books
        pending = books.pending
        pending.append(Record(kind, request_id, entry, draws, content, books.journal.append(data)))
        if len(pending) == books.tuning.batch:
            books.ask_flush()

    def _ended(self, hold: Hold) -> None:
        books = self._books
        books.holds -= 1
        if books.progress:
            books.progress.pop(hold.request_id, None)
        books.freed.set()

    def record(self, receipt: billing_pb2.Receipt) -> None:
        """See the interface. Without room on the disk the line is dropped: room is kept for settlements."""
        books = self._books
        needed = books.holds * books.tuning.room + receipt.ByteSize() + MARGIN
        if books.closed or not books.journal.room(needed):
            logger.error("no room for a receipt that moves no money", extra={"request_id": receipt.request_id})
            return
        receipt.quota = 0
        receipt.purses.clear()
        receipt.node = books.name
        if not receipt.settled_ms:
            receipt.settled_ms = books.seams.now_ms()
        content = receipt.SerializeToString()
        data = encode(NOTED, receipt.request_id, receipt.entry, (), content)
        self._append(data, NOTED, receipt.request_id, receipt.entry, (), content)

    def release(self, hold: Hold) -> None:
        """See the interface. A request that journalled progress leaves a mark that voids it."""
        if hold.ended:
            raise ValueError("A hold ends once.")
        books = self._books
        books.pools.give_back(hold)
        if hold.request_id in books.progress and not books.closed:
            data = encode(ENDED, hold.request_id, 0, (), b"")
            self._append(data, ENDED, hold.request_id, 0, (), b"")
        self._ended(hold)

    def progress(self, hold: Hold, units: int, receipt: billing_pb2.Receipt) -> None:
        """See the interface. Counts only what the hold covers: that much is sure to be in the lease at recovery."""
        books = self._books
        if hold.ended or books.closed:
            return
        if not books.journal.room((books.holds + 1) * books.tuning.room + receipt.ByteSize() + MARGIN):
            return
        paid = books.pools.split(hold, units, beyond=False)
        self._describe(hold, units, paid, receipt)
        data = encode(PROGRESS, hold.request_id, 0, tuple(paid.items()), receipt.SerializeToString())
        # Flushing it moves nothing: it counts only at recovery, and is read from the file there.
        self._append(data, PROGRESS, hold.request_id, 0, (), b"")
        books.progress[hold.request_id] = data

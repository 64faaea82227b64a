"""What one worker has open, shared by the ledger's parts: leases in memory, the journal, what is not flushed yet."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from core.ledger.journal import Journal
from core.ledger.leases import Pools
from core.ledger.record import Record
from core.ledger.seams import Seams
from core.ledger.session import Session
from core.ledger.transactions import Leased
from core.ledger.tuning import Tuning
from core.ledger.waiting import Want
from core.settings import CoreSettings


@dataclass(slots=True, eq=False)
class Books:
    """Admission takes from them, settlement writes them, the keeper squares them with the database.

    Synchronous code may change them anywhere; between two awaits nobody else does.
    """

    db: Any
    settings: CoreSettings
    tuning: Tuning
    seams: Seams
    session: Session
    journal: Journal
    name: str
    """How receipts name this worker: node/slot."""
    pools: Pools = field(default_factory=Pools)
    pending: deque[Record] = field(default_factory=deque)
    """Journalled, not flushed; in the journal's order."""
    progress: dict[str, bytes] = field(default_factory=dict)
    """Request id -> the last progress record of an open hold, carried when the journal is rotated."""
    holds: int = 0
    """Open holds: the journal keeps room for each."""
    wants: list[Want] = field(default_factory=list)
    """Requests that wait for the next lease transaction."""
    low: set[int] = field(default_factory=set)
    """Purses to lease more of in advance."""
    seen: dict[int, Leased] = field(default_factory=dict)
    """Purse id -> what the last lease transaction saw of it."""
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    """A hold has ended."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """The keeper has something to do."""
    flush_now: bool = False
    trouble: BaseException | None = None
    """Why the keeper's last round failed."""
    closing: bool = False
    """No more requests are taken."""
    closed: bool = False
    """The incarnation has ended, or is about to by its last transaction: nothing may be appended."""

    def ask_flush(self) -> None:
        """Has the keeper flush as soon as it can."""
        self.flush_now = True
        self.wake.set()

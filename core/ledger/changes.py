"""What administrators do to a purse: grant, take, set. Below what is leased, leases are recalled first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from isthmus.v1 import billing_pb2

from core.errors import InsufficientQuota
from core.ledger import purses
from core.ledger.purses import Purse, Sql
from core.ledger.seams import REAL, Seams
from core.ledger.transactions import RECALL_MS

TRIES = 30
PAUSE = 0.1
"""A recall waits at most TRIES x PAUSE seconds; workers look for recalls every 0.2 s."""


async def purse(db: Any, purse_id: int) -> billing_pb2.Purse:
    """The purse as the database holds it. Raises RecordNotFound."""
    found: Purse = await db.read(purses.read, db, purse_id)
    return found.message()


async def adjust(db: Any, purse_id: int, delta: int, seams: Seams = REAL) -> billing_pb2.Purse:
    """Grants or takes units. Raises RecordNotFound; InsufficientQuota when not even recalled leases cover it."""

    def once(seen: Purse) -> bool:
        if seen.remaining + delta < 0:
            raise InsufficientQuota("The purse holds less than that.")
        return purses.change(db, seen, delta)

    return await _until(db, purse_id, once, seams)


async def set_remaining(db: Any, purse_id: int, units: int, seams: Seams = REAL) -> billing_pb2.Purse:
    """Sets available + leased to units; a debt is forgiven. Raises RecordNotFound, InsufficientQuota."""
    if units < 0:
        raise InsufficientQuota("A purse never holds less than 0.")

    def once(seen: Purse) -> bool:
        return purses.change(db, seen, units - seen.remaining, forgive=True)

    return await _until(db, purse_id, once, seams)


async def _until(db: Any, purse_id: int, once: Callable[[Purse], bool], seams: Seams) -> billing_pb2.Purse:
    def attempt(sql: Sql) -> Purse | None:
        if once(purses.read(sql, purse_id)):
            return purses.read(sql, purse_id)
        purses.recall(sql, purse_id, seams.now_ms() + RECALL_MS)
        return None

    for _ in range(TRIES):
        changed: Purse | None = await db.write(attempt, db)
        if changed is not None:
            return changed.message()
        await asyncio.sleep(PAUSE)
    raise InsufficientQuota("Requests under way hold what should be taken; try again.")

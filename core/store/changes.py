"""The change feed: every write that state depends on appends a row in the same transaction."""

from __future__ import annotations

from core.store.database import Database
from core.store.models import Change

ACCOUNT, KEY, CHANNEL, OPTION = "account", "key", "channel", "option"
AFFINITY = "affinity"
"""No row: conversations are to be forgotten, of the rule whose number is told, or all (0)."""
CATALOG = "catalog"
FEED_LOCK = 0x66656564
"""PostgreSQL's advisory lock of writers of the feed ("feed")."""
KEPT = 10_000
"""Rows kept; a node that missed more loads everything anew."""


def note(database: Database, kind: str, entity_id: int = 0) -> None:
    """Appends a change; inside write() only.

    On servers numbers are given before commits: without the lock a lower one
    could appear after a higher one was read, and be missed.
    """
    if database.kind == "postgres":
        database.execute("SELECT pg_advisory_xact_lock(?)", (FEED_LOCK,))
    elif database.kind == "mysql":
        database.execute("SELECT name FROM locks WHERE name = 'feed' FOR UPDATE")
    sequence = Change.insert(kind=kind, entity_id=entity_id).execute()
    if sequence % 1000 == 0:
        Change.delete().where(Change.id < sequence - KEPT).execute()  # type: ignore[misc, unused-ignore]


class Changes:
    """Reading the feed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> int:
        """The last sequence number; 0: none."""
        rows = await self._database.read(lambda: self._database.execute("SELECT COALESCE(MAX(id), 0) FROM changes"))
        return int(rows[0][0])

    async def since(self, sequence: int) -> list[tuple[int, str, int]]:
        """(sequence, kind, id) after a sequence number, in order."""
        rows = await self._database.read(
            lambda: self._database.execute(
                "SELECT id, kind, entity_id FROM changes WHERE id > ? ORDER BY id LIMIT 5000", (sequence,)
            )
        )
        return [(int(row[0]), str(row[1]), int(row[2])) for row in rows]

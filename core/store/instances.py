"""Workers of all nodes, as they reported themselves. Runtime only: nothing rests on it."""

from __future__ import annotations

import time

from core.store.database import Database
from core.store.models import SystemInstance


class Instances:
    """Times are Unix seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, node: str, slot: int, started: int, info: str, forget: int) -> None:
        """Renews a worker's row; rows that nobody renewed for `forget` seconds go."""
        now = int(time.time())

        def run() -> None:
            self._database.execute_count(
                "INSERT INTO system_instances (worker, node, slot, info, started_at, last_seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (worker) DO UPDATE SET info = excluded.info,"
                " started_at = excluded.started_at, last_seen_at = excluded.last_seen_at",
                (f"{node}/{slot}", node, slot, info, started, now),
            )
            self._database.execute_count("DELETE FROM system_instances WHERE last_seen_at < ?", (now - forget,))

        await self._database.write(run)

    async def leave(self, node: str, slot: int) -> None:
        """A worker that stopped is not missing."""
        await self._database.write(
            lambda: self._database.execute_count("DELETE FROM system_instances WHERE worker = ?", (f"{node}/{slot}",))
        )

    async def all(self) -> list[SystemInstance]:
        """By node, then number."""
        return await self._database.read(
            lambda: list(SystemInstance.select().order_by(SystemInstance.node, SystemInstance.slot))
        )

"""The audit: rows that nothing changes, and that no clean-up of logs takes away."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from core.store.database import Database
from core.store.models import AuditEntry

LIST_MOST = 100


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; what is empty or 0 does not count. action: its beginning. times: Unix seconds."""

    account_id: int = 0
    action: str = ""
    since: int = 0
    until: int = 0
    refused: bool | None = None


class Audit:
    """Written by core/manage/audit.py alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, **fields: Any) -> None:
        """One entry."""
        await self._database.write(lambda: AuditEntry.create(created_at=int(time.time()), **fields))

    async def list(self, asked: AuditFilter, offset: int, limit: int) -> tuple[list[AuditEntry], int]:
        """Newest first, and how many there are."""

        def run() -> tuple[list[AuditEntry], int]:
            query = AuditEntry.select()
            if asked.account_id:
                query = query.where(AuditEntry.account_id == asked.account_id)
            if asked.action:
                query = query.where(AuditEntry.action.startswith(asked.action))
            if asked.since:
                query = query.where(AuditEntry.created_at >= asked.since)
            if asked.until:
                query = query.where(AuditEntry.created_at <= asked.until)
            if asked.refused is not None:
                query = query.where((AuditEntry.reason != "") if asked.refused else (AuditEntry.reason == ""))
            page = query.order_by(AuditEntry.id.desc()).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count()

        return await self._database.read(run)

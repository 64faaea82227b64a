"""The log: reading its lines, and writing those that are no receipts."""

from __future__ import annotations

import time
from typing import Any

from core.store.database import Database
from core.store.models import Log

LIST_MOST = 100


class Logs:
    """Lines, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, kind: int, user_id: int, username: str, content: str, **fields: Any) -> None:
        """A line that is no receipt: an administrator's action, a sign-in, a top-up."""

        def run() -> None:
            Log.create(
                type=kind,
                user_id=user_id,
                username=username,
                content=content,
                created_at=int(time.time()),
                **fields,
            )

        await self._database.write(run)

    async def by_request(self, request_id: str) -> list[Log]:
        """The lines of a request, by entry."""
        return await self._database.read(
            lambda: list(Log.select().where(Log.request_id == request_id).order_by(Log.entry))
        )

    async def list(
        self, *, offset: int = 0, limit: int = 10, since: int = 0, until: int = 0, **equal: Any
    ) -> tuple[list[Log], int]:
        """Lines by columns (`user_id=1`, `type=2`, ...; empty values: any) and time; how many in all."""

        def run() -> tuple[list[Log], int]:
            query = Log.select()
            for name, value in equal.items():
                if value:
                    query = query.where(getattr(Log, name) == value)
            if since:
                query = query.where(Log.created_at >= since)
            if until:
                query = query.where(Log.created_at <= until)
            page = query.order_by(Log.id.desc()).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count()

        return await self._database.read(run)

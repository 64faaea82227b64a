"""The log: reading its lines and their sums, writing those that are no receipts, deleting old ones."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.v1 import billing_pb2
from peewee import SQL, fn

from core.store.database import Database
from core.store.filters import text_filter
from core.store.models import Log

LIST_MOST = 100
CONSUME = 2
DELETE_STEP = 5_000
"""Lines deleted in one transaction: other writers wait for each."""
HOUR = 3600
SUMS_MOST = 20_000
"""Rows a sum may have."""
PATTERNS = frozenset({"username", "model_name"})
"""Columns whose filter may hold wildcards."""
BY: Mapping[int, tuple[str, ...]] = {
    billing_pb2.USAGE_BY_MODEL: ("model_name",),
    billing_pb2.USAGE_BY_ACCOUNT: ("user_id", "username"),
    billing_pb2.USAGE_BY_FLOW: ("user_id", "username", "token_id", "token_name", "group", "model_name", "channel_id"),
}
"""What usage is summed by."""


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

    @staticmethod
    def _where(query: Any, since: int, until: int, equal: Mapping[str, Any]) -> Any:
        for name, value in equal.items():
            if value:
                column = getattr(Log, name)
                query = query.where(text_filter(column, value, name) if name in PATTERNS else column == value)
        if since:
            query = query.where(Log.created_at >= since)
        if until:
            query = query.where(Log.created_at <= until)
        return query

    async def list(
        self, *, offset: int = 0, limit: int = 10, since: int = 0, until: int = 0, **equal: Any
    ) -> tuple[list[Log], int]:
        """Lines by columns (`user_id=1`, `type=2`, ...; empty values: any) and time; how many in all."""

        def run() -> tuple[list[Log], int]:
            query = self._where(Log.select(), since, until, equal)
            page = query.order_by(Log.id.desc()).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count()

        return await self._database.read(run)

    async def sums(self, now: int, *, since: int = 0, until: int = 0, **equal: Any) -> tuple[int, int, int]:
        """Units charged over the time; requests and tokens of the last 60 s, whatever the time."""

        def run() -> tuple[int, int, int]:
            asked = {**equal, "type": CONSUME}
            quota = self._where(Log.select(fn.COALESCE(fn.SUM(Log.quota), 0)), since, until, asked).scalar()
            tokens = fn.COALESCE(fn.SUM(Log.prompt_tokens + Log.completion_tokens), 0)
            last = self._where(Log.select(fn.COUNT(Log.id), tokens), now - 60, 0, asked).tuples().get()
            return int(quota), int(last[0]), int(last[1])

        return await self._database.read(run)

    async def usage(self, by: int, *, since: int = 0, until: int = 0, **equal: Any) -> Sequence[dict[str, Any]]:
        """Sums of requests, tokens and units: by hour, or over the whole time for a flow, most units first."""

        def run() -> Sequence[dict[str, Any]]:
            columns = [getattr(Log, name) for name in BY[by]]
            if by != billing_pb2.USAGE_BY_FLOW:
                columns.append((Log.created_at / HOUR * HOUR).alias("hour"))
            quota = fn.SUM(Log.quota)
            figures = (
                fn.COUNT(Log.id).alias("count"),
                fn.SUM(Log.prompt_tokens + Log.completion_tokens).alias("tokens"),
                quota.alias("quota"),
            )
            query = self._where(Log.select(*columns, *figures), since, until, {**equal, "type": CONSUME})
            groups = [SQL("hour") if column is columns[-1] and by != billing_pb2.USAGE_BY_FLOW else column
                      for column in columns]  # fmt: skip
            order = quota.desc() if by == billing_pb2.USAGE_BY_FLOW else SQL("hour")
            return list(query.group_by(*groups).order_by(order).limit(SUMS_MOST).dicts())

        return await self._database.read(run)

    async def delete_before(self, before: int) -> int:
        """Deletes older lines, step by step; how many there were."""
        gone = 0
        while True:

            def run() -> int:
                old = Log.select(Log.id).where(Log.created_at < before).order_by(Log.id).limit(DELETE_STEP)
                ids = [row.id for row in old]
                return int(Log.delete().where(Log.id.in_(ids)).execute()) if ids else 0  # type: ignore[misc, unused-ignore]

            count = await self._database.write(run)
            gone += count
            if count < DELETE_STEP:
                return gone

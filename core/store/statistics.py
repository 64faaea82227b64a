"""Sums of usage and performance, as flushes add them up (core/ledger/statistics.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from isthmus.v1 import billing_pb2
from peewee import SQL, fn

from core.ledger.statistics import (
    CUT_ACCOUNT,
    CUT_ALL,
    CUT_MODEL,
    CUT_SERVICE,
    DIMENSIONS,
    FIGURES,
    HOUR,
    KEPT,
    MEASURES,
)
from core.store.database import Database
from core.store.filters import text_filter
from core.store.models import PerfMetric, UsageSum

SUMS_MOST = 50_000
"""Rows a sum may have: of more, the newest, of a flow the largest."""
OWNERS_MOST = 100
"""Accounts that may have borne one name."""
PATTERNS = frozenset({"username", "model_name"})
"""Columns whose filter may hold wildcards."""
BY: Mapping[int, tuple[str, ...]] = {
    billing_pb2.USAGE_BY_MODEL: ("model_name",),
    billing_pb2.USAGE_BY_ACCOUNT: ("user_id", "username"),
    billing_pb2.USAGE_BY_CHANNEL: ("channel_id",),
    billing_pb2.USAGE_BY_GROUP: ("group",),
    billing_pb2.USAGE_BY_KEY: ("token_id", "token_name"),
    billing_pb2.USAGE_BY_NODE: ("node_name",),
    billing_pb2.USAGE_BY_FLOW: tuple(name for name in DIMENSIONS if name != "node_name"),
    billing_pb2.USAGE_BY_FLOW_AND_NODE: DIMENSIONS,
}
"""What usage is summed by."""
FLOWS = frozenset({billing_pb2.USAGE_BY_FLOW, billing_pb2.USAGE_BY_FLOW_AND_NODE})
"""Sums over the whole time; the others are by hour."""
CUTS = (CUT_MODEL, CUT_SERVICE, CUT_ACCOUNT, CUT_ALL)
"""Smallest first."""


def cut_for(columns: Collection[str]) -> int:
    """The smallest cut that tells these columns apart."""
    return next(cut for cut in CUTS if KEPT[cut].issuperset(columns))


def owners(name: str, text: str, most: int) -> list[int]:
    """Ids that used something under a username or token_name, which may be theirs no longer; at most so many.

    One look into an index each, however many rows bear the name. Only inside read().
    """
    column = UsageSum.user_id if name == "username" else UsageSum.token_id
    found: list[int] = []
    last = -1
    while len(found) < most:
        least = UsageSum.select(fn.MIN(column)).where(getattr(UsageSum, name) == text, column > last).scalar()
        if least is None:
            break
        last = int(least)
        if last:
            found.append(last)
    return found


def narrowed(query: Any, equal: Mapping[str, Any]) -> Any:
    """The query, of rows whose columns equal what is asked; empty values: any."""
    named = equal.get("username")
    if named and not equal.get("user_id") and "%" not in named:
        # By the index of accounts and times, not by that of names.
        query = query.where(UsageSum.user_id.in_(owners("username", named, OWNERS_MOST)))
    for name, value in equal.items():
        if value:
            column = getattr(UsageSum, name)
            query = query.where(text_filter(column, value, name) if name in PATTERNS else column == value)
    return query


class Statistics:
    """Reads whole hours: the hour that a time lies in counts whole."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _sum(self, column: Any) -> Any:
        """A whole number: PostgreSQL gives sums as decimals of any length, which are dear to read by the thousand."""
        total = fn.SUM(column)
        return total.cast("BIGINT") if self._database.kind == "postgres" else total

    async def usage(self, by: int, *, since: int = 0, until: int = 0, **equal: Any) -> Sequence[dict[str, Any]]:
        """Sums by hour, oldest first, or over the whole time for a flow, most units first; at most SUMS_MOST rows."""

        def run() -> Sequence[dict[str, Any]]:
            asked = {name: value for name, value in equal.items() if value}
            columns: list[Any] = [getattr(UsageSum, name) for name in BY[by]]
            if by not in FLOWS:
                columns.append(UsageSum.created_at)
            figures = [self._sum(getattr(UsageSum, name)).alias(name) for name in FIGURES]
            query = UsageSum.select(*columns, *figures).where(UsageSum.cut == cut_for({*BY[by], *asked}))
            query = narrowed(query, asked)
            if since:
                query = query.where(UsageSum.created_at >= since // HOUR * HOUR)
            if until:
                query = query.where(UsageSum.created_at <= until)
            order = SQL("quota").desc() if by in FLOWS else UsageSum.created_at.desc()
            rows = list(query.group_by(*columns).order_by(order).limit(SUMS_MOST).tuples())
            names = [*BY[by], *(() if by in FLOWS else ("created_at",)), *FIGURES]
            if by not in FLOWS:
                rows.reverse()
            return [dict(zip(names, row, strict=True)) for row in rows]  # type: ignore[call-overload, unused-ignore]

        return await self._database.read(run)

    def quota(self, first: int, last: int, equal: Mapping[str, Any]) -> int:
        """Units of the hours from first to before last (0: no end); only inside read()."""
        asked = {name: value for name, value in equal.items() if value}
        query = UsageSum.select(fn.COALESCE(fn.SUM(UsageSum.quota), 0)).where(UsageSum.cut == cut_for(asked))
        query = narrowed(query, asked).where(UsageSum.created_at >= first)
        if last:
            query = query.where(UsageSum.created_at < last)
        return int(query.scalar())

    async def performance(
        self, since: int, width: int, *, model: str = "", group: str = ""
    ) -> Sequence[dict[str, Any]]:
        """Sums of MEASURES by model, group and `bucket`: the beginning of a time of width seconds, in order."""

        def run() -> Sequence[dict[str, Any]]:
            bucket = (PerfMetric.bucket_ts / width * width).alias("bucket")
            figures = [self._sum(getattr(PerfMetric, name)).alias(name) for name in MEASURES]
            query = PerfMetric.select(PerfMetric.model_name, PerfMetric.group, bucket, *figures)
            query = query.where(PerfMetric.bucket_ts >= since)
            for column, wanted in ((PerfMetric.model_name, model), (PerfMetric.group, group)):
                if wanted:
                    query = query.where(column == wanted)
            query = query.group_by(PerfMetric.model_name, PerfMetric.group, SQL("bucket")).order_by(
                SQL("bucket").desc()
            )
            found: Sequence[dict[str, Any]] = list(query.limit(SUMS_MOST).dicts())  # type: ignore[arg-type, unused-ignore]
            return found[::-1]

        return await self._database.read(run)

    async def forget_performance(self, before: int) -> int:
        """Deletes measures of before a time; how many rows."""
        return await self._database.write(
            lambda: int(PerfMetric.delete().where(PerfMetric.bucket_ts < before).execute())  # type: ignore[misc, unused-ignore]
        )

"""The log: reading its lines and their sums, writing those that are no receipts, deleting old ones.

Made for many lines: a list walks one index from its newest end, totals are counted up to TOTAL_MOST, sums are
read from the hours that flushes added up, and from lines only at the edges of the time that is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from peewee import SQL, NodeList, fn

from core.ledger.statistics import HOUR
from core.store.database import Database
from core.store.filters import text_filter
from core.store.models import Log, Token, User
from core.store.statistics import PATTERNS, Statistics, owners

LIST_MOST = 500
TOTAL_MOST = 10_000
"""How far lines are counted, and how far pages by number go; beyond, pages go by `before`."""
CONSUME = 2
DELETE_STEP = 5_000
"""Lines deleted in one transaction: other writers wait for each."""
MERGED_MOST = 20
"""Owners of one name whose lines are read apart and merged."""
LEADS = ("request_id", "upstream_request_id", "token_id", "user_id", "channel_id", "model_name", "type")
"""Columns with an index by time, the one that most likely leaves least first."""
CANDIDATES_MOST = 50_000
"""Lines of an index that a count with further filters looks at: the newest."""
NEWEST = (Log.created_at.desc(), Log.id.desc())
ROLLED = frozenset({"user_id", "username", "token_id", "token_name", "channel_id", "model_name", "group"})
"""Filters that sums by hour know."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which lines: columns and what they equal (empty values: any), times in Unix seconds, both included."""

    equal: Mapping[str, Any] = field(default_factory=dict)
    since: int = 0
    until: int = 0
    before: tuple[int, int] | None = None
    """Only lines older than this (created_at, id)."""


@dataclass(frozen=True, slots=True)
class Found:
    """Lines, newest first. total is exact, unless capped says that there are, or may be, more."""

    rows: Sequence[Log]
    total: int
    capped: bool


class Logs:
    """Lines, newest first."""

    def __init__(self, database: Database, statistics: Statistics) -> None:
        self._database = database
        self._statistics = statistics

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

    # -- lists --------------------------------------------------------------------------------

    async def list(self, asked: Asked, *, offset: int = 0, limit: int = 10) -> Found:
        """A page by number; one that begins beyond TOTAL_MOST is empty. Raises InvalidRequest for bad patterns."""

        def run() -> Found:
            parts = self._parts(asked)
            most = min(limit, LIST_MOST)
            rows: Sequence[Log] = ()
            if offset < TOTAL_MOST:
                rows = self._newest(parts, most, offset)
            total, capped = 0, False
            for part in parts:
                count, more = self._counted(part, TOTAL_MOST + 1 - total)
                total, capped = total + count, capped or more
            if capped:
                # At least what this page shows, and one more where it is full: so that one can go on.
                total = max(total, offset + len(rows) + (len(rows) == most))
            return Found(rows, min(total, TOTAL_MOST), capped or total > TOTAL_MOST)

        return await self._database.read(run)

    async def page(self, asked: Asked, limit: int) -> Sequence[Log]:
        """The newest lines, uncounted: for pages by `before`, which cost the same however far they go."""
        return await self._database.read(lambda: self._newest(self._parts(asked), min(limit, LIST_MOST)))

    async def since(self, asked: Asked, seen: Callable[[int], bool], limit: int) -> Sequence[Log]:
        """Lines not seen, oldest first: for who watches the log grow."""

        def run() -> Sequence[Log]:
            rows = self._newest(self._parts(asked), LIST_MOST)
            return [row for row in reversed(rows) if not seen(row.id)][-limit:]

        return await self._database.read(run)

    def _parts(self, asked: Asked) -> Sequence[Asked]:
        """The question as questions that each walk one index: a name stands for those who bear or bore it."""
        for name, column, table, called in (
            ("username", "user_id", User, User.username),
            ("token_name", "token_id", Token, Token.name),
        ):
            text = str(asked.equal.get(name) or "")
            if not text or (name in PATTERNS and "%" in text):
                continue
            if asked.equal.get("user_id") or asked.equal.get(column):
                # The lines of one account are few enough to look among them.
                break
            bear = table.select(table.id).where(called == text).limit(MERGED_MOST + 1).tuples()
            bore = owners(name, text, MERGED_MOST + 1)
            ids = sorted({*bore, *(int(row[0]) for row in bear)})  # type: ignore[index, unused-ignore]
            if len(ids) <= MERGED_MOST:
                return [replace(asked, equal={**asked.equal, column: owner}) for owner in ids]
        return [asked]

    def _newest(self, parts: Iterable[Asked], most: int, offset: int = 0) -> Sequence[Log]:
        """Lines by their places: what is passed over is read from indexes alone."""
        places: list[tuple[int, int]] = []
        for part in parts:
            found = self._where(Log.select(Log.created_at, Log.id), part).order_by(*NEWEST).limit(offset + most)
            places.extend(found.tuples())
        ids = [line for _, line in sorted(places, reverse=True)[offset : offset + most]]
        return sorted(Log.select().where(Log.id.in_(ids)), key=_place, reverse=True) if ids else []

    def _counted(self, asked: Asked, most: int) -> tuple[int, bool]:
        """How many lines, up to a number; whether there may be more that were not looked at."""
        if most <= 0:
            return 0, False
        wanted = {name: value for name, value in asked.equal.items() if value}
        lead = self._lead(wanted)
        bounded = False
        if set(wanted) - {lead}:
            among = replace(asked, equal={lead: wanted[lead]} if lead else {})
            places = self._where(Log.select(Log.created_at), among).order_by(Log.created_at.desc())
            floor = places.offset(CANDIDATES_MOST).limit(1).scalar()
            if floor is not None:
                asked, bounded = replace(asked, since=max(asked.since, int(floor))), True
        return int(self._where(Log.select(Log.id), asked).limit(most).count()), bounded

    @staticmethod
    def _lead(wanted: Mapping[str, Any]) -> str:
        """The filter whose index is walked; "": the one of times."""
        return next((name for name in LEADS if name in wanted and "%" not in str(wanted[name])), "")

    def _where(self, query: Any, asked: Asked) -> Any:
        wanted = {name: value for name, value in asked.equal.items() if value}
        lead = self._lead(wanted)
        for name, value in wanted.items():
            column = getattr(Log, name)
            if name in PATTERNS and "%" in value:
                query = query.where(text_filter(column, value, name))
            elif name == lead or not lead or self._database.kind != "sqlite":
                query = query.where(column == value)
            else:
                # SQLite keeps no statistics unless it is told to, and might walk the index of the commonest value.
                query = query.where(NodeList((SQL("+"), column)) == value)
        if asked.since:
            query = query.where(Log.created_at >= asked.since)
        if asked.until:
            query = query.where(Log.created_at <= asked.until)
        if asked.before is not None:
            at, line = asked.before
            query = query.where(Log.created_at <= at).where((Log.created_at < at) | (Log.id < line))
        return query

    # -- sums ---------------------------------------------------------------------------------

    async def sums(self, now: int, asked: Asked) -> tuple[int, int, int]:
        """Units charged over the time; requests and tokens of the last 60 s, whatever the time.

        Whole hours are read from the sums by hour, which outlive the lines; the rest from the lines.
        """

        def run() -> tuple[int, int, int]:
            wanted = {name: value for name, value in asked.equal.items() if value and name != "type"}
            lines = replace(asked, equal={**wanted, "type": CONSUME})
            tokens = fn.COALESCE(fn.SUM(Log.prompt_tokens + Log.completion_tokens), 0)
            recent = self._where(Log.select(fn.COUNT(Log.id), tokens), replace(lines, since=now - 60, until=0))
            last = recent.tuples().get()
            quota = 0
            for first, final, rolled in _spans(asked.since, asked.until, ROLLED.issuperset(wanted)):
                if rolled:
                    quota += self._statistics.quota(first, final, wanted)
                else:
                    part = replace(lines, since=first, until=final)
                    quota += int(self._where(Log.select(fn.COALESCE(fn.SUM(Log.quota), 0)), part).scalar())
            return quota, int(last[0]), int(last[1])

        return await self._database.read(run)

    # -- the end ------------------------------------------------------------------------------

    async def oldest(self) -> int:
        """When the oldest line was written, Unix seconds; 0: there is none."""
        return await self._database.read(lambda: int(Log.select(fn.MIN(Log.created_at)).scalar() or 0))

    async def count_before(self, before: int) -> int:
        """How many lines are older."""
        return await self._database.read(
            lambda: int(Log.select(fn.COUNT(Log.id)).where(Log.created_at < before).scalar())
        )

    async def delete_step(self, before: int) -> int:
        """Deletes at most DELETE_STEP older lines; how many there were."""

        def run() -> int:
            old = Log.select(Log.id).where(Log.created_at < before).order_by(Log.created_at).limit(DELETE_STEP)
            ids = [int(row[0]) for row in old.tuples()]  # type: ignore[index, unused-ignore]
            return int(Log.delete().where(Log.id.in_(ids)).execute()) if ids else 0  # type: ignore[misc, unused-ignore]

        return await self._database.write(run)

    async def delete_before(self, before: int) -> int:
        """Deletes older lines, step by step; how many there were."""
        gone = 0
        while count := await self.delete_step(before):
            gone += count
        return gone


def _place(row: Log) -> tuple[int, int]:
    return row.created_at, row.id


def _spans(since: int, until: int, rolled: bool) -> list[tuple[int, int, bool]]:
    """A time as (first, last, whether by hours): hours end before last, 0 is no end; lines go up to last."""
    if not rolled:
        return [(since, until, False)]
    first = -(-since // HOUR) * HOUR
    last = (until + 1) // HOUR * HOUR if until else 0
    if until and first >= last:
        return [(since, until, False)]
    spans = [(first, last, True)]
    if since < first:
        spans.append((since, first - 1, False))
    if until and until >= last:
        spans.append((last, until, False))
    return spans

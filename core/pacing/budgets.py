"""Budgets of keys: a purse of its own for each day, week or month, made when it is first drawn on."""

from __future__ import annotations

import calendar
from collections import OrderedDict
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from isthmus.v1 import billing_pb2

from core.errors import KeyQuotaExceeded
from core.ledger import purses
from core.state.types import Key
from core.store.store import Store

KNOWN_MOST = 50_000


class BudgetUsedUp(KeyQuotaExceeded):
    """What the key may spend in this period is spent, or held by requests that run."""

    reason = "BUDGET_USED_UP"
    http_status = 429
    code = "budget_exceeded"
    default_message = "The API key's budget of this period does not cover the request."


def zone_of(name: str) -> tzinfo:
    """The zone of days; UTC for none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, KeyError):
        return ZoneInfo("UTC")


def period_of(kind: str, now: datetime) -> tuple[str, datetime]:
    """The period a moment is in, by name, and its end."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == "week":
        year, week, day = now.isocalendar()
        return f"week {year}-W{week:02}", midnight + timedelta(days=8 - day)
    if kind == "month":
        days = calendar.monthrange(now.year, now.month)[1]
        return f"month {now.year}-{now.month:02}", midnight + timedelta(days=days - now.day + 1)
    return f"day {now:%Y-%m-%d}", midnight + timedelta(days=1)


class Budgets:
    """Purses of the periods that run."""

    def __init__(self, store: Store, zone: str) -> None:
        self._store = store
        self._zone = zone_of(zone)
        self._known: OrderedDict[tuple[int, str], int] = OrderedDict()

    def _now(self, now: float) -> datetime:
        return datetime.fromtimestamp(now, self._zone)

    async def purse(self, key: Key, now: float) -> int:
        """The purse a key draws on now (Unix seconds); 0: it has no budget."""
        limits = key.limits
        if limits is None or not limits.budget_period:
            return 0
        period, _ = period_of(limits.budget_period, self._now(now))
        known = self._known.get((key.id, period))
        if known is None:
            kind = billing_pb2.PURSE_KIND_BUDGET
            database = self._store.database
            known = await database.write(lambda: purses.create(database, kind, key.id, period, limits.budget_units))
            self._known[key.id, period] = known
            if len(self._known) > KNOWN_MOST:
                self._known.popitem(last=False)
        return known

    def left_ms(self, key: Key, now: float) -> int:
        """Until the next period begins."""
        assert key.limits is not None
        moment = self._now(now)
        return max(1, int((period_of(key.limits.budget_period, moment)[1] - moment).total_seconds() * 1000))

    async def running(self, key_id: int, period_kind: str, now: float) -> int:
        """The purse of the running period, where there is one yet; 0: none."""
        if not period_kind:
            return 0
        period, _ = period_of(period_kind, self._now(now))
        sql = "SELECT id FROM purses WHERE kind = ? AND owner_id = ? AND period = ?"
        found = (billing_pb2.PURSE_KIND_BUDGET, key_id, period)
        rows = await self._store.database.read(self._store.database.execute, sql, found)
        return int(rows[0][0]) if rows else 0

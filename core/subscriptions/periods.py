"""Ends and periods: months by the calendar, days and weeks by the site's own midnight."""

from __future__ import annotations

import calendar
import functools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

UNITS = ("year", "month", "day", "hour", "custom")
RESETS = ("never", "daily", "weekly", "monthly", "custom")
SECONDS_LEAST = 60
"""Shortest period: below, rounds would follow each other without an end."""
SECONDS_MOST = 100 * 366 * 86_400
"""Longest subscription."""
_STEPS = {"year": 12, "month": 1}


@functools.lru_cache(maxsize=8)
def known_zone(name: str) -> str:
    """The zone of TZ; "" (UTC) where that is none (told at start)."""
    try:
        ZoneInfo(name := name.removeprefix(":") or "UTC")
    except (ValueError, OSError, KeyError):
        return ""
    return name


def _local(moment: int, zone: str) -> datetime:
    return datetime.fromtimestamp(moment, ZoneInfo(zone) if zone else UTC)


def end_of(start: int, unit: str, value: int, custom_seconds: int, zone: str = "") -> int:
    """When a subscription that begins at start ends (Unix seconds). Raises ValueError for what is no duration."""
    if unit in _STEPS:
        if not 1 <= value * _STEPS[unit] <= 1200:
            raise ValueError("a duration is at most a hundred years")
        local = _local(start, zone)
        months = local.year * 12 + local.month - 1 + value * _STEPS[unit]
        year, month = divmod(months, 12)
        # The 31st of a shorter month is its last day.
        day = min(local.day, calendar.monthrange(year, month + 1)[1])
        return int(local.replace(year=year, month=month + 1, day=day).timestamp())
    seconds = custom_seconds if unit == "custom" else value * {"day": 86_400, "hour": 3600}[unit]
    if not SECONDS_LEAST <= seconds <= SECONDS_MOST:
        raise ValueError(f"a duration has {SECONDS_LEAST} seconds to a hundred years")
    return start + seconds


def next_reset(moment: int, period: str, custom_seconds: int, end: int, zone: str = "", start: int = 0) -> int:
    """The first beginning of a period after moment; 0: none before the end. Custom ones are counted from start."""
    if period == "custom":
        found = start + ((moment - start) // custom_seconds + 1) * custom_seconds
    elif period in ("daily", "weekly", "monthly"):
        day = _local(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        if period == "daily":
            day += timedelta(days=1)
        elif period == "weekly":
            day += timedelta(days=7 - day.weekday())
        else:
            day = day.replace(day=1, year=day.year + day.month // 12, month=day.month % 12 + 1)
        found = int(day.replace(tzinfo=ZoneInfo(zone) if zone else UTC).timestamp())
    else:
        return 0
    return found if found < end else 0

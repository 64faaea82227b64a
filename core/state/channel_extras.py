"""What a channel's settings say under "isthmus": limits, weights by the clock, what it costs its operator."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEMBER = "isthmus"
COUNT_MOST = 1 << 31
WEIGHT_MOST = 1_000_000_000
WINDOWS_MOST = 50
COST_MOST = 1_000.0
DAY = 24 * 60
WEEK = 7 * DAY
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|(24):(00)")


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """What a channel may be given on one node; 0: no limit. Who meets a full channel goes on to the next."""

    rpm: int = 0
    """Requests begun within a minute."""
    tpm: int = 0
    """Tokens of requests begun within a minute: estimated, corrected when they are settled."""
    concurrency: int = 0
    """Requests at the same time."""


@dataclass(frozen=True, slots=True)
class Window:
    """A weight at a time of the week: from and to are minutes since Monday 00:00, a day's share of them."""

    days: frozenset[int]
    """0 is Monday."""
    start: int
    end: int
    """Minutes of the day; an end before the start is the next day's."""
    weight: int

    def holds(self, minute: int) -> bool:
        """Whether a minute of the week is in it."""
        day, at = divmod(minute % WEEK, DAY)
        if self.start < self.end:
            return day in self.days and self.start <= at < self.end
        return (day in self.days and at >= self.start) or ((day - 1) % 7 in self.days and at < self.end)


@dataclass(frozen=True, slots=True)
class Extras:
    """All of it."""

    limits: ChannelLimits | None = None
    windows: tuple[Window, ...] = ()
    cost: float = 1.0
    """What the vendor takes here, beside what it takes elsewhere; for a choice by cost."""


NOTHING = Extras()


def extras(settings: Mapping[str, Any]) -> Extras:
    """Raises ValueError, which names the member that is wrong."""
    found = settings.get(MEMBER)
    if found is None:
        return NOTHING
    if not isinstance(found, dict):
        raise ValueError(f"settings.{MEMBER} needs an object")
    if unknown := set(found) - {"limits", "weights", "cost"}:
        raise ValueError(f"settings.{MEMBER}.{sorted(unknown)[0]} is not known")
    cost = found.get("cost", 1.0)
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= COST_MOST:
        raise ValueError(f"settings.{MEMBER}.cost needs a number from 0 to {COST_MOST:g}")
    weights = found.get("weights", [])
    if not isinstance(weights, list) or len(weights) > WINDOWS_MOST:
        raise ValueError(f"settings.{MEMBER}.weights needs an array of at most {WINDOWS_MOST}")
    windows = tuple(_window(f"settings.{MEMBER}.weights.{place}", one) for place, one in enumerate(weights))
    return Extras(_limits(found.get("limits")), windows, float(cost))


def _limits(found: Any) -> ChannelLimits | None:
    if found is None:
        return None
    place = f"settings.{MEMBER}.limits"
    if not isinstance(found, dict):
        raise ValueError(f"{place} needs an object")
    if unknown := set(found) - {"rpm", "tpm", "concurrency"}:
        raise ValueError(f"{place}.{sorted(unknown)[0]} is not known")
    for name, count in found.items():
        if type(count) is not int or not 0 <= count <= COUNT_MOST:
            raise ValueError(f"{place}.{name} needs a whole number from 0 to {COUNT_MOST}")
    return ChannelLimits(**found) if any(found.values()) else None


def _window(place: str, one: Any) -> Window:
    if not isinstance(one, dict):
        raise ValueError(f"{place} needs an object")
    days = one.get("days", [1, 2, 3, 4, 5, 6, 7])
    if not isinstance(days, list) or not days or any(type(day) is not int or not 1 <= day <= 7 for day in days):
        raise ValueError(f"{place}.days needs numbers from 1 (Monday) to 7")
    weight = one.get("weight")
    if type(weight) is not int or not 0 <= weight <= WEIGHT_MOST:
        raise ValueError(f"{place}.weight needs a whole number from 0 to {WEIGHT_MOST}")
    start, end = (_minute(f"{place}.{name}", one.get(name)) for name in ("from", "to"))
    if start == end:
        raise ValueError(f"{place}.to is the same as from")
    return Window(frozenset(day - 1 for day in days), start, end, weight)


def _minute(place: str, text: Any) -> int:
    found = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f'{place} needs a time such as "08:30"')
    return 60 * int(found[1] or found[3]) + int(found[2] or found[4])


def weight_at(weight: int, windows: tuple[Window, ...], minute: int) -> int:
    """A channel's weight at a minute of the week: the first window's that holds it, else its own."""
    return next((window.weight for window in windows if window.holds(minute)), weight)

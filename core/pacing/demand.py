"""What a request asks of the limits that count for it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

REQUESTS, TOKENS = "requests", "tokens"
CALLS, SUCCESSES = "requests to models", "successful requests to models"
"""What ModelRequestRateLimit* count, in windows of their own; callers are not told of them in headers."""
MINUTE = 60.0


@lru_cache(maxsize=50_000)
def subject(text: str) -> int:
    """A limit's number among all: 64 bits, never 0."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


@dataclass(frozen=True, slots=True)
class Meter:
    """At most `limit` units of a kind in `window` seconds, of which a request takes `cost`.

    One that costs more than the limit goes when nothing else was taken, and others wait for it afterwards.
    """

    subject: int
    kind: str
    limit: int
    cost: float
    window: float = MINUTE

    @property
    def seconds(self) -> float:
        """How long a unit counts."""
        return self.window / self.limit

    @property
    def least(self) -> float:
        """Units that must be free."""
        return min(self.cost, self.limit)


@dataclass(frozen=True, slots=True)
class Place:
    """At most `limit` requests at once."""

    subject: int
    limit: int


@dataclass(frozen=True, slots=True)
class Demands:
    """All of a request's; empty ones are never made."""

    meters: tuple[Meter, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a meter holds once a request was taken, or refused."""

    meter: Meter
    used: float

    @property
    def remaining(self) -> int:
        """Units that are free."""
        return max(0, int(self.meter.limit - self.used))

    @property
    def reset_ms(self) -> int:
        """Until all are."""
        return int(self.used * self.meter.seconds * 1000)

    @property
    def wait_ms(self) -> int:
        """Until this request would be taken."""
        over = self.used + self.meter.least - self.meter.limit
        return max(1, int(over * self.meter.seconds * 1000) + 1)


def tightest(taken: Iterable[Taken]) -> list[Taken]:
    """Of each kind that callers are told the one with the least room."""
    found: dict[str, Taken] = {}
    for each in taken:
        if each.meter.kind not in (REQUESTS, TOKENS):
            continue
        held = found.get(each.meter.kind)
        if held is None or each.remaining < held.remaining:
            found[each.meter.kind] = each
    return list(found.values())


class Refused(Exception):
    """A limit is reached. taken: what the meters hold; wait_ms: when to come back."""

    def __init__(self, kind: str, limit: int, wait_ms: int, taken: tuple[Taken, ...] = ()) -> None:
        super().__init__(kind)
        self.kind, self.limit, self.wait_ms, self.taken = kind, limit, wait_ms, taken

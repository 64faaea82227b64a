"""A bounded map whose entries end: what requests read on their way, so cheap to read.

cachetools' TTLCache costs some 4 us a look-up; this one is a dict and a comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Expiring(Generic[K, V]):
    """At most `most` entries, each for `seconds` after it was set; the one set first goes first."""

    __slots__ = ("_clock", "_entries", "_most", "_seconds")

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """The value; None where there is none, or it has ended."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] > self._clock():
            return entry[1]
        del self._entries[key]
        return None

    def __contains__(self, key: K) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: K, value: V) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (self._clock() + self._seconds, value)

    def __len__(self) -> int:
        return len(self._entries)

    def pop(self, key: K) -> None:
        """Forgets a key, if it is known."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()

    def items(self) -> Iterator[tuple[K, V]]:
        """Every entry that has not ended."""
        now = self._clock()
        return ((key, value) for key, (until, value) in list(self._entries.items()) if until > now)

"""Slows brute force: failed sign-ins per account and per address, in bounded tables."""

from __future__ import annotations

from cachetools import TTLCache

from core.errors import RateLimited

FAILURES_MOST = 20
"""Failures in the window, per name and per address, before sign-ins are refused."""
WINDOW_SECONDS = 300
ENTRIES_MOST = 50_000


class Throttle:
    """Counts failures; the window begins with the first of them."""

    def __init__(self) -> None:
        self._failures: TTLCache[str, list[int]] = TTLCache(ENTRIES_MOST, WINDOW_SECONDS)

    def check(self, *names: str) -> None:
        """Raises RateLimited where one of the names has failed too often."""
        if any(name and self._failures.get(name, [0])[0] >= FAILURES_MOST for name in names):
            raise RateLimited("Too many failed sign-ins; try again later.", retry_after_ms=WINDOW_SECONDS * 1000)

    def begin(self, *names: str) -> None:
        """Counts an attempt before its password is checked, so that parallel ones count. Raises RateLimited."""
        self.check(*names)
        self.failed(*names)

    def failed(self, *names: str) -> None:
        """Notes a failure."""
        for name in names:
            if name:
                count = self._failures.get(name)
                if count is None:
                    self._failures[name] = [1]
                else:
                    count[0] += 1

    def undo(self, *names: str) -> None:
        """Takes back what begin() counted, and no more: failures before it stay."""
        for name in names:
            count = self._failures.get(name)
            if count is not None and count[0] > 0:
                count[0] -= 1

    def succeeded(self, *names: str) -> None:
        """Forgets failures."""
        for name in names:
            self._failures.pop(name, None)

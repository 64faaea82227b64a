"""Slows brute force: failed sign-ins per account and per address, counted for all workers together."""

from __future__ import annotations

from cachetools import TTLCache

from core.errors import RateLimited
from core.store.proofs import Proofs

FAILURES_MOST = 20
"""Failures in the window, per name and per address, before sign-ins are refused."""
WINDOW_SECONDS = 300
REFUSED_SECONDS = 5
"""How long a refusal is remembered here, so that a flood does not reach the database."""
ENTRIES_MOST = 50_000


class Throttle:
    """Counts failures; the window begins with the first of them."""

    def __init__(self, counts: Proofs) -> None:
        self._counts = counts
        self._refused: TTLCache[tuple[str, ...], bool] = TTLCache(ENTRIES_MOST, REFUSED_SECONDS)

    async def begin(self, *names: str) -> None:
        """Counts an attempt before its password is checked, so that parallel ones count. Raises RateLimited."""
        told = tuple(name for name in names if name)
        if told in self._refused or not await self._counts.allow(dict.fromkeys(told, FAILURES_MOST), WINDOW_SECONDS):
            self._refused[told] = True
            raise RateLimited("Too many failed attempts; try again later.", retry_after_ms=WINDOW_SECONDS * 1000)

    async def succeeded(self, *names: str, undo: str = "") -> None:
        """Forgets the failures of names; of undo only what begin() counted: failures before it stay."""
        await self._counts.settle(names, undo)

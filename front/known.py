"""Keys that core knew a moment ago, so that their requests' bodies may be read without asking again.

Nothing rests on it but the reading of bodies: core checks the key of every call itself.
"""

from __future__ import annotations

import time

SECONDS = 5.0
"""How long an answer of CheckKey counts."""
MOST = 10_000
"""Entries; the oldest go first."""


class KnownKeys:
    """A bounded memory of (key, client address)."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def __contains__(self, caller: tuple[str, str]) -> bool:
        return self._until.get(caller, 0.0) > time.monotonic()

    def add(self, caller: tuple[str, str]) -> None:
        """Core has just said that the key is good."""
        self._until.pop(caller, None)
        if len(self._until) >= MOST:
            del self._until[next(iter(self._until))]
        self._until[caller] = time.monotonic() + SECONDS

"""Places for what runs long: streams, tasks; so many at once in one worker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from core.errors import RateLimited


class Places:
    """How many streams of each kind run in this worker."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    @contextlib.contextmanager
    def taken(self, kind: str, most: int) -> Iterator[None]:
        """A place for the time of the block. Raises RateLimited."""
        if self._taken.get(kind, 0) >= most:
            raise RateLimited("Too many of these run at once; try again later.", retry_after_ms=5000)
        self._taken[kind] = self._taken.get(kind, 0) + 1
        try:
            yield
        finally:
            self._taken[kind] -= 1

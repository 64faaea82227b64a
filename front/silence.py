"""Signs of life in a stream whose vendor says nothing: one timer a stream, nothing for each message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any


class Silence:
    """Sends what ping() gives after each stretch of silence; heard() tells that something was sent."""

    def __init__(self, seconds: float, ping: Callable[[], bytes], send: Callable[[bytes], Any]) -> None:
        self._seconds, self._ping, self._send = seconds, ping, send
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(seconds, self._tick) if seconds > 0 else None

    def heard(self) -> None:
        """Something was sent just now."""
        self._heard = self._loop.time()

    def _tick(self) -> None:
        left = self._heard + self._seconds - self._loop.time()
        # A sign that waits for a slow reader is not followed by another.
        if left <= 0 and (self._task is None or self._task.done()):
            if sign := self._ping():
                self._task = self._loop.create_task(self._tell(sign))
            self.heard()
            left = self._seconds
        self._timer = self._loop.call_later(max(left, 0.05), self._tick)

    async def _tell(self, sign: bytes) -> None:
        # A client that is gone is told of by its connection.
        with contextlib.suppress(Exception):
            await self._send(sign)

    def stop(self) -> None:
        """The stream is over."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

"""The requests of a local call that has many: pulled from the client's iterator, or written one by one."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from grpc.aio import UsageError

from core.link.exchange import BUFFER, UNKNOWN, Exchange

logger = logging.getLogger("isthmus.link")

_END = object()


class Requests:
    """The servicer's iterator. Back-pressure: the client's iterator is asked only when the servicer asks."""

    def __init__(self, exchange: Exchange, source: Any, passed: Callable[[Any], Any]) -> None:
        self._exchange = exchange
        self._passed = passed
        self._given = source is not None
        self._queue: deque[Any] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._source: Any = None
        if source is None:
            exchange.add_done_callback(lambda _: self._changed.set())
        if source is not None:
            self._source = aiter(source) if inspect.isasyncgen(source) or hasattr(source, "__aiter__") else iter(source)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        item = await (self._pull() if self._given else self._take())
        if item is _END:
            raise StopAsyncIteration
        return self._passed(item)

    async def _pull(self) -> Any:
        try:
            if hasattr(self._source, "__anext__"):
                return await anext(self._source, _END)
            return next(self._source, _END)
        except Exception as error:
            # The client's defect, not the servicer's: the client learns of it by the status.
            logger.exception("a client's request iterator failed", extra={"method": self._exchange.method})
            self._exchange.stop(UNKNOWN, "The client's request iterator failed.")
            raise asyncio.CancelledError from error

    async def _take(self) -> Any:
        while not self._queue:
            if self._closed:
                return _END
            await self._wait()
        item = self._queue.popleft()
        self._changed.set()
        return item

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def write(self, item: Any) -> None:
        """Hands over a request; waits while 16 are unread. Raises where the call has ended."""
        if self._given:
            raise UsageError("The request iterator was given with the call.")
        if self._closed:
            raise asyncio.InvalidStateError("done_writing() was called.")
        while len(self._queue) >= BUFFER and not self._exchange.done():
            await self._wait()
        if self._exchange.done():
            raise self._exchange.error()
        self._queue.append(item)
        self._changed.set()

    def close(self) -> None:
        """No more requests come."""
        self._closed = True
        self._changed.set()

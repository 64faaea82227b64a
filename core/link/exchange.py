"""One call inside the process: its state, and the servicer's view of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NoReturn

import grpc
from grpc.aio import AbortError, AioRpcError, Metadata

logger = logging.getLogger("isthmus.link")

BUFFER = 16
"""Messages of a stream that wait for their reader before the sender is held."""

Pairs = tuple[tuple[str, Any], ...]
OK = grpc.StatusCode.OK
CANCELLED = grpc.StatusCode.CANCELLED
UNKNOWN = grpc.StatusCode.UNKNOWN
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
CANCELLED_BY_CLIENT = "Locally cancelled by application!"


def pairs(metadata: Any) -> Pairs:
    """Metadata in any form grpc takes, as a tuple of pairs."""
    return tuple((key, value) for key, value in metadata) if metadata else ()


class Exchange:
    """State of one local call; passed to the servicer as its context.

    It offers what grpc.aio.ServicerContext offers, but read and write. `local` tells
    servicers that the caller is in this process. code is None until the call has ended;
    what ends it first wins: the servicer, the deadline, the client.
    """

    __slots__ = (
        "_begin_waiters",
        "_callbacks",
        "_code",
        "_deadline",
        "_details",
        "_final",
        "_initial",
        "_loop",
        "_metadata",
        "_reader",
        "_room",
        "_timer",
        "_trailing",
        "_waiters",
        "buffer",
        "cancelled_by_client",
        "method",
        "response",
        "task",
    )
    local = True

    def __init__(self, method: str, metadata: Any, timeout: float | None, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.method = method
        self._metadata: Pairs = pairs(metadata) if metadata else ()
        self._initial: Pairs | None = None
        self._trailing: Pairs = ()
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._final: grpc.StatusCode | None = None
        self._callbacks: list[Callable[[Any], None]] | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._begin_waiters: list[asyncio.Future[None]] | None = None
        self._reader: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self.buffer: deque[Any] = deque()
        self.response: Any = None
        self.task: asyncio.Task[None] | None = None
        self.cancelled_by_client = False
        if timeout is not None:
            self._deadline = loop.time() + timeout
            self._timer = loop.call_later(max(timeout, 0.0), self._expired)

    # -- the servicer's view -------------------------------------------------

    def invocation_metadata(self) -> Pairs:
        """What the client sent."""
        return self._metadata

    def peer(self) -> str:
        """Where a wire call has an address."""
        return "local:"

    def peer_identities(self) -> None:
        """Nobody is identified by a certificate here."""

    def peer_identity_key(self) -> None:
        """Nobody is identified by a certificate here."""

    def auth_context(self) -> dict[str, Any]:
        """Empty: there is no transport."""
        return {}

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Shows metadata to the client before the first message."""
        self.begin(pairs(initial_metadata))

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Metadata that goes with the status."""
        self._trailing = pairs(trailing_metadata)

    def trailing_metadata(self) -> Pairs:
        """What goes, or went, with the status."""
        return self._trailing

    def set_code(self, code: grpc.StatusCode) -> None:
        """The status the call ends with where nothing is raised."""
        if self._final is None:
            self._code = code

    def set_details(self, details: str) -> None:
        """The text that goes with the status."""
        if self._final is None:
            self._details = details

    def set_compression(self, compression: Any) -> None:
        """Nothing is compressed in memory."""

    def disable_next_message_compression(self) -> None:
        """Nothing is compressed in memory."""

    def code(self) -> Any:
        """The status set so far."""
        return self._code

    def details(self) -> str:
        """The text set so far."""
        return self._details

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """Ends the call with a status; always raises."""
        if code is OK:
            code, details = UNKNOWN, "abort() called with StatusCode.OK"
        self.finish(code, details, pairs(trailing_metadata) or self._trailing)
        raise AbortError(f"{code.name}: {details}")

    async def abort_with_status(self, status: Any) -> NoReturn:
        """Ends the call with a grpc.Status; always raises."""
        await self.abort(status.code, status.details, status.trailing_metadata)

    def time_remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - self._loop.time())

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Calls back with the context when the call has ended."""
        if self._final is not None:
            callback(self)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def cancelled(self) -> bool:
        """Whether the call ended as cancelled."""
        return self._final is CANCELLED

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._final is not None

    # -- state ---------------------------------------------------------------

    @property
    def final(self) -> grpc.StatusCode | None:
        """The status the call ended with."""
        return self._final

    @property
    def initial(self) -> Pairs:
        """Initial metadata sent so far."""
        return self._initial or ()

    def begin(self, initial: Pairs = ()) -> None:
        """Fixes the initial metadata."""
        if self._initial is None:
            self._initial = initial
            for waiter in self._begin_waiters or ():
                _wake(waiter)

    def finish(self, code: grpc.StatusCode, details: str = "", trailing: Pairs | None = None) -> bool:
        """Ends the call; False where it had ended already."""
        if self._final is not None:
            return False
        self._final = self._code = code
        self._details = details
        if trailing is not None:
            self._trailing = trailing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._initial is None:
            self.begin()
        for waiter in self._waiters or ():
            _wake(waiter)
        _wake(self._reader)
        _wake(self._room)
        if self._callbacks is not None:
            for callback in self._callbacks:
                self._loop.call_soon(callback, self)
        return True

    def _expired(self) -> None:
        """The deadline has passed."""
        self.stop(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")

    def stop(self, code: grpc.StatusCode, details: str) -> bool:
        """Ends the call from outside and cancels the servicer; False where it had ended already."""
        if not self.finish(code, details):
            return False
        self.buffer.clear()
        if self.task is not None:
            self.task.cancel()
        return True

    def cancel(self) -> bool:
        """The client gives up."""
        if not self.stop(CANCELLED, CANCELLED_BY_CLIENT):
            return False
        self.cancelled_by_client = True
        return True

    def error(self) -> BaseException:
        """What the client's awaiting code is told of an end that is not OK."""
        if self.cancelled_by_client:
            return asyncio.CancelledError()
        assert self._final is not None
        error: BaseException = AioRpcError(
            self._final, Metadata(*self.initial), Metadata(*self._trailing), details=self._details
        )
        return error

    async def ended(self) -> None:
        """Waits for the status."""
        while self._final is None:
            waiter = self._loop.create_future()
            if self._waiters is None:
                self._waiters = [waiter]
            else:
                self._waiters.append(waiter)
            await waiter

    async def begun(self) -> None:
        """Waits for the initial metadata."""
        while self._initial is None:
            waiter = self._loop.create_future()
            if self._begin_waiters is None:
                self._begin_waiters = [waiter]
            else:
                self._begin_waiters.append(waiter)
            await waiter

    # -- a stream of answers -------------------------------------------------

    async def put(self, message: Any) -> None:
        """Hands a message to the reader; waits while the buffer is full."""
        buffer = self.buffer
        buffer.append(message)
        if self._initial is None:
            self.begin()
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)
        while len(buffer) >= BUFFER and self._final is None:
            self._room = self._loop.create_future()
            await self._room

    async def get(self) -> Any:
        """The next message; None at the end, whatever the status."""
        buffer = self.buffer
        while not buffer:
            if self._final is not None:
                return None
            self._reader = self._loop.create_future()
            await self._reader
        message = buffer.popleft()
        if self._room is not None and len(buffer) < BUFFER // 2 and not self._room.done():
            self._room.set_result(None)
        return message

    # -- running the servicer ------------------------------------------------

    def start(self, run: Any) -> asyncio.Task[None] | None:
        """Runs the servicer in a task and a context of its own; None where the call has ended already."""
        if self._final is not None:
            run.close()
            return None
        self.task = self._loop.create_task(run, context=Context())
        return self.task

    def failed(self, error: BaseException) -> None:
        """Ends the call by what the servicer raised; the text of an unexpected error stays in the log."""
        if isinstance(error, asyncio.CancelledError):
            self.finish(CANCELLED, "The servicer was cancelled.")
        elif not isinstance(error, AbortError):
            code = self._code if self._code not in (None, OK) else UNKNOWN
            if not isinstance(error, NotImplementedError) and self._final is None:
                logger.error("unexpected error in a servicer", exc_info=error, extra={"method": self.method})
            self.finish(code or UNKNOWN, self._details or "Unexpected error in the servicer.")

    def succeeded(self) -> None:
        """Ends the call with the status the servicer has set, OK by default."""
        self.finish(self._code or OK, self._details)


def _wake(future: asyncio.Future[None] | None) -> None:
    """Lets who waits go on."""
    if future is not None and not future.done():
        future.set_result(None)

"""LocalChannel: a grpc.aio channel to servicers in the same process and event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc.aio import Metadata

from core.link.exchange import CANCELLED, EXHAUSTED, OK, Exchange
from core.link.requests import Requests

MAX_MESSAGE_BYTES = 160 << 20
"""Limit where none is given; the same default as the gRPC port's."""


class LocalCall:
    """The client's side of a call; when it is dropped unfinished, the servicer is cancelled."""

    __slots__ = ("__weakref__", "_exchange")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __del__(self) -> None:
        if self._exchange.final is None:
            self._exchange.cancel()

    def cancel(self) -> bool:
        """Ends the call; False where it had ended already."""
        return self._exchange.cancel()

    def cancelled(self) -> bool:
        """Whether the call ended as cancelled."""
        return self._exchange.final is CANCELLED

    def done(self) -> bool:
        """Whether the call has ended."""
        return self._exchange.final is not None

    def time_remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return self._exchange.time_remaining()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Calls back with the call when it has ended."""
        self._exchange.add_done_callback(lambda _: callback(self))

    async def initial_metadata(self) -> Metadata:
        """Waits for what the servicer sends first."""
        await self._exchange.begun()
        return Metadata(*self._exchange.initial)

    async def trailing_metadata(self) -> Metadata:
        """Waits for the end of the call."""
        await self._exchange.ended()
        return Metadata(*self._exchange.trailing_metadata())

    async def code(self) -> grpc.StatusCode:
        """Waits for the end of the call."""
        await self._exchange.ended()
        code: grpc.StatusCode = self._exchange.code()
        return code

    async def details(self) -> str:
        """Waits for the end of the call."""
        await self._exchange.ended()
        return self._exchange.details()

    async def wait_for_connection(self) -> None:
        """There is nothing to connect to."""


class _UnaryAnswer(LocalCall):
    """A call with one answer: await it."""

    __slots__ = ()

    async def _wait(self) -> Any:
        exchange = self._exchange
        try:
            await exchange.ended()
        except asyncio.CancelledError:
            exchange.cancel()
            raise
        if exchange.final is not OK:
            raise exchange.error()
        return exchange.response

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()


class _StreamAnswer(LocalCall):
    """A call with many answers: iterate, or read()."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        exchange = self._exchange
        try:
            message = await exchange.get()
        except asyncio.CancelledError:
            exchange.cancel()
            raise
        if message is not None:
            return message
        if exchange.final is not OK:
            raise exchange.error()
        raise StopAsyncIteration

    async def read(self) -> Any:
        """The next message, or grpc.aio.EOF."""
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            return grpc.aio.EOF


class _Writing(LocalCall):
    """A call whose requests may be written one by one."""

    __slots__ = ("_requests",)

    def __init__(self, exchange: Exchange, requests: Requests) -> None:
        super().__init__(exchange)
        self._requests = requests

    async def write(self, request: Any) -> None:
        """Sends a request; waits while the servicer is behind."""
        await self._requests.write(request)

    async def done_writing(self) -> None:
        """Says that no more requests come."""
        self._requests.close()


class _StreamUnaryCall(_Writing, _UnaryAnswer):
    """Many requests, one answer."""

    __slots__ = ()


class _StreamStreamCall(_Writing, _StreamAnswer):
    """Many requests, many answers."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Details:
    """What generic handlers are asked with."""

    method: str
    invocation_metadata: Any = ()


@dataclass(slots=True)
class _MultiCallable:
    """One method of a stub."""

    channel: LocalChannel
    method: str
    serialize: Any
    deserialize: Any
    many_requests: bool
    many_answers: bool
    handler: Any = None

    def __call__(
        self,
        request: Any = None,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        channel = self.channel
        exchange = channel.begin(self.method, metadata, timeout)
        handler = self.handler
        if handler is None:
            handler = self.handler = channel.find(self.method)
        if handler is None:
            exchange.finish(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        if self.many_requests:
            requests = Requests(exchange, request, lambda item: self.incoming(exchange, handler, item))
            if handler is not None:
                run = (
                    self.stream(exchange, handler.stream_stream, requests, handler)
                    if self.many_answers
                    else (self.unary(exchange, handler.stream_unary, requests, handler))
                )
                channel.start(exchange, run)
            return (_StreamStreamCall if self.many_answers else _StreamUnaryCall)(exchange, requests)
        if handler is not None:
            message = self.incoming(exchange, handler, request)
            if exchange.final is None:
                run = (
                    self.stream(exchange, handler.unary_stream, message, handler)
                    if self.many_answers
                    else (self.unary(exchange, handler.unary_unary, message, handler))
                )
                channel.start(exchange, run)
        return (_StreamAnswer if self.many_answers else _UnaryAnswer)(exchange)

    def incoming(self, exchange: Exchange, handler: Any, message: Any) -> Any:
        """The request as the servicer gets it; ends the call where it is too large."""
        return self.passed(exchange, message, self.serialize, handler.request_deserializer)

    def passed(self, exchange: Exchange, message: Any, serialize: Any, deserialize: Any) -> Any:
        """The message, or a copy of it; ends the call where it is too large."""
        limit = self.channel.max_message_bytes
        if self.channel.copy:
            raw = serialize(message)
            size = len(raw)
            if size <= limit:
                message = deserialize(raw)
        else:
            size = message.ByteSize()
        if size > limit:
            exchange.stop(EXHAUSTED, f"Message larger than max ({size} vs. {limit})")
        return message

    async def unary(self, exchange: Exchange, behaviour: Any, request: Any, handler: Any) -> None:
        """Runs a servicer method with one answer."""
        try:
            answer = behaviour(request, exchange)
            if inspect.isawaitable(answer):
                answer = await answer
            if exchange.final is None:
                exchange.response = self.passed(exchange, answer, handler.response_serializer, self.deserialize)
                exchange.succeeded()
        except BaseException as error:
            exchange.failed(error)
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise

    async def stream(self, exchange: Exchange, behaviour: Any, request: Any, handler: Any) -> None:
        """Runs a servicer method with many answers; its generator is closed in any case."""
        answers: Any = None
        try:
            answers = behaviour(request, exchange)
            # A stream may be long, and what asked for it large: the servicer decides how long it is kept.
            del request
            async for answer in answers:
                message = self.passed(exchange, answer, handler.response_serializer, self.deserialize)
                if exchange.final is not None:
                    break
                await exchange.put(message)
            exchange.succeeded()
        except BaseException as error:
            exchange.failed(error)
            if not isinstance(error, Exception | asyncio.CancelledError):
                raise
        finally:
            if hasattr(answers, "aclose"):
                await answers.aclose()


class LocalChannel:
    """What generated stubs and `add_XServicer_to_server` functions take, both.

    Servicers run in the caller's event loop, each call in a task and a context of its
    own, with the caller's very messages (treat what was sent as frozen), or with copies:
    `copy=True`, for tests. Streams hold at most 16 messages that nobody has read.
    """

    def __init__(
        self,
        handlers: Sequence[Any] = (),
        *,
        copy: bool = False,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.copy = copy
        self.max_message_bytes = max_message_bytes
        self._generic: list[Any] = list(handlers)
        self._methods: dict[str, Any] = {}
        self._running: dict[asyncio.Task[None], Exchange] = {}
        self._closed = False

    # -- as a server ---------------------------------------------------------

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[Any]) -> None:
        """Registers handlers that are asked by method name."""
        self._generic.extend(generic_rpc_handlers)

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """Registers a service's methods."""
        for name, handler in method_handlers.items():
            self._methods[f"/{service_name}/{name}"] = handler

    def find(self, method: str) -> Any:
        """The handler of a full method name, or None."""
        handler = self._methods.get(method)
        if handler is None:
            for generic in self._generic:
                handler = generic.service(_Details(method))
                if handler is not None:
                    break
        return handler

    # -- as a channel --------------------------------------------------------

    def unary_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_: Any
    ) -> Any:
        """One request, one answer."""
        return _MultiCallable(self, method, request_serializer, response_deserializer, False, False)

    def unary_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_: Any
    ) -> Any:
        """One request, many answers."""
        return _MultiCallable(self, method, request_serializer, response_deserializer, False, True)

    def stream_unary(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_: Any
    ) -> Any:
        """Many requests, one answer."""
        return _MultiCallable(self, method, request_serializer, response_deserializer, True, False)

    def stream_stream(
        self, method: str, request_serializer: Any = None, response_deserializer: Any = None, **_: Any
    ) -> Any:
        """Many requests, many answers."""
        return _MultiCallable(self, method, request_serializer, response_deserializer, True, True)

    def begin(self, method: str, metadata: Any, timeout: float | None) -> Exchange:
        """The state of a new call; one that has ended already where the channel is closed."""
        loop = asyncio.get_running_loop()
        exchange = Exchange(method, metadata, timeout, loop)
        if self._closed:
            exchange.finish(CANCELLED, "Channel closed!")
        return exchange

    def start(self, exchange: Exchange, run: Any) -> None:
        """Runs a servicer's coroutine; keeps its task, which the event loop refers to only weakly."""
        task = exchange.start(run)
        if task is not None:
            self._running[task] = exchange
            task.add_done_callback(self._running.pop)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Ready until closed."""
        return grpc.ChannelConnectivity.SHUTDOWN if self._closed else grpc.ChannelConnectivity.READY

    async def channel_ready(self) -> None:
        """Always ready."""

    async def close(self, grace: float | None = None) -> None:
        """Refuses new calls, waits up to grace seconds for those that run, then cancels them."""
        self._closed = True
        tasks = list(self._running)
        if tasks and grace:
            await asyncio.wait(tasks, timeout=grace)
        for exchange in list(self._running.values()):
            exchange.stop(CANCELLED, "Channel closed.")
        pending = [task for task in tasks if not task.done()]
        if pending:
            await asyncio.wait(pending)

    async def __aenter__(self) -> LocalChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

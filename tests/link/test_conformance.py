"""One suite over the links: in memory, in memory with copies, and a gRPC connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from isthmus.v1 import chat_pb2, chat_pb2_grpc

from core.errors import DOMAIN, ModelNotFound, RateLimited
from core.link.call import CallInfo, guarded_stream, guarded_unary
from core.link.local import LocalChannel
from core.settings import CoreSettings

LIMIT = 1 << 20
PATIENCE = 5.0
GONE = (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
"""What a call ends with whose other side went away."""
SECRET = "open sesame"  # the front's


class Servicer(chat_pb2_grpc.ChatServiceServicer):
    """Does what a test tells it to do, and notes what happened."""

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        self.infos: list[CallInfo] = []
        self.closed = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.sent = 0
        self.count = 100
        self.size = 0
        self.error: Exception | None = None
        self.hang = False
        self.stop: Callable[[], Awaitable[None]]
        """Ends the servicer's side."""
        self.begun = asyncio.Event()

    async def _act(self, info: CallInfo) -> None:
        self.infos.append(info)
        self.begun.set()
        if self.hang:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if self.error is not None:
            raise self.error

    @guarded_unary
    async def Generate(self, request: chat_pb2.GenerateRequest, info: CallInfo, context: Any) -> Any:
        await self._act(info)
        return chat_pb2.GenerateResponse(chat=chat_pb2.ChatResponse(id="x" * self.size))

    @guarded_stream
    async def StreamGenerate(
        self, request: chat_pb2.StreamGenerateRequest, info: CallInfo, context: Any
    ) -> AsyncIterator[chat_pb2.StreamGenerateResponse]:
        try:
            for number in range(self.count):
                self.sent += 1
                yield chat_pb2.StreamGenerateResponse(native=b"%d;" % number + b"x" * self.size)
            await self._act(info)
        finally:
            self.closed.set()


Open = Callable[..., Awaitable[tuple[Any, Servicer]]]


@pytest.fixture(params=["local", "copy", "wire"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def connect(kind: str) -> AsyncIterator[Open]:
    """Starts a servicer and gives a stub to it."""
    async with AsyncExitStack() as stack:

        async def start(front_secret: str = "") -> tuple[Any, Servicer]:
            servicer = Servicer(CoreSettings(front_secret=front_secret))
            channel: Any
            if kind == "wire":
                options = [("grpc.max_send_message_length", LIMIT), ("grpc.max_receive_message_length", LIMIT)]
                server = grpc.aio.server(options=options)
                chat_pb2_grpc.add_ChatServiceServicer_to_server(servicer, server)
                port = server.add_insecure_port("127.0.0.1:0")
                await server.start()
                stack.push_async_callback(server.stop, None)
                servicer.stop = lambda: server.stop(None)
                channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
            else:
                channel = LocalChannel(copy=kind == "copy", max_message_bytes=LIMIT)
                chat_pb2_grpc.add_ChatServiceServicer_to_server(servicer, channel)
                servicer.stop = channel.close
            stack.push_async_callback(channel.close)
            return chat_pb2_grpc.ChatServiceStub(channel), servicer

        yield start


async def drained(call: Any) -> None:
    async for _ in call:
        pass


async def refused(call: Any, stream: bool = False) -> grpc.aio.AioRpcError:
    """The error a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (drained(call) if stream else call)
    return caught.value


def ask(stub: Any, stream: bool, **options: Any) -> Any:
    if stream:
        return stub.StreamGenerate(chat_pb2.StreamGenerateRequest(), **options)
    return stub.Generate(chat_pb2.GenerateRequest(), **options)


both = pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])


async def test_messages_come_in_order(connect: Open) -> None:
    stub, servicer = await connect()
    call = ask(stub, True)
    assert [message.native async for message in call] == [b"%d;" % number for number in range(servicer.count)]
    assert await call.code() is grpc.StatusCode.OK
    assert servicer.closed.is_set()


@both
async def test_metadata_reaches_the_servicer(connect: Open, stream: bool) -> None:
    stub, servicer = await connect()
    call = ask(stub, stream, metadata=(("authorization", "Bearer sk-1"), ("x-twice", "a"), ("x-twice", "b")))
    if stream:
        assert len([message async for message in call]) == servicer.count
    else:
        await call
    assert servicer.infos[0].metadata["authorization"] == "Bearer sk-1"
    assert servicer.infos[0].metadata["x-twice"] == "a"


@both
async def test_deadline_cancels_the_servicer(connect: Open, stream: bool) -> None:
    stub, servicer = await connect()
    servicer.hang = True
    error = await refused(ask(stub, stream, timeout=1.0), stream)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE)


@pytest.mark.parametrize("count", [1, 10_000], ids=["waiting", "sending"])
async def test_client_cancel_closes_the_generator(connect: Open, count: int) -> None:
    stub, servicer = await connect()
    servicer.count, servicer.size, servicer.hang = count, 20_000, True
    call = ask(stub, True)
    assert (await call.read()).native.startswith(b"0;")
    assert not servicer.closed.is_set()
    assert call.cancel()
    await asyncio.wait_for(servicer.closed.wait(), PATIENCE)
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert call.cancelled()


@both
async def test_cancelling_who_waits_cancels_the_servicer(connect: Open, stream: bool) -> None:
    """The caller's task, not the call: as where a client of the front hangs up."""
    stub, servicer = await connect()
    servicer.count, servicer.hang = 1, True

    async def wait() -> None:
        call = ask(stub, stream)
        await (drained(call) if stream else call)

    task = asyncio.ensure_future(wait())
    await asyncio.wait_for(servicer.begun.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE)


@both
async def test_a_servicer_that_goes_away_ends_its_calls(connect: Open, stream: bool) -> None:
    """The other way round: whoever waits is told, the servicer is cancelled, and new calls are refused."""
    stub, servicer = await connect()
    servicer.count, servicer.hang = 1, True
    call = ask(stub, stream)
    waiting = asyncio.ensure_future(refused(call, stream))
    await asyncio.wait_for(servicer.begun.wait(), PATIENCE)
    await servicer.stop()
    error = await asyncio.wait_for(waiting, PATIENCE)
    assert error.code() in GONE
    await asyncio.wait_for(servicer.cancelled.wait(), PATIENCE)
    assert (await refused(ask(stub, stream), stream)).code() in GONE


async def test_a_servicer_that_ends_early_ends_the_stream(connect: Open) -> None:
    """What was sent before the error arrives, in order, and nothing after it."""
    stub, servicer = await connect()
    servicer.count, servicer.error = 20, RateLimited()
    call = ask(stub, True)
    for number in range(20):
        assert (await call.read()).native == b"%d;" % number
    assert (await refused(call.read())).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@both
async def test_error_becomes_status_with_details(connect: Open, stream: bool) -> None:
    stub, servicer = await connect()
    servicer.error = ModelNotFound("Nobody serves gpt-x.", param="model")
    error = await refused(ask(stub, stream), stream)
    assert error.code() is grpc.StatusCode.NOT_FOUND
    status = rpc_status.from_call(error)
    assert status is not None
    assert status.message.startswith("Nobody serves gpt-x.")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("MODEL_NOT_FOUND", DOMAIN)
    assert info.metadata["param"] == "model"
    assert info.metadata["http_status"] == "404"
    assert info.metadata["request_id"] == servicer.infos[0].request_id


async def test_retry_info(connect: Open) -> None:
    stub, servicer = await connect()
    servicer.error = RateLimited(retry_after_ms=1500)
    error = await refused(ask(stub, False))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(error)
    assert status is not None
    retry = error_details_pb2.RetryInfo()
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1500


@both
async def test_unexpected_error_keeps_its_text(connect: Open, stream: bool) -> None:
    stub, servicer = await connect()
    servicer.error = ValueError("the password is hunter2")
    error = await refused(ask(stub, stream), stream)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in (error.details() or "")
    assert "hunter2" not in str(rpc_status.from_call(error))


@both
async def test_answer_over_the_limit(connect: Open, stream: bool) -> None:
    stub, servicer = await connect()
    servicer.count, servicer.size = 1, LIMIT + 1
    error = await refused(ask(stub, stream), stream)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_request_over_the_limit(connect: Open) -> None:
    stub, servicer = await connect()
    request = chat_pb2.GenerateRequest(chat=chat_pb2.ChatRequest(stop_sequences=["x" * (LIMIT + 1)]))
    error = await refused(stub.Generate(request))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not servicer.infos


async def test_a_slow_reader_holds_the_servicer(connect: Open) -> None:
    stub, servicer = await connect()
    servicer.count, servicer.size = 10_000, 100_000
    call = ask(stub, True)
    assert (await call.read()).native.startswith(b"0;")
    await asyncio.sleep(0.3)
    assert servicer.sent < 500
    assert not servicer.closed.is_set()
    call.cancel()
    await asyncio.wait_for(servicer.closed.wait(), PATIENCE)


@pytest.mark.parametrize("shown", ["", "wrong", SECRET], ids=["none", "wrong", "right"])
@pytest.mark.parametrize("secret", ["", SECRET], ids=["unset", "set"])
async def test_only_a_front_is_believed(connect: Open, kind: str, secret: str, shown: str) -> None:
    stub, servicer = await connect(secret)
    metadata = [("isthmus-client-address", "203.0.113.9"), ("isthmus-request-id", "forged")]
    if shown:
        metadata.append(("isthmus-front-secret", shown))
    await ask(stub, False, metadata=metadata)
    info = servicer.infos[0]
    believed = kind != "wire" or bool(secret and shown == secret)
    assert info.trusted is believed
    assert info.client_address == ("203.0.113.9" if believed else "127.0.0.1")
    assert (info.request_id == "forged") is believed
    assert not [key for key in info.metadata if key.startswith("isthmus-")]

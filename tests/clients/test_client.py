"""The SDK's face against a scripted server over real gRPC: deadlines, retries where they are safe, streams, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from isthmus.client import ApiError, Client, image, tool_result, user
from isthmus.v1 import billing_pb2, billing_pb2_grpc, chat_pb2, chat_pb2_grpc, common_pb2, parts_pb2

from core.errors import InsufficientQuota, IsthmusError, Overloaded, RateLimited, ShuttingDown, VendorUnreachable
from core.link.call import CallInfo, guarded_stream, guarded_unary
from core.settings import CoreSettings
from tests.integration.house import free_port

PATIENCE = 20.0


class Script(chat_pb2_grpc.ChatServiceServicer, billing_pb2_grpc.BillingServiceServicer):
    """Fails as told, call after call, then answers; notes what it was asked."""

    settings = CoreSettings()

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.fail_after = 0
        """Messages of a stream that go out before its failure."""
        self.bare: list[grpc.StatusCode] = []
        """Statuses without details, as a proxy in between sends them."""
        self.hang = False
        self.words = ["an ", "isthmus ", "joins"]
        self.fault: common_pb2.Fault | None = None
        self.calls = 0
        self.infos: list[CallInfo] = []
        self.requests: list[Any] = []
        self.ended = asyncio.Event()

    async def _begin(self, request: Any, info: CallInfo, context: Any) -> None:
        self.calls += 1
        self.infos.append(info)
        self.requests.append(request)
        if self.hang:
            try:
                await asyncio.sleep(60)
            finally:
                self.ended.set()
        if self.bare:
            await context.abort(self.bare.pop(0), "from a proxy")
        if self.failures and not self.fail_after:
            raise self.failures.pop(0)

    @guarded_unary
    async def Generate(self, request: chat_pb2.GenerateRequest, info: CallInfo, context: Any) -> Any:
        await self._begin(request, info, context)
        text = parts_pb2.Part(text=parts_pb2.TextPart(text="".join(self.words)))
        thought = parts_pb2.Part(thinking=parts_pb2.ThinkingPart(text="hm", signature=b"s"))
        call = parts_pb2.Part(tool_call=parts_pb2.ToolCall(id="c1", name="f", arguments="{}"))
        answer = chat_pb2.ChatResponse(choices=[chat_pb2.Choice(parts=[thought, text, call])])
        answer.usage.output_tokens = 3
        return chat_pb2.GenerateResponse(chat=answer, receipt=billing_pb2.Receipt(quota=7))

    @guarded_stream
    async def StreamGenerate(
        self, request: chat_pb2.StreamGenerateRequest, info: CallInfo, context: Any
    ) -> AsyncIterator[chat_pb2.StreamGenerateResponse]:
        await self._begin(request, info, context)
        try:
            for number, word in enumerate(self.words):
                if self.failures and number == self.fail_after:
                    raise self.failures.pop(0)
                event = chat_pb2.ChatEvent(delta=chat_pb2.PartDelta(text=word))
                yield chat_pb2.StreamGenerateResponse(events=[event])
            last = chat_pb2.StreamGenerateResponse(receipt=billing_pb2.Receipt(quota=9, request_id="r1"))
            if self.fault is not None:
                last.events.add(fault=self.fault)
            yield last
        finally:
            self.ended.set()

    @guarded_unary
    async def GetBalance(self, request: billing_pb2.GetBalanceRequest, info: CallInfo, context: Any) -> Any:
        await self._begin(request, info, context)
        return billing_pb2.GetBalanceResponse()

    @guarded_unary
    async def GetReceipt(self, request: billing_pb2.GetReceiptRequest, info: CallInfo, context: Any) -> Any:
        await self._begin(request, info, context)
        return billing_pb2.GetReceiptResponse()


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    server = grpc.aio.server()
    chat_pb2_grpc.add_ChatServiceServicer_to_server(script, server)
    billing_pb2_grpc.add_BillingServiceServicer_to_server(script, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    script.address = f"127.0.0.1:{port}"  # type: ignore[attr-defined]
    yield script
    await server.stop(None)


@pytest.fixture
async def client(script: Script) -> AsyncIterator[Client]:
    async with Client(script.address, "sk-1") as made:  # type: ignore[attr-defined]
        yield made


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited before each retry; it does not."""
    waited: list[float] = []
    real = asyncio.sleep

    async def note(seconds: float) -> None:
        waited.append(seconds)
        await real(0)

    monkeypatch.setattr("isthmus.client.client.asyncio.sleep", note)
    return waited


Ask = Callable[[Client], Any]


async def whole(client: Client) -> str:
    return (await client.generate("m", "Hello")).text


async def streamed(client: Client) -> str:
    return "".join([piece async for piece in client.stream("m", "Hello").texts()])


both = pytest.mark.parametrize("ask", [whole, streamed], ids=["whole", "streamed"])


async def failure(ask: Any) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await ask
    return raised.value


# -- what is sent and given ------------------------------------------------------------------------


async def test_an_answer_has_its_parts(script: Script, client: Client) -> None:
    answer = await client.generate("m", [user("Look", image(b"\x89PNG\r\n\x1a\n"))], group="vip", max_output_tokens=5)
    assert (answer.text, answer.thinking, answer.receipt.quota, answer.usage.output_tokens) == (
        "an isthmus joins", "hm", 7, 3,
    )  # fmt: skip
    assert [call.name for call in answer.tool_calls] == ["f"]
    turn = answer.message
    assert (turn.role, turn.parts[0].thinking.signature) == (chat_pb2.ROLE_ASSISTANT, b"s")
    await client.generate("m", [user("Look"), turn, tool_result("c1", "done")])
    first, second = script.requests
    assert (first.envelope.model, first.envelope.group, first.envelope.max_output_tokens) == ("m", "vip", 5)
    assert first.chat.messages[0].parts[1].image.media.mime_type == "image/png"
    assert second.chat.messages[2].parts[0].tool_result.call_id == "c1"
    assert script.infos[0].metadata["authorization"] == "Bearer sk-1"
    with pytest.raises(ValueError, match="mime_type"):
        image(b"who knows")
    with pytest.raises(ValueError, match="address"):
        Client(key="sk-1")


async def test_a_stream_is_an_asynchronous_iterator(script: Script, client: Client) -> None:
    stream = client.stream("m", "Hello")
    assert script.calls == 0, "the call begins with the first event asked for"
    assert (await anext(stream)).delta.text == "an "
    assert stream.text == "an "
    assert [event.delta.text async for event in stream] == ["isthmus ", "joins"]
    assert (stream.text, stream.receipt.quota) == ("an isthmus joins", 9)
    assert script.requests[0].envelope.stream


async def test_leaving_a_stream_cancels_the_call(script: Script, client: Client) -> None:
    script.words = ["word "] * 100_000
    async with client.stream("m", "Hello") as stream:
        async for _ in stream:
            break
    await asyncio.wait_for(script.ended.wait(), PATIENCE)


# -- deadlines -------------------------------------------------------------------------------------


@both
async def test_a_deadline_ends_the_call_on_both_sides(script: Script, ask: Ask) -> None:
    script.hang = True
    async with Client(script.address, deadline=0.2) as client:  # type: ignore[attr-defined]
        error = await failure(ask(client))
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert not error.unbilled, "the vendor may have been asked"
    assert script.calls == 1
    await asyncio.wait_for(script.ended.wait(), PATIENCE)


async def test_a_call_may_have_its_own_deadline(script: Script, client: Client) -> None:
    script.hang = True
    assert (await failure(client.generate("m", "x", deadline=0.1))).code is grpc.StatusCode.DEADLINE_EXCEEDED
    stream = client.stream("m", "x", deadline=0.1)
    assert (await failure(anext(stream))).code is grpc.StatusCode.DEADLINE_EXCEEDED


# -- retries ---------------------------------------------------------------------------------------


@both
async def test_what_was_refused_unbilled_is_asked_again(
    script: Script, client: Client, pauses: list[float], ask: Ask
) -> None:
    script.failures = [Overloaded(), ShuttingDown()]
    assert await ask(client) == "an isthmus joins"
    assert script.calls == 3
    assert len(pauses) == 2
    assert 0.05 <= pauses[0] <= 0.15
    assert 0.1 <= pauses[1] <= 0.3


@both
@pytest.mark.parametrize("error", [VendorUnreachable(), RateLimited(retry_after_ms=10), InsufficientQuota()])
async def test_what_may_have_been_billed_or_will_not_change_is_not(
    script: Script, client: Client, pauses: list[float], ask: Ask, error: IsthmusError
) -> None:
    script.failures = [error]
    told = await failure(ask(client))
    assert (told.reason, told.http_status) == (error.reason, error.http_status)
    assert script.calls == 1
    assert pauses == []


@both
async def test_a_status_without_details_says_nothing_of_the_bill(
    script: Script, client: Client, pauses: list[float], ask: Ask
) -> None:
    script.bare = [grpc.StatusCode.UNAVAILABLE]
    told = await failure(ask(client))
    assert (told.code, told.unbilled, script.calls) == (grpc.StatusCode.UNAVAILABLE, False, 1)


async def test_reads_are_repeated_whoever_was_unavailable(script: Script, client: Client, pauses: list[float]) -> None:
    script.bare = [grpc.StatusCode.UNAVAILABLE] * 2
    await client.balance()
    assert script.calls == 3
    assert len(pauses) == 2


@both
async def test_retries_end(script: Script, pauses: list[float], ask: Ask) -> None:
    script.failures = [Overloaded() for _ in range(9)]
    async with Client(script.address, retries=1) as client:  # type: ignore[attr-defined]
        assert (await failure(ask(client))).reason == "OVERLOADED"
    assert script.calls == 2


@both
async def test_a_retry_comes_when_the_gateway_says(
    script: Script, client: Client, pauses: list[float], ask: Ask
) -> None:
    script.failures = [Overloaded(retry_after_ms=3000)]
    assert await ask(client) == "an isthmus joins"
    assert pauses == [3.0]
    script.failures = [Overloaded(retry_after_ms=60_000)]
    told = await failure(ask(client))
    assert told.retry_after == 60.0
    assert pauses == [3.0], "nobody is kept waiting for a minute"


async def test_a_stream_that_has_begun_is_not_asked_again(script: Script, client: Client, pauses: list[float]) -> None:
    script.failures, script.fail_after = [Overloaded()], 1
    stream = client.stream("m", "Hello")
    assert (await anext(stream)).delta.text == "an "
    assert (await failure(anext(stream))).reason == "OVERLOADED"
    assert script.calls == 1


@both
async def test_where_nobody_listens(pauses: list[float], ask: Ask) -> None:
    """No connection came about: nothing can have been billed, so it is tried again, then told."""
    async with Client(f"127.0.0.1:{free_port()}", retries=2) as client:
        told = await failure(ask(client))
    assert (told.code, told.reason, told.unbilled) == (grpc.StatusCode.UNAVAILABLE, "", True)
    assert len(pauses) == 2


# -- errors ----------------------------------------------------------------------------------------


async def test_an_error_is_told_whole(script: Script, client: Client) -> None:
    script.failures = [RateLimited("Slower.", retry_after_ms=1500, param="model", vendor_code="tpm")]
    told = await failure(client.generate("m", "Hello"))
    assert told.message.startswith("Slower.")
    assert (told.code, told.reason, told.http_status) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", 429)
    assert (told.retry_after, told.param, told.vendor_code) == (1.5, "model", "tpm")
    assert told.request_id == script.infos[0].request_id
    assert isinstance(told.__cause__, grpc.aio.AioRpcError)


async def test_a_fault_inside_a_stream_is_an_error(script: Script, client: Client) -> None:
    script.fault = common_pb2.Fault(
        reason="VENDOR_BROKEN", message="It broke.", http_status=502, grpc_code=grpc.StatusCode.UNAVAILABLE.value[0]
    )
    stream = client.stream("m", "Hello")
    with pytest.raises(ApiError, match="It broke") as raised:
        async for _ in stream:
            pass
    assert (raised.value.reason, raised.value.http_status) == ("VENDOR_BROKEN", 502)
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    assert not raised.value.unbilled
    assert (raised.value.request_id, stream.receipt.quota) == ("r1", 9)
    assert stream.text == "an isthmus joins"


async def test_a_request_without_receipt_is_not_found(script: Script, client: Client) -> None:
    told = await failure(client.receipt("r0"))
    assert (told.code, told.http_status, told.request_id) == (grpc.StatusCode.NOT_FOUND, 404, "r0")

"""The test of a channel: a small real request through that one channel, billed to nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import admin_pb2, billing_pb2, chat_pb2, common_pb2, embedding_pb2, moderation_pb2, rerank_pb2

from core.errors import InvalidRequest, IsthmusError, RecordNotFound
from core.link.call import fault_of
from core.pipeline.attempt import broken, failure_error, note, open_attempt, read_whole
from core.pipeline.exchange import Exchange, Task
from core.pipeline.relay import Relay, read_answer
from core.pipeline.settle import counted, settle
from core.routing.choose import Candidate
from core.state.types import Account, Channel, ChannelKey, Principal
from core.upstream.interface import UpstreamFailure
from core.vendors.interface import BadAnswer

TEST_SECONDS = 60.0
"""Longest a test may take."""
TEST_TOKENS, GEMINI_TOKENS = 16, 3000
"""Output tokens a test allows; Gemini's models may think before they speak (New API's figures)."""
DEFAULT_TEST_MODEL = "gpt-4o-mini"
ENDPOINTS = {
    "openai": (common_pb2.OPERATION_CHAT, "openai.chat"),
    "openai-response": (common_pb2.OPERATION_CHAT, "openai.responses"),
    "anthropic": (common_pb2.OPERATION_CHAT, "anthropic.messages"),
    "gemini": (common_pb2.OPERATION_CHAT, "gemini.generate"),
    "embeddings": (common_pb2.OPERATION_EMBEDDING, ""),
    "jina-rerank": (common_pb2.OPERATION_RERANK, ""),
}
"""What a test may ask for, by New API's names of endpoint types: the operation, and the wire form that is spoken
where the channel's vendor speaks it."""
UNTESTED = frozenset({2, 5, 36, 50, 51, 52, 54})
"""Types that draw or work on tasks: a small request is none, and costs (New API's list)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be tested. model "": the channel's own; endpoint "": as the model's name sounds."""

    channel_id: int
    model: str = ""
    stream: bool = False
    endpoint: str = ""
    account: Account | None = None
    """Whose name the log line bears; the test costs nobody."""
    key: ChannelKey | None = None
    """Which of the channel's keys; None: the first that is enabled."""


Tester = Callable[[Trial], Awaitable[admin_pb2.TestChannelResponse]]


def make_tester(relay: Relay) -> Tester:
    """A function that tests a channel. It raises InvalidRequest and RecordNotFound where there is nothing to test."""

    async def test(trial: Trial) -> admin_pb2.TestChannelResponse:
        channel = await _channel(relay, trial.channel_id)
        if channel.type in UNTESTED:
            raise InvalidRequest("Channels that draw or work on tasks cannot be tested.", param="id")
        model = trial.model or model_of(channel)
        operation, form = _asked(model, trial.endpoint)
        exchange = _exchange(relay, model, trial.stream, operation, form, trial.account)
        started = time.monotonic()
        response = admin_pb2.TestChannelResponse()
        try:
            async with asyncio.timeout(TEST_SECONDS):
                response.receipt.CopyFrom(await _run(relay, exchange, channel, trial.key))
            response.ok = True
        except IsthmusError as error:
            response.fault.CopyFrom(fault_of(error))
        except TimeoutError:
            response.fault.reason = "VENDOR_TIMEOUT"
            response.fault.message = f"The vendor did not answer within {TEST_SECONDS:.0f} s."
        response.seconds = time.monotonic() - started
        return response

    return test


async def _channel(relay: Relay, channel_id: int) -> Channel:
    """The channel, enabled or not."""
    channel = relay.state.snapshot.channels.get(channel_id)
    if channel is None:
        channel = await relay.state.channel(channel_id)
    if channel is None:
        raise RecordNotFound(f"There is no channel {channel_id}.")
    return channel


def model_of(channel: Channel) -> str:
    """The model a channel is tested with."""
    return channel.test_model or next(iter(sorted(channel.models)), DEFAULT_TEST_MODEL)


def _asked(model: str, endpoint: str) -> tuple[common_pb2.Operation.ValueType, str]:
    """What is asked for, and in which form: as named, else as the model's name sounds. Raises InvalidRequest."""
    if endpoint:
        if endpoint not in ENDPOINTS:
            raise InvalidRequest(f"A channel is tested by {', '.join(ENDPOINTS)}.", param="endpoint_type")
        return ENDPOINTS[endpoint]
    low = model.lower()
    if "rerank" in low:
        return common_pb2.OPERATION_RERANK, ""
    if "moderation" in low:
        return common_pb2.OPERATION_MODERATION, ""
    embeds = "embed" in low or low.startswith(("m3e", "bge-"))
    return (common_pb2.OPERATION_EMBEDDING if embeds else common_pb2.OPERATION_CHAT), ""


def _canonical(operation: common_pb2.Operation.ValueType, envelope: common_pb2.Envelope, tokens: int) -> Any:
    """The smallest request of an operation."""
    if operation == common_pb2.OPERATION_EMBEDDING:
        return embedding_pb2.Embedding(inputs=[embedding_pb2.EmbeddingInput(text="hi")], single=True)
    if operation == common_pb2.OPERATION_RERANK:
        documents = [rerank_pb2.RerankDocument(text=text) for text in ("hi", "bye")]
        return rerank_pb2.RerankRequest(envelope=envelope, query="hi", documents=documents, top_n=1)
    if operation == common_pb2.OPERATION_MODERATION:
        judged = moderation_pb2.Moderation(single=True)
        judged.inputs.add().parts.add().text.text = "hi"
        return judged
    chat = chat_pb2.ChatRequest(max_output_tokens=tokens)
    chat.stream_options.include_usage = True
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "hi"
    return chat


def _exchange(
    relay: Relay,
    model: str,
    streamed: bool,
    operation: common_pb2.Operation.ValueType,
    form: str,
    account: Account | None,
) -> Exchange:
    chats = operation == common_pb2.OPERATION_CHAT
    tokens = GEMINI_TOKENS if "gemini" in model.lower() else TEST_TOKENS
    envelope = common_pb2.Envelope(
        operation=operation,
        model=model,
        stream=streamed and chats,
        max_output_tokens=tokens if chats else 0,
    )
    nobody = Account(id=0, username="", role=1, status=1, group="default", purse_id=0)
    return Exchange(
        request_id=f"test-{time.time_ns():x}",
        principal=Principal(account=account or nobody, key=None),
        envelope=envelope,
        task=Task(operation, _canonical(operation, envelope, tokens), None, speak=form),
        snapshot=relay.state.snapshot,
        started_ms=time.time_ns() // 1_000_000,
        free=True,
    )


async def _run(relay: Relay, exchange: Exchange, channel: Channel, key: ChannelKey | None) -> billing_pb2.Receipt:
    if key is None and not channel.keys:
        raise RecordNotFound("The channel has no enabled key.")
    candidate = Candidate(channel, key or channel.keys[0], "default")
    attempt = note(exchange, candidate)
    opened = await open_attempt(exchange, candidate, attempt, relay)
    if not exchange.envelope.stream:
        body = await read_whole(opened, relay.settings)
        _, _, usage = read_answer(exchange, opened, body)
        return settle(exchange, relay.ledger, usage, billing_pb2.ENDING_COMPLETE)
    decoder = opened.form.decoder(opened.call)
    try:
        async for chunk in opened.answer.chunks():
            decoder.feed(chunk)
        decoder.end()
    except UpstreamFailure as failure:
        raise failure_error(failure) from failure
    except BadAnswer as error:
        raise broken(error, opened.call) from error
    finally:
        await opened.answer.aclose()
    return settle(exchange, relay.ledger, decoder.usage or counted(0, 0), billing_pb2.ENDING_COMPLETE)

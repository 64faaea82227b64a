"""A streamed answer: events or native bytes as they come, settled before the last of them leaves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import billing_pb2, chat_pb2, common_pb2, usage_pb2

from core.errors import InsufficientQuota, IsthmusError, VendorBroken, VendorError
from core.link.call import CallInfo, fault_of
from core.pipeline.attempt import ERROR_BODY_LIMIT, Opened, broken, failure_error, open_attempt
from core.pipeline.exchange import Exchange, Task
from core.pipeline.heard import COUNTED, joined
from core.pipeline.relay import Relay, told_or_counted
from core.pipeline.settle import bill_of, counted, fail, receipt_of, settle, tokens_of
from core.pricing.count import Delivered
from core.pricing.vocabulary import SCRIPT
from core.routing.choose import Candidate, Plan
from core.upstream.interface import UpstreamFailure
from core.vendors.interface import BadAnswer, ToldRefusal

logger = logging.getLogger("isthmus.stream")

Message = chat_pb2.StreamGenerateResponse

CHECK_TOKENS = 256
"""Delivered tokens between two looks at what a stream has cost."""
PROGRESS_SECONDS = 2.0
"""How often the journal learns what a stream has cost (design: every 2 s)."""
TAIL_SECONDS = 0.05
"""How long the end of a body is awaited after the stream's own end, so that its connection can be used again."""
FIRST_OUTPUT_LIMIT = 1 << 20
"""Bytes a vendor may send before the first event is whole."""


class _Native:
    """The client speaks the vendor's form: bytes in, bytes out."""

    def __init__(self, opened: Opened) -> None:
        self._relay = opened.form.relay(opened.call)

    def feed(self, chunk: bytes) -> Message | None:
        out = self._relay.feed(chunk)
        return Message(native=out) if out else None

    def end(self) -> Message | None:
        out = self._relay.end()
        return Message(native=out) if out else None

    @property
    def finished(self) -> bool:
        return bool(self._relay.finished)

    @property
    def usage(self) -> usage_pb2.Usage | None:
        usage: usage_pb2.Usage | None = self._relay.usage
        return usage

    @property
    def fault(self) -> common_pb2.Fault | None:
        fault: common_pb2.Fault | None = self._relay.fault
        return fault

    def tokens(self) -> int:
        """Output tokens delivered so far."""
        return int(self._relay.delivered.tokens())

    def exact(self) -> int:
        """The same by the model's vocabulary, if it is loaded."""
        return int(self._relay.delivered.exact())


class _Canonical:
    """The client speaks another form: bytes in, events out."""

    def __init__(self, opened: Opened, exchange: Exchange) -> None:
        self._decoder = opened.form.decoder(opened.call)
        self._delivered = Delivered(opened.call.sent)
        self._exchange = exchange
        self.fault: common_pb2.Fault | None = None

    def _message(self, events: list[chat_pb2.ChatEvent]) -> Message | None:
        if len(events) > 2:
            events = joined(events)
        for event in events:
            kind = event.WhichOneof("event")
            if kind == "delta":
                told = event.delta
                delta = told.WhichOneof("delta")
                if delta in COUNTED:
                    # The count does not depend on how the text was split.
                    self._delivered.add(getattr(told, delta))
            elif kind == "fault":
                self.fault = event.fault
            elif kind == "started" and not event.started.usage.input_tokens:
                self._count_input(event.started)
        return Message(events=events) if events else None

    def _count_input(self, started: chat_pb2.StreamStarted) -> None:
        """Tells the input's tokens where the client wants to know them at once and the vendor says nothing yet."""
        canonical = self._exchange.task.canonical
        if canonical is not None and canonical.stream_options.count_input:
            started.usage.CopyFrom(counted(self._exchange.counted_prompt(), 0))

    def feed(self, chunk: bytes) -> Message | None:
        return self._message(self._decoder.feed(chunk))

    def end(self) -> Message | None:
        return self._message(self._decoder.end())

    @property
    def finished(self) -> bool:
        return bool(self._decoder.finished)

    @property
    def usage(self) -> usage_pb2.Usage | None:
        usage: usage_pb2.Usage | None = self._decoder.usage
        return usage

    def tokens(self) -> int:
        """Output tokens delivered so far."""
        return self._delivered.tokens()

    def exact(self) -> int:
        """The same by the model's vocabulary, if it is loaded."""
        return self._delivered.exact()


@dataclass(slots=True)
class _Open:
    """A stream whose first output is here."""

    opened: Opened
    source: _Native | _Canonical
    chunks: AsyncIterator[bytes]
    first: Message


async def stream(relay: Relay, info: CallInfo, envelope: common_pb2.Envelope, task: Task) -> AsyncIterator[Message]:
    """The messages of a streamed answer; the last carries the receipt.

    Raises IsthmusError before the first message (nothing is billed); later
    failures are a fault event in the last message, and what was delivered is billed.
    """
    exchange, plan = await relay.begin(info, envelope, task)
    del envelope, task
    relay.running += 1
    try:
        try:
            current = await _first(relay, exchange, plan)
            if current.first.native:
                relay.note_kept(exchange, current.first.native)
            if exchange.pace is not None:
                current.first.limits.extend(exchange.pace.shown())
            current.opened.call.native = None
            exchange.let_go()
        except IsthmusError as error:
            fail(exchange, relay.ledger, error, relay.settings.error_log)
            raise
        try:
            # Closed here and not when it is forgotten: it settles, and the hold must still be there.
            async with aclosing(_rest(relay, exchange, current)) as messages:
                async for message in messages:
                    yield message
        finally:
            await current.opened.answer.aclose()
    finally:
        relay.running -= 1
        exchange.unpace()
        relay.guide.ended(exchange)
        exchange.close_files()
        if exchange.hold is not None:
            relay.ledger.release(exchange.hold)
            exchange.hold = None


async def _first(relay: Relay, exchange: Exchange, plan: Plan) -> _Open:
    """Opens channels until one delivers something."""

    async def run(candidate: Candidate, attempt: billing_pb2.Attempt) -> _Open:
        opened = await open_attempt(exchange, candidate, attempt, relay)
        try:
            return await _first_output(exchange, opened)
        except BaseException:
            await opened.answer.aclose()
            raise

    return await relay.try_channels(exchange, plan, run)


async def _first_output(exchange: Exchange, opened: Opened) -> _Open:
    """Reads until the first event is whole. Raises VendorError where there is none."""
    kind = opened.answer.headers.get("content-type", "")
    if "html" in kind or ("application/json" in kind and not getattr(opened.form, "json_streams", False)):
        await _not_a_stream(opened)
    source: _Native | _Canonical = _Native(opened) if opened.native else _Canonical(opened, exchange)
    chunks = opened.answer.chunks()
    received = 0
    try:
        async for chunk in chunks:
            received += len(chunk)
            message = source.feed(chunk)
            if source.fault is not None:
                raise _fault_error(source.fault)
            if message is not None:
                return _Open(opened, source, chunks, message)
            if received > FIRST_OUTPUT_LIMIT:
                raise VendorBroken("The vendor's stream has no end of line.")
        message = source.end()
        if message is not None:
            return _Open(opened, source, chunks, message)
    except UpstreamFailure as failure:
        raise failure_error(failure) from failure
    except BadAnswer as error:
        raise broken(error, opened.call) from error
    raise VendorBroken("The vendor's stream was empty.")


async def _not_a_stream(opened: Opened) -> None:
    """A vendor that answers a stream request with one document: mostly an error under status 200."""
    try:
        body = await opened.answer.read(ERROR_BODY_LIMIT)
    except UpstreamFailure as failure:
        raise failure_error(failure) from failure
    try:
        opened.form.decode(body, opened.call)
    except ToldRefusal as told:
        raise broken(told, opened.call) from told
    except BadAnswer:
        pass
    refusal = opened.form.refusal(502, opened.answer.headers, body, opened.call)
    raise VendorBroken(f"The vendor answered with a document instead of a stream: {refusal.message}")


def _fault_error(fault: common_pb2.Fault) -> VendorError:
    """A fault that came before any output, as the error of an attempt."""
    return VendorError(
        fault.message, http_status=fault.http_status or 502, vendor_code=fault.vendor_code, param=fault.param
    )


async def _rest(relay: Relay, exchange: Exchange, current: _Open) -> AsyncGenerator[Message, None]:
    """Every message from the first on; settles before the last one, or in any other way this ends."""
    source = current.source
    ending = billing_pb2.ENDING_CLIENT_CLOSED
    error: IsthmusError | None = None
    last: Message | None = current.first
    delivered = 0
    exchange.first_byte()
    exchange.progressed = time.monotonic()
    current.first.dropped.extend(exchange.dropped)
    try:
        try:
            while not source.finished:
                if last is not None:
                    yield last
                    delivered = source.tokens()
                    last = None
                    await _watch(relay, exchange, source, delivered)
                try:
                    chunk = await anext(current.chunks)
                except StopAsyncIteration:
                    last = source.end()
                    break
                last = source.feed(chunk)
                if source.fault is not None:
                    break
            else:
                with suppress(TimeoutError, StopAsyncIteration, UpstreamFailure):
                    async with asyncio.timeout(TAIL_SECONDS):
                        while True:
                            await anext(current.chunks)
        except UpstreamFailure as failure:
            error = failure_error(failure)
        except BadAnswer as bad:
            error = broken(bad, current.opened.call)
        except InsufficientQuota as quota:
            error = quota
        if error is None and source.fault is None:
            ending = billing_pb2.ENDING_COMPLETE
        elif isinstance(error, InsufficientQuota):
            ending = billing_pb2.ENDING_QUOTA
        else:
            ending = billing_pb2.ENDING_VENDOR_BROKE
        delivered = await _delivered(exchange, current)
    except (asyncio.CancelledError, GeneratorExit):
        if relay.cutting:
            ending = billing_pb2.ENDING_SHUTDOWN
        raise
    finally:
        receipt = _settle(relay, exchange, source, delivered, ending)
        exchange.unpace(tokens_of(receipt.usage))
    await relay.ledger.settled(receipt)
    final = last if last is not None else Message()
    if error is not None:
        final.events.add().fault.CopyFrom(fault_of(error))
    elif source.fault is not None and not any(event.HasField("fault") for event in final.events):
        final.events.add().fault.CopyFrom(source.fault)
    elif source.usage is None:
        _tell(final, receipt.usage)
    final.receipt.CopyFrom(receipt)
    yield final


def _tell(final: Message, usage: usage_pb2.Usage) -> None:
    """Puts the usage that was counted here before the end, where the vendor told none and the client hears events."""
    if final.events and final.events[-1].HasField("ended"):
        ended = final.events.pop()
        final.events.add().usage.CopyFrom(chat_pb2.UsageReport(usage=usage, final=True))
        final.events.append(ended)


def _settle(
    relay: Relay, exchange: Exchange, source: Any, delivered: int, ending: billing_pb2.Ending.ValueType
) -> billing_pb2.Receipt:
    """Bills the vendor's usage if it came, else what was delivered; the receipt says which."""
    usage = source.usage
    told = usage.input_tokens if usage is not None else 0
    if usage is not None and ending == billing_pb2.ENDING_COMPLETE:
        usage = told_or_counted(exchange, usage, delivered)
    else:
        usage = _so_far(usage, told or exchange.counted_prompt(), delivered, exchange.counter)
    exchange.usage = usage
    return settle(exchange, relay.ledger, usage, ending)


async def _delivered(exchange: Exchange, current: _Open) -> int:
    """Output tokens of an answer that has ended; by the model's vocabulary where the vendor told less than all."""
    delivered = current.source.tokens()
    if _untold(current.source.usage, delivered) and await exchange.count_exactly(current.opened.call.sent):
        return int(current.source.exact())
    return int(delivered)


def _untold(usage: usage_pb2.Usage | None, delivered: int) -> bool:
    """Whether the vendor told less than both numbers of tokens."""
    return usage is None or not usage.input_tokens or (delivered > 0 and not usage.output_tokens)


def _so_far(told: usage_pb2.Usage | None, prompt: int, delivered: int, counter: str = SCRIPT) -> usage_pb2.Usage:
    """What a stream that goes on, or was cut, has used: what the vendor told, and at least what was delivered.

    Anthropic tells the input, cache reads and writes included, before the first word. prompt: where it is not told.
    """
    if told is None:
        return counted(prompt, delivered, counter)
    if told.output_tokens >= delivered and told.input_tokens:
        return told
    usage = usage_pb2.Usage()
    usage.CopyFrom(told)
    usage.input_tokens = told.input_tokens or prompt
    usage.output_tokens = max(told.output_tokens, delivered)
    usage.source, usage.counter = usage_pb2.USAGE_SOURCE_COUNTED, counter
    return usage


async def _watch(relay: Relay, exchange: Exchange, source: Any, delivered: int) -> None:
    """Holds more when a stream outgrows its reserve; tells the journal of long streams. Raises InsufficientQuota."""
    if exchange.hold is None:
        return
    now = time.monotonic()
    due = now - exchange.progressed >= PROGRESS_SECONDS
    if delivered < exchange.check_at and not due:
        return
    exchange.check_at = delivered + CHECK_TOKENS
    usage = _so_far(source.usage, exchange.prompt_tokens, delivered)
    ahead = counted(usage.input_tokens, delivered + CHECK_TOKENS)
    needed = bill_of(exchange, ahead).quota
    if needed > exchange.hold.units:
        await relay.ledger.extend(exchange.hold, max(needed - exchange.hold.units, exchange.reserved // 2))
    if due:
        exchange.progressed = now
        bill = bill_of(exchange, usage)
        receipt = receipt_of(exchange, usage, bill, billing_pb2.ENDING_RECOVERED)
        relay.ledger.progress(exchange.hold, bill.quota, receipt)

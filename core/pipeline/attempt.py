"""One try at one channel: encode, send, check the head of the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from isthmus.v1 import billing_pb2, chat_pb2, common_pb2

from core.authorise.interface import Outside
from core.authorise.registry import ALL as AUTHORISERS
from core.authorise.tokens import Tokens
from core.errors import (
    ChannelError,
    IsthmusError,
    VendorBroken,
    VendorError,
    VendorTimeout,
    VendorUnreachable,
)
from core.fetch.fetcher import Budget, Fetcher
from core.fetch.rules import rules_of
from core.ledger.interface import Ledger
from core.pipeline.exchange import Exchange, Form
from core.pipeline.files import Files, text_bytes
from core.pipeline.forced import Forced
from core.pipeline.held import STATEFUL, check_held
from core.pipeline.in_content import InContent
from core.pipeline.reserve import hold_more
from core.pipeline.tool_names import Renamed, legal
from core.pricing.estimate import BYTES_PER_TOKEN
from core.routing.choose import Candidate
from core.routing.mapping import map_model, map_status
from core.settings import CoreSettings
from core.state.types import Channel
from core.upstream.interface import (
    ConnectFailed,
    TimedOut,
    Timeouts,
    Upstream,
    UpstreamAnswer,
    UpstreamFailure,
    UpstreamRequest,
)
from core.vendors.interface import (
    AsksAgain,
    BadAnswer,
    Call,
    House,
    ToldRefusal,
    Vendor,
    VendorRefusal,
    VendorRequest,
)
from core.vendors.openai.completions import check_prompt
from core.vendors.registry import vendor

CHAT = "openai.chat"
ERROR_BODY_LIMIT = 1 << 20
"""Bytes of a vendor's error answer that are read."""
UPSTREAM_ID_HEADERS = ("x-request-id", "request-id", "x-oneapi-request-id", "cf-ray")


class Means(Protocol):
    """What attempts are made with; the relay has it."""

    settings: CoreSettings
    upstream: Upstream
    tokens: Tokens
    fetcher: Fetcher
    ledger: Ledger


@dataclass(slots=True)
class Opened:
    """A vendor that answers with success: the head is here, the body is not."""

    answer: UpstreamAnswer
    form: Any
    call: Call
    native: bool
    """Whether the client's own bytes went out, so that the vendor's go back as they are."""


def failure_error(failure: UpstreamFailure) -> VendorError:
    """The error of an exchange that failed on the way."""
    if isinstance(failure, ConnectFailed) or failure.phase == "connect":
        return VendorUnreachable()
    if isinstance(failure, TimedOut):
        return VendorTimeout()
    return VendorBroken()


def retry_status(error: IsthmusError) -> int:
    """The status routing judges an error by: connection and body errors count as 500."""
    if isinstance(error, VendorTimeout):
        return 504
    if isinstance(error, VendorUnreachable | VendorBroken | ChannelError):
        return 500
    return error.http_status


def note(exchange: Exchange, candidate: Candidate) -> billing_pb2.Attempt:
    """Begins the attempt's entry in the receipt."""
    channel = candidate.channel
    attempt = billing_pb2.Attempt(
        channel_id=channel.id,
        channel_name=channel.name,
        channel_type=channel.type,
        key_index=candidate.key.index,
        started_ms=int(time.time() * 1000),
        first_byte_ms=-1,
        group=candidate.group,
    )
    exchange.attempts.append(attempt)
    exchange.group = candidate.group
    return attempt


def _form(exchange: Exchange, candidate: Candidate) -> tuple[Vendor, Form, bool]:
    """The vendor, the wire form to speak, and whether it is the client's own."""
    channel = candidate.channel
    if channel.defect:
        raise ChannelError(f"Channel {channel.id} is not set up correctly: {channel.defect}")
    row = vendor(channel.type)
    if row is None or row.unavailable:
        reason = row.unavailable if row is not None else "its type is not known"
        raise ChannelError(f"Channel {channel.id} cannot be used: {reason}")
    forms = exchange.task.forms(row)
    if row.split:
        model = map_model(channel, exchange.envelope.model)
        forms = tuple(form for form in forms if row.serves(form.name, model, channel.base_url))
    if not forms:
        raise ChannelError(f"Channel {channel.id} ({row.name}) cannot do this operation.")
    native = exchange.task.native
    spoken = native.form if native is not None else exchange.task.speak
    chosen, own = forms[0], False
    for form in forms:
        if form.name == spoken and row.serves(form.name, map_model(channel, exchange.envelope.model), channel.base_url):
            chosen, own = form, native is not None
            break
    if chosen.name == CHAT:
        policy = exchange.snapshot.options.responses_policy
        if policy.covers(channel.id, channel.type, exchange.envelope.model):
            chosen, own = next(((form, False) for form in forms if form.name == STATEFUL), (chosen, own))
    if own and exchange.task.operation == common_pb2.OPERATION_CHAT:
        # Where the channel says so the answer is made anew here, out of what the vendor's bytes mean.
        own = not (channel.setting.get("force_format") or _in_content(exchange, channel))
    return row, chosen, own


def preview(exchange: Exchange, candidate: Candidate, settings: CoreSettings) -> tuple[str, bool, str, tuple[str, ...]]:
    """What an attempt would be: the wire form, whether it is the client's own, the model sent, what is dropped.

    Nothing leaves the house. Raises ChannelError, UnsupportedFeature, InvalidRequest.
    """
    channel = candidate.channel
    _, form, _ = _form(exchange, candidate)
    sent = map_model(channel, exchange.envelope.model)
    own = form.name == exchange.task.speak and not channel.setting.get("force_format")
    if own:
        return form.name, True, sent, ()
    call = Call(
        channel=channel,
        secret=candidate.key.secret,
        asked=exchange.envelope.model,
        sent=sent,
        stream=exchange.envelope.stream,
        created=exchange.started_ms // 1000,
        options=exchange.snapshot.options.raw,
        house=house_of(settings),
    )
    if isinstance(exchange.task.canonical, chat_pb2.ChatRequest):
        check_held(exchange.task.canonical, form.name)
        check_prompt(exchange.task.canonical, form.name)
    return form.name, False, sent, tuple(form.encode(exchange.task.canonical, call).dropped)


def _in_content(exchange: Exchange, channel: Channel) -> bool:
    """Whether thoughts are told as text: the channel says so, and the client speaks OpenAI's chat form."""
    native = exchange.task.native
    return bool(channel.setting.get("thinking_to_content")) and native is not None and native.form == CHAT


def _told(exchange: Exchange, channel: Channel, form: Any) -> Any:
    """The form that reads the answer, with what the channel wants done to it."""
    if exchange.task.operation == common_pb2.OPERATION_CHAT and hasattr(form, "decoder"):  # else it counts tokens
        if channel.setting.get("force_format"):
            form = Forced(form)
        if _in_content(exchange, channel):
            form = InContent(form)
    return form


async def _with_files(exchange: Exchange, form: Any, own: bool, means: Means) -> Any:
    """The canonical request, with the bytes of files that the form takes by no address. Raises InvalidRequest."""
    canonical = exchange.task.canonical
    wants = getattr(form, "wants_bytes", None)
    if wants is None or (own and not getattr(form, "wants_of_its_own", False)):
        return canonical
    if exchange.files is None:
        size = len(exchange.task.native.body) if exchange.task.native is not None else canonical.ByteSize()
        budget = Budget(means.fetcher.room, (means.settings.max_request_mb << 20) - size)
        exchange.files = Files(means.fetcher, rules_of(exchange.snapshot.options.raw), budget)
    ready = await exchange.files.ready(canonical, wants)
    if ready is not canonical and exchange.hold is not None:
        # Pictures cost what they were estimated at; a text by address is as long as its server likes.
        more = text_bytes(ready) // BYTES_PER_TOKEN
        await hold_more(exchange, means.ledger, more)
    return ready


async def open_attempt(exchange: Exchange, candidate: Candidate, attempt: billing_pb2.Attempt, means: Means) -> Opened:
    """Sends the request; returns when a 2xx head is here.

    Raises VendorError, ChannelError, UnsupportedFeature; InvalidRequest where a file cannot be fetched,
    InsufficientQuota where it is longer than the purse.
    """
    channel = candidate.channel
    row, form, native = _form(exchange, candidate)
    sent = map_model(channel, exchange.envelope.model)
    call = Call(
        channel=channel,
        secret=candidate.key.secret,
        asked=exchange.envelope.model,
        sent=sent,
        stream=exchange.envelope.stream,
        include_usage=exchange.task.include_usage,
        created=exchange.started_ms // 1000,
        native=exchange.task.native,
        options=exchange.snapshot.options.raw,
        house=house_of(means.settings),
    )
    attempt.upstream_model = sent
    attempt.native = native
    if not native and isinstance(exchange.task.canonical, chat_pb2.ChatRequest):
        check_held(exchange.task.canonical, form.name)
        check_prompt(exchange.task.canonical, form.name)
    canonical = await _with_files(exchange, form, native, means)
    if canonical is not exchange.task.canonical:
        native = attempt.native = False
    back: Mapping[str, str] = {}
    if not native and isinstance(canonical, chat_pb2.ChatRequest):
        canonical, back = legal(canonical, form.name)
    wire = form.splice(exchange.task.native, call) if native else form.encode(canonical, call)
    exchange.dropped = wire.dropped
    answer = await _sent(wire, call, row, means, exchange, attempt)
    if not 200 <= answer.status < 300:
        refusal = await _refusal(answer, form, call)
        again = form.again(refusal, wire, call) if isinstance(form, AsksAgain) else None
        if again is None:
            raise _refusal_error(refusal, call)
        _note_again(exchange, attempt, refusal)
        exchange.dropped = again.dropped
        answer = await _sent(again, call, row, means, exchange, attempt)
        if not 200 <= answer.status < 300:
            raise _refusal_error(await _refusal(answer, form, call), call)
    attempt.http_status = answer.status
    told = _told(exchange, channel, form)
    return Opened(answer, Renamed(told, back) if back and hasattr(form, "decoder") else told, call, native)


async def _sent(
    wire: VendorRequest, call: Call, row: Vendor, means: Means, exchange: Exchange, attempt: billing_pb2.Attempt
) -> UpstreamAnswer:
    """The head of a vendor's answer, of any status. Raises VendorError, ChannelError."""
    timeouts, proxy = _timeouts(means.settings), str(call.channel.setting.get("proxy") or "")
    if row.authorise:
        wire = await AUTHORISERS[row.authorise](wire, call, Outside(means.upstream, means.tokens, timeouts, proxy))
    request = UpstreamRequest(wire.method, wire.url, wire.headers, wire.body, timeouts, proxy, wire.last)
    sent_at = time.monotonic()
    try:
        answer = await means.upstream.send(request)
    except UpstreamFailure as failure:
        raise failure_error(failure) from failure
    attempt.first_byte_ms = int((time.monotonic() - sent_at) * 1000)
    for header in UPSTREAM_ID_HEADERS:
        if value := answer.headers.get(header):
            attempt.upstream_request_id = value[:128]
            break
    if answer.status == 401 and row.authorise:
        means.tokens.forget(next((value for name, value in wire.headers if name == "Authorization"), ""))
    return answer


def _note_again(exchange: Exchange, attempt: billing_pb2.Attempt, refusal: VendorRefusal) -> None:
    """Puts the refused try of the same channel into the receipt, before the one that follows."""
    first = billing_pb2.Attempt()
    first.CopyFrom(attempt)
    first.http_status, first.reason = refusal.status, "ASKED_AGAIN"
    first.duration_ms = max(0, int(time.time() * 1000) - attempt.started_ms)
    if exchange.attempts and exchange.attempts[-1] is attempt:
        exchange.attempts.insert(len(exchange.attempts) - 1, first)
    attempt.started_ms, attempt.first_byte_ms, attempt.upstream_request_id = int(time.time() * 1000), -1, ""


async def _refusal(answer: UpstreamAnswer, form: Form, call: Call) -> VendorRefusal:
    """What a vendor says of its refusal."""
    try:
        body = await answer.read(ERROR_BODY_LIMIT)
    except UpstreamFailure:
        body = b""
    finally:
        await answer.aclose()
    found: VendorRefusal = form.refusal(answer.status, answer.headers, body, call)
    return found


def _refusal_error(refusal: VendorRefusal, call: Call) -> VendorError:
    """A refusal as an error; its status after the channel's mapping."""
    return VendorError(
        refusal.message,
        param=refusal.param,
        code=refusal.code,
        vendor_code=refusal.kind,
        http_status=map_status(call.channel, refusal.status),
        retry_after_ms=refusal.retry_after_ms,
    )


async def read_whole(opened: Opened, settings: CoreSettings) -> bytes:
    """The whole body of an answer. Raises VendorError."""
    try:
        body = await opened.answer.read(settings.max_answer_mb << 20)
    except UpstreamFailure as failure:
        raise failure_error(failure) from failure
    finally:
        await opened.answer.aclose()
    if not body:
        raise VendorBroken("The vendor's answer was empty.")
    return body


def broken(error: BadAnswer, call: Call) -> VendorError:
    """A body that is not what its wire form allows, or that tells an error under a status of success."""
    if isinstance(error, ToldRefusal):
        return _refusal_error(error.refusal, call)
    return VendorBroken(f"The vendor's answer could not be read: {error}")


@lru_cache(maxsize=8)
def house_of(settings: CoreSettings) -> House:
    """What vendors' forms are told of the settings; made once."""
    return House(
        azure_api_version=settings.azure_api_version,
        gemini_images_most=settings.gemini_images_most,
        event_limit=settings.event_limit_mb << 20,
    )


_timeouts_of: dict[int, Timeouts] = {}


def _timeouts(settings: CoreSettings) -> Timeouts:
    """The timeouts of the settings; made once."""
    known = _timeouts_of.get(id(settings))
    if known is None:
        known = Timeouts(
            connect=settings.connect_timeout,
            first_byte=settings.relay_timeout or settings.streaming_timeout,
            idle=settings.streaming_timeout,
        )
        _timeouts_of.clear()
        _timeouts_of[id(settings)] = known
    return known

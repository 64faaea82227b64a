"""Answers that a vendor of the Responses form keeps: asked of the very channel and key that made them."""

from __future__ import annotations

from typing import Any

from core.errors import NoChannel, RecordNotFound, VendorError
from core.pipeline.attempt import failure_error, house_of
from core.pipeline.held import STATEFUL
from core.pipeline.relay import Relay
from core.state.types import Channel, ChannelKey
from core.store.responses import Turn
from core.upstream.interface import Timeouts, UpstreamFailure, UpstreamRequest
from core.vendors.interface import Call
from core.vendors.registry import vendor

SECONDS = 60.0


def place(relay: Relay, turn: Turn) -> tuple[Channel, ChannelKey]:
    """The channel and key that made an answer. Raises NoChannel where they are there no more."""
    channel = relay.state.snapshot.channels.get(turn.channel_id)
    key = next((key for key in channel.keys if key.index == turn.key_index), None) if channel is not None else None
    if channel is None or key is None or channel.defect:
        raise NoChannel("The channel that made this answer, and whose vendor keeps it, is not available now.")
    return channel, key


async def ask(relay: Relay, turn: Turn, method: str, tail: str = "", query: str = "") -> bytes:
    """The vendor's bytes about an answer it keeps. Raises NoChannel, VendorError, RecordNotFound."""
    channel, key = place(relay, turn)
    row = vendor(channel.type)
    form: Any = next((form for form in row.chat if form.name == STATEFUL), None) if row is not None else None
    if form is None or row is None or row.authorise:
        raise NoChannel("The vendor that made this answer does not tell of it again.")
    options = relay.state.snapshot.options.raw
    call = Call(channel, key.secret, "", "", False, options=options, house=house_of(relay.settings))
    wire = form.about(method, turn.response_id, tail, query, call)
    timeouts = Timeouts(relay.settings.connect_timeout, SECONDS, SECONDS)
    proxy = str(channel.setting.get("proxy") or "")
    try:
        answer = await relay.upstream.send(
            UpstreamRequest(wire.method, wire.url, wire.headers, wire.body, timeouts, proxy)
        )
        try:
            body = await answer.read(relay.settings.max_answer_mb << 20)
        finally:
            await answer.aclose()
    except UpstreamFailure as failure:
        raise failure_error(failure) from failure
    if 200 <= answer.status < 300:
        return body
    told = form.refusal(answer.status, answer.headers, body, call)
    if told.status == 404:
        raise RecordNotFound(told.message)
    raise VendorError(told.message, code=told.code, vendor_code=told.kind, param=told.param, http_status=told.status)

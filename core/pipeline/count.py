"""The tokens of a turn's input: by a vendor that counts in the client's own form, else counted here. Costs nothing."""

from __future__ import annotations

import time

from isthmus.v1 import billing_pb2, chat_pb2, common_pb2, usage_pb2

from core.errors import ChannelError, InvalidRequest, IsthmusError, ShuttingDown, VendorError
from core.link.call import CallInfo
from core.pacing.pacer import demands_of, pace
from core.pipeline.admit import check_words
from core.pipeline.attempt import broken, open_attempt, read_whole
from core.pipeline.exchange import Exchange, Task
from core.pipeline.relay import MODEL_NAME_LIMIT, Relay
from core.routing.choose import Candidate, make_plan
from core.vendors.interface import BadAnswer, ChatForm, TokenCounter, Vendor
from core.vendors.registry import vendor


class CountTask(Task):
    """A task for those forms of a vendor that count."""

    def forms(self, vendor: Vendor) -> tuple[object, ...]:
        """What counts in the client's own form."""
        return tuple(_Counting(form) for form in vendor.chat if counts(form, self.native))


def counts(form: ChatForm, native: common_pb2.Native | None) -> bool:
    """Whether a vendor counts for a client that speaks its form."""
    return native is not None and form.name == native.form and isinstance(form, TokenCounter)


class _Counting:
    """A counting form in the shape of one that answers, so that an attempt is made in the same way."""

    def __init__(self, form: ChatForm) -> None:
        assert isinstance(form, TokenCounter)
        self.name = form.name
        self.encode = form.count_request
        self.splice = form.splice_count
        self.decode = self.relay_whole = form.counted
        self.refusal = form.refusal


async def count(
    relay: Relay, info: CallInfo, envelope: common_pb2.Envelope, task: Task
) -> chat_pb2.CountTokensResponse:
    """The count. Raises IsthmusError for callers who may not ask, and what a vendor says is wrong with the turn."""
    if relay.stopping:
        raise ShuttingDown()
    principal = await relay.principal(info)
    if not envelope.model or len(envelope.model) > MODEL_NAME_LIMIT:
        raise InvalidRequest("A model must be named.", param="model")
    snapshot, now = relay.state.snapshot, time.monotonic()
    group = principal.key.group if principal.key and principal.key.group else principal.account.group
    demands = demands_of(principal, group, envelope.model, snapshot.options, 0)
    if demands is not None and relay.pacing is not None:
        # Counted as a request that took no tokens and no time.
        (await pace(relay.pacing, demands, info.request_id)).end(None)
    chosen = envelope.group if principal.key is None else ""
    form = task.native.form if task.native is not None else ""
    plan = make_plan(snapshot, principal, envelope.model, form, relay.health, relay.rng, now, chosen)
    check_words(task.canonical, snapshot.options)
    exchange = Exchange(
        request_id=info.request_id,
        principal=principal,
        envelope=envelope,
        task=CountTask(task.operation, task.canonical, task.native),
        snapshot=snapshot,
        started_ms=time.time_ns() // 1_000_000,
        free=True,
    )
    while (candidate := plan.next(time.monotonic())) is not None:
        try:
            row = vendor(candidate.channel.type)
            if row is None or candidate.channel.defect or not any(counts(known, task.native) for known in row.chat):
                break
            tokens = await _ask(relay, exchange, candidate)
        except (VendorError, ChannelError) as error:
            if _of_the_turn(error):
                raise
            plan.failed(candidate)
            continue
        finally:
            # A count says nothing of the vendor's health: a real request may probe it.
            relay.health.released(candidate.channel.id, candidate.key.index)
        return chat_pb2.CountTokensResponse(input_tokens=tokens, source=usage_pb2.USAGE_SOURCE_VENDOR)
    await exchange.count_exactly(envelope.model)
    tokens = exchange.counted_prompt()
    return chat_pb2.CountTokensResponse(input_tokens=tokens, source=usage_pb2.USAGE_SOURCE_COUNTED)


async def _ask(relay: Relay, exchange: Exchange, candidate: Candidate) -> int:
    """One vendor's count. Raises VendorError, ChannelError."""
    attempt = billing_pb2.Attempt()
    opened = await open_attempt(exchange, candidate, attempt, relay)
    body = await read_whole(opened, relay.settings)
    try:
        tokens: int = opened.form.decode(body, opened.call)
    except BadAnswer as error:
        raise broken(error, opened.call) from error
    return tokens


def _of_the_turn(error: IsthmusError) -> bool:
    """Whether the vendor refused the turn itself: another channel would, too."""
    return error.http_status in (400, 413, 422)

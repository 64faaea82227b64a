"""A dry run: which channel a request would take, and why. Reads what routing reads, and changes none of it."""

from __future__ import annotations

import random
import time

from isthmus.v1 import chat_pb2, common_pb2, routing_pb2

from core.errors import InvalidRequest, IsthmusError, RecordNotFound
from core.link.call import fault_of
from core.manage import fields
from core.pipeline.attempt import preview
from core.pipeline.exchange import Exchange, Task
from core.pipeline.reserve import expected
from core.pricing.estimate import estimate_prompt
from core.pricing.tables import normalised
from core.routing.choose import Candidate, Plan, groups_of, make_plan
from core.routing.health import Health
from core.services.context import Services
from core.state.channel_extras import weight_at
from core.state.snapshot import channel_of
from core.state.state import key_of
from core.state.types import ENABLED, Account, Channel, Principal

OPTIONS_MOST = 500
MODEL_MOST = 255
DETAIL_MOST = 100
"""Channels whose conversion is tried."""


class Still(Health):
    """Health that is only looked at."""

    def __init__(self, health: Health) -> None:
        super().__init__()
        self._entries = health._entries  # noqa: SLF001 - the same entries, and no way to change them

    def claim(self, channel_id: int, key_index: int, now: float) -> None:
        """A dry run is no probe."""


async def explain(services: Services, request: routing_pb2.ExplainRequest) -> routing_pb2.ExplainResponse:
    """Raises InvalidRequest, RecordNotFound where what is asked about does not exist."""
    model = fields.text(request.envelope.model, "model", MODEL_MOST)
    if not model:
        raise InvalidRequest("A model must be named.", param="model")
    exchange = _exchange(services, request, await _principal(services, request))
    now, options = time.monotonic(), exchange.snapshot.options
    response = routing_pb2.ExplainResponse(tries=options.retry_times + 1, choice=options.channel_choice)
    response.prompt_tokens = exchange.prompt_tokens = estimate_prompt(exchange.task.canonical, 0)
    health, plan = Still(services.health), None
    try:
        _, names = groups_of(options, exchange.principal)
        response.groups.extend(names)
        plan = make_plan(
            exchange.snapshot,
            exchange.principal,
            model,
            fields.text(request.form, "form", 64),
            health,
            random.Random(0),  # noqa: S311 - no secret, and nothing is drawn
            now,
            guides=services.guide.guides(None, options.channel_choice),
        )
        plan.tokens = exchange.prompt_tokens
        response.reserved = expected(exchange, plan.group, services.settings.time_zone)
    except IsthmusError as error:
        response.refusal.CopyFrom(fault_of(error))
    chances: dict[int, float] = {}
    if plan is not None:
        _, found = plan.first(now)
        chances = {channel.id: chance for channel, chance in found}
    told = [
        _option(services, exchange, channel, status, plan, health, now)
        for channel, status in await _channels(services, model)
    ]
    for option in told:
        option.chance = chances.get(option.channel_id, 0.0)
    told.sort(key=lambda one: (one.state != "ready", -one.chance, -one.priority, one.channel_id))
    for option in told[:DETAIL_MOST]:
        _detail(services, exchange, option)
    response.options.extend(told[:OPTIONS_MOST])
    return response


async def _principal(services: Services, request: routing_pb2.ExplainRequest) -> Principal:
    if request.key_id:
        token = await services.store.keys.get(request.key_id)
        account = await services.state.account(token.user_id)
        if account is None:
            raise RecordNotFound("The key's account is gone.")
        return Principal(account, key_of(token))
    if request.account_id:
        account = await services.state.account(request.account_id)
        if account is None:
            raise RecordNotFound("There is no such account.")
        return Principal(account, None)
    group = fields.text(request.envelope.group, "group", 64) or "default"
    return Principal(Account(id=0, username="", role=1, status=1, group=group, purse_id=0), None)


def _exchange(services: Services, request: routing_pb2.ExplainRequest, principal: Principal) -> Exchange:
    operation = request.envelope.operation or common_pb2.OPERATION_CHAT
    if operation != common_pb2.OPERATION_CHAT:
        raise InvalidRequest("Only turns of a conversation can be explained yet.", param="operation")
    chat = chat_pb2.ChatRequest()
    chat.CopyFrom(request.chat)
    if not chat.messages:
        chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "hi"
    return Exchange(
        request_id="explain",
        principal=principal,
        envelope=request.envelope,
        task=Task(operation, chat, None, speak=request.form),
        snapshot=services.state.snapshot,
        started_ms=time.time_ns() // 1_000_000,
        free=True,
    )


async def _channels(services: Services, model: str) -> list[tuple[Channel, int]]:
    """Every channel that lists the model, in any state; enabled ones as requests see them."""
    names = {model, normalised(model)}
    found = []
    for row in await services.store.channels.all():
        if names & {name.strip() for name in row.models.split(",")}:
            known = services.state.snapshot.channels.get(row.id) if row.status == ENABLED else None
            found.append((known or channel_of(row), row.status))
    return found


def _option(
    services: Services, exchange: Exchange, channel: Channel, status: int, plan: Plan | None, health: Health, now: float
) -> routing_pb2.RouteOption:
    guide = services.guide
    ready = [key for key in channel.keys if health.available(channel.id, key.index, now)]
    option = routing_pb2.RouteOption(
        channel_id=channel.id,
        name=channel.name,
        type=channel.type,
        priority=channel.priority,
        weight=weight_at(channel.weight, channel.windows, guide.minute()) if channel.windows else channel.weight,
        state="ready",
        keys=len(channel.keys),
        keys_ready=len(ready),
        cost=channel.cost,
        latency_ms=guide.speed.of(channel.id, exchange.envelope.model, now) or 0.0,
    )
    if status != ENABLED:
        option.state, option.reason = "disabled", "by hand" if status == 2 else "automatically"
    elif channel.defect:
        option.state, option.reason = "broken", channel.defect
    elif not channel.keys:
        option.state, option.reason = "disabled", "every key is"
    elif plan is None or not (group := plan.group_of(channel.id)):
        option.state, option.reason = "other_group", "it serves " + ", ".join(sorted(channel.groups))[:200]
    else:
        option.group = group
        if channel.limits is not None:
            option.spent.extend([*guide.meters.spent(channel.id, now), guide.meters.running(channel.id)])
            limit = guide.meters.full(channel.id, channel.limits, exchange.prompt_tokens, now)
            if limit:
                option.state, option.reason = "full", limit
        if option.state == "ready" and not ready:
            option.state = "cooling_down"
            free = min(health.free_at(channel.id, key.index) for key in channel.keys)
            option.free_in_ms = max(0, int((free - now) * 1000))
    return option


def _detail(services: Services, exchange: Exchange, option: routing_pb2.RouteOption) -> None:
    """How the request would be put to it."""
    channel = services.state.snapshot.channels.get(option.channel_id)
    if channel is None or not channel.keys or channel.defect:
        return
    try:
        candidate = Candidate(channel, channel.keys[0], option.group)
        form, native, sent, dropped = preview(exchange, candidate, services.settings)
    except IsthmusError as error:
        if option.state == "ready":
            option.state = "unfit"
        option.reason = option.reason or error.message
        return
    option.form, option.native, option.upstream_model = form, native, sent
    option.dropped.extend(dropped[:100])

"""What was used: sums for the dashboards, and what a key's holder may ask in New API's and in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import grpc
from isthmus.v1 import billing_pb2

from front.errors import bad, from_rpc
from front.rest.manager import Call, Level, Raw, Route

UNLIMITED = 100_000_000
"""What a key without a limit of its own is told to have."""
CENTS = 100


async def _sums(c: Call, by: billing_pb2.UsageBy.ValueType, everybody: bool) -> list[billing_pb2.UsageSum]:
    asked = billing_pb2.SumUsageRequest(
        by=by,
        all_accounts=everybody,
        since=c.number("start_timestamp"),
        until=c.number("end_timestamp"),
        model=c.text("model_name"),
        group=c.text("group"),
        key_name=c.text("token_name"),
    )
    if everybody:
        asked.username, asked.channel_id = c.text("username"), c.number("channel")
    return list((await c.m.billing.SumUsage(asked, metadata=c.who)).sums)


def _hour(row: billing_pb2.UsageSum) -> dict[str, Any]:
    """New API's hourly row; the last three are ours."""
    return {
        "id": 0,
        "user_id": row.account_id,
        "username": row.username,
        "model_name": row.model,
        "created_at": row.hour,
        "use_group": row.group,
        "token_id": row.key_id,
        "channel_id": row.channel_id,
        "node_name": row.node,
        "token_used": row.tokens,
        "count": row.count,
        "quota": row.quota,
        "prompt_tokens": row.input_tokens,
        "completion_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens,
    }


async def by_model(c: Call) -> Any:
    """By model and hour; of one account where it is named."""
    return [_hour(row) for row in await _sums(c, billing_pb2.USAGE_BY_MODEL, True)]


async def by_account(c: Call) -> Any:
    """By account and hour."""
    return [_hour(row) for row in await _sums(c, billing_pb2.USAGE_BY_ACCOUNT, True)]


async def own(c: Call) -> Any:
    """The caller's, by model and hour."""
    return [_hour(row) for row in await _sums(c, billing_pb2.USAGE_BY_MODEL, False)]


CUTS = {
    "model": billing_pb2.USAGE_BY_MODEL,
    "account": billing_pb2.USAGE_BY_ACCOUNT,
    "channel": billing_pb2.USAGE_BY_CHANNEL,
    "group": billing_pb2.USAGE_BY_GROUP,
    "key": billing_pb2.USAGE_BY_KEY,
    "node": billing_pb2.USAGE_BY_NODE,
}


async def _cut(c: Call, everybody: bool) -> Any:
    name = c.text("by") or "model"
    if name not in CUTS:
        raise bad(f"by is one of {', '.join(CUTS)}.", "by")
    return [
        {**_hour(row), "token_name": row.key_name, "channel_name": row.channel_name}
        for row in await _sums(c, CUTS[name], everybody)
    ]


async def cut(c: Call) -> Any:
    """Everybody's, by hour and what `by` names."""
    return await _cut(c, True)


async def own_cut(c: Call) -> Any:
    """The caller's, by hour and what `by` names."""
    return await _cut(c, False)


def _flow(row: billing_pb2.UsageSum, names: tuple[str, ...]) -> dict[str, Any]:
    told = {
        "user_id": row.account_id,
        "username": row.username,
        "token_id": row.key_id,
        "token_name": row.key_name,
        "use_group": row.group,
        "model_name": row.model,
        "channel_id": row.channel_id,
        "channel_name": row.channel_name,
        "node_name": row.node,
    }
    return {name: told[name] for name in names}


def _flows(rows: list[billing_pb2.UsageSum], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows by these names, most units first; what they do not tell apart is added up."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        told = _flow(row, names)
        sum_ = sums.setdefault(tuple(told.values()), {**told, "token_used": 0, "count": 0, "quota": 0})
        sum_["token_used"] += row.tokens
        sum_["count"] += row.count
        sum_["quota"] += row.quota
    return sorted(sums.values(), key=lambda told: -int(told["quota"]))


OWN_FLOW = ("token_id", "token_name", "use_group", "model_name")
ADMIN_FLOW = ("user_id", "username", "use_group", "model_name", "channel_id", "channel_name")
ROOT_FLOW = ("user_id", "username", "token_id", "token_name", *ADMIN_FLOW[2:], "node_name")


async def flow(c: Call) -> Any:
    """Over the whole time by account, group, model and channel; for root by key and node, too."""
    try:
        return _flows(await _sums(c, billing_pb2.USAGE_BY_FLOW_AND_NODE, True), ROOT_FLOW)
    except grpc.aio.AioRpcError as error:
        if from_rpc(error).reason != "ROLE_TOO_LOW":
            raise
    return _flows(await _sums(c, billing_pb2.USAGE_BY_FLOW, True), ADMIN_FLOW)


async def own_flow(c: Call) -> Any:
    """The caller's, over the whole time by key, group and model."""
    return _flows(await _sums(c, billing_pb2.USAGE_BY_FLOW, False), OWN_FLOW)


# -- by key -----------------------------------------------------------------------------------


async def _key(c: Call) -> billing_pb2.GetKeyUsageResponse:
    found: billing_pb2.GetKeyUsageResponse = await c.m.billing.GetKeyUsage(
        billing_pb2.GetKeyUsageRequest(), metadata=c.who
    )
    return found


async def of_key(c: Call) -> Any:
    """The key's own figures, in units."""
    found = await _key(c)
    data = {
        "object": "token_usage",
        "name": found.name,
        "total_granted": found.granted,
        "total_used": found.used,
        "total_available": found.available,
        "unlimited_quota": found.unlimited,
        "model_limits": dict.fromkeys(found.models, True),
        "model_limits_enabled": bool(found.models),
        "expires_at": max(found.expires_at, 0),
    }
    return Raw({"code": True, "message": "ok", "data": data})


async def subscription(c: Call) -> Any:
    """OpenAI's billing_subscription: the key's limit, or the account's, as the site displays money."""
    found = await _key(c)
    granted = found.granted if found.shows_key else found.account_used + found.account_available
    limit: float = granted / found.units_per_display
    if found.shows_key and found.unlimited:
        limit = UNLIMITED
    return Raw(
        {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": limit,
            "hard_limit_usd": limit,
            "system_hard_limit_usd": limit,
            "access_until": max(found.expires_at, 0) if found.shows_key else 0,
        }
    )


async def usage(c: Call) -> Any:
    """OpenAI's usage, in hundredths of what the site displays."""
    found = await _key(c)
    used = found.used if found.shows_key else found.account_used
    return Raw({"object": "list", "total_usage": used * CENTS / found.units_per_display})


ROUTES = (
    Route("GET", "/api/data/", Level.ADMIN, by_model),
    Route("GET", "/api/data/users", Level.ADMIN, by_account),
    Route("GET", "/api/data/self", Level.USER, own),
    Route("GET", "/api/data/flow", Level.ADMIN, flow),
    Route("GET", "/api/data/flow/self", Level.USER, own_flow),
    Route("GET", "/api/isthmus/usage", Level.ADMIN, cut),
    Route("GET", "/api/isthmus/usage/self", Level.USER, own_cut),
    Route("GET", "/api/usage/token/", Level.KEY, of_key, limit="critical"),
    Route("GET", "/dashboard/billing/subscription", Level.KEY, subscription, openai=True),
    Route("GET", "/v1/dashboard/billing/subscription", Level.KEY, subscription, openai=True),
    Route("GET", "/dashboard/billing/usage", Level.KEY, usage, openai=True),
    Route("GET", "/v1/dashboard/billing/usage", Level.KEY, usage, openai=True),
)

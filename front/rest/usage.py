"""What was used: sums for the dashboards, and what a key's holder may ask in New API's and in OpenAI's shape."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import billing_pb2

from front.rest.manager import Call, Level, Raw, Route

UNLIMITED = 100_000_000
"""What a key without a limit of its own is told to have."""
CENTS = 100


async def _sums(c: Call, by: billing_pb2.UsageBy.ValueType, everybody: bool) -> list[billing_pb2.UsageSum]:
    asked = billing_pb2.SumUsageRequest(
        by=by,
        all_accounts=everybody,
        username=c.text("username") if everybody else "",
        since=c.number("start_timestamp"),
        until=c.number("end_timestamp"),
    )
    return list((await c.m.billing.SumUsage(asked, metadata=c.who)).sums)


def _hour(row: billing_pb2.UsageSum) -> dict[str, Any]:
    return {
        "id": 0,
        "user_id": row.account_id,
        "username": row.username,
        "model_name": row.model,
        "created_at": row.hour,
        "token_used": row.tokens,
        "count": row.count,
        "quota": row.quota,
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


async def flow(c: Call) -> Any:
    """Over the whole time by account, group, model and channel."""
    return [
        {
            "user_id": row.account_id,
            "username": row.username,
            "token_id": row.key_id,
            "token_name": row.key_name,
            "use_group": row.group,
            "model_name": row.model,
            "channel_id": row.channel_id,
            "token_used": row.tokens,
            "count": row.count,
            "quota": row.quota,
        }
        for row in await _sums(c, billing_pb2.USAGE_BY_FLOW, True)
    ]


async def own_flow(c: Call) -> Any:
    """The caller's, over the whole time by key, group and model; lines of several channels are added up."""
    sums: dict[tuple[int, str, str], dict[str, Any]] = {}
    for row in await _sums(c, billing_pb2.USAGE_BY_FLOW, False):
        told = sums.setdefault(
            (row.key_id, row.group, row.model),
            {
                "token_id": row.key_id,
                "token_name": row.key_name,
                "use_group": row.group,
                "model_name": row.model,
                "token_used": 0,
                "count": 0,
                "quota": 0,
            },
        )
        told["token_used"] += row.tokens
        told["count"] += row.count
        told["quota"] += row.quota
    return sorted(sums.values(), key=lambda told: -int(told["quota"]))


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
    Route("GET", "/api/usage/token/", Level.KEY, of_key, limit="critical"),
    Route("GET", "/dashboard/billing/subscription", Level.KEY, subscription, openai=True),
    Route("GET", "/v1/dashboard/billing/subscription", Level.KEY, subscription, openai=True),
    Route("GET", "/dashboard/billing/usage", Level.KEY, usage, openai=True),
    Route("GET", "/v1/dashboard/billing/usage", Level.KEY, usage, openai=True),
)

"""What was used: by key, and summed by hour, model, account, channel."""

from __future__ import annotations

import time
from typing import Any

from isthmus.v1 import billing_pb2

from core.errors import InvalidRequest
from core.manage import fields
from core.pipeline.authenticate import require_role
from core.services.context import Services
from core.state.types import ROLE_ADMIN, ROLE_ROOT, Principal
from core.store.statistics import BY, FLOWS

SPAN_MOST = 2_592_000
"""Seconds an account may sum its own usage over at once (New API's figure)."""
ROOTS = frozenset({billing_pb2.USAGE_BY_NODE, billing_pb2.USAGE_BY_FLOW_AND_NODE})
"""Sums that name nodes: root's."""


async def by_key(services: Services, principal: Principal) -> billing_pb2.GetKeyUsageResponse:
    """What the caller's key used and has left, and its account, too."""
    assert principal.key is not None
    token = await services.store.keys.get(principal.key.id)
    user = await services.store.accounts.get(principal.account.id)
    purse = await services.ledger.purse(token.purse_id)
    wallet = await services.ledger.purse(user.purse_id)
    left = purse.available + purse.leased
    raw = services.state.snapshot.options.raw
    return billing_pb2.GetKeyUsageResponse(
        name=token.name,
        granted=left + token.used_quota,
        used=token.used_quota,
        available=left,
        unlimited=token.unlimited_quota,
        expires_at=token.expired_time,
        models=sorted(principal.key.models or ()),
        account_used=user.used_quota,
        account_available=wallet.available + wallet.leased,
        shows_key=raw["DisplayTokenStatEnabled"] == "true",
        units_per_display=max(1, int(float(raw["QuotaPerUnit"]))) if raw["DisplayInCurrencyEnabled"] == "true" else 1,
    )


async def sums(
    services: Services, principal: Principal, request: billing_pb2.SumUsageRequest
) -> list[billing_pb2.UsageSum]:
    """Sums of the caller's own usage, or of everybody's. Raises InvalidRequest, RoleTooLow."""
    by = request.by or billing_pb2.USAGE_BY_MODEL
    if by not in BY:
        raise InvalidRequest("Usage is not summed by that.", param="by")
    role = principal.account.role
    if by in ROOTS:
        require_role(principal, ROLE_ROOT)
    if by == billing_pb2.USAGE_BY_CHANNEL or request.channel_id:
        require_role(principal, ROLE_ADMIN)
    since, until = fields.whole(request.since, "start_timestamp"), fields.whole(request.until, "end_timestamp")
    if by in FLOWS and not (since and until):
        raise InvalidRequest("A flow needs start_timestamp and end_timestamp.", param="start_timestamp")
    equal: dict[str, Any] = {
        "model_name": fields.text(request.model, "model_name"),
        "group": fields.text(request.group, "group"),
        "channel_id": request.channel_id,
        "token_name": fields.text(request.key_name, "token_name"),
    }
    if request.all_accounts:
        equal["username"] = fields.text(request.username, "username")
    else:
        equal["user_id"] = principal.account.id
        end = until or int(time.time())
        if end - since > SPAN_MOST:
            raise InvalidRequest(f"At most {SPAN_MOST // 86_400} days at once.", param="start_timestamp")
    rows = await services.store.statistics.usage(by, since=since, until=until, **equal)
    admin = role >= ROLE_ADMIN
    names = services.state.snapshot.channels if admin else {}
    found = []
    for row in rows:
        channel = int(row.get("channel_id", 0)) if admin else 0
        found.append(
            billing_pb2.UsageSum(
                account_id=row.get("user_id") or equal.get("user_id", 0),
                username=row.get("username") or equal.get("username", ""),
                key_id=row.get("token_id", 0),
                key_name=row.get("token_name", ""),
                model=row.get("model_name", ""),
                group=row.get("group", ""),
                channel_id=channel,
                channel_name=names[channel].name if channel in names else "",
                node=row.get("node_name", ""),
                hour=int(row.get("created_at", 0)),
                count=int(row["requests"]),
                tokens=int(row["prompt_tokens"]) + int(row["completion_tokens"]),
                input_tokens=int(row["prompt_tokens"]),
                output_tokens=int(row["completion_tokens"]),
                cached_tokens=int(row["cached_tokens"]),
                quota=int(row["quota"]),
            )
        )
    return found

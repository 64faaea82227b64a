"""Redemption codes: made by administrators, redeemed once by whoever holds them."""

from __future__ import annotations

import time
from typing import Any

from isthmus.v1 import billing_pb2

from core.errors import InvalidRequest
from core.manage import before_after, fields
from core.manage.keys import QUOTA_MOST
from core.manage.logs import paging
from core.services.context import Services
from core.state.types import DISABLED_BY_HAND, ENABLED, Principal
from core.store.models import Redemption

NAME_MOST = 20
COUNT_MOST = 1000
CODE_MOST = 128


def message(row: Redemption) -> billing_pb2.Redemption:
    """A code as administrators see it."""
    return billing_pb2.Redemption(
        id=row.id,
        account_id=row.user_id,
        code=row.key,
        status=row.status,
        name=row.name,
        quota=row.quota,
        created_at=row.created_time,
        redeemed_at=row.redeemed_time,
        used_account_id=row.used_user_id,
        expires_at=row.expired_time,
    )


def _name(name: str) -> str:
    if not 1 <= len(name.strip()) <= NAME_MOST:
        raise InvalidRequest(f"A name has 1 to {NAME_MOST} characters.", param="name")
    return fields.text(name.strip(), "name")


def _end(expires_at: int) -> int:
    fields.whole(expires_at, "expired_time")
    if expires_at and expires_at <= time.time():
        raise InvalidRequest("The end lies in the past.", param="expired_time")
    return expires_at


async def list_codes(
    services: Services, request: billing_pb2.ListRedemptionsRequest
) -> billing_pb2.ListRedemptionsResponse:
    """A page of codes."""
    number, size, offset = paging(request.page)
    rows, total = await services.store.redemptions.list(fields.text(request.keyword, "keyword"), offset, size)
    response = billing_pb2.ListRedemptionsResponse(redemptions=[message(row) for row in rows])
    response.page.page, response.page.page_size, response.page.total = number, size, total
    return response


async def create(services: Services, principal: Principal, request: billing_pb2.CreateRedemptionsRequest) -> list[str]:
    """New codes. Raises InvalidRequest."""
    columns: dict[str, Any] = {
        "name": _name(request.name),
        "quota": fields.whole(request.quota, "quota", 1, QUOTA_MOST),
        "expired_time": _end(request.expires_at),
        "user_id": principal.account.id,
    }
    count = fields.whole(request.count, "count", 1, COUNT_MOST)
    return list(await services.store.redemptions.create(count, **columns))


async def update(services: Services, request: billing_pb2.UpdateRedemptionRequest) -> billing_pb2.Redemption:
    """Writes what is set. Raises InvalidRequest, RecordNotFound, also for used codes."""
    columns: dict[str, Any] = {}
    if request.HasField("name"):
        columns["name"] = _name(request.name)
    if request.HasField("quota"):
        columns["quota"] = fields.whole(request.quota, "quota", 1, QUOTA_MOST)
    if request.HasField("expires_at"):
        columns["expired_time"] = _end(request.expires_at)
    if request.HasField("status"):
        columns["status"] = request.status
        if request.status not in (ENABLED, DISABLED_BY_HAND):
            raise InvalidRequest("A code is enabled (1) or disabled (2).", param="status")
    if not columns:
        raise InvalidRequest("Nothing is to be changed.")
    row = await services.store.redemptions.get(request.id)
    before_after.changed({name: getattr(row, name) for name in columns}, columns)
    return message(await services.store.redemptions.update(request.id, **columns))


async def redeem(services: Services, principal: Principal, code: str) -> int:
    """Units added to the caller's wallet. Raises RecordNotFound, RateLimited after too many wrong codes."""
    name = f"redeem:{principal.account.id}"
    await services.throttle.begin(name)
    quota = await services.store.redemptions.redeem(fields.text(code.strip(), "key", CODE_MOST), principal.account.id)
    await services.throttle.succeeded(undo=name)
    return quota

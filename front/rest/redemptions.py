"""Redemption codes: for administrators, and for those who redeem them."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import billing_pb2

from front.rest import shapes
from front.rest.manager import Call, Level, Route, items

COUNT_MOST = 1 << 31


def code(found: billing_pb2.Redemption) -> dict[str, Any]:
    """New API's Code."""
    return {
        "id": found.id,
        "user_id": found.account_id,
        "key": found.code,
        "status": found.status,
        "name": found.name,
        "quota": found.quota,
        "created_time": found.created_at,
        "redeemed_time": found.redeemed_at,
        "count": 0,
        "used_user_id": found.used_account_id,
        "expired_time": found.expires_at,
        "DeletedAt": shapes.when(0),
    }


async def codes(c: Call) -> Any:
    """Newest first; by the beginning of the name, or by id."""
    asked = billing_pb2.ListRedemptionsRequest(page=c.page(), keyword=c.text("keyword"))
    found = await c.m.billing.ListRedemptions(asked, metadata=c.who)
    return items(found.page, [code(row) for row in found.redemptions])


async def one(c: Call, code_id: int) -> Any:
    """One."""
    found = await c.m.billing.GetRedemption(billing_pb2.GetRedemptionRequest(id=code_id), metadata=c.who)
    return code(found.redemption)


async def create(c: Call) -> Any:
    """New ones; the codes themselves."""
    body = await c.body()
    asked = billing_pb2.CreateRedemptionsRequest(
        name=body.text("name"),
        quota=body.number("quota"),
        count=max(0, body.number("count", 1, COUNT_MOST)),
        expires_at=body.number("expired_time"),
    )
    return list((await c.m.billing.CreateRedemptions(asked, metadata=c.who)).codes)


async def update(c: Call) -> Any:
    """All but the status, or with status_only the status alone."""
    body = await c.body()
    asked = billing_pb2.UpdateRedemptionRequest(id=body.number("id"))
    if c.text("status_only"):
        asked.status = body.number("status", 0, COUNT_MOST - 1)
    else:
        asked.name = body.text("name")
        asked.quota = body.number("quota")
        asked.expires_at = body.number("expired_time")
    return code((await c.m.billing.UpdateRedemption(asked, metadata=c.who)).redemption)


async def delete(c: Call, code_id: int) -> Any:
    """Softly."""
    await c.m.billing.DeleteRedemptions(billing_pb2.DeleteRedemptionsRequest(ids=[code_id]), metadata=c.who)


async def delete_invalid(c: Call) -> Any:
    """Used, disabled and expired ones; how many there were."""
    asked = billing_pb2.DeleteRedemptionsRequest(invalid=True)
    return (await c.m.billing.DeleteRedemptions(asked, metadata=c.who)).deleted


async def redeem(c: Call) -> Any:
    """Adds a code's units to the caller's wallet; how many."""
    asked = billing_pb2.RedeemRequest(code=(await c.body()).text("key"))
    return (await c.m.billing.Redeem(asked, metadata=c.who)).quota


ROUTES = (
    Route("GET", "/api/redemption/", Level.ADMIN, codes),
    Route("POST", "/api/redemption/", Level.ADMIN, create),
    Route("PUT", "/api/redemption/", Level.ADMIN, update),
    Route("GET", "/api/redemption/search", Level.ADMIN, codes),
    Route("DELETE", "/api/redemption/invalid", Level.ADMIN, delete_invalid),
    Route("GET", "/api/redemption/<code_id:int>", Level.ADMIN, one),
    Route("DELETE", "/api/redemption/<code_id:int>", Level.ADMIN, delete),
    Route("POST", "/api/user/topup", Level.USER, redeem, limit="critical"),
)

"""Accounts, for administrators."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2, admin_pb2

from front.rest import shapes
from front.rest.manager import Call, Level, Route, items

WRITTEN = ("username", "display_name", "group", "remark")
"""What PUT writes, empty or not. Quota, role and status are changed by /manage alone."""


async def _list(c: Call, search: bool) -> Any:
    asked = admin_pb2.ListAccountsRequest(page=c.page(), search=search)
    if search:
        asked.keyword, asked.group = c.text("keyword"), c.text("group")
        asked.role = access_pb2.AccountRole.ValueType(min(c.number("role"), 1000))
        asked.status = max(-1, min(c.signed("status"), 100))
    found = await c.m.admin.ListAccounts(asked, metadata=c.who)
    return items(found.page, [shapes.user(row) for row in found.accounts])


async def users(c: Call) -> Any:
    """All, newest first, deleted ones too."""
    return await _list(c, False)


async def search(c: Call) -> Any:
    """By keyword, group, role, status."""
    return await _list(c, True)


async def user(c: Call, user_id: int) -> Any:
    """One, below the own level."""
    found = await c.m.admin.GetAccount(admin_pb2.GetAccountRequest(id=user_id), metadata=c.who)
    return shapes.user(found.account)


async def create(c: Call) -> Any:
    """A new one, below the own level; nothing but these four is taken."""
    body = await c.body()
    asked = admin_pb2.CreateAccountRequest(
        username=body.text("username"),
        password=body.text("password"),
        display_name=body.text("display_name"),
        role=access_pb2.AccountRole.ValueType(body.number("role", 1, 1000)),
    )
    await c.m.admin.CreateAccount(asked, metadata=c.who)


async def update(c: Call) -> Any:
    """Writes names, group, remark; the password where one is sent."""
    body = await c.body()
    asked = admin_pb2.UpdateAccountRequest(id=body.number("id"))
    for name in WRITTEN:
        if body.has(name):
            setattr(asked, name, body.text(name))
    if body.text("password"):
        asked.password = body.text("password")
    await c.m.admin.UpdateAccount(asked, metadata=c.who)


async def delete(c: Call, user_id: int) -> Any:
    """For good; the id is never given again."""
    await c.m.admin.EraseAccount(admin_pb2.EraseAccountRequest(id=user_id), metadata=c.who)


async def manage(c: Call) -> Any:
    """Disable, enable, delete, promote, demote, add_quota."""
    body = await c.body()
    action = body.text("action")
    asked = admin_pb2.ManageAccountRequest(
        id=body.number("id"), action=action, mode=body.text("mode"), value=body.number("value")
    )
    found = await c.m.admin.ManageAccount(asked, metadata=c.who)
    if action == "add_quota":
        return None
    return {"role": found.account.role, "status": found.account.status}


ROUTES = (
    Route("GET", "/api/user/", Level.ADMIN, users),
    Route("POST", "/api/user/", Level.ADMIN, create),
    Route("PUT", "/api/user/", Level.ADMIN, update),
    Route("GET", "/api/user/search", Level.ADMIN, search),
    Route("POST", "/api/user/manage", Level.ADMIN, manage),
    Route("GET", "/api/user/<user_id:int>", Level.ADMIN, user),
    Route("DELETE", "/api/user/<user_id:int>", Level.ADMIN, delete),
)

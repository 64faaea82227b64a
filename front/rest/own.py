"""One's own account."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import access_pb2, billing_pb2

from front.errors import bad
from front.rest import shapes
from front.rest.manager import COOKIE, Call, Level, Raw, Route
from front.rest.session import SESSION_SECONDS, with_cookie

SETTING_TEXTS = (
    "notify_type", "webhook_url", "webhook_secret", "notification_email", "bark_url", "gotify_url", "gotify_token",
)  # fmt: skip
SETTING_OTHERS = (
    "quota_warning_threshold", "upstream_model_update_notify_enabled", "accept_unset_model_ratio_model",
    "record_ip_log",
)  # fmt: skip
PRIORITY = 5
"""gotify_priority where what was sent is out of range (New API)."""


async def get(c: Call) -> Any:
    """The account, with what its console may show."""
    found = (await c.m.access.GetSelf(access_pb2.GetSelfRequest(), metadata=c.who)).account
    shown = shapes.account(found)
    for name in ("remark", "created_at", "last_login_at", "DeletedAt"):
        shown.pop(name)
    admin = found.role >= access_pb2.ACCOUNT_ROLE_ADMIN
    modules: dict[str, Any] = {} if found.role >= access_pb2.ACCOUNT_ROLE_ROOT else {"admin": {"setting": False}}
    try:
        setting = orjson.loads(found.settings_json or "{}")
    except orjson.JSONDecodeError:
        setting = {}
    shown["sidebar_modules"] = setting.get("sidebar_modules", "")
    shown["permissions"] = {
        "sidebar_settings": found.role < access_pb2.ACCOUNT_ROLE_ROOT,
        "sidebar_modules": modules if admin else {"admin": False},
    }
    return shown


async def update(c: Call) -> Any:
    """One of three: the sidebar, the language, or name and password with the original password."""
    body = await c.body()
    for name in ("sidebar_modules", "language"):
        if body.has(name):
            patch = orjson.dumps({name: body.text(name)}).decode()
            await c.m.access.UpdateSettings(access_pb2.UpdateSettingsRequest(settings_json=patch), metadata=c.who)
            return None
    asked = access_pb2.UpdateSelfRequest(original_password=body.text("original_password"))
    for name in ("username", "display_name", "password"):
        if body.text(name):
            setattr(asked, name, body.text(name))
    found = await c.m.access.UpdateSelf(asked, metadata=c.who)
    if not found.session:
        return None
    return with_cookie(Raw({"success": True, "message": ""}), c, COOKIE, found.session, SESSION_SECONDS)


async def delete(c: Call) -> Any:
    """Ends the account."""
    await c.m.access.DeleteSelf(access_pb2.DeleteSelfRequest(), metadata=c.who)


async def settings(c: Call) -> Any:
    """Notices and preferences; what is not sent stays."""
    body = await c.body()
    if not body.text("notify_type"):
        raise bad("notify_type is wanted.", "notify_type")
    patch: dict[str, Any] = {name: body.text(name) for name in SETTING_TEXTS if body.has(name)}
    if not patch.get("webhook_secret"):
        patch.pop("webhook_secret", None)
    patch.update({name: body.raw(name) for name in SETTING_OTHERS if body.has(name)})
    if body.has("gotify_priority"):
        priority = body.number("gotify_priority")
        patch["gotify_priority"] = priority if 0 <= priority <= 10 else PRIORITY
    asked = access_pb2.UpdateSettingsRequest(settings_json=orjson.dumps(patch).decode())
    await c.m.access.UpdateSettings(asked, metadata=c.who)


async def access_token(c: Call) -> Any:
    """A new access token; the old one ends."""
    found = await c.m.access.RotateAccessToken(access_pb2.RotateAccessTokenRequest(), metadata=c.who)
    return found.token


async def invitation(c: Call) -> Any:
    """The account's invitation code."""
    found = await c.m.access.GetSelf(access_pb2.GetSelfRequest(), metadata=c.who)
    return found.account.invitation_code


async def transfer(c: Call) -> Any:
    """Moves units of invitations to the wallet."""
    asked = billing_pb2.TransferInvitationQuotaRequest(quota=(await c.body()).number("quota"))
    await c.m.billing.TransferInvitationQuota(asked, metadata=c.who)


ROUTES = (
    Route("GET", "/api/user/self", Level.USER, get),
    Route("PUT", "/api/user/self", Level.USER, update),
    Route("DELETE", "/api/user/self", Level.USER, delete),
    Route("PUT", "/api/user/setting", Level.USER, settings),
    Route("GET", "/api/user/token", Level.USER, access_token),
    Route("GET", "/api/user/aff", Level.USER, invitation),
    Route("POST", "/api/user/aff_transfer", Level.USER, transfer),
)

"""Signing in at providers, and bindings to them.

The state of a sign-in goes through the provider; the secret beside it stays in this browser's cookie, so that nobody
ends in one browser what was begun in another.
"""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2, admin_pb2
from sanic.response import HTTPResponse

from front.errors import FrontError, bad
from front.rest.manager import COOKIE, Call, Level, Raw, Route
from front.rest.session import opened, with_cookie

STATE_COOKIE = "oauth"
STATE_SECONDS = 600
PROFILE = "/console/personal"
"""Where a browser goes after Telegram was bound (New API's page)."""


def _cookie(c: Call, name: str) -> str:
    found = str(c.request.cookies.get(name, "") or "")
    return found if found.isascii() and found.isprintable() else ""


async def state(c: Call) -> Any:
    """A state; with ?provider= also the address to go to, with PKCE and nonce, beside it."""
    asked = access_pb2.BeginOAuthRequest(provider=c.text("provider"), invitation_code=c.text("aff"))
    found = await c.m.access.BeginOAuth(asked, metadata=c.who)
    body: dict[str, Any] = {"success": True, "message": "", "data": found.state}
    if found.authorization_url:
        body["url"] = found.authorization_url
    # Lax: some providers send the browser to the API itself, and a strict cookie would not come along.
    return with_cookie(Raw(body), c, STATE_COOKIE, found.browser_secret, STATE_SECONDS, samesite="Lax")


async def complete(c: Call, provider: str) -> Any:
    """A session, or {action: bind}."""
    asked = access_pb2.CompleteOAuthRequest(
        provider=provider[:64],
        code=str(c.request.args.get("code", "") or "")[:4097],
        state=c.text("state"),
        browser_secret=_cookie(c, STATE_COOKIE),
        issuer=c.text("iss"),
        error=c.text("error"),
        error_description=c.text("error_description"),
    )
    found = await c.m.access.CompleteOAuth(asked, metadata=c.who)
    if found.bound:
        reply = Raw({"success": True, "message": "bound", "data": {"action": "bind"}})
    else:
        reply = opened(c, found)
    return with_cookie(reply, c, STATE_COOKIE, "", 0, samesite="Lax")


# -- Telegram, WeChat ---------------------------------------------------------------------------------


def _fields(c: Call) -> dict[str, str]:
    """The query, each name once. Raises FrontError 400."""
    found: dict[str, str] = {}
    for name, values in c.request.args.items():
        if len(values) != 1 or len(found) > 10 or len(name) > 64 or len(str(values[0])) > 2048:
            raise bad("The fields are not Telegram's.", "hash")
        found[str(name)] = str(values[0])
    return found


async def telegram_login(c: Call) -> Any:
    """A session for who bound Telegram."""
    asked = access_pb2.SignInWithTelegramRequest(fields=_fields(c))
    return opened(c, await c.m.access.SignInWithTelegram(asked, metadata=c.who))


async def telegram_bind(c: Call) -> Any:
    """Binds Telegram: the widget itself sends the browser here, so that there is no New-Api-User.

    The session's cookie never comes with a visit from another site, and browsers say where a visit comes from.
    """
    if c.request.headers.get("sec-fetch-site", "") == "cross-site":
        raise FrontError(403, "The request comes from another site.", code="access_denied", reason="CROSS_SITE")
    who = [*c.who, ("isthmus-session", session)] if (session := _cookie(c, COOKIE)) else c.who
    await c.m.access.SignInWithTelegram(
        access_pb2.SignInWithTelegramRequest(fields=_fields(c), bind=True), metadata=who
    )
    reply = Raw({})
    reply.response = HTTPResponse(b"", 302, {"Location": PROFILE})
    return reply


async def wechat_login(c: Call) -> Any:
    """A session by the code a WeChat server told."""
    asked = access_pb2.SignInWithWeChatRequest(code=c.text("code"), invitation_code=c.text("aff"))
    return opened(c, await c.m.access.SignInWithWeChat(asked, metadata=c.who))


async def wechat_bind(c: Call) -> Any:
    """Binds WeChat."""
    asked = access_pb2.SignInWithWeChatRequest(code=(await c.body()).text("code"), bind=True)
    await c.m.access.SignInWithWeChat(asked, metadata=c.who)


# -- bindings -------------------------------------------------------------------------------------------


def _shown(found: access_pb2.OAuthBinding) -> dict[str, Any]:
    return {
        "provider_id": found.provider_id,
        "provider_name": found.name,
        "provider_slug": found.slug,
        "provider_icon": found.icon,
        "provider_user_id": found.subject,
    }


async def bindings(c: Call) -> Any:
    """One's own, at custom providers."""
    found = await c.m.access.ListBindings(access_pb2.ListBindingsRequest(), metadata=c.who)
    return [_shown(each) for each in found.bindings]


async def unbind(c: Call, provider_id: int) -> Any:
    """Ends one of them."""
    await c.m.access.RemoveBinding(access_pb2.RemoveBindingRequest(provider_id=provider_id), metadata=c.who)


async def account_bindings(c: Call, user_id: int) -> Any:
    """A lower account's."""
    found = await c.m.admin.ListAccountBindings(admin_pb2.ListAccountBindingsRequest(id=user_id), metadata=c.who)
    return [_shown(each) for each in found.bindings]


async def account_unbind(c: Call, user_id: int, provider_id: int) -> Any:
    """Ends one of them."""
    asked = admin_pb2.RemoveAccountBindingRequest(id=user_id, kind=f"custom:{provider_id}")
    await c.m.admin.RemoveAccountBinding(asked, metadata=c.who)


async def account_clear(c: Call, user_id: int, binding_type: str) -> Any:
    """Takes mail address or a built-in provider's id from a lower account."""
    if ":" in binding_type:
        raise bad("binding_type names a built-in provider, or email.", "binding_type")
    asked = admin_pb2.RemoveAccountBindingRequest(id=user_id, kind=binding_type[:32])
    await c.m.admin.RemoveAccountBinding(asked, metadata=c.who)


ROUTES = (
    Route("GET", "/api/oauth/state", Level.VISITOR, state, limit="critical"),
    Route("GET", "/api/oauth/telegram/login", Level.PUBLIC, telegram_login, limit="critical"),
    Route("GET", "/api/oauth/telegram/bind", Level.PUBLIC, telegram_bind, limit="critical"),
    Route("GET", "/api/oauth/wechat", Level.PUBLIC, wechat_login, limit="critical"),
    Route("POST", "/api/oauth/wechat/bind", Level.USER, wechat_bind, limit="critical"),
    Route("GET", "/api/oauth/<provider:str>", Level.VISITOR, complete, limit="critical"),
    Route("GET", "/api/user/oauth/bindings", Level.USER, bindings),
    Route("DELETE", "/api/user/oauth/bindings/<provider_id:int>", Level.USER, unbind),
    Route("GET", "/api/user/<user_id:int>/oauth/bindings", Level.ADMIN, account_bindings),
    Route("DELETE", "/api/user/<user_id:int>/oauth/bindings/<provider_id:int>", Level.ADMIN, account_unbind),
    Route("DELETE", "/api/user/<user_id:int>/bindings/<binding_type:str>", Level.ADMIN, account_clear),
)

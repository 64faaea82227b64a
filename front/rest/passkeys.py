"""Passkeys: one's own, signing in with them, and for administrators.

What core gives to bring back travels in a cookie, as New API keeps it in its session.
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import access_pb2, admin_pb2

from front.rest.manager import Call, Level, Raw, Route
from front.rest.session import PROOF_COOKIE, opened, pending, with_cookie
from front.rest.shapes import when

CEREMONY_COOKIE = "passkey"
CEREMONY_SECONDS = 300
PROOF_SECONDS = 60


def _origin(c: Call) -> str:
    """The page that asks, as its browser says: the same site, or the call would not have come here."""
    return str(c.request.headers.get("origin", ""))[:255]


def _cookie(c: Call, name: str) -> str:
    found = str(c.request.cookies.get(name, "") or "")
    return found if found.isascii() and found.isprintable() else ""


async def _credential(c: Call) -> str:
    """What the browser made, as it came."""
    return orjson.dumps((await c.body()).members()).decode()


def _begun(c: Call, ceremony: str, options: str) -> Raw:
    reply = Raw({"success": True, "message": "", "data": {"options": orjson.loads(options)}})
    return with_cookie(reply, c, CEREMONY_COOKIE, ceremony, CEREMONY_SECONDS)


def _done(c: Call) -> Raw:
    return with_cookie(Raw({"success": True, "message": ""}), c, CEREMONY_COOKIE, "", 0)


async def get(c: Call) -> Any:
    """Whether there is one."""
    found = await c.m.access.GetPasskey(access_pb2.GetPasskeyRequest(), metadata=c.who)
    told: dict[str, Any] = {"enabled": found.enabled}
    if found.enabled:
        told["last_used_at"] = when(found.last_used_at)
    return told


async def delete(c: Call) -> Any:
    """Forgets it, after a verification."""
    await c.m.access.RemovePasskey(access_pb2.RemovePasskeyRequest(), metadata=c.who)


async def register_begin(c: Call) -> Any:
    """Options to make one."""
    asked = access_pb2.BeginPasskeyRegistrationRequest(origin=_origin(c))
    found = await c.m.access.BeginPasskeyRegistration(asked, metadata=c.who)
    return _begun(c, found.ceremony, found.options_json)


async def register_finish(c: Call) -> Any:
    """Keeps what the browser made."""
    asked = access_pb2.FinishPasskeyRegistrationRequest(
        ceremony=_cookie(c, CEREMONY_COOKIE), credential_json=await _credential(c)
    )
    await c.m.access.FinishPasskeyRegistration(asked, metadata=c.who)
    return _done(c)


async def login_begin(c: Call) -> Any:
    """Options to sign in with."""
    asked = access_pb2.BeginPasskeyLoginRequest(origin=_origin(c))
    found = await c.m.access.BeginPasskeyLogin(asked, metadata=c.who)
    return _begun(c, found.ceremony, found.options_json)


async def login_finish(c: Call) -> Any:
    """A session."""
    asked = access_pb2.FinishPasskeyLoginRequest(
        ceremony=_cookie(c, CEREMONY_COOKIE), credential_json=await _credential(c)
    )
    found = await c.m.access.FinishPasskeyLogin(asked, metadata=c.who)
    reply = pending(c, found.pending) if found.pending else opened(c, found)
    return with_cookie(reply, c, CEREMONY_COOKIE, "", 0)


async def verify_begin(c: Call) -> Any:
    """Options to prove oneself with."""
    asked = access_pb2.BeginPasskeyVerificationRequest(origin=_origin(c))
    found = await c.m.access.BeginPasskeyVerification(asked, metadata=c.who)
    return _begun(c, found.ceremony, found.options_json)


async def verify_finish(c: Call) -> Any:
    """For the next 60 s, POST /api/verify takes the method passkey."""
    asked = access_pb2.FinishPasskeyVerificationRequest(
        ceremony=_cookie(c, CEREMONY_COOKIE), credential_json=await _credential(c)
    )
    found = await c.m.access.FinishPasskeyVerification(asked, metadata=c.who)
    return with_cookie(_done(c), c, PROOF_COOKIE, found.proof, PROOF_SECONDS)


async def remove(c: Call, user_id: int) -> Any:
    """Takes it from somebody who lost it."""
    await c.m.admin.RemoveAccountPasskey(admin_pb2.RemoveAccountPasskeyRequest(id=user_id), metadata=c.who)


ROUTES = (
    Route("GET", "/api/user/passkey", Level.USER, get),
    Route("DELETE", "/api/user/passkey", Level.USER, delete),
    Route("POST", "/api/user/passkey/register/begin", Level.USER, register_begin),
    Route("POST", "/api/user/passkey/register/finish", Level.USER, register_finish),
    Route("POST", "/api/user/passkey/verify/begin", Level.USER, verify_begin),
    Route("POST", "/api/user/passkey/verify/finish", Level.USER, verify_finish),
    Route("POST", "/api/user/passkey/login/begin", Level.PUBLIC, login_begin, limit="critical"),
    Route("POST", "/api/user/passkey/login/finish", Level.PUBLIC, login_finish, limit="critical"),
    Route("DELETE", "/api/user/<user_id:int>/reset_passkey", Level.ADMIN, remove),
)

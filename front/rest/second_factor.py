"""The second factor: one's own, and for administrators."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2, admin_pb2

from front.rest.manager import COOKIE, Call, Level, Raw, Route
from front.rest.session import SESSION_SECONDS, with_cookie


async def status(c: Call) -> Any:
    """Whether sign-ins ask for it."""
    found = await c.m.access.GetTwoFactor(access_pb2.GetTwoFactorRequest(), metadata=c.who)
    told: dict[str, Any] = {"enabled": found.enabled, "locked": found.locked}
    if found.enabled:
        told["backup_codes_remaining"] = found.backup_codes
    return told


async def setup(c: Call) -> Any:
    """What the authenticator wants; the picture is the console's to draw."""
    found = await c.m.access.SetUpTwoFactor(access_pb2.SetUpTwoFactorRequest(), metadata=c.who)
    return {"secret": found.secret, "qr_code_data": found.uri, "backup_codes": list(found.backup_codes)}


def _goes_on(c: Call, session: str) -> Any:
    if not session:
        return None
    return with_cookie(Raw({"success": True, "message": ""}), c, COOKIE, session, SESSION_SECONDS)


async def enable(c: Call) -> Any:
    """Sign-ins ask for a code; the caller's session goes on, others end."""
    asked = access_pb2.EnableTwoFactorRequest(code=(await c.body()).text("code"))
    return _goes_on(c, (await c.m.access.EnableTwoFactor(asked, metadata=c.who)).session)


async def disable(c: Call) -> Any:
    """Sign-ins ask for no code."""
    asked = access_pb2.DisableTwoFactorRequest(code=(await c.body()).text("code"))
    return _goes_on(c, (await c.m.access.DisableTwoFactor(asked, metadata=c.who)).session)


async def backup_codes(c: Call) -> Any:
    """New ones."""
    asked = access_pb2.RenewBackupCodesRequest(code=(await c.body()).text("code"))
    found = await c.m.access.RenewBackupCodes(asked, metadata=c.who)
    return {"backup_codes": list(found.backup_codes)}


async def stats(c: Call) -> Any:
    """How many accounts have one."""
    found = await c.m.admin.GetTwoFactorStats(admin_pb2.GetTwoFactorStatsRequest(), metadata=c.who)
    rate = 100 * found.enabled / found.accounts if found.accounts else 0.0
    return {"total_users": found.accounts, "enabled_users": found.enabled, "enabled_rate": f"{rate:.1f}%"}


async def remove(c: Call, user_id: int) -> Any:
    """Takes it from somebody who lost it."""
    await c.m.admin.RemoveTwoFactor(admin_pb2.RemoveTwoFactorRequest(id=user_id), metadata=c.who)


ROUTES = (
    Route("GET", "/api/user/2fa/status", Level.USER, status),
    Route("POST", "/api/user/2fa/setup", Level.USER, setup),
    Route("POST", "/api/user/2fa/enable", Level.USER, enable),
    Route("POST", "/api/user/2fa/disable", Level.USER, disable),
    Route("POST", "/api/user/2fa/backup_codes", Level.USER, backup_codes),
    Route("GET", "/api/user/2fa/stats", Level.ADMIN, stats),
    Route("DELETE", "/api/user/<user_id:int>/2fa", Level.ADMIN, remove),
)

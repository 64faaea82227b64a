"""The second factor: set up, switched on and off by its owner, taken away by administrators, asked for at sign-in."""

from __future__ import annotations

import functools
import os
import secrets
import string
import time

from isthmus.v1 import access_pb2, admin_pb2

from core.errors import Conflict, RateLimited, RecordNotFound, Unauthenticated
from core.link.call import CallInfo
from core.manage import sessions, totp
from core.manage.accounts import lower
from core.services.context import Services
from core.state.types import Principal
from core.store.models import User
from core.store.two_factor import LOCK_SECONDS, Verdict

CODES = 4
"""Backup codes made at once (New API's figure)."""
HALF = 4
ALPHABET = string.ascii_uppercase + string.digits


class WrongCode(Unauthenticated):
    """The code is wrong, was used, or belongs to another time."""

    reason = "WRONG_CODE"
    code = "wrong_code"
    default_message = "The code is wrong, or was used before."


def read_code(text: str) -> tuple[str, str]:
    """Six digits of an authenticator, or a backup code as it is kept: one of the two. Raises WrongCode."""
    code = "".join(text[:64].upper().split()).replace("-", "")
    if len(code) == totp.DIGITS and code.isascii() and code.isdecimal():
        return code, ""
    if len(code) == 2 * HALF and all(letter in ALPHABET for letter in code):
        return "", f"{code[:HALF]}-{code[HALF:]}"
    raise WrongCode()


async def check(services: Services, user_id: int, text: str, *, backup: bool = True, enable: bool = False) -> None:
    """Whether the code is right; it is good once. Raises WrongCode, RateLimited, Conflict where there is no factor."""
    code, spare = read_code(text)
    if spare and not backup:
        raise WrongCode("A code of the authenticator is wanted, six digits.")
    look = functools.partial(_find, code, int(time.time()))
    verdict = await services.store.two_factor.attempt(user_id, look, spare, enable=enable)
    if verdict is Verdict.LOCKED:
        raise RateLimited("Too many wrong codes; try again later.", retry_after_ms=LOCK_SECONDS * 1000)
    if verdict is Verdict.NONE:
        raise Conflict("Set a second factor up first." if enable else "The account has no second factor.")
    if verdict is Verdict.WRONG:
        raise WrongCode()


def _find(code: str, now: int, secret: str, last_step: int) -> int:
    return totp.find_step(secret, code, now, last_step)


def _codes() -> list[str]:
    halves = ["".join(secrets.choice(ALPHABET) for _ in range(HALF)) for _ in range(2 * CODES)]
    return [f"{first}-{second}" for first, second in zip(halves[::2], halves[1::2], strict=True)]


async def standing(services: Services, principal: Principal) -> access_pb2.GetTwoFactorResponse:
    """How it is."""
    found = await services.store.two_factor.standing(principal.account.id)
    return access_pb2.GetTwoFactorResponse(
        enabled=found.enabled, locked=found.locked_until > time.time(), backup_codes=found.backup_codes
    )


async def set_up(services: Services, principal: Principal) -> access_pb2.SetUpTwoFactorResponse:
    """A secret and backup codes, not asked for yet. Raises Conflict where one is in force."""
    secret, codes = totp.encode_secret(os.urandom(totp.SECRET_BYTES)), _codes()
    if not await services.store.two_factor.prepare(principal.account.id, secret, codes):
        raise Conflict("A second factor is in force; switch it off first.")
    issuer = services.state.snapshot.options.raw["SystemName"].strip() or "Isthmus"
    uri = totp.uri(secret, issuer, principal.account.username)
    return access_pb2.SetUpTwoFactorResponse(secret=secret, uri=uri, backup_codes=codes)


async def enable(services: Services, principal: Principal, info: CallInfo, code: str) -> str:
    """From now on it is asked for; sessions opened without it end, the caller's goes on as a new one."""
    await check(services, principal.account.id, code, backup=False, enable=True)
    return await sessions_end(services, principal, info)


async def disable(services: Services, principal: Principal, info: CallInfo, code: str) -> str:
    """It is forgotten; the caller's session goes on as a new one."""
    await check(services, principal.account.id, code)
    await services.store.two_factor.remove(principal.account.id)
    return await sessions_end(services, principal, info)


async def renew_codes(services: Services, principal: Principal, code: str) -> list[str]:
    """New backup codes instead of the old ones. Raises WrongCode, RateLimited, Conflict."""
    await check(services, principal.account.id, code, backup=False)
    codes = _codes()
    await services.store.two_factor.renew_codes(principal.account.id, codes)
    return codes


async def remove(services: Services, principal: Principal, account_id: int) -> None:
    """Takes it from a lower account. Raises RoleTooLow, RecordNotFound."""
    user = await lower(services, principal, account_id)
    if not await services.store.two_factor.remove(user.id):
        raise RecordNotFound("The account has no second factor.")


async def stats(services: Services) -> admin_pb2.GetTwoFactorStatsResponse:
    """How many have one."""
    total, enabled = await services.store.two_factor.stats()
    return admin_pb2.GetTwoFactorStatsResponse(accounts=total, enabled=enabled)


async def sessions_end(services: Services, principal: Principal, info: CallInfo, *, everywhere: bool = False) -> str:
    """Every session of the caller's account ends; for callers with a session: the one that goes on, else ""."""
    user = await services.store.accounts.get(principal.account.id)
    user = await services.store.accounts.update(user.id, session_epoch=sessions.next_epoch(user.session_epoch))
    await services.state.refresh()
    if everywhere or not info.metadata.get("isthmus-session"):
        return ""
    return (await open_session(services, user, info, "renewed"))[0]


async def open_session(services: Services, user: User, info: CallInfo, method: str) -> tuple[str, int]:
    """A session that the account's epoch does not end at once, and its end."""
    session, opened = sessions.issue(
        services.store.vault.session_key, user.id, max(int(time.time()), user.session_epoch)
    )
    agent = info.metadata.get("isthmus-client-agent", "") if info.trusted else ""
    await services.store.sessions.open(session, user.id, opened.expires_at, method, info.client_address, agent)
    return session, opened.expires_at

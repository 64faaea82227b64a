"""Signing in: by password, then by the second factor where the account has one; proving it once more."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from isthmus.v1 import access_pb2

from core.errors import InvalidRequest, RoleTooLow, SessionInvalid, Unauthenticated
from core.link.call import CallInfo
from core.manage import fields, second_factor, sessions
from core.manage.accounts import WrongPassword, message
from core.manage.second_factor import open_session
from core.services.context import Services
from core.state.types import ENABLED, Principal
from core.store import proofs
from core.store.models import User
from core.store.passwords import hash_password, verify_password

LOGIN = 7
"""logs.type of a sign-in (New API)."""
PASSWORD_LOOK = 1024
"""Characters of a password that are looked at."""
PENDING_SECONDS = 300
PENDING_TRIES = 5


class SignInEnded(Unauthenticated):
    """What waits for the second step has ended, or was never there."""

    reason = "SIGN_IN_ENDED"
    code = "sign_in_ended"
    default_message = "The sign-in has ended, or too many codes were tried; begin again."


async def login(services: Services, request: access_pb2.LoginRequest, info: CallInfo) -> access_pb2.LoginResponse:
    """A session; or what the second step wants, where the account has a second factor.

    Raises WrongPassword, RateLimited, RoleTooLow.
    """
    if services.state.snapshot.options.raw["PasswordLoginEnabled"] != "true":
        raise RoleTooLow("Signing in by password is switched off.")
    username = fields.text(request.username.strip(), "username")
    name = "name:" + username.lower()[:64]
    # The address is never forgiven its failures: one's own account would reset them.
    place = "address:" + info.client_address if info.client_address else ""
    await services.throttle.begin(name, place)
    user = await services.store.accounts.find_by_name(username)
    right, rehash = await verify_password(user.password if user is not None else "", request.password[:PASSWORD_LOOK])
    if user is None or not right or user.status != ENABLED:
        raise WrongPassword()
    await services.throttle.succeeded(name, undo=place)
    if rehash:
        user = await services.store.accounts.update(
            user.id, password=await hash_password(request.password[:PASSWORD_LOOK])
        )
    if (await services.store.two_factor.standing(user.id)).enabled:
        return access_pb2.LoginResponse(pending=await wait_for_code(services, user))
    account, session, ends = await signed_in(services, user, info, "password")
    return access_pb2.LoginResponse(account=account, session=session, expires_at=ends)


async def wait_for_code(services: Services, user: User) -> str:
    """The secret by which FinishLogin goes on."""
    pending = secrets.token_urlsafe(32)
    # A new password, and all else that ends sessions, ends it, too.
    await services.store.proofs.put(
        proofs.LOGIN, pending, PENDING_SECONDS, PENDING_TRIES, account_id=user.id, detail=str(user.session_epoch)
    )
    return pending


async def finish(
    services: Services, request: access_pb2.FinishLoginRequest, info: CallInfo
) -> access_pb2.FinishLoginResponse:
    """The second step. Raises SignInEnded, WrongCode, RateLimited."""
    kept = services.store.proofs
    pending = request.pending[:256]
    waiting = await kept.attempt(proofs.LOGIN, pending) if pending else None
    if waiting is None:
        raise SignInEnded()
    user = await services.store.accounts.get(waiting.account_id)
    if user.status != ENABLED or str(user.session_epoch) != waiting.detail:
        raise SignInEnded()
    await second_factor.check(services, user.id, request.code)
    if await kept.spend(proofs.LOGIN, pending) is None:
        raise SignInEnded()
    account, session, ends = await signed_in(services, user, info, "2fa")
    return access_pb2.FinishLoginResponse(account=account, session=session, expires_at=ends)


async def signed_in(services: Services, user: User, info: CallInfo, method: str) -> tuple[access_pb2.Account, str, int]:
    """The account, its new session and the session's end; noted in the log with the method."""
    user = await services.store.accounts.update(user.id, last_login_at=int(time.time()))
    other: dict[str, Any] = {"op": {"action": "user.login", "params": {}}, "login_method": method}
    content = "signed in by " + ("password and code" if method == "2fa" else method)
    await services.store.logs.add(
        LOGIN, user.id, user.username, content, ip=info.client_address, other=json.dumps(other)
    )
    session, ends = await open_session(services, user, info, method)
    return await message(services, user, own=True), session, ends


async def check_original(services: Services, user: User, password: str) -> None:
    """Raises WrongPassword, RateLimited. An account without a password (made elsewhere) has nothing to show."""
    if not user.password:
        return
    name = f"original:{user.id}"
    await services.throttle.begin(name)
    right, _ = await verify_password(user.password, password[:PASSWORD_LOOK])
    if not right:
        raise WrongPassword("The original password is wrong.")
    await services.throttle.succeeded(name)


async def verify(
    services: Services, principal: Principal, info: CallInfo, request: access_pb2.VerifyRequest
) -> tuple[str, int]:
    """A verification of the caller's session and its end.

    Raises SessionInvalid, WrongPassword, WrongCode, RateLimited, InvalidRequest. Who has a second factor proves
    that one: his password is not enough.
    """
    session = info.metadata.get("isthmus-session", "")
    if not session:
        raise SessionInvalid("Only a session can be verified, an access token cannot.")
    user = await services.store.accounts.get(principal.account.id)
    known = await methods(services, user)
    if request.method not in known:
        raise InvalidRequest(f"The account is verified by the method {' or '.join(known) or 'none'}.", param="method")
    if request.method == "2fa":
        await second_factor.check(services, user.id, request.code)
    elif request.method == "password":
        await check_original(services, user, request.code)
    elif await services.store.proofs.spend(proofs.PASSKEY_SHOWN, f"{request.code[:256]}\n{session}") is None:
        raise InvalidRequest("Show the passkey first.", param="method")
    key = services.store.vault.session_key
    return sessions.issue_verification(key, session, int(time.time()), request.method)


async def methods(services: Services, user: User) -> tuple[str, ...]:
    """How an account is verified: a second factor leaves the password aside."""
    found = []
    if (await services.store.two_factor.standing(user.id)).enabled:
        found.append("2fa")
    elif user.password:
        found.append("password")
    if await services.store.passkeys.of(user.id) is not None:
        found.append("passkey")
    return tuple(found)

"""What people do with their own account: the first administrator, registration, changes, its end."""

from __future__ import annotations

import math
import secrets
import string
from typing import Any

from isthmus.v1 import access_pb2

from core.errors import Conflict, InvalidRequest, RecordNotFound, RoleTooLow
from core.link.call import CallInfo
from core.manage import fields, keys, mailing, sessions, settings
from core.manage.accounts import (
    DISPLAY_MOST,
    check_name,
    check_password,
    message,
)
from core.manage.second_factor import open_session
from core.manage.sign_in import check_original
from core.routing.choose import AUTO
from core.services.context import Services
from core.state.types import NEVER, ROLE_ROOT, ROLE_USER, Principal
from core.store.passwords import hash_password
from core.version import VERSION

ROOT_QUOTA = 100_000_000
"""Units of the first administrator (New API's figure)."""
ACCESS_TOKEN_LENGTH = 32


async def set_up(services: Services, request: access_pb2.SetUpRequest) -> access_pb2.Account:
    """The first administrator, once. Raises Conflict."""
    if await services.store.accounts.is_set_up():
        # Looked at first: hashing a password for everybody who asks would be a gift.
        raise Conflict("The first administrator exists already.")
    name, password = check_name(request.username), check_password(request.password)
    user = await services.store.accounts.set_up(name, await hash_password(password), ROOT_QUOTA, VERSION)
    await services.store.options.set_many(
        {
            "SelfUseModeEnabled": str(request.self_use_mode).lower(),
            "DemoSiteEnabled": str(request.demo_site).lower(),
        }
    )
    await services.state.refresh()
    return await message(services, user, own=True)


async def register(services: Services, request: access_pb2.RegisterRequest) -> access_pb2.Account:
    """A new account, where registration is open. Raises RoleTooLow, Conflict, InvalidRequest.

    An invitation code that nobody has is left aside, as a typing error must not cost a registration.
    """
    options = services.state.snapshot.options
    if options.raw["RegisterEnabled"] != "true" or options.raw["PasswordRegisterEnabled"] != "true":
        raise RoleTooLow("Registration is closed.")
    if not await services.store.accounts.is_set_up():
        raise RoleTooLow("The first administrator comes first.")
    name, password = check_name(request.username), check_password(request.password)
    if "@" in name:
        raise InvalidRequest("A name holds no @: it could be somebody else's mail address.", param="username")
    code = fields.text(request.invitation_code, "aff_code", 32)
    address = ""
    if options.raw["EmailVerificationEnabled"] == "true":
        if await services.store.accounts.find_by_name(name) is not None:
            # Looked at first: the code is good once.
            raise Conflict("The name is taken.", param="username")
        address = await mailing.prove(services, request.email, request.verification_code)
    inviter = await services.store.accounts.by_invitation(code) if code else None
    user = await services.store.accounts.create(
        name,
        await hash_password(password),
        ROLE_USER,
        options.quota_for_new_user + (int(options.raw["QuotaForInvitee"]) if inviter is not None else 0),
        inviter_quota=int(options.raw["QuotaForInviter"]),
        inviter_id=inviter.id if inviter is not None else 0,
        email=address,
    )
    if services.settings.generate_default_token:
        columns: dict[str, Any] = {"name": f"{name}'s key"[: keys.NAME_MOST], "unlimited_quota": True}
        if options.raw["DefaultUseAutoGroup"] == "true":
            columns["group"] = AUTO
        wanted = [(keys.new_secret(), {**columns, "expired_time": NEVER})]
        await services.store.keys.create_many(user.id, wanted, 0, keep=keys.keeps(services))
    await services.state.refresh()
    return await message(services, user, own=True)


async def rotate_access_token(services: Services, principal: Principal) -> str:
    """A new access token; the old one ends."""
    alphabet = string.ascii_letters + string.digits
    token = "".join(secrets.choice(alphabet) for _ in range(ACCESS_TOKEN_LENGTH))
    await services.store.accounts.set_access_token(principal.account.id, token)
    return token


async def update(
    services: Services, principal: Principal, info: CallInfo, request: access_pb2.UpdateSelfRequest
) -> access_pb2.UpdateSelfResponse:
    """Name, display name, password. Raises WrongPassword, RateLimited, InvalidRequest, Conflict."""
    user = await services.store.accounts.get(principal.account.id)
    columns: dict[str, Any] = {}
    if request.HasField("username"):
        columns["username"] = check_name(request.username)
    if request.HasField("display_name"):
        columns["display_name"] = fields.text(request.display_name, "display_name", DISPLAY_MOST)
    if request.HasField("password"):
        check_password(request.password)
    await check_original(services, user, request.original_password)
    response = access_pb2.UpdateSelfResponse()
    if request.HasField("password"):
        columns["password"] = await hash_password(request.password)
        columns["session_epoch"] = sessions.next_epoch(user.session_epoch)
    if columns:
        user = await services.store.accounts.update(user.id, **columns)
        await services.state.refresh()
    if request.HasField("password") and info.metadata.get("isthmus-session"):
        response.session = (await open_session(services, user, info, "renewed"))[0]
    response.account.CopyFrom(await message(services, user, own=True))
    return response


async def update_settings(services: Services, principal: Principal, patch: str) -> str:
    """Writes members of the settings; gives all of them."""
    user = await services.store.accounts.get(principal.account.id)
    merged = settings.merge(principal, user.setting, patch)
    await services.store.accounts.update(user.id, setting=merged)
    await services.state.refresh()
    return merged


async def delete(services: Services, principal: Principal) -> None:
    """Softly. Raises RoleTooLow for root."""
    if principal.account.role >= ROLE_ROOT:
        raise RoleTooLow("The root account cannot be deleted.")
    await services.store.accounts.delete(principal.account.id)
    await services.state.refresh()


async def transfer(services: Services, principal: Principal, quota: int) -> int:
    """Moves units of invitations to the wallet; what is left of them. Raises InvalidRequest, InsufficientQuota."""
    least = math.ceil(float(services.state.snapshot.options.raw["QuotaPerUnit"]))
    fields.whole(quota, "quota", least)
    return await services.store.invitations.transfer(principal.account.id, quota)


# -- sessions ------------------------------------------------------------------------------------


async def open_sessions(services: Services, principal: Principal, info: CallInfo) -> access_pb2.ListSessionsResponse:
    """The caller's, newest first."""
    kept = services.store.sessions
    session = info.metadata.get("isthmus-session", "")
    current = kept.digest(session) if session else ""
    return access_pb2.ListSessionsResponse(
        sessions=[
            access_pb2.OpenSession(
                id=row.id,
                method=row.method,
                address=row.address,
                agent=row.agent,
                created_at=row.created_at,
                last_seen_at=row.last_seen_at,
                expires_at=row.expires_at,
                current=row.session_hash == current,
            )
            for row in await kept.of(principal.account.id, services.settings.session_idle_seconds)
        ]
    )


async def end_session(services: Services, principal: Principal, session_id: int = 0, *, digest: str = "") -> None:
    """One of the caller's, by id or hash. Raises RecordNotFound."""
    if not await services.store.sessions.end(principal.account.id, session_id, digest=digest):
        raise RecordNotFound("There is no such session.")
    await services.state.refresh()

"""Accounts: the first administrator, sign-in, creation, changes, what administrators do to lower ones."""

from __future__ import annotations

import secrets
import string
import time
from typing import Any

from isthmus.v1 import access_pb2, admin_pb2

from core.errors import InvalidRequest, RoleTooLow, Unauthenticated
from core.ledger import purses
from core.manage import sessions
from core.services.context import Services
from core.state.types import DISABLED_BY_HAND, ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, Principal
from core.store.models import User
from core.store.passwords import hash_password, verify_password
from core.version import VERSION

ROOT_QUOTA = 100_000_000
"""Units of the first administrator (New API's figure)."""
USERNAME_MOST = 20
PASSWORD_LEAST, PASSWORD_MOST = 8, 72
ACCESS_TOKEN_LENGTH = 32


class WrongPassword(Unauthenticated):
    """Name or password is wrong; which of them is not told."""

    reason = "WRONG_PASSWORD"
    code = "wrong_password"
    default_message = "The name or the password is wrong."


def check_name(name: str) -> str:
    """A name without blanks around it. Raises InvalidRequest."""
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= USERNAME_MOST or not trimmed.isprintable():
        raise InvalidRequest(f"A name has 1 to {USERNAME_MOST} characters.", param="username")
    return trimmed


def check_password(password: str) -> str:
    """Raises InvalidRequest."""
    if not PASSWORD_LEAST <= len(password.encode()) <= PASSWORD_MOST:
        raise InvalidRequest(f"A password has {PASSWORD_LEAST} to {PASSWORD_MOST} bytes.", param="password")
    return password


async def message(services: Services, user: User) -> access_pb2.Account:
    """An account as it is told, its quota read from its purse."""
    return (await messages(services, [user]))[0]


async def messages(services: Services, users: list[User]) -> list[access_pb2.Account]:
    """Accounts as they are told."""
    database = services.store.database
    held = await database.read(lambda: purses.read_many(database, [user.purse_id for user in users]))
    found = []
    for user in users:
        purse = held.get(user.purse_id)
        found.append(
            access_pb2.Account(
                id=user.id,
                username=user.username,
                display_name=user.display_name,
                role=access_pb2.AccountRole.ValueType(user.role),
                status=user.status,
                email=user.email,
                group=user.group,
                quota=purse.remaining if purse is not None else 0,
                used_quota=user.used_quota,
                request_count=user.request_count,
                invitation_code=user.aff_code,
                inviter_id=user.inviter_id,
                settings_json=user.setting,
                remark=user.remark,
                created_at=user.created_at,
                last_login_at=user.last_login_at,
            )
        )
    return found


async def set_up(services: Services, request: access_pb2.SetUpRequest) -> access_pb2.Account:
    """The first administrator, once. Raises Conflict."""
    name, password = check_name(request.username), check_password(request.password)
    user = await services.store.accounts.set_up(name, await hash_password(password), ROOT_QUOTA, VERSION)
    await services.store.options.set_many(
        {
            "SelfUseModeEnabled": str(request.self_use_mode).lower(),
            "DemoSiteEnabled": str(request.demo_site).lower(),
        }
    )
    await services.state.refresh()
    return await message(services, user)


async def login(services: Services, username: str, password: str, address: str) -> tuple[access_pb2.Account, str, int]:
    """Account, session and its end. Raises WrongPassword, RateLimited, RoleTooLow."""
    if services.state.snapshot.options.raw["PasswordLoginEnabled"] != "true":
        raise RoleTooLow("Signing in by password is switched off.")
    name = "name:" + username.strip().lower()[:64]
    # The address is never forgiven: one's own account would reset it.
    services.throttle.begin(name, "address:" + address if address else "")
    user = await services.store.accounts.find_by_name(username.strip())
    right, rehash = await verify_password(user.password if user is not None else "", password[:1024])
    if user is None or not right or user.status != ENABLED:
        raise WrongPassword()
    services.throttle.succeeded(name)
    fields: dict[str, Any] = {"last_login_at": int(time.time())}
    if rehash:
        fields["password"] = await hash_password(password)
    user = await services.store.accounts.update(user.id, **fields)
    session, opened = sessions.issue(services.store.vault.session_key, user.id, int(time.time()))
    return await message(services, user), session, opened.expires_at


async def rotate_access_token(services: Services, principal: Principal) -> str:
    """A new access token; the old one ends."""
    alphabet = string.ascii_letters + string.digits
    token = "".join(secrets.choice(alphabet) for _ in range(ACCESS_TOKEN_LENGTH))
    await services.store.accounts.set_access_token(principal.account.id, token)
    return token


async def register(services: Services, username: str, password: str) -> access_pb2.Account:
    """A new account, where registration is open. Raises RoleTooLow, Conflict, InvalidRequest."""
    options = services.state.snapshot.options
    if options.raw["RegisterEnabled"] != "true" or options.raw["PasswordRegisterEnabled"] != "true":
        raise RoleTooLow("Registration is closed.")
    user = await services.store.accounts.create(
        check_name(username),
        await hash_password(check_password(password)),
        ROLE_USER,
        options.quota_for_new_user,
    )
    return await message(services, user)


async def lower(services: Services, principal: Principal, account_id: int) -> User:
    """An account below the caller's own role. Raises RoleTooLow, RecordNotFound."""
    user = await services.store.accounts.get(account_id)
    own = principal.account
    if user.role >= own.role and not (own.role == ROLE_ROOT and user.id == own.id):
        raise RoleTooLow("You may not touch an account of your own level or above.")
    return user


async def create(
    services: Services, principal: Principal, request: admin_pb2.CreateAccountRequest
) -> access_pb2.Account:
    """A new account below the caller's own role."""
    role = request.role or ROLE_USER
    if role not in (ROLE_USER, ROLE_ADMIN) or role >= principal.account.role:
        raise RoleTooLow("You may only create accounts below your own level.")
    name = check_name(request.username)
    user = await services.store.accounts.create(
        name,
        await hash_password(check_password(request.password)),
        role,
        services.state.snapshot.options.quota_for_new_user,
        display_name=request.display_name or name,
    )
    await services.state.refresh()
    return await message(services, user)


async def update(
    services: Services, principal: Principal, request: admin_pb2.UpdateAccountRequest
) -> access_pb2.Account:
    """Writes what is set."""
    user = await lower(services, principal, request.id)
    fields: dict[str, Any] = {}
    if request.HasField("username"):
        fields["username"] = check_name(request.username)
    if request.HasField("password"):
        fields["password"] = await hash_password(check_password(request.password))
        fields["session_epoch"] = int(time.time()) + 1
    for name in ("display_name", "group", "remark"):
        if request.HasField(name):
            fields[name] = getattr(request, name)[:64]
    if fields:
        user = await services.store.accounts.update(user.id, **fields)
    if request.HasField("quota"):
        if request.quota < 0:
            raise InvalidRequest("A quota is 0 or more.", param="quota")
        await services.ledger.set_remaining(user.purse_id, request.quota)
    await services.state.refresh()
    return await message(services, user)


async def manage(
    services: Services, principal: Principal, request: admin_pb2.ManageAccountRequest
) -> access_pb2.Account | None:
    """Disable, enable, delete, promote, demote, add_quota; None when it was deleted."""
    user = await lower(services, principal, request.id)
    action = request.action
    if action != "add_quota" and user.id == principal.account.id:
        raise RoleTooLow("You may not do this to yourself.")
    if action == "delete":
        await services.store.accounts.delete(user.id)
        await services.state.refresh()
        return None
    if action == "disable":
        user = await services.store.accounts.update(user.id, status=DISABLED_BY_HAND)
    elif action == "enable":
        user = await services.store.accounts.update(user.id, status=ENABLED)
    elif action in ("promote", "demote"):
        if principal.account.role < ROLE_ROOT:
            raise RoleTooLow("Only root promotes and demotes.")
        role = ROLE_ADMIN if action == "promote" else ROLE_USER
        user = await services.store.accounts.update(user.id, role=role)
    elif action == "add_quota":
        await _quota(services, user, request.mode, request.value)
    else:
        raise InvalidRequest(f"There is no action {action!r}.", param="action")
    await services.state.refresh()
    return await message(services, user)


async def _quota(services: Services, user: User, mode: str, value: int) -> None:
    if value < 0:
        raise InvalidRequest("The value is 0 or more.", param="value")
    if mode in ("add", ""):
        await services.ledger.adjust(user.purse_id, value)
    elif mode == "subtract":
        await services.ledger.adjust(user.purse_id, -value)
    elif mode == "override":
        await services.ledger.set_remaining(user.purse_id, value)
    else:
        raise InvalidRequest(f"There is no mode {mode!r}.", param="mode")

"""Accounts: what is told of them, what administrators do to lower ones."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2, admin_pb2, billing_pb2

from core.errors import InvalidRequest, RoleTooLow, Unauthenticated
from core.ledger import purses
from core.manage import fields, sessions, settings
from core.manage.before_after import changed
from core.services.context import Services
from core.state.types import DISABLED_BY_HAND, ENABLED, ROLE_ADMIN, ROLE_ROOT, ROLE_USER, Principal
from core.store.models import User
from core.store.passwords import hash_password

USERNAME_MOST = 20
DISPLAY_MOST = 64
GROUP_MOST = 64
PASSWORD_LEAST, PASSWORD_MOST = 8, 72


MANAGE = 3
"""logs.type of what an administrator did (New API)."""


class WrongPassword(Unauthenticated):
    """Name or password is wrong; which of them is not told."""

    reason = "WRONG_PASSWORD"
    code = "wrong_password"
    default_message = "The name or the password is wrong."


def check_name(name: str) -> str:
    """A name without blanks around it. Raises InvalidRequest."""
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= USERNAME_MOST or not trimmed.isprintable():
        raise InvalidRequest(f"A name has 1 to {USERNAME_MOST} printable characters.", param="username")
    return trimmed


def check_password(password: str) -> str:
    """Raises InvalidRequest."""
    if not PASSWORD_LEAST <= len(password.encode()) <= PASSWORD_MOST:
        raise InvalidRequest(f"A password has {PASSWORD_LEAST} to {PASSWORD_MOST} bytes.", param="password")
    return password


async def message(services: Services, user: User, *, own: bool = False) -> access_pb2.Account:
    """An account as it is told, its quota read from its purse; own: to itself."""
    return (await messages(services, [user], own=own))[0]


async def messages(services: Services, users: list[User], *, own: bool = False) -> list[access_pb2.Account]:
    """Accounts as they are told."""
    database = services.store.database
    held = await database.read(lambda: purses.read_many(database, [user.purse_id for user in users]))
    invited = await services.store.accounts.invited([user.id for user in users])
    known = await services.store.identities.of([user.id for user in users])
    earned = await database.read(
        lambda: purses.read_owned(database, billing_pb2.PURSE_KIND_INVITATION, [user.id for user in users])
    )
    found = []
    for user in users:
        reward = earned.get(user.id)
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
                invited_count=invited.get(user.id, 0),
                invitation_quota=reward.available if reward is not None else 0,
                invitation_quota_total=reward.granted if reward is not None else 0,
                inviter_id=user.inviter_id,
                settings_json=user.setting if own else settings.for_others(user.setting),
                remark="" if own else user.remark,
                created_at=user.created_at,
                last_login_at=user.last_login_at,
                deleted_at=user.deleted_at,
                identities={
                    name: subject for name, subject in known.get(user.id, {}).items() if not name.startswith("custom:")
                },
            )
        )
    return found


async def lower(services: Services, principal: Principal, account_id: int, *, deleted: bool = False) -> User:
    """An account below the caller's own role; root's reach is everybody. Raises RoleTooLow, RecordNotFound."""
    accounts = services.store.accounts
    user = await (accounts.any(account_id) if deleted else accounts.get(account_id))
    if principal.account.role < ROLE_ROOT and user.role >= principal.account.role:
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
        display_name=fields.text(request.display_name, "display_name", DISPLAY_MOST) or name,
    )
    await services.state.refresh()
    return await message(services, user)


async def update(
    services: Services, principal: Principal, request: admin_pb2.UpdateAccountRequest
) -> access_pb2.Account:
    """Writes what is set."""
    user = await lower(services, principal, request.id)
    columns: dict[str, Any] = {}
    if request.HasField("username"):
        columns["username"] = check_name(request.username)
    if request.HasField("password"):
        columns["password"] = await hash_password(check_password(request.password))
        columns["session_epoch"] = sessions.next_epoch(user.session_epoch)
    if request.HasField("display_name"):
        columns["display_name"] = fields.text(request.display_name, "display_name", DISPLAY_MOST)
    if request.HasField("group"):
        columns["group"] = fields.text(request.group, "group", GROUP_MOST) or "default"
    if request.HasField("remark"):
        columns["remark"] = fields.text(request.remark, "remark")
    if request.HasField("quota"):
        fields.whole(request.quota, "quota")
    changed({name: getattr(user, name) for name in columns}, columns)
    if columns:
        user = await services.store.accounts.update(user.id, **columns)
    if request.HasField("quota"):
        await _quota(services, user, "override", request.quota)
    await services.state.refresh()
    return await message(services, user)


async def erase(services: Services, principal: Principal, account_id: int) -> None:
    """For good. Raises RoleTooLow, also for root accounts."""
    user = await lower(services, principal, account_id, deleted=True)
    changed({"username": user.username, "email": user.email, "role": user.role}, {"username": None, "email": None})
    if user.role >= ROLE_ROOT:
        raise RoleTooLow("The root account cannot be deleted.")
    await services.store.accounts.erase(user.id)
    await services.state.refresh()


async def manage(
    services: Services, principal: Principal, request: admin_pb2.ManageAccountRequest
) -> access_pb2.Account | None:
    """Disable, enable, delete, promote, demote, add_quota; None when it was deleted."""
    user = await lower(services, principal, request.id)
    action = request.action
    if user.role >= ROLE_ROOT and action not in ("add_quota", "enable"):
        raise RoleTooLow("The root account cannot be disabled, deleted, promoted or demoted.")
    if action == "delete":
        changed({"deleted": False, "username": user.username}, {"deleted": True})
        await services.store.accounts.delete(user.id)
        await services.state.refresh()
        return None
    if action in ("disable", "enable"):
        changed({"status": user.status}, {"status": ENABLED if action == "enable" else DISABLED_BY_HAND})
    if action == "disable":
        user = await services.store.accounts.update(user.id, status=DISABLED_BY_HAND)
    elif action == "enable":
        user = await services.store.accounts.update(user.id, status=ENABLED)
    elif action in ("promote", "demote"):
        if principal.account.role < ROLE_ROOT:
            raise RoleTooLow("Only root promotes and demotes.")
        change: dict[str, Any] = {"role": ROLE_ADMIN if action == "promote" else ROLE_USER}
        if change["role"] > user.role:
            # A session opened with less power, and guarded as such, must not grow.
            change["session_epoch"] = sessions.next_epoch(user.session_epoch)
        changed({"role": user.role}, {"role": change["role"]})
        user = await services.store.accounts.update(user.id, **change)
    elif action == "add_quota":
        await _quota(services, user, request.mode, fields.whole(request.value, "value"))
    else:
        raise InvalidRequest(f"There is no action {action[:32]!r}.", param="action")
    await services.state.refresh()
    return await message(services, user)


async def _quota(services: Services, user: User, mode: str, value: int) -> None:
    """Through the ledger, and told in the account's own log."""
    held = await services.ledger.purse(user.purse_id)
    if mode in ("add", ""):
        found = await services.ledger.adjust(user.purse_id, value)
    elif mode == "subtract":
        found = await services.ledger.adjust(user.purse_id, -value)
    elif mode == "override":
        found = await services.ledger.set_remaining(user.purse_id, value)
    else:
        raise InvalidRequest(f"There is no mode {mode[:32]!r}.", param="mode")
    before, after = held.available + held.leased, found.available + found.leased
    changed({"quota": before}, {"quota": after})
    told = f"an administrator changed the quota ({mode or 'add'} {value}): from {before} to {after} units"
    await services.store.logs.add(MANAGE, user.id, user.username, told)

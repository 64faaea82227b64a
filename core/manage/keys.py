"""API keys of an account: creation, changes, what is shown of them."""

from __future__ import annotations

import ipaddress
import secrets
import string
import time
from typing import Any

from isthmus.v1 import admin_pb2

from core.errors import GroupNotAllowed, InvalidRequest
from core.ledger import purses
from core.services.context import Services
from core.state.types import DISABLED_BY_HAND, ENABLED, NEVER, Principal
from core.store.models import Token

SECRET_LENGTH = 48
ALPHABET = string.ascii_letters + string.digits
NAME_MOST = 50


def new_secret() -> str:
    """48 characters of 0-9A-Za-z."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


async def messages(services: Services, tokens: list[Token]) -> list[admin_pb2.ApiKey]:
    """Keys as they are told, masked, their quota read from their purses."""
    database = services.store.database
    held = await database.read(lambda: purses.read_many(database, [token.purse_id for token in tokens]))
    found = []
    for token in tokens:
        purse = held.get(token.purse_id)
        hint = token.key_hint
        found.append(
            admin_pb2.ApiKey(
                id=token.id,
                account_id=token.user_id,
                name=token.name,
                masked=f"{hint[:4]}**********{hint[4:]}",
                status=token.status,
                created_at=token.created_time,
                accessed_at=token.accessed_time,
                expires_at=token.expired_time,
                remaining_quota=purse.remaining if purse is not None else 0,
                unlimited_quota=token.unlimited_quota,
                used_quota=token.used_quota,
                model_limits_enabled=token.model_limits_enabled,
                models=[name for name in token.model_limits.split(",") if name],
                allowed_networks=token.allow_ips.split(),
                group=token.group,
                cross_group_retry=token.cross_group_retry,
            )
        )
    return found


def _columns(services: Services, principal: Principal, key: admin_pb2.ApiKey) -> dict[str, Any]:
    """The columns of a key that its owner may set. Raises InvalidRequest, GroupNotAllowed."""
    if len(key.name) > NAME_MOST:
        raise InvalidRequest(f"A key's name has at most {NAME_MOST} characters.", param="name")
    if key.remaining_quota < 0:
        raise InvalidRequest("A quota is 0 or more.", param="remain_quota")
    for network in key.allowed_networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise InvalidRequest(f"{network} is no address and no network.", param="allow_ips") from error
    options = services.state.snapshot.options
    if key.group not in ("", "auto") and key.group not in options.usable(principal.account.group):
        raise GroupNotAllowed(f"You may not use the group {key.group}.", param="group")
    return {
        "name": key.name,
        "expired_time": key.expires_at or NEVER,
        "unlimited_quota": key.unlimited_quota,
        "model_limits_enabled": key.model_limits_enabled,
        "model_limits": ",".join(key.models),
        "allow_ips": "\n".join(key.allowed_networks),
        "group": key.group,
        "cross_group_retry": key.cross_group_retry,
    }


async def create(services: Services, principal: Principal, key: admin_pb2.ApiKey) -> tuple[admin_pb2.ApiKey, str]:
    """A new key and its secret. Raises InvalidRequest where the account has too many."""
    columns = _columns(services, principal, key)
    most = services.state.snapshot.options.max_user_tokens
    _, count = await services.store.keys.list(principal.account.id, limit=1)
    if count >= most:
        raise InvalidRequest(f"An account has at most {most} keys.")
    secret = new_secret()
    token = await services.store.keys.create(principal.account.id, secret, key.remaining_quota, **columns)
    await services.state.refresh()
    return (await messages(services, [token]))[0], secret


async def update(
    services: Services, principal: Principal, key: admin_pb2.ApiKey, status_only: bool
) -> admin_pb2.ApiKey:
    """Writes the key, or its status alone."""
    token = await services.store.keys.get(key.id, principal.account.id)
    columns: dict[str, Any] = {} if status_only else _columns(services, principal, key)
    if key.status and key.status != token.status:
        if key.status not in (ENABLED, DISABLED_BY_HAND):
            raise InvalidRequest("A key is enabled (1) or disabled (2).", param="status")
        ends = columns.get("expired_time", token.expired_time)
        if key.status == ENABLED and ends != NEVER and ends <= time.time():
            raise InvalidRequest("The key has expired: set a later time first.", param="status")
        columns["status"] = key.status
    if columns:
        token = await services.store.keys.update(token.id, principal.account.id, **columns)
    if not status_only and not key.unlimited_quota:
        await services.ledger.set_remaining(token.purse_id, key.remaining_quota)
    await services.state.refresh()
    return (await messages(services, [token]))[0]

"""API keys of an account: creation, changes, what is shown of them."""

from __future__ import annotations

import ipaddress
import secrets
import string
import time
from typing import Any

from isthmus.v1 import admin_pb2, common_pb2

from core.errors import GroupNotAllowed, InvalidRequest
from core.ledger import purses
from core.link.call import CallInfo
from core.manage import fields, sessions
from core.manage.logs import paging
from core.pacing.budgets import Budgets
from core.pricing.price import QUOTA_PER_UNIT
from core.services.context import Services
from core.state.types import DISABLED_BY_HAND, ENABLED, KEY_EXHAUSTED, NEVER, Principal
from core.store.keys import SecretNotKept
from core.store.models import Token

SECRET_LENGTH = 48
ALPHABET = string.ascii_letters + string.digits
NAME_MOST = 50
"""Bytes of a key's name (New API's limit)."""
MODELS_MOST = 1_000
NETWORKS_MOST = 1_000
QUOTA_MOST = 1_000_000_000 * int(QUOTA_PER_UNIT)
"""Units a key may be given (New API's limit)."""
REVEAL_MOST = 100
REVEAL = "token_setting.reveal"
AT_ONCE_MOST = 100
"""Keys made by one call."""
OVERLAP_MOST = 30 * 24 * 3600
"""Seconds an old secret may go on to work."""
RATE_MOST = 1_000_000_000
PERIODS = ("day", "week", "month")
OPERATIONS = tuple(
    name.removeprefix("OPERATION_").lower() for name, number in sorted(common_pb2.Operation.items()) if number
)
"""As a key's list names them."""


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
                limits=admin_pb2.KeyLimits(
                    requests_per_minute=token.requests_per_minute,
                    tokens_per_minute=token.tokens_per_minute,
                    concurrency=token.concurrency,
                    budget_units=token.budget_units,
                    budget_period=token.budget_period,
                    operations=[name for name in token.operations.split(",") if name],
                ),
            )
        )
    return found


async def list_keys(
    services: Services, principal: Principal, request: admin_pb2.ListKeysRequest
) -> admin_pb2.ListKeysResponse:
    """The account's keys, a page of them. Raises InvalidRequest."""
    number, size, offset = paging(request.page)
    secret = fields.text(request.secret, "token")
    if "%" in secret:
        raise InvalidRequest("Secrets are kept encrypted: a key is found by its whole secret.", param="token")
    keyword = fields.text(request.keyword, "keyword")
    rows, total = await services.store.keys.list(principal.account.id, keyword, secret, offset, size)
    response = admin_pb2.ListKeysResponse(keys=await messages(services, rows))
    response.page.page, response.page.page_size, response.page.total = number, size, total
    return response


def _columns(services: Services, principal: Principal, key: admin_pb2.ApiKey) -> dict[str, Any]:
    """The columns of a key that its owner may set. Raises InvalidRequest, GroupNotAllowed."""
    if len(key.name.encode()) > NAME_MOST:
        raise InvalidRequest(f"A key's name has at most {NAME_MOST} bytes.", param="name")
    fields.text(key.name, "name")
    if not key.unlimited_quota:
        fields.whole(key.remaining_quota, "remain_quota", 0, QUOTA_MOST)
    fields.whole(key.expires_at, "expired_time", NEVER)
    if len(key.models) > MODELS_MOST or len(key.allowed_networks) > NETWORKS_MOST:
        raise InvalidRequest(f"A key lists at most {MODELS_MOST} models and {NETWORKS_MOST} networks.")
    for model in key.models:
        if "," in fields.text(model, "model_limits"):
            raise InvalidRequest("A model's name holds a comma.", param="model_limits")
    for network in key.allowed_networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError as error:
            raise InvalidRequest(f"{network[:64]} is no address and no network.", param="allow_ips") from error
    options = services.state.snapshot.options
    if key.group not in ("", "auto") and key.group not in options.usable(principal.account.group):
        raise GroupNotAllowed(f"You may not use the group {key.group[:64]}.", param="group")
    limits = _limits(key.limits) if key.HasField("limits") else {}
    return {
        **limits,
        "name": key.name,
        "expired_time": key.expires_at or NEVER,
        "unlimited_quota": key.unlimited_quota,
        "model_limits_enabled": key.model_limits_enabled,
        "model_limits": ",".join(key.models),
        "allow_ips": "\n".join(key.allowed_networks),
        "group": key.group,
        "cross_group_retry": key.cross_group_retry,
    }


def _limits(limits: admin_pb2.KeyLimits) -> dict[str, Any]:
    """Their columns. Raises InvalidRequest."""
    for name in ("requests_per_minute", "tokens_per_minute", "concurrency"):
        fields.whole(getattr(limits, name), f"limits.{name}", 0, RATE_MOST)
    fields.whole(limits.budget_units, "limits.budget_units", 0, QUOTA_MOST)
    if limits.budget_period not in ("", *PERIODS):
        raise InvalidRequest(f"A budget's period is {', '.join(PERIODS)}.", param="limits.budget_period")
    if bool(limits.budget_period) != bool(limits.budget_units):
        raise InvalidRequest("A budget has both units and a period.", param="limits.budget_units")
    for name in limits.operations:
        if name not in OPERATIONS:
            raise InvalidRequest(f"An operation is {', '.join(OPERATIONS)}.", param="limits.operations")
    return {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "concurrency": limits.concurrency,
        "budget_units": limits.budget_units,
        "budget_period": limits.budget_period,
        "operations": ",".join(sorted(set(limits.operations))),
    }


def keeps(services: Services) -> bool:
    """Whether secrets are kept, to be shown again."""
    return services.state.snapshot.options.raw[REVEAL] != "off"


async def create(services: Services, principal: Principal, key: admin_pb2.ApiKey) -> tuple[admin_pb2.ApiKey, str]:
    """A new key and its secret. Raises InvalidRequest where the account has too many."""
    made, secret = await _create(services, principal, key, [key.name])
    return made[0], secret[0]


async def create_many(
    services: Services, principal: Principal, key: admin_pb2.ApiKey, count: int
) -> tuple[list[admin_pb2.ApiKey], list[str]]:
    """Keys NAME-1, NAME-2, ... and their secrets, all or none. Raises as create()."""
    fields.whole(count, "count", 1, AT_ONCE_MOST)
    return await _create(services, principal, key, [f"{key.name}-{number}" for number in range(1, count + 1)])


async def _create(
    services: Services, principal: Principal, key: admin_pb2.ApiKey, names: list[str]
) -> tuple[list[admin_pb2.ApiKey], list[str]]:
    columns = _columns(services, principal, key)
    if max(len(name.encode()) for name in names) > NAME_MOST:
        raise InvalidRequest(f"A key's name has at most {NAME_MOST} bytes, its number counted.", param="name")
    wanted = [(new_secret(), {**columns, "name": name}) for name in names]
    granted = 0 if key.unlimited_quota else key.remaining_quota
    most = services.state.snapshot.options.max_user_tokens
    made = await services.store.keys.create_many(principal.account.id, wanted, granted, most, keep=keeps(services))
    await services.state.refresh()
    return await messages(services, list(made)), [secret for secret, _ in wanted]


async def rotate(
    services: Services, principal: Principal, info: CallInfo, request: admin_pb2.RotateKeyRequest
) -> admin_pb2.RotateKeyResponse:
    """Another secret; the old one ends with the overlap. Raises RecordNotFound, VerificationRequired."""
    fields.whole(request.overlap_seconds, "overlap_seconds", 0, OVERLAP_MOST)
    _verified(services, info)
    secret = new_secret()
    token = await services.store.keys.rotate(
        request.id, principal.account.id, secret, request.overlap_seconds, keep=keeps(services)
    )
    await services.state.refresh()
    key = (await messages(services, [token]))[0]
    return admin_pb2.RotateKeyResponse(key=key, secret=secret, old_until=token.old_key_until)


def _verified(services: Services, info: CallInfo) -> None:
    """Raises VerificationRequired where secrets are told only after a fresh proof of who it is."""
    if services.state.snapshot.options.raw[REVEAL] == "verified":
        sessions.check_verification(
            services.store.vault.session_key,
            info.metadata.get("isthmus-session", ""),
            info.metadata.get("isthmus-verification", ""),
            int(time.time()),
        )


async def update(
    services: Services, principal: Principal, key: admin_pb2.ApiKey, status_only: bool
) -> admin_pb2.ApiKey:
    """Writes the key's status alone, or all but its status. Raises InvalidRequest, RecordNotFound."""
    token = await services.store.keys.get(key.id, principal.account.id)
    if status_only:
        columns = await _status(services, token, key.status)
    else:
        columns = _columns(services, principal, key)
        if token.status == KEY_EXHAUSTED and (key.unlimited_quota or key.remaining_quota > 0):
            columns["status"] = ENABLED
    token = await services.store.keys.update(token.id, principal.account.id, **columns)
    if not status_only and not key.unlimited_quota:
        await services.ledger.set_remaining(token.purse_id, key.remaining_quota)
    if not status_only and key.HasField("limits"):
        await _fit_budget(services, token)
    await services.state.refresh()
    return (await messages(services, [token]))[0]


async def _fit_budget(services: Services, token: Token) -> None:
    """Lets the running period's purse hold what is new of the budget, less what was spent of it."""
    budgets = Budgets(services.store, services.settings.time_zone)
    purse_id = await budgets.running(token.id, token.budget_period, time.time())
    if purse_id:
        purse = await services.ledger.purse(purse_id)
        await services.ledger.set_remaining(purse_id, max(0, token.budget_units - purse.settled))


async def _status(services: Services, token: Token, status: int) -> dict[str, Any]:
    """A new status; a key is enabled again only once its limits let it work."""
    if status not in (ENABLED, DISABLED_BY_HAND):
        raise InvalidRequest("A key is enabled (1) or disabled (2).", param="status")
    if status == ENABLED:
        if token.expired_time != NEVER and token.expired_time <= time.time():
            raise InvalidRequest("The key has expired: set a later time first.", param="status")
        if token.status == KEY_EXHAUSTED and not token.unlimited_quota:
            purse = await services.ledger.purse(token.purse_id)
            if purse.available + purse.leased <= 0:
                raise InvalidRequest("The key's quota is used up: give it more first.", param="status")
    return {"status": status}


async def delete(services: Services, principal: Principal, ids: Any) -> int:
    """Those of the account's; how many there were."""
    count = await services.store.keys.delete(fields.ids(ids), principal.account.id)
    await services.state.refresh()
    return count


async def reveal(services: Services, principal: Principal, info: CallInfo, ids: Any) -> dict[int, str]:
    """Id -> secret of those that are the account's. Raises SecretNotKept, VerificationRequired."""
    chosen = fields.ids(ids, most=REVEAL_MOST)
    if not keeps(services):
        raise SecretNotKept()
    _verified(services, info)
    rows = await services.store.keys.many(chosen, principal.account.id)
    return {token.id: services.store.keys.reveal(token) for token in rows}

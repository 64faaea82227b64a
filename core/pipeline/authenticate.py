"""Who calls: an API key, a session, or an access token. The fast path is the cache alone."""

from __future__ import annotations

import ipaddress

from core.errors import (
    AccountDisabled,
    AddressNotAllowed,
    ChannelPinRefused,
    KeyDisabled,
    KeyExhausted,
    KeyExpired,
    KeyMissing,
    KeyUnknown,
    RoleTooLow,
    SessionInvalid,
)
from core.link.call import CallInfo
from core.manage import sessions
from core.state.state import Missing, State
from core.state.types import (
    ENABLED,
    KEY_EXHAUSTED,
    KEY_EXPIRED,
    NEVER,
    ROLE_ADMIN,
    Account,
    Key,
    Principal,
)
from core.store.store import Store

KEY_MOST = 256
"""Characters of a key; longer ones are not looked up."""


class AccessTokenUnknown(SessionInvalid):
    """No account has this access token, or another one than was named."""

    reason = "ACCESS_TOKEN_UNKNOWN"
    default_message = "The access token and the account it names do not go together."


def read_key(info: CallInfo) -> tuple[str, int]:
    """The secret without "sk-", and the channel it names (0: none). Raises KeyMissing, KeyUnknown."""
    text = info.metadata.get("authorization", "").strip()
    if text[:7].lower() == "bearer ":
        text = text[7:].strip()
    text = text.removeprefix("sk-")
    if not text:
        raise KeyMissing()
    if len(text) > KEY_MOST:
        raise KeyUnknown()
    secret, dash, channel = text.partition("-")
    if not dash:
        return secret, 0
    if not channel.isdecimal() or len(channel) > 18:
        raise KeyUnknown()
    return secret, int(channel)


def _check(account: Account, key: Key, pinned: int, address: str, now: float) -> Principal:
    if key.status != ENABLED:
        if key.status == KEY_EXPIRED:
            raise KeyExpired()
        raise KeyExhausted() if key.status == KEY_EXHAUSTED else KeyDisabled()
    if key.expires_at != NEVER and key.expires_at <= now:
        raise KeyExpired()
    if key.networks:
        _check_address(key, address)
    if account.status != ENABLED:
        raise AccountDisabled()
    if pinned and account.role < ROLE_ADMIN:
        raise ChannelPinRefused("Only administrators may name a channel in their key.")
    return Principal(account, key, pinned, address)


def _check_address(key: Key, address: str) -> None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError as error:
        raise AddressNotAllowed() from error
    mapped = getattr(parsed, "ipv4_mapped", None)
    if not any((mapped or parsed) in network for network in key.networks):
        raise AddressNotAllowed()


def try_authenticate_key(info: CallInfo, state: State, now: float) -> Principal | None:
    """By the cache alone; None where the database must be asked. Raises Unauthenticated, Forbidden."""
    secret, pinned = read_key(info)
    found = state.peek_key(secret)
    if isinstance(found, Missing):
        return None
    if found is None:
        raise KeyUnknown()
    return _check(found[0], found[1], pinned, info.client_address, now)


async def authenticate_key(info: CallInfo, state: State, now: float) -> Principal:
    """As try_authenticate_key, asking the database where it must."""
    secret, pinned = read_key(info)
    found = await state.find_key(secret)
    if found is None:
        raise KeyUnknown()
    return _check(found[0], found[1], pinned, info.client_address, now)


async def read_only_key(info: CallInfo, state: State) -> Principal:
    """The holder of a key who only reads what the key used: disabled, expired and exhausted keys may.

    Raises KeyMissing, KeyUnknown, AccountDisabled, AddressNotAllowed.
    """
    secret, _ = read_key(info)
    found = await state.find_key(secret)
    if found is None:
        raise KeyUnknown()
    account, key = found
    if key.networks:
        _check_address(key, info.client_address)
    if account.status != ENABLED:
        raise AccountDisabled()
    return Principal(account, key, 0, info.client_address)


async def authenticate_account(info: CallInfo, state: State, store: Store, now: float) -> Principal:
    """By session, or by access token and account id. Raises SessionInvalid, AccountDisabled."""
    session = info.metadata.get("isthmus-session", "")
    named = info.metadata.get("isthmus-user", "")
    if session:
        opened = sessions.read(store.vault.session_key, session, int(now))
        account = await state.account(opened.account_id)
        if account is None or opened.issued_at < account.session_epoch:
            raise SessionInvalid()
        if not await state.session_alive(session, account.id):
            raise SessionInvalid()
        if named and named != str(account.id):
            raise SessionInvalid("The session belongs to another account than New-Api-User names.")
    else:
        token = info.metadata.get("authorization", "").strip()
        if token[:7].lower() == "bearer ":
            token = token[7:].strip()
        if not token or len(token) > KEY_MOST:
            raise SessionInvalid("Not signed in.")
        row = await store.accounts.find_by_access_token(token)
        if row is None or named != str(row.id):
            raise AccessTokenUnknown()
        account = await state.account(row.id)
        if account is None:
            raise SessionInvalid()
    if account.status != ENABLED:
        raise AccountDisabled()
    return Principal(account, None, 0, info.client_address)


def require_role(principal: Principal, role: int) -> None:
    """Raises RoleTooLow where the account does less than that."""
    if principal.account.role < role:
        raise RoleTooLow()

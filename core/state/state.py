"""State: the snapshot and the caches of one worker, kept fresh by the change feed."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from core.errors import RecordNotFound
from core.settings import CoreSettings
from core.state import snapshot
from core.state.expiring import Expiring
from core.state.types import Account, Allowance, Channel, Key, KeyLimits, Snapshot
from core.store import changes, models, subscriptions
from core.store.store import Store

logger = logging.getLogger("isthmus.state")

KEYS_MOST = 50_000
MISSES_MOST = 20_000
ACCOUNTS_MOST = 50_000
SESSIONS_MOST = 50_000
TTL_SECONDS = 300.0
"""Longest a cached key or account is believed, should the feed be missed."""
BACKOFF_MOST = 5.0


UNLIMITED = KeyLimits(0, 0, 0, 0, "")


class Missing:
    """The type of MISSING."""


MISSING: Final = Missing()
"""peek_key() does not know: ask find_key()."""

Found: TypeAlias = tuple[Account, Key]


def account_of(row: models.User, allowances: tuple[Allowance, ...] = ()) -> Account:
    """An account as requests read it."""
    try:
        setting = json.loads(row.setting or "{}")
    except ValueError:
        setting = {}
    return Account(
        id=row.id,
        username=row.username,
        role=row.role,
        status=row.status,
        group=row.group or "default",
        purse_id=row.purse_id,
        session_epoch=row.session_epoch,
        billing_preference=setting.get("billing_preference") or "subscription_first",
        allowances=allowances,
        accept_unset_price=bool(setting.get("accept_unset_model_ratio_model")),
        record_address=bool(setting.get("record_ip_log")),
    )


def key_of(row: models.Token) -> Key:
    """A key as requests read it; addresses that cannot be read allow nobody."""
    networks = []
    for piece in row.allow_ips.replace(",", "\n").split():
        try:
            networks.append(ipaddress.ip_network(piece, strict=False))
        except ValueError:
            networks.append(ipaddress.ip_network("255.255.255.255/32"))
    return Key(
        id=row.id,
        account_id=row.user_id,
        name=row.name,
        status=row.status,
        expires_at=row.expired_time,
        purse_id=0 if row.unlimited_quota else row.purse_id,
        models=snapshot.names(row.model_limits) if row.model_limits_enabled else None,
        networks=tuple(networks),
        group=row.group,
        cross_group_retry=bool(row.cross_group_retry),
        limits=_limits_of(row),
    )


def _limits_of(row: models.Token) -> KeyLimits | None:
    found = KeyLimits(
        row.requests_per_minute, row.tokens_per_minute, row.concurrency, row.budget_units, row.budget_period,
        snapshot.names(row.operations) if row.operations else frozenset(),
    )  # fmt: skip
    return found if found != UNLIMITED else None


class State:
    """What every request reads; open() starts its own task, close() ends it."""

    def __init__(self, store: Store, settings: CoreSettings) -> None:
        self._store = store
        self._every = settings.sync_frequency
        self._anew = settings.full_sync_seconds
        self.snapshot: Snapshot
        self._sequence = 0
        self._version = 0
        self._keys: Expiring[str, Found] = Expiring(KEYS_MOST, TTL_SECONDS, time.monotonic)
        self._misses: Expiring[str, bool] = Expiring(MISSES_MOST, TTL_SECONDS, time.monotonic)
        self._accounts: Expiring[int, Account] = Expiring(ACCOUNTS_MOST, TTL_SECONDS, time.monotonic)
        self._sessions: Expiring[str, int] = Expiring(SESSIONS_MOST, TTL_SECONDS, time.monotonic)
        self._idle = settings.session_idle_seconds
        self._by_key: dict[int, set[str]] = {}
        self._epoch = 0
        """Grows with every change seen, so that a look-up that was under way meanwhile is not cached."""
        self._stale = False
        """The snapshot must be built anew; stays set until that worked."""
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self.forget_conversations: Callable[[int], object] = lambda number: None
        """Told when somebody clears affinity's memory, here or on another worker."""

    @classmethod
    async def open(cls, store: Store, settings: CoreSettings) -> State:
        """Loads everything, starts following the feed."""
        state = cls(store, settings)
        state._sequence = await store.changes.newest()
        await state._rebuild()
        state._task = asyncio.get_running_loop().create_task(state._follow())
        return state

    # -- keys and accounts --------------------------------------------------------------------

    def peek_key(self, secret: str) -> Found | Missing | None:
        """From the cache alone: the key, None where it is known not to exist, MISSING where nothing is known."""
        found = self._keys.get(secret)
        if found is not None:
            return found
        return None if secret in self._misses else MISSING

    async def find_key(self, secret: str) -> Found | None:
        """The key and its account; None where there is none."""
        known = self.peek_key(secret)
        if not isinstance(known, Missing):
            return known
        epoch = self._epoch
        rows = await self._store.keys.find(secret)
        if rows is None:
            if epoch == self._epoch:
                self._misses[secret] = True
            return None
        token, user = rows
        found = (account_of(user, await self._allowances(user.id)), key_of(token))
        if epoch == self._epoch:
            if len(self._by_key) > 2 * KEYS_MOST:
                self._forget_keys()
            self._keys[secret] = found
            self._by_key.setdefault(token.id, set()).add(secret)
        return found

    async def session_alive(self, session: str, account_id: int) -> bool:
        """Whether a session that is signed right is open: it may have been ended, or not used for too long."""
        digest = self._store.sessions.digest(session)
        if self._sessions.get(digest) == account_id:
            return True
        epoch = self._epoch
        if not await self._store.sessions.alive(digest, self._idle):
            return False
        if epoch == self._epoch:
            self._sessions[digest] = account_id
        return True

    async def account(self, account_id: int) -> Account | None:
        """An account by id; None where it was deleted."""
        known = self._accounts.get(account_id)
        if known is not None:
            return known
        epoch = self._epoch
        row = await self._store.database.read(
            lambda: models.User.select().where(models.User.id == account_id, models.User.deleted_at == 0).first()
        )
        if row is None:
            return None
        account = account_of(row, await self._allowances(row.id))
        if epoch == self._epoch:
            self._accounts[account_id] = account
        return account

    async def _allowances(self, account_id: int) -> tuple[Allowance, ...]:
        return await self._store.database.read(subscriptions.running, account_id)

    async def channel(self, channel_id: int) -> Channel | None:
        """A channel in any state, from the database; for tests of channels."""
        try:
            return snapshot.channel_of(await self._store.channels.get(channel_id))
        except RecordNotFound:
            return None

    # -- the feed -----------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Reads the feed now."""
        async with self._lock:
            while seen := await self._store.changes.since(self._sequence):
                self._epoch += 1
                if seen[0][0] > self._sequence + 1:
                    # Rows were pruned, or numbers skipped: what is missing may have been any change.
                    self._forget_keys()
                    self._accounts.clear()
                    self._sessions.clear()
                    self._stale = True
                for _, kind, entity in seen:
                    self._stale |= self._void(kind, entity)
                self._sequence = seen[-1][0]
            if self._stale:
                await self._rebuild()
                self._stale = False

    def _void(self, kind: str, entity: int) -> bool:
        """Forgets what a change makes stale; returns whether the snapshot must be built anew."""
        if kind == changes.KEY:
            self._misses.clear()
            for secret in self._by_key.pop(entity, ()):
                self._keys.pop(secret)
            return False
        if kind == changes.ACCOUNT:
            self._accounts.pop(entity)
            for digest in [digest for digest, owner in self._sessions.items() if owner == entity]:
                self._sessions.pop(digest)
            for secret in [secret for secret, (account, _) in self._keys.items() if account.id == entity]:
                self._keys.pop(secret)
            return False
        if kind == changes.AFFINITY:
            self.forget_conversations(entity)
            return False
        return True

    def _forget_keys(self) -> None:
        self._keys.clear()
        self._misses.clear()
        self._by_key.clear()

    async def rebuild(self) -> None:
        """Builds the snapshot anew, whatever the feed says."""
        async with self._lock:
            await self._rebuild()

    async def _rebuild(self) -> None:
        rows = await self._store.channels.all()
        options = await self._store.options.all()
        self._version += 1
        self.snapshot = await asyncio.to_thread(snapshot.build, self._version, rows, options)

    async def _follow(self) -> None:
        pause = self._every
        built = time.monotonic()
        while True:
            await asyncio.sleep(pause)
            try:
                if self._anew and time.monotonic() - built >= self._anew:
                    built = time.monotonic()
                    # What another program wrote is in no feed.
                    self._forget_keys()
                    self._accounts.clear()
                    self._sessions.clear()
                    self._stale = True
                await self.refresh()
                pause = self._every
            except Exception:
                # What is known stays in force until the database answers again.
                logger.exception("could not read the change feed", extra={"at": time.time()})
                pause = min(max(pause, self._every) * 2, BACKOFF_MOST)

    async def close(self) -> None:
        """Ends the following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

"""Writes converted rows into our tables: a page in one transaction, each row once, with its money."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from isthmus.v1 import billing_pb2

from core.ledger import purses
from core.ledger.statistics import add_usage
from core.options.row import is_secret
from core.store import changes, identities
from core.store.models import Channel, Identity, Log, Option, Passkey, Redemption, Setup, Token, TwoFactor, User
from core.store.options import SEALED
from core.store.store import Store
from core.takeover.plain import PLAIN, Plain
from core.takeover.rows import Taken

CONSUME = 2
SYSTEM = 4
"""logs.type of what the system does by itself (New API)."""
NAME = "New API"
TABLES = ("users", "tokens", "channels", "redemptions", "two_fas", "passkey_credentials")
"""Whose ids are kept."""
NEW_CODE = "has a new invitation code: it had none, or another's"
POINTER = 0
"""source_id of the row that says how far logs were taken."""


def _receipt(line: Mapping[str, Any]) -> billing_pb2.Receipt:
    """As much of a receipt as sums are made from."""
    receipt = billing_pb2.Receipt(
        account_id=line["user_id"],
        username=line["username"],
        key_id=line["token_id"],
        key_name=line["token_name"],
        model=line["model_name"],
        group=line["group"],
        settled_ms=line["created_at"] * 1000,
        quota=line["quota"],
    )
    receipt.usage.input_tokens, receipt.usage.output_tokens = line["prompt_tokens"], line["completion_tokens"]
    receipt.attempts.add(channel_id=line["channel_id"])
    return receipt


class Target:
    """Our database. Every method but those of a transaction is one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._database, self._vault = store.database, store.vault
        self.put: Mapping[str, Callable[[Taken], int]] = {
            "users": self._user,
            "tokens": self._token,
            "channels": self._channel,
            "redemptions": self._redemption,
            "two_fas": self._two_factor,
            "passkey_credentials": self._passkey,
            **{plain.name: partial(self._plain, plain) for plain in PLAIN},
        }

    def digest(self, row: Mapping[str, Any]) -> str:
        """What a row was like: keyed, for it may hold secrets."""
        return self._vault.digest(repr(sorted((name, str(value)) for name, value in row.items())))

    async def before(self, kind: str, ids: Sequence[int]) -> dict[int, str]:
        """Of these rows of the source, those that were taken, and what they were like then."""
        marks = ", ".join("?" * len(ids))
        sql = f"SELECT source_id, digest FROM takeovers WHERE kind = ? AND source_id IN ({marks})"  # noqa: S608
        rows = await self._database.read(self._database.execute, sql, (kind, *ids)) if ids else []
        return {int(row[0]): str(row[1]) for row in rows}

    async def strangers(self) -> int:
        """Accounts that came by another way."""
        sql = "SELECT count(*) FROM users WHERE id NOT IN (SELECT source_id FROM takeovers WHERE kind = 'users')"
        rows = await self._database.read(self._database.execute, sql)
        return int(rows[0][0])

    async def write(self, kind: str, page: Sequence[tuple[Taken, str]]) -> int:
        """Puts rows with their digests, all or none; units that can be spent of what was put."""

        def run() -> int:
            units = 0
            for taken, digest in page:
                units += self.put[kind](taken)
                self._note(kind, taken.id, digest)
            # One for the page: whoever runs meanwhile forgets what it looked up in vain, and reads channels anew.
            changes.note(self._database, changes.CHANNEL if kind == "channels" else changes.KEY)
            return units

        return await self._database.write(run)

    def _note(self, kind: str, source_id: int, digest: str) -> None:
        self._database.execute_count(
            "INSERT INTO takeovers (kind, source_id, digest, taken_at) VALUES (?, ?, ?, ?)",
            (kind, source_id, digest, int(time.time())),
        )

    def _purse(self, kind: int, owner_id: int, quota: int, used: int) -> tuple[int, int]:
        """A purse with what was used before, and a negative balance as debt: its id, and what it is worth."""
        purse_id = purses.create(
            self._database, kind, owner_id, granted=max(quota, 0), settled=used, debt=max(-quota, 0)
        )
        made = purses.read(self._database, purse_id)
        return purse_id, made.remaining - made.debt

    def _user(self, taken: Taken) -> int:
        code = taken.columns["aff_code"]
        if not code or User.select().where(User.aff_code == code).exists():
            code = secrets.token_hex(8)
            if NEW_CODE not in taken.changed:
                taken.changed.append(NEW_CODE)
        purse_id, units = self._purse(billing_pb2.PURSE_KIND_ACCOUNT, taken.id, taken.quota, taken.used)
        hashed = self._vault.digest(taken.secret) if taken.secret else None
        fields = {**taken.columns, "aff_code": code, "purse_id": purse_id, "access_token_hash": hashed}
        User.insert(id=taken.id, **fields).execute()
        for provider, subject in taken.identities.items():
            if Identity.select().where(Identity.provider == provider, Identity.subject == subject).exists():
                note = f"who it is at {provider} is another account already"
                if note not in taken.changed:
                    taken.changed.append(note)
                continue
            identities.insert(taken.id, provider, subject)
        waiting, moved = taken.invited
        if waiting or moved:
            purses.create(self._database, billing_pb2.PURSE_KIND_INVITATION, taken.id, granted=waiting, settled=moved)
        self._reason(taken, taken.columns["username"], f"took over {taken.quota} units, {taken.used} used before")
        return units

    def _reason(self, taken: Taken, username: str, what: str) -> None:
        Log.create(
            type=SYSTEM, user_id=taken.id, username=username, quota=taken.quota, content=f"{what}, from {NAME}",
            created_at=int(time.time()),
        )  # fmt: skip

    def _token(self, taken: Taken) -> int:
        purse_id, units = self._purse(billing_pb2.PURSE_KIND_KEY, taken.id, taken.quota, taken.used)
        sealed = {"key": self._vault.encrypt(taken.secret), "key_hash": self._vault.digest(taken.secret)}
        Token.insert(id=taken.id, purse_id=purse_id, **sealed, **taken.columns).execute()
        return units

    def _channel(self, taken: Taken) -> int:
        Channel.insert(id=taken.id, key=self._vault.encrypt(taken.secret), **taken.columns).execute()
        return 0

    def _redemption(self, taken: Taken) -> int:
        sealed = {"key": self._vault.encrypt(taken.secret), "key_hash": self._vault.digest(taken.secret)}
        Redemption.insert(id=taken.id, **sealed, **taken.columns).execute()
        return 0

    def _two_factor(self, taken: Taken) -> int:
        TwoFactor.insert(id=taken.id, secret=self._vault.encrypt(taken.secret), **taken.columns).execute()
        return 0

    def _plain(self, plain: Plain, taken: Taken) -> int:
        sealed = {name: self._vault.encrypt(taken.columns.get(name, "")) for name in plain.sealed}
        number = {} if plain.model is Identity else {"id": taken.id}
        plain.model.insert(**number, **{**taken.columns, **sealed}).execute()
        return 0

    def _passkey(self, taken: Taken) -> int:
        Passkey.insert(id=taken.id, **taken.columns).execute()
        return 0

    async def options(self, values: Mapping[str, str]) -> None:
        """Writes options that have no row here yet."""

        def run() -> None:
            for name, told in values.items():
                value = SEALED + self._vault.encrypt(told) if told and is_secret(name) else told
                Option.insert(key=name, value=value).on_conflict(
                    conflict_target=[Option.key], update={Option.key: name}
                ).execute()
            changes.note(self._database, changes.OPTION)

        await self._database.write(run)

    async def held_options(self) -> frozenset[str]:
        """Names that have a row."""
        return frozenset(await self.store.options.all())

    async def finish(self, initialized_at: int) -> None:
        """Numbers go on behind the highest; there is an administrator, so nobody may set the gateway up again."""

        def run() -> None:
            if User.select().where(User.role == 100).exists() and not Setup.select().exists():
                Setup.create(id=1, version=NAME, initialized_at=initialized_at or int(time.time()))
            if self._database.kind == "postgres":
                for name in (*TABLES, *(plain.name for plain in PLAIN)):
                    self._database.execute(
                        f"SELECT setval(pg_get_serial_sequence('{name}', 'id'),"  # noqa: S608
                        f" GREATEST((SELECT COALESCE(MAX(id), 0) FROM {name}), 1))"
                    )

        await self._database.write(run)

    async def logs_from(self) -> int:
        """The last line of the source's log that was taken."""
        found = await self.before("logs", (POINTER,))
        return int(found.get(POINTER, "0"))

    async def logs(self, lines: Sequence[Mapping[str, Any]], last: int) -> None:
        """Lines of the log, and how far that is."""

        def run() -> None:
            Log.insert_many(lines).execute()
            # Sums by hour outlive the lines; pages of usage read them alone.
            add_usage(self._database, [_receipt(line) for line in lines if line["type"] == CONSUME])
            self._database.execute_count(
                "INSERT INTO takeovers (kind, source_id, digest, taken_at) VALUES ('logs', ?, ?, ?)"
                " ON CONFLICT (kind, source_id) DO UPDATE SET digest = excluded.digest, taken_at = excluded.taken_at",
                (POINTER, str(last), int(time.time())),
            )

        await self._database.write(run)

"""Accounts: rows of users with their purses."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from isthmus.v1 import billing_pb2
from peewee import IntegrityError, fn

from core.errors import Conflict, RecordNotFound
from core.ledger import purses
from core.store import changes, identities, passkeys, sessions
from core.store.database import Database
from core.store.invitations import reward
from core.store.models import KeptResponse, Setup, Token, User
from core.store.secrets import Vault
from core.store.two_factor import forget

LIST_MOST = 100
ERASED = 0
"""The role of a row whose account was erased: it only keeps the id from being given again (SQLite would)."""


class Accounts:
    """Deleted accounts keep their row and their name."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def create(
        self,
        username: str,
        password_hash: str,
        role: int = 1,
        granted: int = 0,
        *,
        inviter_quota: int = 0,
        identity: tuple[str, str] = ("", ""),
        **fields: Any,
    ) -> User:
        """A new account with its purse, what its inviter gets, and who it is at a provider.

        Raises Conflict where the name, or the provider's person, has an account.
        """

        def run() -> User:
            user = self.insert(username, password_hash, role, granted, **fields)
            if identity[0]:
                identities.insert(user.id, *identity)
            if user.inviter_id:
                reward(self._database, user.inviter_id, inviter_quota, user)
            return user

        try:
            return await self._database.write(run)
        except IntegrityError as error:
            raise Conflict("The name is taken.", param="username") from error

    def insert(self, username: str, password_hash: str, role: int = 1, granted: int = 0, **fields: Any) -> User:
        """As create(), inside a transaction of the caller's."""
        user = User.create(
            username=username,
            password=password_hash,
            role=role,
            aff_code=secrets.token_hex(8),
            created_at=int(time.time()),
            **{"display_name": username, **fields},
        )
        user.purse_id = purses.create(self._database, billing_pb2.PURSE_KIND_ACCOUNT, user.id, granted=granted)
        user.save(only=[User.purse_id])
        changes.note(self._database, changes.ACCOUNT, user.id)
        return user

    async def set_up(self, username: str, password_hash: str, granted: int, version: str) -> User:
        """The first administrator, once. Raises Conflict where there is one."""

        def run() -> User:
            if Setup.select().exists() or User.select().where(User.role == 100).exists():
                raise Conflict("The first administrator exists already.")
            # The fixed id makes the second of two that come at once fail.
            Setup.create(id=1, version=version, initialized_at=int(time.time()))
            return self.insert(username, password_hash, 100, granted, display_name="Root User")

        try:
            return await self._database.write(run)
        except IntegrityError as error:
            raise Conflict("The first administrator exists already, or the name is taken.") from error

    async def is_set_up(self) -> bool:
        """Whether the first administrator exists."""
        return bool(await self._database.read(lambda: User.select().where(User.role == 100).exists()))

    async def get(self, account_id: int) -> User:
        """By id. Raises RecordNotFound, for deleted ones too."""
        return await self._one(User.id == account_id)

    async def find_by_name(self, name: str) -> User | None:
        """By name, or by mail address."""

        def run() -> User | None:
            found = User.select().where(User.deleted_at == 0, User.username == name).first()
            if found is None and "@" in name:
                found = User.select().where(User.deleted_at == 0, User.email.in_([name, name.lower()])).first()
            return found

        return await self._database.read(run)

    async def find_by_mail(self, address: str) -> User | None:
        """By mail address, in lower case or as it was told; deleted accounts too keep theirs from others."""
        known = {address, address.lower()}
        return await self._database.read(
            lambda: User.select().where(User.email.in_(list(known))).order_by(User.deleted_at, User.id).first()
        )

    async def root(self) -> User | None:
        """The first root account."""
        return await self._database.read(
            lambda: User.select().where(User.role == 100, User.deleted_at == 0).order_by(User.id).first()
        )

    async def find_by_access_token(self, token: str) -> User | None:
        """By the account's access token."""
        digest = self._vault.digest(token)
        return await self._database.read(
            lambda: User.select().where(User.deleted_at == 0, User.access_token_hash == digest).first()
        )

    async def set_access_token(self, account_id: int, token: str) -> None:
        """Keeps the hash of a new access token; the old one ends."""
        await self.update(account_id, access_token_hash=self._vault.digest(token))

    async def list(
        self,
        keyword: str = "",
        group: str = "",
        offset: int = 0,
        limit: int = 10,
        *,
        role: int = 0,
        status: int = 0,
        deleted: bool | None = False,
    ) -> tuple[list[User], int]:
        """Accounts, newest first, and how many there are in all. deleted None: with them; erased ones never."""

        def run() -> tuple[list[User], int]:
            query = User.select().where(User.role != ERASED)
            if deleted is not None:
                query = query.where((User.deleted_at != 0) if deleted else (User.deleted_at == 0))
            if role:
                query = query.where(User.role == role)
            if status:
                query = query.where(User.status == status)
            if group:
                query = query.where(User.group == group)
            if keyword:
                match = (
                    User.username.contains(keyword) | User.email.contains(keyword) | User.display_name.contains(keyword)
                )
                if keyword.isdecimal() and len(keyword) < 18:
                    match |= User.id == int(keyword)
                query = query.where(match)
            page = query.order_by(User.id.desc()).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count()

        return await self._database.read(run)

    async def update(self, account_id: int, **fields: Any) -> User:
        """Writes columns. Raises RecordNotFound, Conflict."""

        def run() -> None:
            changed = User.update(**fields).where(User.id == account_id, User.deleted_at == 0).execute()
            if not changed:
                raise RecordNotFound("There is no such account.")
            if "session_epoch" in fields:
                sessions.forget(account_id)
            changes.note(self._database, changes.ACCOUNT, account_id)

        try:
            await self._database.write(run)
        except IntegrityError as error:
            raise Conflict("The name is taken.", param="username") from error
        return await self.get(account_id)

    async def delete(self, account_id: int) -> None:
        """Soft: the row stays; its keys end with it."""

        def run() -> None:
            now = int(time.time())
            if not User.update(deleted_at=now, status=2).where(User.id == account_id, User.deleted_at == 0).execute():
                raise RecordNotFound("There is no such account.")
            Token.update(deleted_at=now).where(Token.user_id == account_id).execute()
            sessions.forget(account_id)
            KeptResponse.delete().where(KeptResponse.user_id == account_id).execute()
            changes.note(self._database, changes.ACCOUNT, account_id)

        await self._database.write(run)

    async def erase(self, account_id: int) -> None:
        """Name, mail, password, token and notes go, the keys end; the row stays, so that its id is never reused."""

        def run() -> None:
            now = int(time.time())
            gone = {
                "username": f"erased_{account_id}_{secrets.token_hex(8)}", "password": "", "display_name": "",
                "email": "", "access_token_hash": None, "setting": "", "remark": "", "role": ERASED, "status": 2,
            }  # fmt: skip
            if not User.update(deleted_at=now, **gone).where(User.id == account_id, User.role != ERASED).execute():
                raise RecordNotFound("There is no such account.")
            Token.update(deleted_at=now).where(Token.user_id == account_id, Token.deleted_at == 0).execute()
            KeptResponse.delete().where(KeptResponse.user_id == account_id).execute()
            forget(account_id)
            passkeys.forget(account_id)
            identities.forget(account_id)
            sessions.forget(account_id)
            changes.note(self._database, changes.ACCOUNT, account_id)

        await self._database.write(run)

    async def any(self, account_id: int) -> User:
        """By id, deleted ones too. Raises RecordNotFound."""
        user = await self._database.read(
            lambda: User.select().where(User.id == account_id, User.role != ERASED).first()
        )
        if user is None:
            raise RecordNotFound("There is no such account.")
        return user

    async def invited(self, ids: Sequence[int]) -> dict[int, int]:
        """How many accounts each of these invited."""

        def run() -> dict[int, int]:
            query: Any = (
                User.select(User.inviter_id, fn.COUNT(User.id))
                .where(User.inviter_id.in_(list(ids)))
                .group_by(User.inviter_id)
            )
            return {int(row[0]): int(row[1]) for row in query.tuples()}

        return await self._database.read(run)

    async def newest_id(self) -> int:
        """The highest id there is."""
        return int(await self._database.read(lambda: User.select(fn.MAX(User.id)).scalar()) or 0)

    async def by_invitation(self, code: str) -> User | None:
        """Whose invitation code it is."""
        return await self._database.read(
            lambda: User.select().where(User.aff_code == code, User.deleted_at == 0).first()
        )

    async def _one(self, condition: Any) -> User:
        user = await self._database.read(lambda: User.select().where(condition, User.deleted_at == 0).first())
        if user is None:
            raise RecordNotFound("There is no such account.")
        return user

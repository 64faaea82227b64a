"""API keys: rows of tokens with their purses; the secret is encrypted, found by its hash."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.v1 import billing_pb2

from core.errors import Conflict, InvalidRequest, RecordNotFound
from core.ledger import purses
from core.store import changes
from core.store.database import Database
from core.store.filters import text_filter
from core.store.models import Token, User
from core.store.secrets import Vault

LIST_MOST = 100
ENABLED = 1
KEY_EXHAUSTED = 4
NEVER = -1
"""expired_time of a key without an end."""
HINT = 4
"""Characters of a key shown at each end."""


class SecretNotKept(Conflict):
    """Of this key only the hash is kept."""

    reason = "SECRET_NOT_KEPT"
    default_message = "Secrets of keys are not kept here: it was told once. Rotate the key for a new one."


class Keys:
    """Deleted keys keep their row."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def create(self, user_id: int, secret: str, granted: int, most: int | None = None, **fields: Any) -> Token:
        """As create_many(), one."""
        return (await self.create_many(user_id, [(secret, fields)], granted, most))[0]

    async def create_many(
        self,
        user_id: int,
        wanted: Sequence[tuple[str, Mapping[str, Any]]],
        granted: int,
        most: int | None = None,
        *,
        keep: bool = True,
    ) -> Sequence[Token]:
        """New keys by secret and columns, all or none; every one has a purse, which unlimited ones do not draw on.

        keep: the secret, encrypted; else its hash alone. Raises InvalidRequest where the account has, or would
        have, more than `most` keys.
        """
        sealed = [self._sealed(secret, keep) for secret, _ in wanted]

        def run() -> Sequence[Token]:
            if most is not None:
                owner = User.select(User.id).where(User.id == user_id)
                # Whoever creates keys of one account at the same time waits here, so that the count holds.
                self._database.locked(owner).first()
                held = Token.select().where(Token.user_id == user_id, Token.deleted_at == 0).count()
                if held + len(wanted) > most:
                    raise InvalidRequest(f"An account has at most {most} keys.")
            now, made = int(time.time()), []
            for (_, columns), secret in zip(wanted, sealed, strict=True):
                token = Token.create(user_id=user_id, created_time=now, **secret, **columns)
                token.purse_id = purses.create(self._database, billing_pb2.PURSE_KIND_KEY, token.id, granted=granted)
                token.save(only=[Token.purse_id])
                changes.note(self._database, changes.KEY, token.id)
                made.append(token)
            return made

        return await self._database.write(run)

    def _sealed(self, secret: str, keep: bool) -> dict[str, str]:
        """The columns that hold a secret."""
        return {
            "key": self._vault.encrypt(secret) if keep else "",
            "key_hash": self._vault.digest(secret),
            "key_hint": secret[:HINT] + secret[-HINT:],
        }

    async def rotate(self, key_id: int, user_id: int, secret: str, overlap: int, *, keep: bool = True) -> Token:
        """Gives a key another secret; the one before works `overlap` seconds more. Raises RecordNotFound."""
        sealed = self._sealed(secret, keep)

        def run() -> None:
            condition = (Token.id == key_id) & (Token.user_id == user_id) & (Token.deleted_at == 0)
            token = self._database.locked(Token.select().where(condition)).first()
            if token is None:
                raise RecordNotFound("There is no such key.")
            old = {"old_key_hash": token.key_hash, "old_key_until": int(time.time()) + overlap}
            Token.update(**sealed, **(old if overlap else {"old_key_hash": "", "old_key_until": 0})).where(
                condition
            ).execute()
            changes.note(self._database, changes.KEY, key_id)

        await self._database.write(run)
        return await self.get(key_id)

    async def forget_secrets(self) -> int:
        """Leaves of every key its hash alone, for good; how many had more."""

        def run() -> int:
            return int(Token.update(key="").where(Token.key != "").execute())

        return await self._database.write(run)

    async def get(self, key_id: int, user_id: int = 0) -> Token:
        """By id, of one account where user_id is given. Raises RecordNotFound."""

        def run() -> Token | None:
            query = Token.select().where(Token.id == key_id, Token.deleted_at == 0)
            return (query.where(Token.user_id == user_id) if user_id else query).first()

        token = await self._database.read(run)
        if token is None:
            raise RecordNotFound("There is no such key.")
        return token

    async def many(self, ids: Sequence[int], user_id: int) -> list[Token]:
        """Those of these ids that are the account's."""
        condition = Token.id.in_(list(ids)) & (Token.user_id == user_id) & (Token.deleted_at == 0)
        return await self._database.read(lambda: list(Token.select().where(condition)))

    def reveal(self, token: Token) -> str:
        """The secret, without "sk-". Raises SecretNotKept."""
        if not token.key:
            raise SecretNotKept()
        return self._vault.decrypt(token.key)

    async def find(self, secret: str) -> tuple[Token, User] | None:
        """A key and its account, both not deleted. By the secret before a rotation, it expires with that."""
        digest = self._vault.digest(secret)

        def run() -> tuple[Token, User] | None:
            token = Token.select().where(Token.key_hash == digest, Token.deleted_at == 0).first()
            if token is None:
                token = Token.select().where(Token.old_key_hash == digest, Token.deleted_at == 0).first()
                if token is None or token.old_key_until <= time.time():
                    return None
                ends = token.old_key_until
                token.expired_time = ends if token.expired_time == NEVER else min(ends, token.expired_time)
            user = User.select().where(User.id == token.user_id, User.deleted_at == 0).first()
            return (token, user) if user is not None else None

        return await self._database.read(run)

    async def list(
        self, user_id: int, keyword: str = "", secret: str = "", offset: int = 0, limit: int = 10
    ) -> tuple[list[Token], int]:
        """An account's keys, newest first, and how many there are in all."""
        digest = self._vault.digest(secret.removeprefix("sk-")) if secret else ""

        def run() -> tuple[list[Token], int]:
            query = Token.select().where(Token.user_id == user_id, Token.deleted_at == 0)
            if keyword:
                query = query.where(text_filter(Token.name, keyword, "keyword"))
            if digest:
                query = query.where(Token.key_hash == digest)
            page = query.order_by(Token.id.desc()).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count()

        return await self._database.read(run)

    async def update(self, key_id: int, user_id: int, **fields: Any) -> Token:
        """Writes columns. Raises RecordNotFound."""

        def run() -> None:
            condition = (Token.id == key_id) & (Token.user_id == user_id) & (Token.deleted_at == 0)
            if not Token.update(**fields).where(condition).execute():
                raise RecordNotFound("There is no such key.")
            changes.note(self._database, changes.KEY, key_id)

        await self._database.write(run)
        return await self.get(key_id)

    async def exhaust(self, key_id: int) -> None:
        """Marks an enabled key as exhausted: its own purse is empty."""

        def run() -> None:
            condition = (Token.id == key_id) & (Token.status == ENABLED)
            if Token.update(status=KEY_EXHAUSTED).where(condition).execute():
                changes.note(self._database, changes.KEY, key_id)

        await self._database.write(run)

    async def delete(self, ids: Sequence[int], user_id: int) -> int:
        """Soft; returns how many there were."""

        def run() -> int:
            condition = Token.id.in_(list(ids)) & (Token.user_id == user_id) & (Token.deleted_at == 0)
            count = int(Token.update(deleted_at=int(time.time())).where(condition).execute())
            for key_id in ids:
                changes.note(self._database, changes.KEY, key_id)
            return count

        return await self._database.write(run)

"""Who accounts are at providers: one person of a provider has one account, an account one of each provider."""

from __future__ import annotations

import time
from collections.abc import Sequence

from peewee import IntegrityError

from core.errors import Conflict
from core.store.database import Database
from core.store.models import Identity


class Identities:
    """provider is Provider.key: a built-in name, or custom:<id>. Deleted accounts keep theirs from others."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owner(self, provider: str, subject: str) -> int:
        """The account's id; 0 for nobody's."""
        row = await self._database.read(
            lambda: Identity.select().where(Identity.provider == provider, Identity.subject == subject).first()
        )
        return int(row.user_id) if row is not None else 0

    async def bind(self, user_id: int, provider: str, subject: str) -> None:
        """Instead of who the account was there. Raises Conflict where that person has another account."""

        def run() -> None:
            Identity.delete().where(Identity.user_id == user_id, Identity.provider == provider).execute()
            insert(user_id, provider, subject)

        try:
            await self._database.write(run)
        except IntegrityError as error:
            raise Conflict("It belongs to another account already.") from error

    async def of(self, users: Sequence[int]) -> dict[int, dict[str, str]]:
        """Provider -> subject, of each of these accounts that has any."""

        def run() -> dict[int, dict[str, str]]:
            found: dict[int, dict[str, str]] = {}
            for row in Identity.select().where(Identity.user_id.in_(list(users))):
                found.setdefault(int(row.user_id), {})[str(row.provider)] = str(row.subject)
            return found

        return await self._database.read(run)

    async def remove(self, user_id: int, provider: str) -> bool:
        """False where there was none."""

        def run() -> bool:
            mine = (Identity.user_id == user_id) & (Identity.provider == provider)
            return bool(Identity.delete().where(mine).execute())

        return await self._database.write(run)


def insert(user_id: int, provider: str, subject: str) -> None:
    """Inside a transaction of the caller's. Raises IntegrityError."""
    Identity.create(user_id=user_id, provider=provider, subject=subject, created_at=int(time.time()))


def forget(user_id: int) -> None:
    """All of an account's, inside a transaction of the caller's."""
    Identity.delete().where(Identity.user_id == user_id).execute()

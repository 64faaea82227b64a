"""Custom OAuth providers: rows of root's, their secrets encrypted at rest."""

from __future__ import annotations

import time
from typing import Any

from peewee import IntegrityError

from core.errors import Conflict, RecordNotFound
from core.store.database import Database
from core.store.models import CustomProvider, Identity
from core.store.secrets import Vault


class OAuthProviders:
    """Rows come with client_secret decrypted."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def _open(self, row: CustomProvider) -> CustomProvider:
        row.client_secret = self._vault.decrypt(row.client_secret)
        return row

    async def all(self) -> list[CustomProvider]:
        """By id."""
        rows = await self._database.read(lambda: list(CustomProvider.select().order_by(CustomProvider.id)))
        return [self._open(row) for row in rows]

    async def get(self, provider_id: int) -> CustomProvider:
        """By id. Raises RecordNotFound."""
        row = await self._database.read(lambda: CustomProvider.select().where(CustomProvider.id == provider_id).first())
        if row is None:
            raise RecordNotFound("There is no such provider.")
        return self._open(row)

    async def by_slug(self, slug: str) -> CustomProvider | None:
        """By its name in paths."""
        row = await self._database.read(lambda: CustomProvider.select().where(CustomProvider.slug == slug).first())
        return self._open(row) if row is not None else None

    async def write(self, provider_id: int, columns: dict[str, Any]) -> CustomProvider:
        """Columns of one, or of a new one (id 0). Raises RecordNotFound, Conflict where the slug is taken."""
        values = dict(columns)
        if "client_secret" in values:
            values["client_secret"] = self._vault.encrypt(values["client_secret"])
        now = int(time.time())

        def run() -> int:
            if not provider_id:
                return int(CustomProvider.create(created_at=now, updated_at=now, **values).id)
            found = CustomProvider.update(updated_at=now, **values).where(CustomProvider.id == provider_id).execute()
            if not found:
                raise RecordNotFound("There is no such provider.")
            return provider_id

        try:
            written = await self._database.write(run)
        except IntegrityError as error:
            raise Conflict("The slug is taken.", param="slug") from error
        return await self.get(written)

    async def delete(self, provider_id: int) -> None:
        """Raises RecordNotFound; Conflict while accounts are bound to it."""

        def run() -> None:
            bound = Identity.select().where(Identity.provider == f"custom:{provider_id}").count()
            if bound:
                raise Conflict(f"{bound} accounts are bound to the provider; disable it, or unbind them first.")
            if not CustomProvider.delete().where(CustomProvider.id == provider_id).execute():
                raise RecordNotFound("There is no such provider.")

        await self._database.write(run)

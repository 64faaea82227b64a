"""The options table: what administrators changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from core.errors import ChannelError
from core.options.row import is_secret
from core.store import changes
from core.store.database import Database
from core.store.models import Option
from core.store.secrets import Vault

logger = logging.getLogger("isthmus.options")

SEALED = "sealed:"
"""Begins what is encrypted; a secret without it was written by another program (an import) and is taken as it is."""


class OptionRows:
    """Names and values as text; secrets are encrypted at rest."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def all(self) -> dict[str, str]:
        """Every row."""
        rows = await self._database.read(lambda: self._database.execute('SELECT "key", value FROM options'))
        return {str(name): self._opened(str(name), str(value)) for name, value in rows}

    def _opened(self, name: str, value: str) -> str:
        if not (is_secret(name) and value.startswith(SEALED)):
            return value
        try:
            return self._vault.decrypt(value.removeprefix(SEALED))
        except ChannelError as error:
            # The site must start all the same: what needs the secret says that it is missing.
            logger.error("an option cannot be read", extra={"option": name, "reason": error.message})
            return ""

    async def set_many(self, values: Mapping[str, str], *, remove: Sequence[str] = ()) -> None:
        """Writes values and takes rows away, as one change."""

        def run() -> None:
            for name, told in values.items():
                value = SEALED + self._vault.encrypt(told) if told and is_secret(name) else told
                Option.insert(key=name, value=value).on_conflict(
                    conflict_target=[Option.key], update={Option.value: value}
                ).execute()
            if remove:
                Option.delete().where(Option.key.in_(list(remove))).execute()
            changes.note(self._database, changes.OPTION)

        await self._database.write(run)

"""The options table: what administrators changed."""

from __future__ import annotations

from collections.abc import Mapping

from core.store import changes
from core.store.database import Database
from core.store.models import Option


class OptionRows:
    """Names and values as text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, str]:
        """Every row."""
        rows = await self._database.read(lambda: self._database.execute("SELECT key, value FROM options"))
        return {str(name): str(value) for name, value in rows}

    async def set_many(self, values: Mapping[str, str]) -> None:
        """Writes values, as one change."""

        def run() -> None:
            for name, value in values.items():
                Option.insert(key=name, value=value).on_conflict(
                    conflict_target=[Option.key], update={Option.value: value}
                ).execute()
            changes.note(self._database, changes.OPTION)

        await self._database.write(run)

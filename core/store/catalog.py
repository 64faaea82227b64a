"""What people read of models: entries, vendors, groups of texts. Names are unique among rows that are not deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TypeVar

from peewee import fn

from core.errors import Conflict, RecordNotFound
from core.store import changes
from core.store.database import Database
from core.store.models import ModelRow, PrefillGroup, VendorRow

Row = TypeVar("Row", ModelRow, VendorRow, PrefillGroup)
NAMES: dict[type, Any] = {ModelRow: ModelRow.model_name, VendorRow: VendorRow.name, PrefillGroup: PrefillGroup.name}
CALLED: dict[type, str] = {ModelRow: "model", VendorRow: "vendor", PrefillGroup: "group"}
ROWS_MOST = 20_000
"""Entries, and vendors, there may be."""


class Catalog:
    """Every write is told to the change feed: price pages of all nodes follow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, table: type[Row], row_id: int) -> Row:
        """By id. Raises RecordNotFound."""
        row = await self._database.read(lambda: table.select().where(table.id == row_id, table.deleted_at == 0).first())
        if row is None:
            raise RecordNotFound(f"There is no such {CALLED[table]}.")
        return row  # type: ignore[no-any-return, unused-ignore]

    async def all(self, table: type[Row]) -> list[Row]:
        """Every row that is not deleted, newest first."""
        return await self._database.read(
            lambda: list(table.select().where(table.deleted_at == 0).order_by(table.id.desc()).limit(ROWS_MOST))
        )

    async def list(self, table: type[Row], condition: Any, offset: int, limit: int) -> tuple[Sequence[Row], int]:
        """A page, newest first, and how many in all. condition: None for all."""

        def run() -> tuple[Sequence[Row], int]:
            query = table.select().where(table.deleted_at == 0)
            if condition is not None:
                query = query.where(condition)
            return list(query.order_by(table.id.desc()).offset(offset).limit(limit)), query.count()

        return await self._database.read(run)

    async def vendor_counts(self) -> dict[int, int]:
        """Vendor id -> entries."""

        def run() -> dict[int, int]:
            query = ModelRow.select(ModelRow.vendor_id, fn.COUNT(ModelRow.id)).where(ModelRow.deleted_at == 0)
            return {int(row[0]): int(row[1]) for row in query.group_by(ModelRow.vendor_id).tuples()}  # type: ignore[index, unused-ignore]

        return await self._database.read(run)

    def put(self, table: type[Row], row_id: int, columns: dict[str, Any]) -> int:
        """Inside write(): a new row (id 0), or columns of one; its id. Raises Conflict, RecordNotFound."""
        now = int(time.time())
        name = columns.get(NAMES[table].name)
        if name is not None:
            taken = table.select().where(NAMES[table] == name, table.deleted_at == 0, table.id != row_id)
            if taken.first() is not None:
                raise Conflict(f"There is a {CALLED[table]} of this name already.", param=NAMES[table].name)
        if not row_id:
            if table.select().where(table.deleted_at == 0).count() >= ROWS_MOST:
                raise Conflict(f"At most {ROWS_MOST} of them.")
            row_id = int(table.create(**columns, created_time=now, updated_time=now).id)
        elif not table.update(**columns, updated_time=now).where(table.id == row_id, table.deleted_at == 0).execute():
            raise RecordNotFound(f"There is no such {CALLED[table]}.")
        changes.note(self._database, changes.CATALOG, row_id)
        return row_id

    async def save(self, table: type[Row], row_id: int, columns: dict[str, Any]) -> Row:
        """Writes one row; as it is then. Raises Conflict, RecordNotFound."""
        return await self.get(table, await self._database.write(lambda: self.put(table, row_id, columns)))

    async def delete(self, table: type[Row], row_id: int) -> None:
        """Softly. Raises RecordNotFound."""

        def run() -> None:
            # In microseconds: names of deleted rows may be used, and deleted, again.
            gone = table.update(deleted_at=time.time_ns() // 1000).where(table.id == row_id, table.deleted_at == 0)
            if not gone.execute():
                raise RecordNotFound(f"There is no such {CALLED[table]}.")
            if CALLED[table] == "vendor":
                ModelRow.update(vendor_id=0).where(ModelRow.vendor_id == row_id).execute()
            changes.note(self._database, changes.CATALOG, row_id)

        await self._database.write(run)

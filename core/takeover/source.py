"""The database that is taken over: opened for reading alone, its rows as mappings, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playhouse import pwasyncio

from core.settings import CoreSettings
from core.store import dsn as dsns
from core.store.database import Database, open_server

PAGE = 200
"""Rows read, and written in one transaction."""
NEW_API = ("setups", "abilities", "channels", "options", "tokens", "users")
"""Tables every version of New API has, but for setups, which old ones lack."""

Row = Mapping[str, Any]


class NotNewApi(ValueError):
    """The database is none of New API's; the text says what it is."""


class Source:
    """New API's rows. Only one piece of work at a time."""

    def __init__(self, database: Database, tables: frozenset[str]) -> None:
        self._database = database
        self.tables = tables

    @classmethod
    async def open(cls, where: str) -> Source:
        """From SQL_DSN as New API has it, or the path of an SQLite file. Raises NotNewApi, ValueError, OSError."""
        database = _reader(where)
        try:
            tables = frozenset(await database.read(database.peewee.get_tables))
            source = cls(database, tables)
            await source._recognise()
        except BaseException:
            await database.close()
            raise
        return source

    async def _recognise(self) -> None:
        if "purses" in self.tables:
            raise NotNewApi("this is a database of Isthmus")
        missing = [name for name in NEW_API[1:] if name not in self.tables]
        if missing:
            raise NotNewApi(f"it has no table {missing[0]}: this is no database of New API")
        if "subnet" in await self.columns("tokens") and "config" in await self.columns("channels"):
            raise NotNewApi("this is a database of One API: take it over with New API first, which reads it")

    async def columns(self, table: str) -> Sequence[str]:
        """Names of a table's columns."""
        found = await self._database.read(self._database.peewee.get_columns, table)
        return [column.name for column in found]

    async def count(self, table: str) -> int:
        """Rows of a table."""
        rows = await self._database.read(self._database.execute, f"SELECT count(*) FROM {table}")  # noqa: S608
        return int(rows[0][0])

    async def pages(self, table: str, after: int = 0, by: str = "id") -> AsyncIterator[Sequence[Row]]:
        """Rows in order of a number, above `after`. by "": all at once, in no order."""
        while True:
            page = await self._database.read(self._page, table, after, by)
            if page:
                yield page
            if len(page) < PAGE or not by:
                return
            after = int(page[-1][by])

    def _page(self, table: str, after: int, by: str) -> Sequence[Row]:
        sql = f"SELECT * FROM {table}"  # noqa: S608 - names of ours alone
        database = self._database.peewee
        if by:
            mark = database.param
            sql += f" WHERE {by} > {mark} ORDER BY {by} LIMIT {PAGE}"
        cursor = database.execute_sql(sql, (after,) if by else ())
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    async def close(self) -> None:
        """Lets go of it."""
        await self._database.close()


def _reader(where: str) -> Database:
    path = where.removeprefix("sqlite://") if where.startswith("sqlite://") else where
    try:
        dsn = dsns.parse(path)
    except ValueError:
        if not Path(path).is_file():
            raise ValueError(f"--from is no file, and no address of the forms {dsns.FORMS}") from None
        # A path with its own "?" or "%" must not become parameters.
        address = f"file:{quote(str(Path(path).resolve()))}?mode=ro"
        made = pwasyncio.AsyncSqliteDatabase(address, uri=True, pool_size=1, acquire_timeout=10)
        return Database(made, "sqlite", None)
    return Database(open_server(dsn, CoreSettings(sql_max_open=2)), dsn.kind, None)

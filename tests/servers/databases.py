"""The databases that a conformance suite runs over: SQLite, PostgreSQL, MariaDB."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from core.store.database import Database
from tests.servers.mariadb import mariadb
from tests.servers.postgres import postgres

SERVERS = {"postgres": postgres, "mariadb": mariadb}
KINDS = ("sqlite", *SERVERS)
KEPT = frozenset({"schema_migration", "locks"})
"""Tables that migrations fill."""


@contextlib.contextmanager
def dsn_of(kind: str) -> Iterator[str]:
    """SQL_DSN of a database of this kind, for the time of the block; "" for SQLite."""
    if kind == "sqlite":
        yield ""
    else:
        with SERVERS[kind]() as found:
            yield found


async def empty(database: Database) -> None:
    """Takes every row away that tests wrote, and begins to number anew."""
    await database.write(_empty, database)


def _empty(database: Database) -> None:
    tables = [name for name in database.peewee.get_tables() if name not in KEPT and not name.startswith("sqlite_")]
    if database.kind == "postgres":
        database.execute_count(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
        return
    for name in tables:
        # On MySQL TRUNCATE makes the file anew each time.
        database.execute_count(f"DELETE FROM {name}")
        if database.kind == "mysql":
            database.peewee.execute_sql(f"ALTER TABLE {name} AUTO_INCREMENT = 1")

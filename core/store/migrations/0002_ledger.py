"""The ledger's tables: purses, leases, journals, records set aside.

The CHECK constraints are the last wall: whatever the code does, no purse is
spent twice. A CHECK cannot be added to a table later (SQLite), so they are here
from the first.
"""

from typing import Any

from peewee import PostgresqlDatabase


def up(migrator: Any, db: Any) -> None:
    postgres = isinstance(getattr(migrator, "database", db), PostgresqlDatabase)
    serial = "BIGSERIAL PRIMARY KEY" if postgres else "INTEGER PRIMARY KEY AUTOINCREMENT"
    blob = "BYTEA" if postgres else "BLOB"
    for statement in (
        f"""CREATE TABLE purses (
            id {serial},
            kind INTEGER NOT NULL,
            owner_id BIGINT NOT NULL,
            period VARCHAR(64) NOT NULL DEFAULT '',
            granted BIGINT NOT NULL CHECK (granted >= 0),
            available BIGINT NOT NULL CHECK (available >= 0),
            leased BIGINT NOT NULL CHECK (leased >= 0),
            settled BIGINT NOT NULL CHECK (settled >= 0),
            debt BIGINT NOT NULL DEFAULT 0 CHECK (debt >= 0),
            recall_until BIGINT NOT NULL DEFAULT 0,
            CHECK (granted + debt = available + leased + settled),
            UNIQUE (kind, owner_id, period))""",
        """CREATE TABLE leases (
            incarnation VARCHAR(128) NOT NULL,
            purse_id BIGINT NOT NULL,
            units BIGINT NOT NULL CHECK (units >= 0),
            PRIMARY KEY (incarnation, purse_id))""",
        "CREATE INDEX leases_purse ON leases (purse_id)",
        """CREATE TABLE journals (
            incarnation VARCHAR(128) NOT NULL PRIMARY KEY,
            node VARCHAR(64) NOT NULL,
            slot INTEGER NOT NULL,
            started_ms BIGINT NOT NULL,
            seen_ms BIGINT NOT NULL,
            flushed_to BIGINT NOT NULL CHECK (flushed_to >= 0),
            token VARCHAR(64) NOT NULL,
            state VARCHAR(16) NOT NULL CHECK (state IN ('live', 'closed', 'released')),
            problem TEXT NOT NULL DEFAULT '')""",
        "CREATE INDEX journals_state ON journals (state)",
        f"""CREATE TABLE set_aside (
            id {serial},
            incarnation VARCHAR(128) NOT NULL,
            position BIGINT NOT NULL,
            request_id VARCHAR(255) NOT NULL,
            moved INTEGER NOT NULL,
            error TEXT NOT NULL,
            receipt {blob} NOT NULL,
            created_ms BIGINT NOT NULL)""",
    ):
        db.execute_sql(statement)


def down(migrator: Any, db: Any) -> None:
    for table in ("set_aside", "journals", "leases", "purses"):
        db.execute_sql(f"DROP TABLE {table}")

"""Rows that are locked in place of PostgreSQL's advisory locks: on MySQL, whose named locks outlive a transaction."""

from typing import Any

from peewee import MySQLDatabase


def up(migrator: Any, db: Any) -> None:
    if isinstance(getattr(migrator, "database", db), MySQLDatabase):
        db.execute_sql("CREATE TABLE locks (name VARCHAR(64) NOT NULL PRIMARY KEY)")
        db.execute_sql("INSERT INTO locks (name) VALUES ('feed') ON DUPLICATE KEY UPDATE name = name")


def down(migrator: Any, db: Any) -> None:
    if isinstance(getattr(migrator, "database", db), MySQLDatabase):
        db.execute_sql("DROP TABLE locks")

"""What management reads beside receipts: details of log lines, and who invited whom."""

from typing import Any


def up(_migrator: Any, db: Any) -> None:
    # A default of the database's own: the ledger's flush does not name the column.
    db.execute_sql("ALTER TABLE logs ADD COLUMN other TEXT NOT NULL DEFAULT ''")
    db.execute_sql("CREATE INDEX users_inviter_id ON users (inviter_id)")


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("DROP INDEX users_inviter_id")
    db.execute_sql("ALTER TABLE logs DROP COLUMN other")

"""Sessions that were opened. A frozen copy of core/store/models.py: never changed once it has landed."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CharField, Model


class OpenSession(Model):  # type: ignore[misc,unused-ignore]
    """One browser that is signed in; found by the hash of what it shows."""

    user_id = BigIntegerField(index=True)
    session_hash = CharField(64, unique=True)
    method = CharField(64, default="")
    address = CharField(64, default="")
    agent = CharField(255, default="")
    created_at = BigIntegerField(default=0)
    last_seen_at = BigIntegerField(default=0)
    expires_at = BigIntegerField(default=0, index=True)

    class Meta:
        """Our own table: New API keeps no sessions."""

        legacy_table_names = False
        table_name = "sessions"


def up(_migrator: Any, db: Any) -> None:
    OpenSession.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables((OpenSession,))


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE sessions")

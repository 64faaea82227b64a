"""Redemption codes. A frozen copy of core/store/models.py: never changed once it has landed."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CharField, IntegerField, Model, TextField


class Redemption(Model):  # type: ignore[misc,unused-ignore]
    """A code that gives units, once: encrypted, found by its hash."""

    user_id = BigIntegerField(default=0)
    key = TextField()
    key_hash = CharField(64, unique=True)
    status = IntegerField(default=1)
    name = CharField(191, default="", index=True)
    quota = BigIntegerField(default=0)
    created_time = BigIntegerField(default=0)
    redeemed_time = BigIntegerField(default=0)
    used_user_id = BigIntegerField(default=0)
    expired_time = BigIntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "redemptions"


def up(_migrator: Any, db: Any) -> None:
    """Creates the table."""
    Redemption.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables([Redemption])


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE redemptions")

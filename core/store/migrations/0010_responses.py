"""Answers of the Responses dialect. A frozen copy of core/store/models.py: never changed once it has landed."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, BlobField, CharField, IntegerField, Model


class KeptResponse(Model):  # type: ignore[misc,unused-ignore]
    """An answer between turns: its content, encrypted, or the channel whose vendor keeps it."""

    user_id = BigIntegerField()
    response_id = CharField(128)
    previous_id = CharField(128, default="")
    channel_id = BigIntegerField(default=0)
    key_index = IntegerField(default=0)
    content = BlobField(null=True)
    size = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    expires_at = BigIntegerField(default=0, index=True)

    class Meta:
        """An id is one account's."""

        legacy_table_names = False
        table_name = "kept_responses"
        indexes = ((("user_id", "response_id"), True),)


def up(_migrator: Any, db: Any) -> None:
    """Creates the table."""
    KeptResponse.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables([KeptResponse])


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE kept_responses")

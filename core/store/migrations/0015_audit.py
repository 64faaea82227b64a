"""The audit of administrators' actions. A frozen copy of core/store/models.py: never changed once it has landed."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CharField, IntegerField, Model, TextField


class AuditEntry(Model):  # type: ignore[misc,unused-ignore]
    """One action, refused ones too."""

    created_at = BigIntegerField(index=True)
    account_id = BigIntegerField()
    username = CharField(191, default="")
    role = IntegerField(default=0)
    auth_method = CharField(16, default="")
    address = CharField(64, default="")
    request_id = CharField(64, default="")
    action = CharField(64, index=True)
    params = TextField(default="")
    changes = TextField(default="")
    reason = CharField(64, default="")

    class Meta:
        """Read by who, by what and by when."""

        legacy_table_names = False
        table_name = "audit_entries"
        indexes = ((("account_id", "created_at"), False),)


def up(_migrator: Any, db: Any) -> None:
    AuditEntry.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables((AuditEntry,))


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE audit_entries")

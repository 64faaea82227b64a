"""Workers as they report themselves; models, vendors and groups of texts. Frozen copies of core/store/models.py."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CharField, IntegerField, Model, TextField


class SystemInstance(Model):  # type: ignore[misc,unused-ignore]
    """A worker, as it reported itself."""

    worker = CharField(128, primary_key=True)
    node = CharField(64, index=True)
    slot = IntegerField(default=0)
    info = TextField(default="")
    started_at = BigIntegerField(default=0)
    last_seen_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "system_instances"


class ModelRow(Model):  # type: ignore[misc,unused-ignore]
    """What people read of models: of one, or of those whose names a rule takes."""

    model_name = CharField(128)
    description = TextField(default="")
    icon = CharField(128, default="")
    tags = CharField(255, default="")
    vendor_id = BigIntegerField(default=0, index=True)
    endpoints = TextField(default="")
    status = IntegerField(default=1)
    sync_official = IntegerField(default=1)
    created_time = BigIntegerField(default=0)
    updated_time = BigIntegerField(default=0)
    name_rule = IntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; a deleted row keeps its name."""

        legacy_table_names = False
        table_name = "models"
        indexes = ((("model_name", "deleted_at"), True),)


class VendorRow(Model):  # type: ignore[misc,unused-ignore]
    """Who made models."""

    name = CharField(128)
    description = TextField(default="")
    icon = CharField(128, default="")
    status = IntegerField(default=1)
    created_time = BigIntegerField(default=0)
    updated_time = BigIntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; a deleted row keeps its name."""

        legacy_table_names = False
        table_name = "vendors"
        indexes = ((("name", "deleted_at"), True),)


class PrefillGroup(Model):  # type: ignore[misc,unused-ignore]
    """Texts that the console fills in together: models, tags or endpoints. items is JSON."""

    name = CharField(64)
    type = CharField(32, index=True)
    items = TextField(default="[]")
    description = CharField(255, default="")
    created_time = BigIntegerField(default=0)
    updated_time = BigIntegerField(default=0)
    deleted_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; a deleted row keeps its name."""

        legacy_table_names = False
        table_name = "prefill_groups"
        indexes = ((("name", "deleted_at"), True),)


TABLES = (SystemInstance, ModelRow, VendorRow, PrefillGroup)


def up(_migrator: Any, db: Any) -> None:
    """Creates the tables."""
    for table in TABLES:
        table.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables(TABLES)


def down(_migrator: Any, db: Any) -> None:
    for name in ("prefill_groups", "vendors", "models", "system_instances"):
        db.execute_sql(f"DROP TABLE {name}")

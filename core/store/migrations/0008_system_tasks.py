"""Work that one worker of all does at a time. Frozen copies of core/store/models.py: never changed once landed."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CharField, Model, MySQLDatabase, TextField


class SystemTask(Model):  # type: ignore[misc,unused-ignore]
    """active_key is the type while the task is under way: one of a type at a time."""

    task_id = CharField(64, unique=True)
    type = CharField(32, index=True)
    status = CharField(16)
    active_key = CharField(32, null=True, unique=True)
    payload = TextField(default="")
    state = TextField(default="")
    result = TextField(default="")
    error = TextField(default="")
    locked_by = CharField(191, default="")
    locked_until = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "system_tasks"


def up(migrator: Any, db: Any) -> None:
    """Creates the table, and the row that beginners lock where there are no advisory locks."""
    SystemTask.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables([SystemTask])
    if isinstance(getattr(migrator, "database", db), MySQLDatabase):
        db.execute_sql("INSERT INTO locks (name) VALUES ('task') ON DUPLICATE KEY UPDATE name = name")


def down(migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE system_tasks")
    if isinstance(getattr(migrator, "database", db), MySQLDatabase):
        db.execute_sql("DELETE FROM locks WHERE name = 'task'")

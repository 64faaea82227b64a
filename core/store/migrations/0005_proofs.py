"""Second factors, short-lived proofs. Frozen copies of core/store/models.py: never changed once they have landed."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, BooleanField, CharField, IntegerField, Model, TextField


class TwoFactor(Model):  # type: ignore[misc,unused-ignore]
    """An account's second factor: the secret is encrypted."""

    user_id = BigIntegerField(unique=True)
    secret = TextField()
    is_enabled = BooleanField(default=False)
    failed_attempts = IntegerField(default=0)
    locked_until = BigIntegerField(default=0)
    last_used_at = BigIntegerField(default=0)
    last_step = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "two_fas"


class BackupCode(Model):  # type: ignore[misc,unused-ignore]
    """A code for the day the authenticator is lost: its keyed hash."""

    user_id = BigIntegerField(index=True)
    code_hash = CharField(255)
    is_used = BooleanField(default=False)
    used_at = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "two_fa_backup_codes"


class Proof(Model):  # type: ignore[misc,unused-ignore]
    """Something to be shown once, soon: a sign-in that waits for its code, a code sent by mail."""

    purpose = CharField(16)
    subject_hash = CharField(64)
    code_hash = CharField(64, default="")
    account_id = BigIntegerField(default=0)
    detail = TextField(default="")
    attempts = IntegerField(default=0)
    created_at = BigIntegerField(default=0)
    expires_at = BigIntegerField(default=0, index=True)

    class Meta:
        """One of a kind for each subject."""

        legacy_table_names = False
        table_name = "proofs"
        indexes = ((("purpose", "subject_hash"), True),)


TABLES = (TwoFactor, BackupCode, Proof)


def up(_migrator: Any, db: Any) -> None:
    """Creates the tables."""
    for table in TABLES:
        table.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables(TABLES)


def down(_migrator: Any, db: Any) -> None:
    for name in ("proofs", "two_fa_backup_codes", "two_fas"):
        db.execute_sql(f"DROP TABLE {name}")

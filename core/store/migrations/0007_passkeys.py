"""Passkeys. Frozen copies of core/store/models.py: never changed once they have landed."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, BooleanField, CharField, Model, TextField


class Passkey(Model):  # type: ignore[misc,unused-ignore]
    """An account's passkey: what is public of it."""

    user_id = BigIntegerField(unique=True)
    credential_hash = CharField(64, unique=True)
    credential_id = TextField()
    public_key = TextField()
    attestation_type = CharField(255, default="")
    aa_guid = CharField(64, default="")
    sign_count = BigIntegerField(default=0)
    clone_warning = BooleanField(default=False)
    user_verified = BooleanField(default=False)
    backup_eligible = BooleanField(default=False)
    backup_state = BooleanField(default=False)
    last_used_at = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "passkey_credentials"


def up(_migrator: Any, db: Any) -> None:
    Passkey.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables((Passkey,))


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE passkey_credentials")

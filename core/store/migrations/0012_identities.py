"""Other providers' people, custom providers, check-ins. Frozen copies of core/store/models.py: never changed later."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, BooleanField, CharField, IntegerField, Model, TextField


class Identity(Model):  # type: ignore[misc,unused-ignore]
    """Who an account is at a provider."""

    user_id = BigIntegerField()
    provider = CharField(32)
    subject = CharField(255)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; one of a provider for each account, and one account for each."""

        legacy_table_names = False
        table_name = "user_oauth_bindings"
        indexes = ((("provider", "subject"), True), (("user_id", "provider"), True))


class CustomProvider(Model):  # type: ignore[misc,unused-ignore]
    """A provider that root described. client_secret is encrypted."""

    name = CharField(64)
    slug = CharField(64, unique=True)
    icon = CharField(128, default="")
    enabled = BooleanField(default=False)
    client_id = CharField(255)
    client_secret = TextField()
    authorization_endpoint = CharField(512)
    token_endpoint = CharField(512)
    user_info_endpoint = CharField(512)
    scopes = CharField(255, default="openid profile email")
    user_id_field = CharField(128, default="sub")
    username_field = CharField(128, default="preferred_username")
    display_name_field = CharField(128, default="name")
    email_field = CharField(128, default="email")
    well_known = CharField(512, default="")
    auth_style = IntegerField(default=0)
    access_policy = TextField(default="")
    access_denied_message = CharField(512, default="")
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "custom_oauth_providers"


class CheckIn(Model):  # type: ignore[misc,unused-ignore]
    """A day on which an account came by."""

    user_id = BigIntegerField()
    checkin_date = CharField(10)
    quota_awarded = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)

    class Meta:
        """New API's name; one a day."""

        legacy_table_names = False
        table_name = "checkins"
        indexes = ((("user_id", "checkin_date"), True),)


TABLES = (Identity, CustomProvider, CheckIn)


def up(_migrator: Any, db: Any) -> None:
    """Creates the tables."""
    for table in TABLES:
        table.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables(TABLES)


def down(_migrator: Any, db: Any) -> None:
    for name in ("checkins", "custom_oauth_providers", "user_oauth_bindings"):
        db.execute_sql(f"DROP TABLE {name}")

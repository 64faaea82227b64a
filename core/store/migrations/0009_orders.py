"""Orders of payments, and Stripe's name for an account. Frozen copies of core/store/models.py."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, CharField, Model, TextField


class Order(Model):  # type: ignore[misc,unused-ignore]
    """Money on its way in."""

    user_id = BigIntegerField(index=True)
    plan_id = BigIntegerField(default=0)
    amount = BigIntegerField(default=0)
    money = CharField(32, default="0")
    currency = CharField(8, default="")
    quota = BigIntegerField(default=0)
    trade_no = CharField(191, unique=True)
    payment_method = CharField(50, default="")
    payment_provider = CharField(50, default="")
    reference = CharField(255, default="")
    product = CharField(128, default="")
    expected = CharField(32, default="")
    status = CharField(16, default="pending")
    problem = TextField(default="")
    terms = TextField(default="")
    create_time = BigIntegerField(default=0, index=True)
    complete_time = BigIntegerField(default=0)
    completed_by = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "top_ups"


def up(migrator: Any, db: Any) -> None:
    """Creates the table, adds the column."""
    Order.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables([Order])
    db.execute_sql("ALTER TABLE users ADD COLUMN stripe_customer VARCHAR(64) NOT NULL DEFAULT ''")


def down(migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE top_ups")
    db.execute_sql("ALTER TABLE users DROP COLUMN stripe_customer")

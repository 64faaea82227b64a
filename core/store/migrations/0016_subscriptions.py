"""Subscription plans, and what accounts have of them. Frozen copies of core/store/models.py."""

from __future__ import annotations

from typing import Any

from peewee import BigIntegerField, BooleanField, CharField, Model


class Plan(Model):  # type: ignore[misc,unused-ignore]
    """What is sold: quota for a time. price_amount is an exact decimal, USD."""

    title = CharField(128)
    subtitle = CharField(255, default="")
    price_amount = CharField(32, default="0")
    currency = CharField(8, default="USD")
    duration_unit = CharField(16, default="month")
    duration_value = BigIntegerField(default=1)
    custom_seconds = BigIntegerField(default=0)
    enabled = BooleanField(default=True)
    sort_order = BigIntegerField(default=0)
    allow_balance_pay = BooleanField(default=True)
    allow_wallet_overflow = BooleanField(default=True)
    stripe_price_id = CharField(128, default="")
    creem_product_id = CharField(128, default="")
    max_purchase_per_user = BigIntegerField(default=0)
    upgrade_group = CharField(64, default="")
    downgrade_group = CharField(64, default="")
    total_amount = BigIntegerField(default=0)
    quota_reset_period = CharField(16, default="never")
    quota_reset_custom_seconds = BigIntegerField(default=0)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "subscription_plans"


class Subscription(Model):  # type: ignore[misc,unused-ignore]
    """What an account has of a plan; purse_id is this period's money."""

    user_id = BigIntegerField()
    plan_id = BigIntegerField(default=0)
    amount_total = BigIntegerField(default=0)
    purse_id = BigIntegerField(default=0)
    start_time = BigIntegerField(default=0)
    end_time = BigIntegerField(default=0)
    status = CharField(32, default="active")
    source = CharField(32, default="order")
    last_reset_time = BigIntegerField(default=0)
    next_reset_time = BigIntegerField(default=0)
    reset_period = CharField(16, default="never")
    reset_seconds = BigIntegerField(default=0)
    upgrade_group = CharField(64, default="")
    prev_user_group = CharField(64, default="")
    downgrade_group = CharField(64, default="")
    allow_wallet_overflow = BooleanField(default=True)
    created_at = BigIntegerField(default=0)
    updated_at = BigIntegerField(default=0)

    class Meta:
        """New API's name and indexes."""

        legacy_table_names = False
        table_name = "user_subscriptions"
        indexes = (
            (("user_id", "status", "end_time"), False),
            (("status", "end_time"), False),
            (("status", "next_reset_time"), False),
        )


def up(migrator: Any, db: Any) -> None:
    """Creates both tables."""
    for table in (Plan, Subscription):
        table.bind(db, bind_refs=False, bind_backrefs=False)
        db.create_tables([table])


def down(migrator: Any, db: Any) -> None:
    db.execute_sql("DROP TABLE user_subscriptions")
    db.execute_sql("DROP TABLE subscription_plans")

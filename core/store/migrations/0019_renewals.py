"""What a provider goes on charging for, and the subscription an order gave."""

from __future__ import annotations

from typing import Any

COLUMNS = (
    "agreement VARCHAR(128) NOT NULL DEFAULT ''",
    "subscription_id BIGINT NOT NULL DEFAULT 0",
    "renews BIGINT NOT NULL DEFAULT 0",
)


def up(_migrator: Any, db: Any) -> None:
    for column in COLUMNS:
        db.execute_sql(f"ALTER TABLE top_ups ADD COLUMN {column}")
    for name in ("agreement", "renews"):
        db.execute_sql(f"CREATE INDEX top_ups_{name} ON top_ups ({name})")

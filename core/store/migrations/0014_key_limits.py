"""Keys beyond New API's: limits of their own, operations they may call, the secret before a rotation."""

from typing import Any

COLUMNS = (
    "requests_per_minute BIGINT NOT NULL DEFAULT 0",
    "tokens_per_minute BIGINT NOT NULL DEFAULT 0",
    "concurrency BIGINT NOT NULL DEFAULT 0",
    "budget_units BIGINT NOT NULL DEFAULT 0",
    "budget_period VARCHAR(8) NOT NULL DEFAULT ''",
    "operations VARCHAR(255) NOT NULL DEFAULT ''",
    "old_key_hash VARCHAR(64) NOT NULL DEFAULT ''",
    "old_key_until BIGINT NOT NULL DEFAULT 0",
)


def up(_migrator: Any, db: Any) -> None:
    for column in COLUMNS:
        db.execute_sql(f"ALTER TABLE tokens ADD COLUMN {column}")
    db.execute_sql("CREATE INDEX tokens_old_key_hash ON tokens (old_key_hash)")

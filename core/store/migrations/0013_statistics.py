"""Sums of usage and performance, made from the log where there is one; the vendor's request id; indexes of lists.

Frozen copies of core/store/models.py: never changed once they have landed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peewee import BigIntegerField, CharField, IntegerField, Model, MySQLDatabase


class UsageSum(Model):  # type: ignore[misc,unused-ignore]
    """What was used in an hour, by one cut (core/ledger/statistics.py)."""

    slot = CharField(40, primary_key=True)
    cut = IntegerField()
    created_at = BigIntegerField()
    user_id = BigIntegerField(default=0)
    username = CharField(191, default="")
    token_id = BigIntegerField(default=0)
    token_name = CharField(191, default="")
    channel_id = BigIntegerField(default=0)
    model_name = CharField(255, default="")
    group = CharField(64, default="")
    node_name = CharField(64, default="")
    requests = BigIntegerField(default=0)
    quota = BigIntegerField(default=0)
    prompt_tokens = BigIntegerField(default=0)
    completion_tokens = BigIntegerField(default=0)
    cached_tokens = BigIntegerField(default=0)

    class Meta:
        """Indexes of what sums are asked for by."""

        legacy_table_names = False
        table_name = "usage_sums"
        indexes = (
            (("cut", "created_at"), False),
            (("user_id", "cut", "created_at"), False),
            (("username", "user_id"), False),
            (("token_name", "token_id"), False),
            (("channel_id", "cut", "created_at"), False),
        )


class PerfMetric(Model):  # type: ignore[misc,unused-ignore]
    """How a model did in a while."""

    slot = CharField(40, primary_key=True)
    bucket_ts = BigIntegerField(index=True)
    model_name = CharField(255)
    group = CharField(64, default="")
    request_count = BigIntegerField(default=0)
    success_count = BigIntegerField(default=0)
    total_latency_ms = BigIntegerField(default=0)
    ttft_sum_ms = BigIntegerField(default=0)
    ttft_count = BigIntegerField(default=0)
    output_tokens = BigIntegerField(default=0)
    generation_ms = BigIntegerField(default=0)

    class Meta:
        """New API's name."""

        legacy_table_names = False
        table_name = "perf_metrics"
        indexes = ((("model_name", "bucket_ts"), False),)


TABLES = (UsageSum, PerfMetric)
NONE = {"user_id": "0", "username": "''", "token_id": "0", "token_name": "''", "channel_id": "0", "group": "''"}
CUTS = (
    (0, ("user_id", "username", "token_id", "token_name", "channel_id", "group", "model_name")),
    (1, ("model_name",)),
    (2, ("user_id", "username", "model_name")),
    (3, ("channel_id", "group", "model_name")),
)
INDEXES = (
    ("logs_user_time", "user_id, created_at"),
    ("logs_token_time", "token_id, created_at"),
    ("logs_channel_time", "channel_id, created_at"),
    ("logs_model_time", "model_name, created_at"),
    ("logs_upstream_request_id", "upstream_request_id"),
)


def up(_migrator: Any, db: Any) -> None:
    """Creates the tables and fills them; a slot made here is never met again, which sums do not mind."""
    for table in TABLES:
        table.bind(db, bind_refs=False, bind_backrefs=False)
    db.create_tables(TABLES)
    db.execute_sql("ALTER TABLE logs ADD COLUMN upstream_request_id VARCHAR(128) NOT NULL DEFAULT ''")
    for name, columns in INDEXES:
        db.execute_sql(f"CREATE INDEX {name} ON logs ({columns})")
    # Lists go by time; what this index was for, the one by account and time does.
    hour = "created_at / 3600 * 3600"
    if isinstance(db, MySQLDatabase):
        hour = "created_at DIV 3600 * 3600"
        known = "SELECT 1 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'logs'"
        if db.execute_sql(f"{known} AND index_name = 'logs_user_id_id'").fetchall():
            db.execute_sql("DROP INDEX logs_user_id_id ON logs")
    else:
        db.execute_sql("DROP INDEX IF EXISTS logs_user_id_id")
    fill(db.execute_sql, hour)


def fill(execute: Callable[[str], Any], hour: str) -> None:
    """Sums the log up. hour: the SQL of the hour of created_at."""
    execute("DELETE FROM usage_sums")
    for cut, kept in CUTS:
        told = ", ".join(f'"{name}"' if name in kept else empty for name, empty in {**NONE, "model_name": ""}.items())
        groups = ", ".join(f'"{name}"' for name in kept)
        columns = ", ".join(f'"{name}"' for name in (*NONE, "model_name"))
        execute(
            f"INSERT INTO usage_sums (slot, cut, created_at, {columns}, node_name, requests, quota, prompt_tokens,"  # noqa: S608 (names alone)
            f" completion_tokens, cached_tokens) SELECT 'log-{cut}-' || MIN(id), {cut}, {hour}, {told}, '', COUNT(*),"
            f" SUM(quota), SUM(prompt_tokens), SUM(completion_tokens), 0 FROM logs WHERE type = 2"
            f" GROUP BY {hour}, {groups}"
        )


def down(_migrator: Any, db: Any) -> None:
    db.execute_sql("CREATE INDEX logs_user_id_id ON logs (user_id, id)")
    for name, _ in INDEXES:
        db.execute_sql(f"DROP INDEX {name}")
    db.execute_sql("ALTER TABLE logs DROP COLUMN upstream_request_id")
    db.execute_sql("DROP TABLE perf_metrics")
    db.execute_sql("DROP TABLE usage_sums")

"""What a flush adds up beside its log rows, in the same transaction: usage by hour, performance of models.

So the sums can differ from the receipts in nothing: what is in one is in the other, however a worker died.
A row of usage_sums belongs to one cut: the same requests, by fewer columns, so that a page that asks for models
does not read every key's row. Readers add up; a slot only says which row a flush adds to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from isthmus.v1 import billing_pb2

from core.ledger.purses import Sql
from core.ledger.rows import batches
from core.options.kinds import TRUE
from core.options.table import DEFAULTS

HOUR = 3600
CUT_ALL, CUT_MODEL, CUT_ACCOUNT, CUT_SERVICE = 0, 1, 2, 3
"""By everything; by model; by account and model; by channel, group and model."""
DIMENSIONS = ("user_id", "username", "token_id", "token_name", "channel_id", "model_name", "group", "node_name")
KEPT: Mapping[int, frozenset[str]] = {
    CUT_ALL: frozenset(DIMENSIONS),
    CUT_MODEL: frozenset({"model_name"}),
    CUT_ACCOUNT: frozenset({"user_id", "username", "model_name"}),
    CUT_SERVICE: frozenset({"channel_id", "group", "model_name"}),
}
"""What a cut tells apart; its other columns are empty."""
FIGURES = ("requests", "quota", "prompt_tokens", "completion_tokens", "cached_tokens")
MEASURES = (
    "request_count", "success_count", "total_latency_ms", "ttft_sum_ms", "ttft_count", "output_tokens",
    "generation_ms",
)  # fmt: skip
BUCKETS: Mapping[str, int] = {"minute": 60, "5min": 300, "hour": HOUR}
"""perf_metrics_setting.bucket_time -> seconds."""
ENABLED, BUCKET = "perf_metrics_setting.enabled", "perf_metrics_setting.bucket_time"
CALLERS = frozenset({400, 404, 405, 413, 415, 422})
"""Statuses by which a vendor says that the request was wrong: no failure of the model."""
_EMPTY: Mapping[str, int | str] = {name: 0 if name.endswith("_id") else "" for name in DIMENSIONS}

Row = tuple[int | str, ...]


def slot(at: int, *parts: int | str) -> str:
    """The key of a row: the hour or bucket it is of, in front, so that new rows stand together; the rest hashed."""
    told = "\x1f".join(map(str, parts))
    return f"{at:010x}{blake2b(told.encode('utf-8', 'replace'), digest_size=12).hexdigest()}"


def add(db: Sql, receipts: Sequence[billing_pb2.Receipt]) -> None:
    """Adds receipts to the sums; receipts are as they were written to the log."""
    consumed = [receipt for receipt in receipts if receipt.kind == billing_pb2.RECEIPT_KIND_CONSUME]
    if consumed:
        add_usage(db, consumed)
    measured = [receipt for receipt in receipts if _measured(receipt)]
    if measured:
        _add_measures(db, measured)


# -- usage ------------------------------------------------------------------------------------


def _dims(receipt: billing_pb2.Receipt) -> dict[str, int | str]:
    return {
        "user_id": receipt.account_id,
        "username": _text(receipt.username, 191),
        "token_id": receipt.key_id,
        "token_name": _text(receipt.key_name, 191),
        "channel_id": receipt.attempts[-1].channel_id if receipt.attempts else 0,
        "model_name": _text(receipt.model, 255),
        "group": _text(receipt.group, 64),
        "node_name": _text(receipt.node.rpartition("/")[0], 64),
    }


def add_usage(db: Sql, receipts: Sequence[billing_pb2.Receipt]) -> None:
    """Adds receipts of requests to the sums by hour."""
    sums: dict[tuple[int, int, Row], list[int]] = defaultdict(lambda: [0] * len(FIGURES))
    for receipt in receipts:
        dims, usage = _dims(receipt), receipt.usage
        hour = receipt.settled_ms // 1000 // HOUR * HOUR
        figures = (1, receipt.quota, usage.input_tokens, usage.output_tokens, usage.cached_tokens)
        for cut, kept in KEPT.items():
            told = tuple(dims[name] if name in kept else _EMPTY[name] for name in DIMENSIONS)
            held = sums[cut, hour, told]
            for place, figure in enumerate(figures):
                held[place] += figure
    rows: list[tuple[int | str, ...]] = [
        (slot(hour, cut, *told), cut, hour, *told, *held) for (cut, hour, told), held in sums.items()
    ]
    columns = ("slot", "cut", "created_at", *DIMENSIONS, *FIGURES)
    _upsert(db, "usage_sums", columns, FIGURES, rows)


# -- performance ------------------------------------------------------------------------------


def _measured(receipt: billing_pb2.Receipt) -> bool:
    """Whether it tells how its model did: not where the request itself was wrong, nor tests, nor what a crash left."""
    if receipt.kind == billing_pb2.RECEIPT_KIND_ERROR:
        return receipt.fault.http_status not in CALLERS
    return receipt.kind == billing_pb2.RECEIPT_KIND_CONSUME and receipt.ending != billing_pb2.ENDING_RECOVERED


def measures(receipt: billing_pb2.Receipt) -> tuple[int, ...]:
    """What one receipt adds, in MEASURES' order; times are milliseconds."""
    failed = receipt.kind == billing_pb2.RECEIPT_KIND_ERROR or receipt.ending == billing_pb2.ENDING_VENDOR_BROKE
    if failed:
        return (1, 0, 0, 0, 0, 0, 0)
    timed = receipt.stream and receipt.first_byte_ms >= 0
    first = receipt.first_byte_ms if timed else 0
    generated = max(receipt.duration_ms - first, 0) if receipt.usage.output_tokens else 0
    return (
        1,
        1,
        receipt.duration_ms,
        first,
        int(timed),
        receipt.usage.output_tokens if generated else 0,
        generated,
    )


def _add_measures(db: Sql, receipts: Sequence[billing_pb2.Receipt]) -> None:
    rows = db.execute('SELECT "key", value FROM options WHERE "key" IN (?, ?)', (ENABLED, BUCKET))
    held = {str(name): str(value) for name, value in rows}
    if held.get(ENABLED, DEFAULTS[ENABLED]) != TRUE:
        return
    width = BUCKETS.get(held.get(BUCKET, DEFAULTS[BUCKET]), HOUR)
    sums: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0] * len(MEASURES))
    for receipt in receipts:
        bucket = receipt.settled_ms // 1000 // width * width
        sum_ = sums[bucket, _text(receipt.model, 255), _text(receipt.group, 64)]
        for place, figure in enumerate(measures(receipt)):
            sum_[place] += figure
    columns = ("slot", "bucket_ts", "model_name", "group", *MEASURES)
    told: list[Row] = []
    for (at, model, group), sum_ in sums.items():
        told.append((slot(at, model, group), at, model, group, *sum_))
    _upsert(db, "perf_metrics", columns, MEASURES, told)


# -- rows -------------------------------------------------------------------------------------


def _text(value: str, limit: int) -> str:
    """Text as the columns take it; the separator of slots has no place in a name."""
    if "\0" in value or "\x1f" in value:
        value = value.replace("\0", "").replace("\x1f", "")
    return value[:limit]


def _upsert(db: Sql, table: str, columns: Sequence[str], figures: Sequence[str], rows: Sequence[Row]) -> None:
    """Adds figures to rows, in order of their keys, so that two nodes never wait for each other."""
    ordered = sorted(rows, key=lambda row: str(row[0]))
    names = ", ".join(f'"{name}"' for name in columns)
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in figures)
    marks = "(" + ", ".join("?" * len(columns)) + ")"
    for part in batches(ordered):
        values = [value for row in part for value in row]
        db.execute_count(
            f"INSERT INTO {table} ({names}) VALUES {', '.join([marks] * len(part))}"  # noqa: S608 (names of the table's own)
            f" ON CONFLICT (slot) DO UPDATE SET {added}",
            values,
        )

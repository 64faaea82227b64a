"""What a batch of records becomes in the database: units, log rows, counters, sums. Runs inside db.write."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from google.protobuf.message import DecodeError
from isthmus.v1 import billing_pb2

from core.ledger import statistics, transactions
from core.ledger.purses import Sql
from core.ledger.record import NOTED, SETTLED, Record
from core.ledger.rows import batches
from core.ledger.transactions import Guard

logger = logging.getLogger("isthmus.ledger")

LOG_TYPES = {
    billing_pb2.RECEIPT_KIND_CONSUME: 2,
    billing_pb2.RECEIPT_KIND_REFUND: 6,
    billing_pb2.RECEIPT_KIND_CORRECTION: 3,
    billing_pb2.RECEIPT_KIND_ERROR: 5,
    billing_pb2.RECEIPT_KIND_TEST: 4,
}
"""Receipt kind -> New API's logs.type (spec/billing.md); tests of channels are billed to nobody: 4, system."""

_COLUMNS = (
    "user_id, created_at, type, content, username, token_name, model_name, quota, prompt_tokens,"
    ' completion_tokens, use_time, is_stream, channel_id, token_id, "group", ip, request_id, entry, receipt,'
    " upstream_request_id"
)
_WIDTH = 20

_PERMANENT = {"IntegrityError", "DataError", "IntegrityConstraintViolationError"}
"""Names of the classes of errors (peewee, asyncpg, sqlite3) that a second try would meet again."""


def is_permanent(error: BaseException) -> bool:
    """Whether an error is the record's fault, so that trying again cannot help."""
    if isinstance(error, (ValueError, OverflowError, TypeError, DecodeError)):
        return True
    return any(kind.__name__ in _PERMANENT for kind in type(error).__mro__)


def totals(records: Iterable[Record]) -> dict[int, int]:
    """Purse id -> units that settlements among these records draw."""
    sums: dict[int, int] = defaultdict(int)
    for record in records:
        if record.kind == SETTLED:
            for purse_id, units in record.draws:
                sums[purse_id] += units
    return dict(sums)


def post(db: Sql, guard: Guard, records: Sequence[Record]) -> None:
    """One flush: the guard, then money, log rows, counters and statistics of these records.

    Raises GuardLost and what the database refuses.
    """
    transactions.enter(db, guard)
    post_within(db, guard.incarnation, records, guard.seen_ms)


def post_within(db: Sql, incarnation: str, records: Sequence[Record], _now_ms: int = 0, *, money: bool = True) -> None:
    """As post(), inside a transaction that has passed its guard.

    money=False posts what a released incarnation left: receipts with all units unbilled.
    """
    if money:
        transactions.move(db, incarnation, totals(records))
    lines = [_line(record, money) for record in records if record.kind in (SETTLED, NOTED)]
    if lines:
        _insert(db, lines)
    told = [receipt for receipt, _ in lines]
    _count(db, told)
    statistics.add(db, told)


def post_apart(db: Sql, incarnation: str, records: Sequence[Record], now_ms: int, *, money: bool = True) -> None:
    """As post_within(), record by record: what the database refuses for good is set aside, with its money if it can."""
    for record in records:
        problem = _refusal(db, partial(post_within, db, incarnation, [record], money=money))
        if problem is None:
            continue
        logger.critical(
            "a record cannot be posted and is set aside",
            extra={"request_id": record.request_id, "error": repr(problem)},
        )
        put = partial(aside_within, db, incarnation, record, repr(problem), now_ms)
        if _refusal(db, partial(put, money=money)) is not None:
            put(money=False)


def _refusal(db: Sql, work: Callable[[], None]) -> Exception | None:
    """Runs work; an error that a second try would meet again is given back, with nothing of work left."""
    db.execute_count("SAVEPOINT apart")
    try:
        work()
    except Exception as error:
        if not is_permanent(error):
            raise
        db.execute_count("ROLLBACK TO SAVEPOINT apart")
        return error
    db.execute_count("RELEASE SAVEPOINT apart")
    return None


def aside(db: Sql, guard: Guard, record: Record, error: str, *, money: bool) -> None:
    """Sets a record aside that cannot be posted; with money, its units still move."""
    transactions.enter(db, guard)
    aside_within(db, guard.incarnation, record, error, guard.seen_ms, money=money)


def aside_within(db: Sql, incarnation: str, record: Record, error: str, now_ms: int, *, money: bool) -> None:
    """As aside(), inside a transaction that has passed its guard."""
    if money:
        transactions.move(db, incarnation, totals([record]))
    db.execute_count(
        "INSERT INTO set_aside (incarnation, position, request_id, moved, error, receipt, created_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            incarnation,
            record.end,
            record.request_id.replace("\0", ""),
            int(money),
            error.replace("\0", "")[:2000],
            record.receipt,
            now_ms,
        ),
    )


def _line(record: Record, money: bool) -> tuple[billing_pb2.Receipt, bytes]:
    """The receipt, and the bytes that are kept of it: the journal's own, unless money stays where it is."""
    receipt = billing_pb2.Receipt.FromString(record.receipt)
    if money or record.kind != SETTLED:
        return receipt, record.receipt
    receipt.unbilled += receipt.quota
    receipt.quota = 0
    receipt.purses.clear()
    return receipt, receipt.SerializeToString()


def _row(receipt: billing_pb2.Receipt, kept: bytes) -> tuple[object, ...]:
    usage, last = receipt.usage, receipt.attempts[-1] if receipt.attempts else None
    failed = receipt.kind == billing_pb2.RECEIPT_KIND_ERROR
    return (
        receipt.account_id,
        receipt.settled_ms // 1000,
        LOG_TYPES.get(receipt.kind, 0),
        _text(receipt.fault.message) if failed else "",
        _text(receipt.username, 191),
        _text(receipt.key_name, 191),
        _text(receipt.model, 255),
        receipt.quota,
        usage.input_tokens,
        usage.output_tokens,
        receipt.duration_ms // 1000,
        receipt.stream,
        last.channel_id if last else 0,
        receipt.key_id,
        _text(receipt.group, 64),
        _text(receipt.client_address, 64),
        _text(receipt.request_id, 64),
        receipt.entry,
        kept,
        _text(last.upstream_request_id, 128) if last else "",
    )


def _text(value: str, limit: int = 0) -> str:
    """Text as PostgreSQL takes it: without NUL, within the column."""
    if "\0" in value:
        value = value.replace("\0", "")
    return value[:limit] if limit else value


def _insert(db: Sql, lines: Sequence[tuple[billing_pb2.Receipt, bytes]]) -> None:
    marks = "(" + ", ".join("?" * _WIDTH) + ")"
    for part in batches(lines):
        values: list[object] = []
        for receipt, kept in part:
            values.extend(_row(receipt, kept))
        rows = ", ".join([marks] * len(part))
        db.execute_count(f"INSERT INTO logs ({_COLUMNS}) VALUES {rows}", values)  # noqa: S608 (marks only)


def _count(db: Sql, receipts: Sequence[billing_pb2.Receipt]) -> None:
    users: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    keys: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    channels: dict[int, int] = defaultdict(int)
    for receipt in receipts:
        if receipt.kind != billing_pb2.RECEIPT_KIND_CONSUME:
            continue
        user = users[receipt.account_id]
        user[0] += 1
        user[1] += receipt.quota
        if receipt.key_id:
            key = keys[receipt.key_id]
            key[0] += receipt.quota
            key[1] = max(key[1], receipt.settled_ms // 1000)
        if receipt.attempts and receipt.quota:
            channels[receipt.attempts[-1].channel_id] += receipt.quota
    # In order of id, so that two nodes never wait for each other.
    for account_id, (count, quota) in sorted(users.items()):
        db.execute_count(
            "UPDATE users SET request_count = request_count + ?, used_quota = used_quota + ? WHERE id = ?",
            (count, quota, account_id),
        )
    for key_id, (quota, at) in sorted(keys.items()):
        db.execute_count(
            "UPDATE tokens SET used_quota = used_quota + ?,"
            " accessed_time = CASE WHEN accessed_time > ? THEN accessed_time ELSE ? END WHERE id = ?",
            (quota, at, at, key_id),
        )
    for channel_id, quota in sorted(channels.items()):
        db.execute_count("UPDATE channels SET used_quota = used_quota + ? WHERE id = ?", (quota, channel_id))

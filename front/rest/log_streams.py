"""The log carried away as CSV or JSON lines, and watched as it grows (server-sent events)."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import orjson
from isthmus.v1 import admin_pb2

from front.errors import bad, from_rpc
from front.rest.log_shapes import log
from front.rest.logs import filters
from front.rest.manager import Call, Level, Route, Streamed
from front.rest.sent import INT32

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 (what spreadsheets take for signs)
"""How a text begins that a spreadsheet would run."""
COLUMNS = (
    "id", "created_at", "time", "type", "username", "token_name", "model_name", "group", "quota", "prompt_tokens",
    "completion_tokens", "use_time", "is_stream", "request_id", "ip", "content",
)  # fmt: skip
ADMIN_COLUMNS = (*COLUMNS, "user_id", "token_id", "channel", "channel_name", "upstream_request_id")
SSE_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def cell(value: Any) -> Any:
    """A value as a cell: a text that would be a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def table(rows: list[dict[str, Any]], columns: tuple[str, ...], head: bool) -> bytes:
    """Lines of CSV (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    if head:
        writer.writerow(columns)
    for row in rows:
        at = datetime.datetime.fromtimestamp(row["created_at"], datetime.UTC)
        told = {**row, "time": at.isoformat().replace("+00:00", "Z")}
        writer.writerow([cell(told[name]) for name in columns])
    return out.getvalue().encode("utf-8", "replace")


def lines(rows: list[dict[str, Any]]) -> bytes:
    """Objects, one a line."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


async def _shaped(
    messages: Any, admin: bool, shape: Callable[[list[dict[str, Any]], bool], bytes]
) -> AsyncIterator[bytes]:
    number, head = 0, True
    try:
        async for part in messages:
            rows = [log(row, admin, number + place + 1) for place, row in enumerate(part.logs)]
            number += len(rows)
            yield shape(rows, head)
            head = False
    finally:
        messages.cancel()


def _export(c: Call, everybody: bool) -> Streamed:
    form = c.text("format") or "csv"
    if form not in ("csv", "jsonl"):
        raise bad("format is csv or jsonl.", "format")
    asked = admin_pb2.ExportLogsRequest(filter=filters(c, everybody), limit=c.number("limit"))
    messages = c.m.admin.ExportLogs(asked, metadata=c.who)
    columns = ADMIN_COLUMNS if everybody else COLUMNS

    def shape(rows: list[dict[str, Any]], head: bool) -> bytes:
        return table(rows, columns, head) if form == "csv" else lines(rows)

    kind = "text/csv; charset=utf-8; header=present" if form == "csv" else "application/x-ndjson"
    named = {"Content-Disposition": f'attachment; filename="logs.{form}"', "X-Content-Type-Options": "nosniff"}
    return Streamed(_shaped(messages, everybody, shape), kind, named)


async def export(c: Call) -> Any:
    """Everybody's lines."""
    return _export(c, True)


async def export_own(c: Call) -> Any:
    """The caller's lines."""
    return _export(c, False)


async def _events(messages: Any, admin: bool) -> AsyncIterator[bytes]:
    yield b"retry: 3000\n\n"
    try:
        async for part in messages:
            told = b"".join(b"event: log\ndata: " + orjson.dumps(log(row, admin, 0)) + b"\n\n" for row in part.logs)
            yield told or b": still here\n\n"
        yield b"event: end\ndata: {}\n\n"
    except grpc.aio.AioRpcError as error:
        yield b"event: error\ndata: " + orjson.dumps({"message": from_rpc(error).message}) + b"\n\n"
    finally:
        messages.cancel()


def _tail(c: Call, everybody: bool) -> Streamed:
    asked = admin_pb2.TailLogsRequest(filter=filters(c, everybody), seconds=min(c.number("seconds"), INT32))
    messages = c.m.admin.TailLogs(asked, metadata=c.who)
    return Streamed(_events(messages, everybody), "text/event-stream; charset=utf-8", SSE_HEADERS)


async def tail(c: Call) -> Any:
    """Everybody's lines as they come."""
    return _tail(c, True)


async def tail_own(c: Call) -> Any:
    """The caller's lines as they come."""
    return _tail(c, False)


ROUTES = (
    Route("GET", "/api/isthmus/log/export", Level.ADMIN, export),
    Route("GET", "/api/isthmus/log/self/export", Level.USER, export_own),
    Route("GET", "/api/isthmus/log/stream", Level.ADMIN, tail),
    Route("GET", "/api/isthmus/log/self/stream", Level.USER, tail_own),
)

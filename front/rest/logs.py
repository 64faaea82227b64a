"""Logs and their sums: one's own, everybody's for administrators, a key's own."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import admin_pb2

from front.errors import bad
from front.rest.log_shapes import log
from front.rest.manager import Call, Level, Route, items

KEY_LINES_MOST = 1_000
PAGE = 100


def filters(c: Call, everybody: bool) -> admin_pb2.ListLogsRequest:
    """Filters of the query; only administrators filter by account and channel."""
    kind = c.number("type")
    if kind not in admin_pb2.LogType.values():
        raise bad("There is no such type of log.", "type")
    asked = admin_pb2.ListLogsRequest(
        page=c.page(),
        type=admin_pb2.LogType.ValueType(kind),
        all_accounts=everybody,
        key_name=c.text("token_name"),
        model=c.text("model_name"),
        group=c.text("group"),
        request_id=c.text("request_id"),
        since=c.number("start_timestamp"),
        until=c.number("end_timestamp"),
    )
    asked.before, asked.upstream_request_id = c.text("before"), c.text("upstream_request_id")
    if everybody:
        asked.username, asked.channel_id = c.text("username"), c.number("channel")
    return asked


def _page(found: admin_pb2.ListLogsResponse, rows: list[Any]) -> dict[str, Any]:
    """New API's page; next and total_capped are ours."""
    return {**items(found.page, rows), "next": found.next, "total_capped": found.capped}


async def logs(c: Call) -> Any:
    """Everybody's."""
    found = await c.m.admin.ListLogs(filters(c, True), metadata=c.who)
    return _page(found, [log(row, True) for row in found.logs])


async def own(c: Call) -> Any:
    """The caller's."""
    found = await c.m.admin.ListLogs(filters(c, False), metadata=c.who)
    first = max(found.page.page - 1, 0) * found.page.page_size + 1
    return _page(found, [log(row, False, first + place) for place, row in enumerate(found.logs)])


async def of_key(c: Call) -> Any:
    """The lines of the key that asks, newest first, at most 1000."""
    rows: list[Any] = []
    asked = admin_pb2.ListLogsRequest()
    asked.page.page_size = PAGE
    for _ in range(KEY_LINES_MOST // PAGE):
        found = await c.m.admin.ListLogs(asked, metadata=c.who)
        rows.extend(log(row, False, len(rows) + place + 1) for place, row in enumerate(found.logs))
        if not found.next:
            break
        asked.before = found.next
    return rows


async def _sums(c: Call, everybody: bool) -> Any:
    asked = admin_pb2.SumLogsRequest(filter=filters(c, everybody))
    found = await c.m.admin.SumLogs(asked, metadata=c.who)
    return {"quota": found.quota, "rpm": found.requests_per_minute, "tpm": found.tokens_per_minute}


async def sums(c: Call) -> Any:
    """Of everybody's."""
    return await _sums(c, True)


async def own_sums(c: Call) -> Any:
    """Of the caller's."""
    return await _sums(c, False)


async def delete(c: Call) -> Any:
    """Lines before target_timestamp; how many there were."""
    asked = admin_pb2.DeleteLogsRequest(before=c.number("target_timestamp"))
    return (await c.m.admin.DeleteLogs(asked, metadata=c.who)).deleted


async def withdrawn(c: Call) -> Any:
    """Searches of the log were withdrawn in New API: the list has filters."""
    raise bad("This search was withdrawn; the list itself takes filters.")


ROUTES = (
    Route("GET", "/api/log/", Level.ADMIN, logs),
    Route("DELETE", "/api/log/", Level.ROOT, delete),
    Route("GET", "/api/log/stat", Level.ADMIN, sums),
    Route("GET", "/api/log/search", Level.ADMIN, withdrawn),
    Route("GET", "/api/log/self", Level.USER, own),
    Route("GET", "/api/log/self/stat", Level.USER, own_sums),
    Route("GET", "/api/log/self/search", Level.USER, withdrawn, limit="search"),
    Route("GET", "/api/log/token", Level.KEY, of_key, limit="critical"),
)

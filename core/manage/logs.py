"""Logs and receipts: who may read which."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from isthmus.v1 import admin_pb2, billing_pb2, common_pb2

from core.errors import InvalidRequest, RecordNotFound
from core.manage import fields
from core.services.context import Services
from core.state.types import ROLE_ADMIN, Principal
from core.store.logs import Asked
from core.store.models import Log

HIDDEN = ("channel_id", "channel_name", "channel_type", "key_index", "upstream_model", "upstream_request_id")
"""What of an attempt only administrators see."""
ADMINS_ONLY = ("admin_info", "audit_info", "stream_status")
"""Members of a line's details that only administrators see."""
PAGE_MOST = 100
PAGE_DEFAULT = 10


def paging(page: common_pb2.PageRequest) -> tuple[int, int, int]:
    """Page number, rows a page, rows to leave out."""
    size = min(page.page_size or PAGE_DEFAULT, PAGE_MOST)
    number = max(1, page.page)
    return number, size, (number - 1) * size


def receipt(row: Log) -> billing_pb2.Receipt | None:
    """The receipt of a line; None where it has none."""
    if not row.receipt:
        return None
    parsed = billing_pb2.Receipt()
    parsed.ParseFromString(bytes(row.receipt))
    return parsed


def entry(principal: Principal, row: Log) -> admin_pb2.LogEntry:
    """A line as it is told to the caller."""
    told = admin_pb2.LogEntry(
        id=row.id,
        created_at=row.created_at,
        type=admin_pb2.LogType.ValueType(row.type),
        account_id=row.user_id,
        username=row.username,
        content=row.content,
    )
    held = receipt(row)
    if held is not None:
        told.receipt.CopyFrom(for_reader(principal, held))
    told.client_address = row.ip
    told.other_json = details(principal, row.other)
    return told


def details(principal: Principal, stored: str) -> str:
    """A line's details as the caller may see them: what concerns administrators is cut out for others."""
    if not stored or principal.account.role >= ROLE_ADMIN:
        return stored
    try:
        found = json.loads(stored)
    except ValueError:
        return ""
    return json.dumps({name: value for name, value in found.items() if name not in ADMINS_ONLY})


async def list_logs(
    services: Services, principal: Principal, request: admin_pb2.ListLogsRequest
) -> admin_pb2.ListLogsResponse:
    """Lines, newest first: the caller's own, or everybody's for administrators."""
    number, size, offset = paging(request.page)
    which = asked(principal, request)
    response = admin_pb2.ListLogsResponse()
    if request.before:
        rows = await services.store.logs.page(which, size + 1)
        response.page.page_size = size
        more = len(rows) > size
    else:
        found = await services.store.logs.list(which, offset=offset, limit=size)
        rows, response.capped = found.rows, found.capped
        response.page.page, response.page.page_size, response.page.total = number, size, found.total
        more = found.capped or offset + len(rows) < found.total
    response.logs.extend(entry(principal, row) for row in rows[:size])
    if more and rows:
        response.next = cursor(rows[:size][-1])
    return response


async def sum_logs(
    services: Services, principal: Principal, request: admin_pb2.ListLogsRequest
) -> admin_pb2.SumLogsResponse:
    """Units over the time, requests and tokens of the last minute: the caller's own, or everybody's."""
    quota, requests, tokens = await services.store.logs.sums(int(time.time()), asked(principal, request))
    return admin_pb2.SumLogsResponse(quota=quota, requests_per_minute=requests, tokens_per_minute=tokens)


def cursor(row: Log) -> str:
    """Where a page ended: time and id of its last line."""
    return f"{row.created_at}.{row.id}"


def _before(text: str) -> tuple[int, int] | None:
    """A cursor. Raises InvalidRequest."""
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,18})", text)
    if found is None:
        raise InvalidRequest("before is the next of an earlier page.", param="before")
    return int(found[1]), int(found[2])


def asked(principal: Principal, request: admin_pb2.ListLogsRequest) -> Asked:
    """Which lines a request means. Whose lines is decided here alone. Raises InvalidRequest."""
    equal: dict[str, Any] = {
        "type": int(request.type),
        "token_name": fields.text(request.key_name, "token_name"),
        "model_name": fields.text(request.model, "model_name"),
        "channel_id": request.channel_id,
        "group": fields.text(request.group, "group"),
        "request_id": fields.text(request.request_id, "request_id"),
    }
    if principal.account.role >= ROLE_ADMIN:
        equal["upstream_request_id"] = fields.text(request.upstream_request_id, "upstream_request_id")
    if request.all_accounts:
        equal["username"] = fields.text(request.username, "username")
    else:
        equal["user_id"] = principal.account.id
        if principal.account.role < ROLE_ADMIN:
            equal["channel_id"] = 0
        if principal.key is not None:
            equal["token_id"] = principal.key.id
    return Asked(
        equal,
        since=fields.whole(request.since, "start_timestamp"),
        until=fields.whole(request.until, "end_timestamp"),
        before=_before(request.before),
    )


def for_reader(principal: Principal, held: billing_pb2.Receipt) -> billing_pb2.Receipt:
    """The receipt as the caller may see it: which channels served it is for administrators alone."""
    if principal.account.role < ROLE_ADMIN:
        for attempt in held.attempts:
            for field in HIDDEN:
                attempt.ClearField(field)  # type: ignore[arg-type]
    return held


def may_read(principal: Principal, held: billing_pb2.Receipt) -> bool:
    """A key reads its own receipts, an account its keys', administrators all."""
    if principal.key is not None:
        return held.key_id == principal.key.id
    return principal.account.role >= ROLE_ADMIN or held.account_id == principal.account.id


async def receipts(services: Services, principal: Principal, request_id: str) -> list[billing_pb2.Receipt]:
    """The receipts of a request. Raises RecordNotFound, also where the caller may not read them."""
    rows = await services.store.logs.by_request(request_id)
    if not rows:
        await services.ledger.flush()
        rows = await services.store.logs.by_request(request_id)
    found = [
        for_reader(principal, held) for row in rows if (held := receipt(row)) is not None and may_read(principal, held)
    ]
    if not found:
        raise RecordNotFound("There is no such receipt.")
    return found

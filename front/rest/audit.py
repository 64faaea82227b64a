"""The audit of administrators' actions, for root. Ours: New API has no such route."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import admin_pb2

from front.rest.manager import Call, Level, Route, items


def _shown(found: admin_pb2.AuditEntry) -> dict[str, Any]:
    return {
        "id": found.id,
        "created_at": found.created_at,
        "account_id": found.account_id,
        "username": found.username,
        "role": found.role,
        "auth_method": found.auth_method,
        "ip": found.address,
        "request_id": found.request_id,
        "action": found.action,
        "params": orjson.loads(found.params_json or "{}"),
        "changes": orjson.loads(found.changes_json or "{}"),
        "success": not found.reason,
        "reason": found.reason,
    }


async def audit(c: Call) -> Any:
    """By account_id, action (its beginning), start_timestamp, end_timestamp, success; newest first."""
    asked = admin_pb2.ListAuditRequest(
        page=c.page(),
        account_id=c.number("account_id"),
        action=c.text("action")[:64],
        since=c.number("start_timestamp"),
        until=c.number("end_timestamp"),
    )
    if c.text("success"):
        asked.refused = not c.flag("success")
    found = await c.m.admin.ListAudit(asked, metadata=c.who)
    return items(found.page, [_shown(entry) for entry in found.entries])


ROUTES = (Route("GET", "/api/isthmus/audit", Level.ROOT, audit),)

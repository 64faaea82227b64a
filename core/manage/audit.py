"""What administrators did, refused attempts too: a line of the log each, never with a secret."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from isthmus.v1 import access_pb2, admin_pb2

from core.errors import IsthmusError
from core.link.call import CallInfo
from core.manage import before_after, fields
from core.manage.logs import paging
from core.pipeline.authenticate import require_role
from core.services.context import Services
from core.state.types import Principal
from core.store.audit import AuditFilter

MANAGE = 3
"""logs.type of an administrator's action (New API)."""
logger = logging.getLogger("isthmus.audit")


@contextlib.asynccontextmanager
async def acting(services: Services, info: CallInfo, role: int, action: str, **params: Any) -> AsyncIterator[Principal]:
    """A write by an account of at least this role: how it ended is noted. Raises SessionInvalid, RoleTooLow.

    params are told in the log: ids and names. What was written is told by before_after.changed(), secrets masked.
    """
    principal = await services.account(info)
    reason = ""
    with before_after.kept() as changes:
        try:
            require_role(principal, role)
            yield principal
        except BaseException as error:
            reason = error.reason if isinstance(error, IsthmusError) else type(error).__name__
            raise
        finally:
            # What was refused changed nothing, whatever was about to be written.
            await note(services, principal, info, action, params, {} if reason else changes, reason)


async def note(
    services: Services,
    principal: Principal,
    info: CallInfo,
    action: str,
    params: dict[str, Any],
    changes: dict[str, list[Any]],
    reason: str,
) -> None:
    """One entry, and New API's line of the log. Never raises: what was done is done."""
    account = principal.account
    method = "session" if info.metadata.get("isthmus-session") else "access_token"
    other = {
        "op": {"action": action, "params": params},
        "admin_info": {
            "admin_id": account.id,
            "admin_username": account.username,
            "admin_role": account.role,
            "auth_method": method,
        },
        "audit_info": {"success": not reason, "status": reason},
    }
    try:
        await services.store.audit.add(
            account_id=account.id,
            username=account.username,
            role=account.role,
            auth_method=method,
            address=info.client_address[:64],
            request_id=info.request_id[:64],
            action=action[:64],
            params=json.dumps(params, default=str),
            changes=json.dumps(changes, default=str) if changes else "",
            reason=reason[:64],
        )
        await services.store.logs.add(
            MANAGE,
            account.id,
            account.username,
            f"{action} {'refused: ' + reason if reason else 'done'}",
            ip=info.client_address,
            other=json.dumps(other),
        )
    except Exception:
        # What was done is done: a log that cannot be written must not report it as failed.
        logger.exception("could not note an action", extra={"action": action, "request_id": info.request_id})


async def listed(services: Services, request: admin_pb2.ListAuditRequest) -> admin_pb2.ListAuditResponse:
    """Entries, newest first."""
    number, size, offset = paging(request.page)
    asked = AuditFilter(
        request.account_id,
        fields.text(request.action, "action", 64),
        request.since,
        request.until,
        request.refused if request.HasField("refused") else None,
    )
    rows, total = await services.store.audit.list(asked, offset, size)
    response = admin_pb2.ListAuditResponse(
        entries=[
            admin_pb2.AuditEntry(
                id=row.id,
                created_at=row.created_at,
                account_id=row.account_id,
                username=row.username,
                role=access_pb2.AccountRole.ValueType(row.role),
                auth_method=row.auth_method,
                address=row.address,
                request_id=row.request_id,
                action=row.action,
                params_json=row.params,
                changes_json=row.changes,
                reason=row.reason,
            )
            for row in rows
        ]
    )
    response.page.page, response.page.page_size, response.page.total = number, size, total
    return response

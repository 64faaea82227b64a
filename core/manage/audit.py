"""What administrators did, refused attempts too: a line of the log each, never with a secret."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from core.errors import IsthmusError
from core.link.call import CallInfo
from core.pipeline.authenticate import require_role
from core.services.context import Services
from core.state.types import Principal

MANAGE = 3
"""logs.type of an administrator's action (New API)."""
logger = logging.getLogger("isthmus.audit")


@contextlib.asynccontextmanager
async def acting(services: Services, info: CallInfo, role: int, action: str, **params: Any) -> AsyncIterator[Principal]:
    """A write by an account of at least this role: how it ended is noted. Raises SessionInvalid, RoleTooLow.

    params are told in the log: ids and names, never what was written.
    """
    principal = await services.account(info)
    reason = ""
    try:
        require_role(principal, role)
        yield principal
    except BaseException as error:
        reason = error.reason if isinstance(error, IsthmusError) else type(error).__name__
        raise
    finally:
        await _note(services, principal, info, action, params, reason)


async def _note(
    services: Services, principal: Principal, info: CallInfo, action: str, params: dict[str, Any], reason: str
) -> None:
    account = principal.account
    other = {
        "op": {"action": action, "params": params},
        "admin_info": {
            "admin_id": account.id,
            "admin_username": account.username,
            "admin_role": account.role,
            "auth_method": "session" if info.metadata.get("isthmus-session") else "access_token",
        },
        "audit_info": {"success": not reason, "status": reason},
    }
    try:
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

"""Single keys of a channel that holds several: their states, enabling, disabling, deleting."""

from __future__ import annotations

import json
import time
from typing import Any

from isthmus.v1 import admin_pb2

from core.errors import InvalidRequest
from core.manage.logs import paging
from core.services.context import Services
from core.state.types import DISABLED_AUTOMATICALLY, DISABLED_BY_HAND, ENABLED
from core.store.channels import split_keys

STATES, REASONS, TIMES = "multi_key_status_list", "multi_key_disabled_reason", "multi_key_disabled_time"
PREVIEW = 10
"""Characters of a key that tell it from its neighbours (New API's figure)."""


async def manage(
    services: Services, request: admin_pb2.ManageChannelKeysRequest
) -> admin_pb2.ManageChannelKeysResponse:
    """Does one action. Raises InvalidRequest, RecordNotFound."""
    row = await services.store.channels.get(request.id)
    info = json.loads(row.channel_info or "{}")
    if not info.get("is_multi_key"):
        raise InvalidRequest("The channel holds a single key.", param="channel_id")
    if request.action == "get_key_status":
        return _states(request, split_keys(row.key), info)
    if request.action not in ACTIONS:
        raise InvalidRequest(f"There is no action {request.action[:32]!r}.", param="action")
    change, one = ACTIONS[request.action]
    if one and not request.HasField("key_index"):
        raise InvalidRequest("Which key?", param="key_index")

    def run(keys: list[str], held: dict[str, Any]) -> int:
        if one and request.key_index >= len(keys):
            raise InvalidRequest(f"The channel holds {len(keys)} keys.", param="key_index")
        for table in (STATES, REASONS, TIMES):
            if not isinstance(held.get(table), dict):
                held[table] = {}
        count = int(change(keys, held, request.key_index))
        held["multi_key_size"] = len(keys)
        return count

    changed = await services.store.channels.change_keys(request.id, run)
    await services.state.refresh()
    return admin_pb2.ManageChannelKeysResponse(changed=changed)


def _states(
    request: admin_pb2.ManageChannelKeysRequest, keys: list[str], info: dict[str, Any]
) -> admin_pb2.ManageChannelKeysResponse:
    held = info.get(STATES) or {}
    reasons, times = info.get(REASONS) or {}, info.get(TIMES) or {}
    number, size, offset = paging(request.page)
    response = admin_pb2.ManageChannelKeysResponse()
    chosen = []
    for index, key in enumerate(keys):
        place = str(index)
        status = int(held.get(place, ENABLED))
        response.counts[status] += 1
        if request.status in (0, status):
            preview = key[:PREVIEW] + "..." if len(key) > 2 * PREVIEW else "..."
            chosen.append(
                admin_pb2.ChannelKeyState(
                    index=index,
                    status=status,
                    reason=str(reasons.get(place, "")),
                    disabled_at=int(times.get(place, 0)),
                    preview=preview,
                )
            )
    response.keys.extend(chosen[offset : offset + size])
    response.page.page, response.page.page_size, response.page.total = number, size, len(chosen)
    return response


def _disable(held: dict[str, Any], index: int) -> int:
    place = str(index)
    if held[STATES].get(place, ENABLED) != ENABLED:
        return 0
    held[STATES][place], held[REASONS][place], held[TIMES][place] = DISABLED_BY_HAND, "by hand", int(time.time())
    return 1


def _enable(held: dict[str, Any], index: int) -> int:
    found = [table.pop(str(index), None) for table in (held[STATES], held[REASONS], held[TIMES])]
    return int(found[0] is not None)


def _delete(keys: list[str], held: dict[str, Any], gone: set[int]) -> int:
    """Deletes keys; those behind them get new numbers. Raises InvalidRequest where none would be left."""
    kept = [index for index in range(len(keys)) if index not in gone]
    if not kept:
        raise InvalidRequest("The last key of a channel cannot be deleted; delete the channel.", param="key_index")
    for table in (STATES, REASONS, TIMES):
        old = held[table]
        held[table] = {str(new): old[str(index)] for new, index in enumerate(kept) if str(index) in old}
    count = len(keys) - len(kept)
    keys[:] = [keys[index] for index in kept]
    return count


def _delete_disabled(keys: list[str], held: dict[str, Any], _: int) -> int:
    gone = {int(place) for place, status in held[STATES].items() if status == DISABLED_AUTOMATICALLY}
    return _delete(keys, held, gone) if gone else 0


ACTIONS: dict[str, tuple[Any, bool]] = {
    "disable_key": (lambda keys, held, index: _disable(held, index), True),
    "enable_key": (lambda keys, held, index: _enable(held, index), True),
    "delete_key": (lambda keys, held, index: _delete(keys, held, {index}), True),
    "enable_all_keys": (lambda keys, held, _: sum(_enable(held, each) for each in range(len(keys))), False),
    "disable_all_keys": (lambda keys, held, _: sum(_disable(held, each) for each in range(len(keys))), False),
    "delete_disabled_keys": (_delete_disabled, False),
}
"""Action -> what it does to keys and states, and whether it is about one key."""

"""Channels: creation in three modes, changes, what is shown of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from isthmus.v1 import admin_pb2

from core.errors import InvalidRequest
from core.services.context import Services
from core.store.channels import split_keys
from core.store.models import Channel
from core.vendors.registry import vendor

JSON_FIELDS = {
    "model_mapping_json": "model_mapping",
    "status_code_mapping_json": "status_code_mapping",
    "param_override_json": "param_override",
    "header_override_json": "header_override",
    "setting_json": "setting",
    "settings_json": "settings",
}
PLAIN_FIELDS = {
    "type": "type", "name": "name", "status": "status", "secret": "key", "base_url": "base_url",
    "priority": "priority", "weight": "weight", "other": "other", "organization": "open_ai_organization",
    "test_model": "test_model", "tag": "tag", "remark": "remark",
}  # fmt: skip


def columns(channel: admin_pb2.Channel, wanted: Iterable[str] = ()) -> dict[str, Any]:
    """The columns of a channel, those of the wanted fields alone where some are named. Raises InvalidRequest."""
    names = set(wanted)
    found: dict[str, Any] = {}
    for field, column in (*PLAIN_FIELDS.items(), *JSON_FIELDS.items()):
        if names and field not in names:
            continue
        value = getattr(channel, field)
        if field in JSON_FIELDS and value:
            try:
                parsed = json.loads(value)
            except ValueError as error:
                raise InvalidRequest(f"{column} is not JSON.", param=column) from error
            if not isinstance(parsed, dict):
                raise InvalidRequest(f"{column} must be a JSON object.", param=column)
        found[column] = value
    for field, column in (("models", "models"), ("groups", "group")):
        if not names or field in names:
            found[column] = ",".join(piece.strip() for piece in getattr(channel, field) if piece.strip())
    if not names or "auto_ban" in names:
        found["auto_ban"] = int(channel.auto_ban)
    if "type" in found and vendor(found["type"]) is None:
        raise InvalidRequest(f"There is no channel type {found['type']}.", param="type")
    if found.get("weight", 0) < 0:
        raise InvalidRequest("A weight is 0 or more.", param="weight")
    if "status" in found and found["status"] not in (1, 2, 3):
        raise InvalidRequest("A channel is enabled (1) or disabled (2, 3).", param="status")
    return found


def message(row: Channel) -> admin_pb2.Channel:
    """A channel as it is told: without its key."""
    info = json.loads(row.channel_info or "{}")
    told = admin_pb2.Channel(
        id=row.id,
        type=row.type,
        name=row.name,
        status=row.status,
        base_url=row.base_url,
        models=[name for name in row.models.split(",") if name],
        groups=[name for name in row.group.split(",") if name],
        priority=row.priority,
        weight=row.weight,
        other=row.other,
        organization=row.open_ai_organization,
        test_model=row.test_model,
        auto_ban=bool(row.auto_ban),
        tag=row.tag,
        remark=row.remark,
        created_at=row.created_time,
        tested_at=row.test_time,
        response_ms=row.response_time,
        balance=row.balance,
        used_quota=row.used_quota,
        multi_key=bool(info.get("is_multi_key")),
        multi_key_mode=info.get("multi_key_mode", ""),
        key_count=len(split_keys(row.key)) if info.get("is_multi_key") else 1,
        other_info_json=row.other_info,
    )
    for field, column in JSON_FIELDS.items():
        setattr(told, field, getattr(row, column))
    for place, status in sorted((info.get("multi_key_status_list") or {}).items(), key=lambda item: int(item[0])):
        told.key_states.add(
            index=int(place),
            status=status,
            reason=(info.get("multi_key_disabled_reason") or {}).get(place, ""),
            disabled_at=(info.get("multi_key_disabled_time") or {}).get(place, 0),
        )
    return told


async def create(services: Services, request: admin_pb2.CreateChannelsRequest) -> list[admin_pb2.Channel]:
    """New channels. Raises InvalidRequest."""
    if not request.channel.status:
        request.channel.status = 1
    fields = columns(request.channel)
    if not fields["name"]:
        raise InvalidRequest("A channel needs a name.", param="name")
    if not fields["models"]:
        raise InvalidRequest("A channel needs at least one model.", param="models")
    fields["group"] = fields["group"] or "default"
    keys = split_keys(fields["key"])
    if request.mode == admin_pb2.CREATE_CHANNEL_MODE_BATCH:
        rows = [{**fields, "key": key} for key in keys]
    elif request.mode == admin_pb2.CREATE_CHANNEL_MODE_MULTI_TO_SINGLE:
        info = {
            "is_multi_key": True,
            "multi_key_size": len(keys),
            "multi_key_mode": request.channel.multi_key_mode or "random",
        }
        rows = [{**fields, "channel_info": json.dumps(info)}]
    else:
        rows = [fields]
    if not rows or not keys:
        raise InvalidRequest("A channel needs a key.", param="key")
    made = await services.store.channels.create(rows)
    await services.state.refresh()
    return [message(row) for row in made]


async def update(services: Services, request: admin_pb2.UpdateChannelRequest) -> admin_pb2.Channel:
    """Writes the channel, or the fields named."""
    if not request.fields and not (request.channel.name and request.channel.models):
        raise InvalidRequest("A channel needs a name and at least one model; name the fields to write fewer.")
    row = await services.store.channels.update(request.channel.id, **columns(request.channel, request.fields))
    await services.state.refresh()
    return message(row)

"""Channels: creation in three modes, changes, copies, tags, what is shown of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from isthmus.v1 import admin_pb2

from core.errors import InvalidRequest
from core.manage import before_after, fields
from core.manage.logs import paging
from core.pipeline.trial import Trial
from core.services.context import Services
from core.state.channel_extras import extras
from core.state.types import Account
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
TEXT_FIELDS = {
    "name": ("name", 191), "secret": ("key", 1 << 19), "base_url": ("base_url", 2048), "other": ("other", 65_536),
    "organization": ("open_ai_organization", 255), "test_model": ("test_model", 255), "tag": ("tag", 191),
    "remark": ("remark", 255),
}  # fmt: skip
"""Field -> column and most characters."""
NUMBER_FIELDS = {
    "type": ("type", 0, 1 << 31), "status": ("status", 1, 3), "priority": ("priority", -fields.NUMBER_MOST,
    fields.NUMBER_MOST), "weight": ("weight", 0, 1_000_000_000),
}  # fmt: skip
"""Field -> column, least, most."""
MODEL_MOST = 255
MODELS_MOST = 5_000
GROUPS_MOST = 200
KEYS_MOST = 1_000
MULTI_KEY_MODES = ("random", "polling")
PREFIX = 8
"""Characters of a key that may follow a channel's name."""
KEYWORD_KEY_LEAST = 8
"""Shorter keywords are not compared with keys."""


def _names(values: Iterable[str], column: str, most: int) -> str:
    """A comma list. Raises InvalidRequest."""
    names = list(dict.fromkeys(piece.strip() for piece in values if piece.strip()))
    if len(names) > most:
        raise InvalidRequest(f"{column} holds more than {most} names.", param=column)
    for name in names:
        if "," in name:
            raise InvalidRequest(f"A name in {column} holds a comma.", param=column)
        fields.text(name, column, MODEL_MOST)
    return ",".join(names)


def columns(channel: admin_pb2.Channel, wanted: Iterable[str] = ()) -> dict[str, Any]:
    """The columns of a channel, those of the wanted fields alone where some are named. Raises InvalidRequest."""
    asked = set(wanted)
    found: dict[str, Any] = {}
    for field, (column, most) in TEXT_FIELDS.items():
        if not asked or field in asked:
            found[column] = fields.text(getattr(channel, field), column, most)
    for field, (column, low, high) in NUMBER_FIELDS.items():
        if not asked or field in asked:
            found[column] = fields.whole(getattr(channel, field), column, low, high)
    for field, column in JSON_FIELDS.items():
        if not asked or field in asked:
            told = fields.json_object(getattr(channel, field), column)
            found[column] = getattr(channel, field)
            if column == "settings":
                _check_extras(told)
    for field, column, most in (("models", "models", MODELS_MOST), ("groups", "group", GROUPS_MOST)):
        if not asked or field in asked:
            found[column] = _names(getattr(channel, field), column, most)
    if not asked or "auto_ban" in asked:
        found["auto_ban"] = int(channel.auto_ban)
    if "type" in found and vendor(found["type"]) is None:
        raise InvalidRequest(f"There is no channel type {found['type']}.", param="type")
    return found


def _check_extras(settings: Any) -> None:
    """Raises InvalidRequest where what is ours in a channel's settings is wrong."""
    try:
        extras(settings or {})
    except ValueError as error:
        raise InvalidRequest(f"{error}.", param="settings") from error


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


async def list_channels(services: Services, request: admin_pb2.ListChannelsRequest) -> admin_pb2.ListChannelsResponse:
    """Channels by filters, a page of them."""
    number, size, offset = paging(request.page)
    keyword = fields.text(request.keyword, "keyword", 1024)
    among = await services.store.channels.holding(keyword) if len(keyword) >= KEYWORD_KEY_LEAST else []
    rows, total, counts = await services.store.channels.list(
        keyword,
        fields.text(request.group, "group"),
        fields.text(request.model, "model"),
        request.status,
        request.type,
        offset,
        size,
        sort_by=request.sort_by or ("id" if request.id_sort else "priority"),
        ascending=request.ascending,
        by_tag=request.by_tag,
        among=among,
    )
    response = admin_pb2.ListChannelsResponse(channels=[message(row) for row in rows], type_counts=counts)
    response.page.page, response.page.page_size, response.page.total = number, size, total
    return response


def _mode(mode: str) -> str:
    if mode and mode not in MULTI_KEY_MODES:
        raise InvalidRequest("A channel's keys are used at random or polling, in turn.", param="multi_key_mode")
    return mode or MULTI_KEY_MODES[0]


async def create(services: Services, request: admin_pb2.CreateChannelsRequest) -> list[admin_pb2.Channel]:
    """New channels. Raises InvalidRequest."""
    wanted = admin_pb2.Channel()
    wanted.CopyFrom(request.channel)
    wanted.status = wanted.status or 1
    found = columns(wanted)
    if not found["name"]:
        raise InvalidRequest("A channel needs a name.", param="name")
    if not found["models"]:
        raise InvalidRequest("A channel needs at least one model.", param="models")
    found["group"] = found["group"] or "default"
    keys = split_keys(found["key"])
    if not keys:
        raise InvalidRequest("A channel needs a key.", param="key")
    if len(keys) > KEYS_MOST:
        raise InvalidRequest(f"At most {KEYS_MOST} keys at once.", param="key")
    if request.mode == admin_pb2.CREATE_CHANNEL_MODE_BATCH:
        rows = [{**found, "key": key} for key in keys]
        if request.key_in_name:
            for row in rows:
                row["name"] = f"{found['name'][: 190 - PREFIX]} {row['key'][:PREFIX]}"
    elif request.mode == admin_pb2.CREATE_CHANNEL_MODE_MULTI_TO_SINGLE:
        info = {
            "is_multi_key": True,
            "multi_key_size": len(keys),
            "multi_key_mode": _mode(wanted.multi_key_mode),
        }
        rows = [{**found, "channel_info": json.dumps(info)}]
    else:
        rows = [found]
    made = await services.store.channels.create(rows)
    await services.state.refresh()
    return [message(row) for row in made]


async def update(services: Services, request: admin_pb2.UpdateChannelRequest) -> admin_pb2.Channel:
    """Writes the channel, or the fields named."""
    sent, wanted = request.channel, set(request.fields)
    if not wanted and not (sent.name and sent.models):
        raise InvalidRequest("A channel needs a name and at least one model; name the fields to write fewer.")
    mode = _mode(sent.multi_key_mode) if sent.multi_key_mode else ""
    secret = fields.text(sent.secret, "key", TEXT_FIELDS["secret"][1])
    # The mode is no column: with it alone nothing else is written.
    found = {} if wanted == {"multi_key_mode"} else columns(sent, wanted)
    for column in ("name", "models", "group"):
        if column in found and not found[column]:
            raise InvalidRequest(f"A channel needs its {column}.", param=column)
    row = await services.store.channels.get(sent.id)
    multi = bool(json.loads(row.channel_info or "{}").get("is_multi_key"))
    if secret and multi:
        found.pop("key", None)
    before_after.changed({name: getattr(row, name) for name in found}, found)
    if found:
        row = await services.store.channels.update(sent.id, **found)
    if multi and (secret or mode):
        await services.store.channels.change_keys(sent.id, _new_keys(split_keys(secret), request.append_keys, mode))
        row = await services.store.channels.get(sent.id)
    await services.state.refresh()
    return message(row)


def _new_keys(new: list[str], append: bool, mode: str) -> Any:
    """How the keys of a multi-key channel change: added to, or replaced, their states beginning anew."""

    def change(keys: list[str], info: dict[str, Any]) -> int:
        if append:
            keys.extend(key for key in dict.fromkeys(new) if key not in keys)
        elif new:
            keys[:] = new
            for table in ("multi_key_status_list", "multi_key_disabled_reason", "multi_key_disabled_time"):
                info.pop(table, None)
        if len(keys) > KEYS_MOST:
            raise InvalidRequest(f"A channel holds at most {KEYS_MOST} keys.", param="key")
        info["multi_key_size"] = len(keys)
        if mode:
            info["multi_key_mode"] = mode
        return len(keys)

    return change


async def copy(services: Services, request: admin_pb2.CopyChannelRequest) -> admin_pb2.Channel:
    """A copy with its key, enabled or not as the channel is; test figures begin anew."""
    row = await services.store.channels.get(request.id)
    suffix = fields.text(request.suffix, "suffix", 64)
    left_out = {"id", "created_time", "test_time", "response_time"}
    if request.reset_figures:
        left_out |= {"balance", "used_quota"}
    kept = {name: value for name, value in row.__data__.items() if name not in left_out}
    kept["name"] = row.name[: 191 - len(suffix)] + suffix
    (made,) = await services.store.channels.create([kept])
    await services.state.refresh()
    return message(made)


async def delete(services: Services, request: admin_pb2.DeleteChannelsRequest) -> int:
    """Those named, or every disabled one; how many there were."""
    if request.disabled:
        chosen = list(await services.store.channels.disabled())
    else:
        chosen = fields.ids(request.ids)
    count = await services.store.channels.delete(chosen) if chosen else 0
    await services.state.refresh()
    return count


async def test(
    services: Services, account: Account, request: admin_pb2.TestChannelRequest
) -> admin_pb2.TestChannelResponse:
    """A small request through a channel; how long it took is kept. One that answers is enabled again (option)."""
    model = fields.text(request.model, "model", MODEL_MOST)
    found = await services.tester(Trial(request.id, model, request.stream, request.endpoint_type, account))
    await services.store.channels.tested(request.id, int(found.seconds * 1000))
    if found.ok and services.state.snapshot.options.automatic_enable_channel:
        await services.store.channels.enable_again(request.id)
    return found


async def update_tag(services: Services, request: admin_pb2.UpdateTagRequest) -> int:
    """Changes every channel of a tag, or those of ids; how many there were. Raises InvalidRequest."""
    tag = fields.text(request.tag, "tag", TEXT_FIELDS["tag"][1])
    if not tag and not request.ids:
        raise InvalidRequest("A tag is wanted, or ids.", param="tag")
    chosen = fields.ids(request.ids) if request.ids else []
    found: dict[str, Any] = {}
    for name, column in (("status", "status"), ("priority", "priority"), ("weight", "weight")):
        if request.HasField(name):  # type: ignore[arg-type]
            _, low, high = NUMBER_FIELDS[name]
            found[column] = fields.whole(getattr(request, name), column, low, high)
    for name in ("model_mapping_json", "param_override_json", "header_override_json"):
        if request.HasField(name):  # type: ignore[arg-type]
            fields.json_object(getattr(request, name), JSON_FIELDS[name])
            found[JSON_FIELDS[name]] = getattr(request, name)
    if request.HasField("new_tag"):
        found["tag"] = fields.text(request.new_tag, "new_tag", TEXT_FIELDS["tag"][1])
    for values, column, most in ((request.models, "models", MODELS_MOST), (request.groups, "group", GROUPS_MOST)):
        if values:
            found[column] = _names(values, column, most)
    if not found:
        raise InvalidRequest("Nothing is to be changed.")
    count = await services.store.channels.update_many(chosen, tag, found)
    await services.state.refresh()
    return count

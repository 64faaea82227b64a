"""Channels, for administrators; a channel's key only for root, once more verified."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import admin_pb2, catalog_pb2

from front.errors import bad
from front.rest import shapes
from front.rest.manager import Call, Level, Raw, Route, items
from front.rest.sent import INT32, Sent

MODES = {
    "single": admin_pb2.CREATE_CHANNEL_MODE_SINGLE,
    "batch": admin_pb2.CREATE_CHANNEL_MODE_BATCH,
    "multi_to_single": admin_pb2.CREATE_CHANNEL_MODE_MULTI_TO_SINGLE,
}
STATUSES = {"enabled": 1, "1": 1, "disabled": -1, "0": -1}
ANY_GROUP = ("", "all", "null")
COPY_SUFFIX = "_复制"
"""What New API puts behind the name of a copy."""


def _asked(c: Call, size: int = 10) -> admin_pb2.ListChannelsRequest:
    """Filters and order, as list and search take them."""
    group = c.text("group")
    return admin_pb2.ListChannelsRequest(
        page=c.page(size),
        group="" if group in ANY_GROUP else group,
        status=STATUSES.get(c.text("status"), 0),
        type=min(c.number("type"), INT32),
        id_sort=c.flag("id_sort"),
        sort_by=c.text("sort_by"),
        ascending=c.text("sort_order") == "asc",
        by_tag=c.flag("tag_mode"),
    )


async def _list(c: Call, asked: admin_pb2.ListChannelsRequest) -> Any:
    found = await c.m.admin.ListChannels(asked, metadata=c.who)
    counts = {str(kind): count for kind, count in sorted(found.type_counts.items())}
    return {
        **items(found.page, [shapes.channel(row) for row in found.channels]),
        "type_counts": {**counts, "all": sum(found.type_counts.values())},
    }


async def channels(c: Call) -> Any:
    """Highest priority first, or as asked."""
    return await _list(c, _asked(c))


async def search(c: Call) -> Any:
    """By keyword (id, part of name or address, the whole key), group, model."""
    asked = _asked(c, 20)
    asked.keyword, asked.model = c.text("keyword"), c.text("model")
    return await _list(c, asked)


async def channel(c: Call, channel_id: int) -> Any:
    """One; its key is not told."""
    found = await c.m.admin.GetChannel(admin_pb2.GetChannelRequest(id=channel_id), metadata=c.who)
    return shapes.channel(found.channel)


async def reveal(c: Call, channel_id: int) -> Any:
    """The key. Root, with a verification not older than 300 s."""
    found = await c.m.admin.RevealChannel(admin_pb2.RevealChannelRequest(id=channel_id), metadata=c.who)
    return {"key": found.secret}


async def create(c: Call) -> Any:
    """One channel, one for each key, or one with all keys."""
    body = await c.body()
    mode = body.text("mode")
    if mode not in MODES:
        raise bad(f"mode must be one of {', '.join(MODES)}.", "mode")
    made, _ = shapes.to_channel(body.part("channel"))
    made.multi_key_mode = body.text("multi_key_mode")
    asked = admin_pb2.CreateChannelsRequest(
        channel=made, mode=MODES[mode], key_in_name=body.flag("batch_add_set_key_prefix_2_name")
    )
    await c.m.admin.CreateChannels(asked, metadata=c.who)


async def update(c: Call) -> Any:
    """Writes what is sent; empty members leave what must not be empty."""
    body = await c.body()
    key_mode = body.text("key_mode")
    if key_mode not in ("", "append", "replace"):
        raise bad("key_mode is append or replace.", "key_mode")
    changed, fields = shapes.to_channel(body, update=True)
    if not fields:
        return await channel(c, body.number("id"))
    asked = admin_pb2.UpdateChannelRequest(channel=changed, fields=fields, append_keys=key_mode == "append")
    found = await c.m.admin.UpdateChannel(asked, metadata=c.who)
    return shapes.channel(found.channel)


async def delete(c: Call, channel_id: int) -> Any:
    """Truly."""
    await c.m.admin.DeleteChannels(admin_pb2.DeleteChannelsRequest(ids=[channel_id]), metadata=c.who)


async def delete_many(c: Call) -> Any:
    """How many there were."""
    ids = (await c.body()).ids()
    return (await c.m.admin.DeleteChannels(admin_pb2.DeleteChannelsRequest(ids=ids), metadata=c.who)).deleted


async def delete_disabled(c: Call) -> Any:
    """Those disabled by hand or automatically; how many there were."""
    return (await c.m.admin.DeleteChannels(admin_pb2.DeleteChannelsRequest(disabled=True), metadata=c.who)).deleted


async def copy(c: Call, channel_id: int) -> Any:
    """A copy with its key; its id."""
    asked = admin_pb2.CopyChannelRequest(
        id=channel_id,
        suffix=c.text("suffix") or COPY_SUFFIX,
        reset_figures=c.text("reset_balance") != "false",
    )
    found = await c.m.admin.CopyChannel(asked, metadata=c.who)
    return {"id": found.channel.id}


async def test(c: Call, channel_id: int) -> Any:
    """A small request through the channel."""
    asked = admin_pb2.TestChannelRequest(
        id=channel_id, model=c.text("model"), stream=c.flag("stream"), endpoint_type=c.text("endpoint_type")
    )
    found = await c.m.admin.TestChannel(asked, metadata=c.who)
    body: dict[str, Any] = {"success": found.ok, "message": found.fault.message, "time": round(found.seconds, 3)}
    if not found.ok:
        body["error_code"] = found.fault.vendor_code or found.fault.reason.lower()
    return Raw(body)


async def fetch_models(c: Call, channel_id: int) -> Any:
    """The models the channel's vendor lists."""
    found = await c.m.admin.FetchModels(admin_pb2.FetchModelsRequest(id=channel_id), metadata=c.who)
    return list(found.models)


async def fetch_models_unsaved(c: Call) -> Any:
    """The same for a channel that is not saved yet."""
    body = await c.body()
    asked = admin_pb2.FetchModelsRequest(
        type=body.number("type", 0, INT32), base_url=body.text("base_url"), secret=body.text("key")
    )
    return list((await c.m.admin.FetchModels(asked, metadata=c.who)).models)


async def update_balance(c: Call, channel_id: int) -> Any:
    """What is left of the channel's money, by its vendor's word."""
    found = await c.m.admin.UpdateBalance(admin_pb2.UpdateBalanceRequest(id=channel_id), metadata=c.who)
    return Raw({"success": True, "message": "", "balance": found.balance})


async def update_balances(c: Call) -> Any:
    """The same for every enabled channel whose vendor tells a balance."""
    await c.m.admin.UpdateBalance(admin_pb2.UpdateBalanceRequest(), metadata=c.who)


async def fix(c: Call) -> Any:
    """Builds the index anew."""
    found = await c.m.admin.RebuildIndex(admin_pb2.RebuildIndexRequest(), metadata=c.who)
    return {"success": found.usable, "fails": found.defect}


async def models(c: Call) -> Any:
    """Every model known, as OpenAI's objects."""
    found = await c.m.catalog.ListKnownModels(catalog_pb2.ListKnownModelsRequest(), metadata=c.who)
    owners = {name: row.owner for row in reversed(found.types) for name in row.models}
    return [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name, owner in sorted(owners.items())]


async def enabled_models(c: Call) -> Any:
    """Names that enabled channels serve."""
    asked = catalog_pb2.ListModelsRequest(scope=catalog_pb2.MODEL_SCOPE_SERVED)
    return [model.name for model in (await c.m.catalog.ListModels(asked, metadata=c.who)).models]


# -- tags, single keys ------------------------------------------------------------------------


async def _tag(c: Call, status: int) -> None:
    tag = (await c.body()).text("tag")
    await c.m.admin.UpdateTag(admin_pb2.UpdateTagRequest(tag=tag, status=status), metadata=c.who)


async def enable_tag(c: Call) -> Any:
    """Enables every channel of a tag."""
    await _tag(c, 1)


async def disable_tag(c: Call) -> Any:
    """Disables every channel of a tag."""
    await _tag(c, 2)


async def update_tag(c: Call) -> Any:
    """Changes every channel of a tag; null leaves a member, and so do empty models and groups."""
    body = await c.body()
    asked = admin_pb2.UpdateTagRequest(
        tag=body.text("tag"), models=shapes.names(body.text("models")), groups=shapes.names(body.text("groups"))
    )
    if not asked.tag:
        raise bad("A tag is wanted.", "tag")
    if body.has("new_tag"):
        asked.new_tag = body.text("new_tag")
    for name in ("priority", "weight"):
        if body.has(name):
            setattr(asked, name, body.number(name))
    for name in ("model_mapping", "param_override", "header_override"):
        if body.has(name):
            setattr(asked, name + "_json", body.text(name))
    await c.m.admin.UpdateTag(asked, metadata=c.who)


async def tag_models(c: Call) -> Any:
    """The longest list of models among a tag's channels."""
    if not c.text("tag"):
        return Raw({"success": False, "message": "A tag is wanted."}, 400)
    found = await c.m.admin.GetTagModels(admin_pb2.GetTagModelsRequest(tag=c.text("tag")), metadata=c.who)
    return ",".join(found.models)


async def tag_many(c: Call) -> Any:
    """Gives channels a tag, or takes it; how many."""
    body = await c.body()
    asked = admin_pb2.UpdateTagRequest(ids=body.ids(), new_tag=body.text("tag"))
    return (await c.m.admin.UpdateTag(asked, metadata=c.who)).changed


def _state(key: admin_pb2.ChannelKeyState) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": key.index, "status": key.status, "key_preview": key.preview}
    if key.status != 1:
        shown.update(disabled_time=key.disabled_at, reason=key.reason)
    return shown


async def manage_keys(c: Call) -> Any:
    """States of a channel's keys, or a change of them."""
    body: Sent = await c.body()
    action = body.text("action")
    asked = admin_pb2.ManageChannelKeysRequest(
        id=body.number("channel_id"), action=action, status=body.number("status", 0, 3)
    )
    if body.has("key_index"):
        asked.key_index = max(0, body.number("key_index", 0, INT32))
    asked.page.page = min(max(1, body.number("page", 1)), 1_000_000)
    asked.page.page_size = min(max(1, body.number("page_size", 50)), 100)
    found = await c.m.admin.ManageChannelKeys(asked, metadata=c.who)
    if action != "get_key_status":
        return found.changed if action == "delete_disabled_keys" else None
    pages = -(-found.page.total // found.page.page_size)
    return {
        "keys": [_state(key) for key in found.keys],
        "total": found.page.total,
        "page": found.page.page,
        "page_size": found.page.page_size,
        "total_pages": pages,
        "enabled_count": found.counts[1],
        "manual_disabled_count": found.counts[2],
        "auto_disabled_count": found.counts[3],
    }


ROUTES = (
    Route("GET", "/api/channel/", Level.ADMIN, channels),
    Route("POST", "/api/channel/", Level.ADMIN, create),
    Route("PUT", "/api/channel/", Level.ADMIN, update),
    Route("GET", "/api/channel/search", Level.ADMIN, search),
    Route("GET", "/api/channel/models", Level.ADMIN, models),
    Route("GET", "/api/channel/models_enabled", Level.ADMIN, enabled_models),
    Route("GET", "/api/channel/test/<channel_id:int>", Level.ADMIN, test),
    Route("GET", "/api/channel/fetch_models/<channel_id:int>", Level.ADMIN, fetch_models),
    Route("POST", "/api/channel/fetch_models", Level.ROOT, fetch_models_unsaved),
    Route("GET", "/api/channel/update_balance", Level.ADMIN, update_balances),
    Route("GET", "/api/channel/update_balance/<channel_id:int>", Level.ADMIN, update_balance),
    Route("DELETE", "/api/channel/disabled", Level.ADMIN, delete_disabled),
    Route("POST", "/api/channel/batch", Level.ADMIN, delete_many),
    Route("POST", "/api/channel/batch/tag", Level.ADMIN, tag_many),
    Route("POST", "/api/channel/tag/enabled", Level.ADMIN, enable_tag),
    Route("POST", "/api/channel/tag/disabled", Level.ADMIN, disable_tag),
    Route("PUT", "/api/channel/tag", Level.ADMIN, update_tag),
    Route("GET", "/api/channel/tag/models", Level.ADMIN, tag_models),
    Route("POST", "/api/channel/multi_key/manage", Level.ADMIN, manage_keys),
    Route("POST", "/api/channel/fix", Level.ADMIN, fix),
    Route("POST", "/api/channel/copy/<channel_id:int>", Level.ADMIN, copy),
    Route("GET", "/api/channel/<channel_id:int>", Level.ADMIN, channel),
    Route("DELETE", "/api/channel/<channel_id:int>", Level.ADMIN, delete),
    Route("POST", "/api/channel/<channel_id:int>/key", Level.ROOT, reveal, limit="critical"),
)

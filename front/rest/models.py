"""What people read of models, for administrators: entries, vendors, groups of texts, what an upstream publishes."""

from __future__ import annotations

from typing import Any

import grpc
import orjson
from isthmus.v1 import models_pb2

from front.errors import bad, from_rpc
from front.rest.catalog import known_models
from front.rest.manager import Call, Level, Raw, Route, items
from front.rest.sent import INT32, Sent


def _with(told: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """The members, and those that are not empty."""
    return {**told, **{name: value for name, value in optional.items() if value}}


def entry(found: models_pb2.ModelEntry) -> dict[str, Any]:
    """New API's Model."""
    told = {
        "id": found.id,
        "model_name": found.name,
        "status": found.status,
        "sync_official": int(found.sync_official),
        "created_time": found.created_at,
        "updated_time": found.updated_at,
        "name_rule": found.rule,
    }
    return _with(
        told,
        description=found.description,
        icon=found.icon,
        tags=found.tags,
        vendor_id=found.vendor_id,
        endpoints=found.endpoints_json,
        bound_channels=[{"name": channel.name, "type": channel.type} for channel in found.channels],
        enable_groups=list(found.groups),
        quota_types=list(found.quota_types),
        matched_models=list(found.matched),
        matched_count=len(found.matched),
    )


def _sent_entry(body: Sent) -> models_pb2.ModelEntry:
    rule = body.number("name_rule", 0, INT32)
    endpoints = body.raw("endpoints")
    return models_pb2.ModelEntry(
        id=max(0, body.number("id")),
        name=body.text("model_name"),
        description=body.text("description"),
        icon=body.text("icon"),
        tags=body.text("tags"),
        vendor_id=body.number("vendor_id"),
        endpoints_json=endpoints
        if isinstance(endpoints, str)
        else orjson.dumps(endpoints).decode()
        if endpoints
        else "",
        status=body.number("status", 0, INT32),
        sync_official=body.number("sync_official", 0, INT32) != 0,
        rule=models_pb2.NameRule.ValueType(rule),
    )


async def entries(c: Call) -> Any:
    """Newest first; by keyword and vendor."""
    asked = models_pb2.ListModelEntriesRequest(page=c.page(), keyword=c.text("keyword"), vendor=c.text("vendor"))
    found = await c.m.models.ListModelEntries(asked, metadata=c.who)
    counts = {str(vendor): count for vendor, count in sorted(found.vendor_counts.items())}
    return {**items(found.page, [entry(row) for row in found.entries]), "vendor_counts": counts}


async def listed(c: Call) -> Any:
    """Two routes that a slash tells apart: entries, which core shows to administrators alone, and known models."""
    return await (entries(c) if c.request.path.endswith("/") else known_models(c))


async def one_entry(c: Call, entry_id: int) -> Any:
    """One."""
    return entry((await c.m.models.GetModelEntry(models_pb2.GetModelEntryRequest(id=entry_id), metadata=c.who)).entry)


async def _save_entry(c: Call, new: bool) -> Any:
    told = _sent_entry(await c.body())
    if new:
        told.id = 0
    elif not told.id:
        raise bad("Which model (id)?", "id")
    asked = models_pb2.SaveModelEntryRequest(entry=told, status_only=not new and bool(c.text("status_only")))
    return entry((await c.m.models.SaveModelEntry(asked, metadata=c.who)).entry)


async def create_entry(c: Call) -> Any:
    """A new one."""
    return await _save_entry(c, True)


async def update_entry(c: Call) -> Any:
    """All fields, or the status alone."""
    return await _save_entry(c, False)


async def delete_entry(c: Call, entry_id: int) -> Any:
    """Softly."""
    await c.m.models.DeleteModelEntry(models_pb2.DeleteModelEntryRequest(id=entry_id), metadata=c.who)


async def missing(c: Call) -> Any:
    """Models that channels serve and no entry names."""
    return list((await c.m.models.ListMissingModels(models_pb2.ListMissingModelsRequest(), metadata=c.who)).models)


# -- the upstream -------------------------------------------------------------------------------


def _source(found: models_pb2.SyncSource) -> dict[str, str]:
    return {"locale": found.locale, "models_url": found.models_url, "vendors_url": found.vendors_url}


def _failed(error: grpc.aio.AioRpcError, locale: str) -> Raw:
    """The upstream could not be read: said with what was asked for. Raises what is none of that."""
    told = from_rpc(error)
    if told.reason != "VENDOR_UNREACHABLE":
        raise error
    return Raw({"success": False, "message": told.message, "locale": locale, "source_urls": {}})


async def preview(c: Call) -> Any:
    """What it has that is not here, or differs."""
    locale = c.text("locale")
    try:
        found = await c.m.models.PreviewModelSync(models_pb2.PreviewModelSyncRequest(locale=locale), metadata=c.who)
    except grpc.aio.AioRpcError as error:
        return _failed(error, locale)
    conflicts = [
        {
            "model_name": row.model,
            "fields": [
                {
                    "field": field.field,
                    "local": orjson.loads(field.local_json),
                    "upstream": orjson.loads(field.upstream_json),
                }
                for field in row.fields
            ],
        }
        for row in found.conflicts
    ]
    return {"missing": list(found.missing), "conflicts": conflicts, "source": _source(found.source)}


async def sync(c: Call) -> Any:
    """Adds what is missing, overwrites what is named."""
    body = await c.body()
    asked = models_pb2.ApplyModelSyncRequest(locale=body.text("locale"))
    overwrite = body.raw("overwrite") or []
    if not isinstance(overwrite, list) or not all(isinstance(row, dict) for row in overwrite):
        raise bad("overwrite must be a list of objects.", "overwrite")
    for row in overwrite:
        sent = Sent(row)
        names = sent.raw("fields") or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise bad("overwrite.fields must be a list of texts.", "overwrite.fields")
        asked.overwrite.add(model=sent.text("model_name"), fields=names)
    try:
        found = await c.m.models.ApplyModelSync(asked, metadata=c.who)
    except grpc.aio.AioRpcError as error:
        return _failed(error, asked.locale)
    return {
        "created_models": len(found.created),
        "created_vendors": found.created_vendors,
        "updated_models": len(found.updated),
        "skipped_models": list(found.skipped),
        "created_list": list(found.created),
        "updated_list": list(found.updated),
        "source": _source(found.source),
    }


# -- vendors ------------------------------------------------------------------------------------


def vendor(found: models_pb2.ModelVendor) -> dict[str, Any]:
    """New API's Vendor."""
    told = {
        "id": found.id,
        "name": found.name,
        "status": found.status,
        "created_time": found.created_at,
        "updated_time": found.updated_at,
    }
    return _with(told, description=found.description, icon=found.icon)


async def vendors(c: Call) -> Any:
    """Newest first; by keyword."""
    asked = models_pb2.ListVendorsRequest(page=c.page(), keyword=c.text("keyword"))
    found = await c.m.models.ListVendors(asked, metadata=c.who)
    return items(found.page, [vendor(row) for row in found.vendors])


async def one_vendor(c: Call, vendor_id: int) -> Any:
    """One."""
    return vendor((await c.m.models.GetVendor(models_pb2.GetVendorRequest(id=vendor_id), metadata=c.who)).vendor)


async def _save_vendor(c: Call, new: bool) -> Any:
    body = await c.body()
    told = models_pb2.ModelVendor(
        id=0 if new else max(0, body.number("id")),
        name=body.text("name"),
        description=body.text("description"),
        icon=body.text("icon"),
        status=body.number("status", 1, INT32),
    )
    if not new and not told.id:
        raise bad("Which vendor (id)?", "id")
    found = await c.m.models.SaveVendor(models_pb2.SaveVendorRequest(vendor=told), metadata=c.who)
    return vendor(found.vendor)


async def create_vendor(c: Call) -> Any:
    """A new one."""
    return await _save_vendor(c, True)


async def update_vendor(c: Call) -> Any:
    """All fields."""
    return await _save_vendor(c, False)


async def delete_vendor(c: Call, vendor_id: int) -> Any:
    """Softly."""
    await c.m.models.DeleteVendor(models_pb2.DeleteVendorRequest(id=vendor_id), metadata=c.who)


# -- groups of texts ----------------------------------------------------------------------------


def group(found: models_pb2.PrefillGroup) -> dict[str, Any]:
    """New API's prefill group."""
    told = {
        "id": found.id,
        "name": found.name,
        "type": found.type,
        "items": orjson.loads(found.items_json or "[]"),
        "created_time": found.created_at,
        "updated_time": found.updated_at,
    }
    return _with(told, description=found.description)


async def groups(c: Call) -> Any:
    """Of one type, or all."""
    asked = models_pb2.ListPrefillGroupsRequest(type=c.text("type"))
    return [group(row) for row in (await c.m.models.ListPrefillGroups(asked, metadata=c.who)).groups]


async def _save_group(c: Call, new: bool) -> Any:
    body = await c.body()
    held = body.raw("items")
    told = models_pb2.PrefillGroup(
        id=0 if new else max(0, body.number("id")),
        name=body.text("name"),
        type=body.text("type"),
        items_json=orjson.dumps(held).decode() if held is not None else "",
        description=body.text("description"),
    )
    if not new and not told.id:
        raise bad("Which group (id)?", "id")
    return group(
        (await c.m.models.SavePrefillGroup(models_pb2.SavePrefillGroupRequest(group=told), metadata=c.who)).group
    )


async def create_group(c: Call) -> Any:
    """A new one."""
    return await _save_group(c, True)


async def update_group(c: Call) -> Any:
    """All fields."""
    return await _save_group(c, False)


async def delete_group(c: Call, group_id: int) -> Any:
    """Softly."""
    await c.m.models.DeletePrefillGroup(models_pb2.DeletePrefillGroupRequest(id=group_id), metadata=c.who)


ROUTES = (
    Route("GET", "/api/models", Level.USER, listed),
    Route("POST", "/api/models/", Level.ADMIN, create_entry),
    Route("PUT", "/api/models/", Level.ADMIN, update_entry),
    Route("GET", "/api/models/search", Level.ADMIN, entries),
    Route("GET", "/api/models/missing", Level.ADMIN, missing),
    Route("GET", "/api/models/sync_upstream/preview", Level.ADMIN, preview),
    Route("POST", "/api/models/sync_upstream", Level.ADMIN, sync),
    Route("GET", "/api/models/<entry_id:int>", Level.ADMIN, one_entry),
    Route("DELETE", "/api/models/<entry_id:int>", Level.ADMIN, delete_entry),
    Route("GET", "/api/vendors/", Level.ADMIN, vendors),
    Route("POST", "/api/vendors/", Level.ADMIN, create_vendor),
    Route("PUT", "/api/vendors/", Level.ADMIN, update_vendor),
    Route("GET", "/api/vendors/search", Level.ADMIN, vendors),
    Route("GET", "/api/vendors/<vendor_id:int>", Level.ADMIN, one_vendor),
    Route("DELETE", "/api/vendors/<vendor_id:int>", Level.ADMIN, delete_vendor),
    Route("GET", "/api/prefill_group/", Level.ADMIN, groups),
    Route("POST", "/api/prefill_group/", Level.ADMIN, create_group),
    Route("PUT", "/api/prefill_group/", Level.ADMIN, update_group),
    Route("DELETE", "/api/prefill_group/<group_id:int>", Level.ADMIN, delete_group),
)

"""What people read of models: entries by rule, vendors, groups of texts; what the price page tells of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isthmus.v1 import models_pb2

from core.errors import InvalidRequest
from core.manage import fields
from core.manage.logs import paging
from core.services.context import Services
from core.state.types import Snapshot
from core.store.models import ModelRow, PrefillGroup, VendorRow

NAME_MOST, ICON_MOST, TEXT_MOST, TAGS_MOST, JSON_MOST = 128, 128, 4_000, 255, 16_384
GROUP_NAME_MOST, ITEMS_MOST = 64, 1_000
PREFILLS = ("model", "tag", "endpoint")
EXACT, PREFIX, CONTAINS, SUFFIX = 0, 1, 2, 3
ORDER: Mapping[int, int] = {EXACT: 0, PREFIX: 1, SUFFIX: 2, CONTAINS: 3}
"""Rule -> which goes first (New API)."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
ENDPOINTS_MOST = 32


@dataclass(frozen=True, slots=True)
class Shown:
    """Entries and vendors as the price page reads them; entries in the order in which they are tried."""

    version: int
    entries: tuple[ModelRow, ...] = ()
    vendors: Mapping[int, VendorRow] = field(default_factory=dict)


def takes(row: ModelRow, name: str) -> bool:
    """Whether an entry is for a name."""
    text = row.model_name
    return {
        EXACT: name == text,
        PREFIX: name.startswith(text),
        CONTAINS: text in name,
        SUFFIX: name.endswith(text),
    }.get(row.name_rule, False)


def ordered(rows: Iterable[ModelRow]) -> tuple[ModelRow, ...]:
    """As they are tried: exact ones, then by rule the longest first."""
    return tuple(sorted(rows, key=lambda row: (ORDER.get(row.name_rule, 9), -len(row.model_name), row.model_name)))


def entry_for(name: str, rows: Sequence[ModelRow]) -> ModelRow | None:
    """The first of ordered rows that takes a name."""
    return next((row for row in rows if takes(row, name)), None)


async def shown(services: Services) -> Shown:
    """What the price page tells of models; read anew once anything changed, which the snapshot's version says."""
    version = services.state.snapshot.version
    held: Shown | None = services.shown
    if held is None or held.version != version:
        catalog = services.store.catalog
        rows, vendors = await catalog.all(ModelRow), await catalog.all(VendorRow)
        held = services.shown = Shown(version, ordered(rows), {row.id: row for row in vendors})
    return held


def endpoints_of(row: ModelRow) -> dict[str, dict[str, str]]:
    """Endpoint type -> path and method an entry names; {} where it names none. Types alone have empty ones."""
    try:
        found = json.loads(row.endpoints or "{}")
    except ValueError:
        return {}
    if isinstance(found, list):
        return {str(name): {} for name in found}
    if not isinstance(found, dict):
        return {}
    return {str(name): where if isinstance(where, dict) else {"path": str(where)} for name, where in found.items()}


# -- entries ----------------------------------------------------------------------------------


def _bound(snapshot: Snapshot, names: Iterable[str]) -> tuple[dict[int, Any], set[str]]:
    wanted = set(names)
    channels: dict[int, Any] = {}
    groups: set[str] = set()
    for group, served in snapshot.abilities.items():
        for name in wanted & served.keys():
            groups.add(group)
            channels.update((channel.id, channel) for tier in served[name] for channel in tier.channels)
    return channels, groups


def served(snapshot: Snapshot) -> list[str]:
    """Every model that some channel serves, by name."""
    return sorted({name for models in snapshot.abilities.values() for name in models})


def entry(snapshot: Snapshot, row: ModelRow) -> models_pb2.ModelEntry:
    """An entry, with what serves its models."""
    matched = [name for name in served(snapshot) if takes(row, name)]
    channels, groups = _bound(snapshot, matched)
    kinds = set()
    for name in matched or [row.model_name]:
        rates = snapshot.prices.rates(name, "", "")
        if rates is not None:
            kinds.add(int(rates.price is not None))
    return models_pb2.ModelEntry(
        id=row.id,
        name=row.model_name,
        description=row.description,
        icon=row.icon,
        tags=row.tags,
        vendor_id=row.vendor_id,
        endpoints_json=row.endpoints,
        status=row.status,
        sync_official=bool(row.sync_official),
        created_at=row.created_time,
        updated_at=row.updated_time,
        rule=models_pb2.NameRule.ValueType(row.name_rule),
        channels=[
            models_pb2.BoundChannel(name=channel.name, type=channel.type) for _, channel in sorted(channels.items())
        ],
        groups=sorted(groups),
        quota_types=sorted(kinds),
        matched=matched if row.name_rule != EXACT else [],
    )


async def list_entries(
    services: Services, request: models_pb2.ListModelEntriesRequest
) -> models_pb2.ListModelEntriesResponse:
    """A page; by part of name, description or tags, and by vendor."""
    number, size, offset = paging(request.page)
    condition: Any = None
    keyword = fields.text(request.keyword, "keyword")
    if keyword:
        condition = (
            ModelRow.model_name.contains(keyword)
            | ModelRow.description.contains(keyword)
            | ModelRow.tags.contains(keyword)
        )
    vendor = fields.text(request.vendor, "vendor")
    if vendor:
        ids = [row.id for row in await services.store.catalog.all(VendorRow) if vendor in row.name]
        if vendor.isdecimal() and len(vendor) < 18:
            ids.append(int(vendor))
        of = ModelRow.vendor_id.in_(ids)
        condition = of if condition is None else condition & of
    rows, total = await services.store.catalog.list(ModelRow, condition, offset, size)
    response = models_pb2.ListModelEntriesResponse(
        entries=[entry(services.state.snapshot, row) for row in rows],
        vendor_counts=await services.store.catalog.vendor_counts(),
    )
    response.page.page, response.page.page_size, response.page.total = number, size, total
    return response


def _endpoints(text: str) -> str:
    """Endpoints as they are kept. Raises InvalidRequest."""
    fields.text(text, "endpoints", JSON_MOST)
    if not text.strip():
        return ""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("endpoints is not JSON.", param="endpoints") from error
    named = found if isinstance(found, list) else list(found) if isinstance(found, dict) else None
    if named is None or len(named) > ENDPOINTS_MOST or not all(isinstance(n, str) and 0 < len(n) <= 64 for n in named):
        raise InvalidRequest("endpoints is a list of types, or an object of type -> {path, method}.", param="endpoints")
    for name, where in found.items() if isinstance(found, dict) else ():
        path = where.get("path", "") if isinstance(where, dict) else where
        method = where.get("method", "POST") if isinstance(where, dict) else "POST"
        if not isinstance(path, str) or not path.startswith("/") or len(path) > 255 or method not in METHODS:
            raise InvalidRequest(f"endpoints.{name}: a path that begins with / and a method.", param="endpoints")
    return text


def columns(told: models_pb2.ModelEntry) -> dict[str, Any]:
    """An entry's columns, checked. Raises InvalidRequest."""
    name = fields.text(told.name, "model_name", NAME_MOST).strip()
    if not name:
        raise InvalidRequest("model_name is wanted.", param="model_name")
    if told.rule not in ORDER:
        raise InvalidRequest("name_rule is 0 (exact), 1 (prefix), 2 (contains) or 3 (suffix).", param="name_rule")
    return {
        "model_name": name,
        "description": fields.text(told.description, "description", TEXT_MOST),
        "icon": fields.text(told.icon, "icon", ICON_MOST),
        "tags": fields.text(told.tags, "tags", TAGS_MOST),
        "vendor_id": fields.whole(told.vendor_id, "vendor_id"),
        "endpoints": _endpoints(told.endpoints_json),
        "status": fields.whole(told.status, "status", 0, 100),
        "sync_official": int(told.sync_official),
        "name_rule": int(told.rule),
    }


async def save_entry(services: Services, request: models_pb2.SaveModelEntryRequest) -> models_pb2.ModelEntry:
    """A new one, or one changed. Raises InvalidRequest, Conflict, RecordNotFound."""
    told, catalog = request.entry, services.store.catalog
    row_id = fields.whole(told.id, "id")
    if request.status_only:
        await catalog.get(ModelRow, row_id)
        written = {"status": fields.whole(told.status, "status", 0, 100)}
    else:
        written = columns(told)
        if written["vendor_id"]:
            await catalog.get(VendorRow, written["vendor_id"])
    row = await catalog.save(ModelRow, row_id, written)
    await services.state.refresh()
    return entry(services.state.snapshot, row)


async def missing(services: Services) -> list[str]:
    """Served models that no exact entry names."""
    known = {row.model_name for row in await services.store.catalog.all(ModelRow) if row.name_rule == EXACT}
    return [name for name in served(services.state.snapshot) if name not in known]


# -- vendors ----------------------------------------------------------------------------------


def vendor(row: VendorRow) -> models_pb2.ModelVendor:
    """A vendor as it is told."""
    return models_pb2.ModelVendor(
        id=row.id,
        name=row.name,
        description=row.description,
        icon=row.icon,
        status=row.status,
        created_at=row.created_time,
        updated_at=row.updated_time,
    )


async def list_vendors(services: Services, request: models_pb2.ListVendorsRequest) -> models_pb2.ListVendorsResponse:
    """A page; by part of name or description."""
    number, size, offset = paging(request.page)
    keyword = fields.text(request.keyword, "keyword")
    condition = VendorRow.name.contains(keyword) | VendorRow.description.contains(keyword) if keyword else None
    rows, total = await services.store.catalog.list(VendorRow, condition, offset, size)
    response = models_pb2.ListVendorsResponse(vendors=[vendor(row) for row in rows])
    response.page.page, response.page.page_size, response.page.total = number, size, total
    return response


async def save_vendor(services: Services, told: models_pb2.ModelVendor) -> models_pb2.ModelVendor:
    """A new one, or one changed. Raises InvalidRequest, Conflict, RecordNotFound."""
    name = fields.text(told.name, "name", NAME_MOST).strip()
    if not name:
        raise InvalidRequest("name is wanted.", param="name")
    written = {
        "name": name,
        "description": fields.text(told.description, "description", TEXT_MOST),
        "icon": fields.text(told.icon, "icon", ICON_MOST),
        "status": fields.whole(told.status, "status", 0, 100),
    }
    row = await services.store.catalog.save(VendorRow, fields.whole(told.id, "id"), written)
    await services.state.refresh()
    return vendor(row)


# -- groups of texts --------------------------------------------------------------------------


def prefill(row: PrefillGroup) -> models_pb2.PrefillGroup:
    """A group as it is told."""
    return models_pb2.PrefillGroup(
        id=row.id,
        name=row.name,
        type=row.type,
        items_json=row.items,
        description=row.description,
        created_at=row.created_time,
        updated_at=row.updated_time,
    )


def _items(text: str, kind: str) -> str:
    """Items as they are kept. Raises InvalidRequest."""
    fields.text(text, "items", fields.LONG_MOST)
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("items is not JSON.", param="items") from error
    if kind == "endpoint":
        if isinstance(found, str):
            fields.json_object(found, "items")
            return text
        if isinstance(found, dict):
            return text
    if (
        not isinstance(found, list)
        or len(found) > ITEMS_MOST
        or not all(isinstance(item, str) and len(item) <= fields.TEXT_MOST for item in found)
    ):
        raise InvalidRequest(f"items is a list of at most {ITEMS_MOST} texts.", param="items")
    return text or "[]"


async def list_prefills(services: Services, kind: str) -> list[models_pb2.PrefillGroup]:
    """Of one type, or all; newest change first."""
    rows = await services.store.catalog.all(PrefillGroup)
    rows = [row for row in rows if not kind or row.type == kind]
    return [prefill(row) for row in sorted(rows, key=lambda row: (-row.updated_time, -row.id))]


async def save_prefill(services: Services, told: models_pb2.PrefillGroup) -> models_pb2.PrefillGroup:
    """A new one, or one changed. Raises InvalidRequest, Conflict, RecordNotFound."""
    name = fields.text(told.name, "name", GROUP_NAME_MOST).strip()
    if not name:
        raise InvalidRequest("name is wanted.", param="name")
    if told.type not in PREFILLS:
        raise InvalidRequest(f"type is one of {', '.join(PREFILLS)}.", param="type")
    written = {
        "name": name,
        "type": told.type,
        "items": _items(told.items_json, told.type),
        "description": fields.text(told.description, "description"),
    }
    return prefill(await services.store.catalog.save(PrefillGroup, fields.whole(told.id, "id"), written))

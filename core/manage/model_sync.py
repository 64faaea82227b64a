"""Entries and vendors from an upstream that publishes them: what is missing, what differs, what is taken over.

The upstream is SYNC_UPSTREAM_BASE: models.json and vendors.json under /api/newapi/, or /api/i18n/<language>/newapi/,
each {"data": [...]} or the list itself (basellm/llm-metadata). It is fetched behind the guard of core/fetch.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import models_pb2

from core.errors import InvalidRequest, IsthmusError, VendorUnreachable
from core.fetch.rules import Refused
from core.manage import entries
from core.manage.remote import Remote
from core.services.context import Services
from core.store.models import ModelRow, VendorRow

LOCALES: Mapping[str, str] = {"en": "en", "zh-cn": "zh", "zh-tw": "zh", "zh": "zh", "ja": "ja"}
"""What is asked for -> the upstream's name of it."""
FIELDS = ("description", "icon", "tags", "vendor", "name_rule", "status")
OVERWRITES_MOST = 5_000


@dataclass(frozen=True, slots=True)
class Upstream:
    """What the upstream publishes: by name, checked."""

    source: models_pb2.SyncSource
    models: Mapping[str, dict[str, Any]]
    vendors: Mapping[str, dict[str, Any]]


def addresses(base: str, locale: str) -> models_pb2.SyncSource:
    """Where it is published in a language. Raises InvalidRequest for a language nobody offers."""
    part = "/api/newapi"
    if locale:
        known = LOCALES.get(locale.lower())
        if known is None:
            raise InvalidRequest("locale is en, zh-CN, zh-TW or ja.", param="locale")
        part = f"/api/i18n/{known}/newapi"
    root = base.rstrip("/") + part
    return models_pb2.SyncSource(locale=locale, models_url=f"{root}/models.json", vendors_url=f"{root}/vendors.json")


def _rows(body: Any, key: str, checked: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows by name; those that could not be kept here are left out."""
    rows = body.get("data") if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise VendorUnreachable("The upstream's document is not a list of rows.")
    found: dict[str, dict[str, Any]] = {}
    for row in rows[: entries.ITEMS_MOST * 20]:
        try:
            kept = checked(row)
        except (IsthmusError, TypeError, ValueError, AttributeError, KeyError):
            continue
        found.setdefault(kept[key], kept)
    return found


def _model(row: dict[str, Any]) -> dict[str, Any]:
    endpoints = row.get("endpoints") or ""
    told = models_pb2.ModelEntry(
        name=row["model_name"],
        description=row.get("description") or "",
        icon=row.get("icon") or "",
        tags=row.get("tags") or "",
        endpoints_json=endpoints if isinstance(endpoints, str) else json.dumps(endpoints),
        status=row.get("status", 1),
        sync_official=True,
        rule=models_pb2.NameRule.ValueType(int(row.get("name_rule") or 0)),
    )
    kept = entries.columns(told)
    vendor = row.get("vendor_name") or ""
    kept["vendor"] = vendor if isinstance(vendor, str) and len(vendor) <= entries.NAME_MOST else ""
    return kept


def _vendor(row: dict[str, Any]) -> dict[str, Any]:
    name = row["name"].strip()
    if not 0 < len(name) <= entries.NAME_MOST:
        raise ValueError(name)
    return {
        "name": name,
        "description": str(row.get("description") or "")[: entries.TEXT_MOST].replace("\0", ""),
        "icon": str(row.get("icon") or "")[: entries.ICON_MOST].replace("\0", ""),
        "status": 1 if row.get("status", 1) == 1 else 0,
    }


async def _fetched(services: Services, locale: str) -> Upstream:
    """What is published. Raises InvalidRequest, VendorUnreachable, which name the addresses."""
    settings = services.settings
    source = addresses(settings.sync_upstream_base, locale)
    remote = services.sync or Remote(settings.sync_max_mb << 20, settings.sync_seconds, settings.sync_tries)
    raw = services.state.snapshot.options.raw
    try:
        bodies = await asyncio.gather(remote.json(source.models_url, raw), remote.json(source.vendors_url, raw))
    except Refused as refused:
        raise VendorUnreachable(f"The upstream could not be read: {refused}.") from refused
    return Upstream(source, _rows(bodies[0], "model_name", _model), _rows(bodies[1], "name", _vendor))


def _differing(row: ModelRow, there: Mapping[str, Any], vendor: str) -> list[tuple[str, Any, Any]]:
    here = {name: getattr(row, name) for name in FIELDS if name != "vendor"} | {"vendor": vendor}
    return [(name, here[name], there[name]) for name in FIELDS if here[name] != there[name]]


async def preview(services: Services, locale: str) -> models_pb2.PreviewModelSyncResponse:
    """What would be added, and what differs. Writes nothing. Raises InvalidRequest, VendorUnreachable."""
    found = await _fetched(services, locale)
    response = models_pb2.PreviewModelSyncResponse(source=found.source)
    response.missing.extend(name for name in await entries.missing(services) if name in found.models)
    vendors = {row.id: row.name for row in await services.store.catalog.all(VendorRow)}
    rows = await services.store.catalog.all(ModelRow)
    for row in sorted(rows, key=lambda row: row.model_name):
        there = found.models.get(row.model_name)
        if there is None or not row.sync_official:
            continue
        differing = _differing(row, there, vendors.get(row.vendor_id, ""))
        if differing:
            conflict = response.conflicts.add(model=row.model_name)
            for name, local, upstream in differing:
                conflict.fields.add(
                    field=name, local_json=json.dumps(local), upstream_json=json.dumps(upstream)
                )  # fmt: skip
    return response


async def apply(services: Services, request: models_pb2.ApplyModelSyncRequest) -> models_pb2.ApplyModelSyncResponse:
    """Adds and overwrites, all in one transaction. Raises InvalidRequest, VendorUnreachable."""
    if len(request.overwrite) > OVERWRITES_MOST:
        raise InvalidRequest(f"At most {OVERWRITES_MOST} entries at once.", param="overwrite")
    wanted = {each.model: list(each.fields) for each in request.overwrite}
    for names in wanted.values():
        for name in names:
            if name not in FIELDS:
                raise InvalidRequest(f"fields holds some of {', '.join(FIELDS)}.", param="overwrite")
    found = await _fetched(services, request.locale)
    missing = [name for name in await entries.missing(services) if name in found.models]
    catalog = services.store.catalog
    rows = {row.model_name: row for row in await catalog.all(ModelRow)}
    held = {row.name: row.id for row in await catalog.all(VendorRow)}

    def run() -> models_pb2.ApplyModelSyncResponse:
        response = models_pb2.ApplyModelSyncResponse(source=found.source)
        vendors = dict(held)

        def vendor_id(name: str) -> int:
            if not name:
                return 0
            if name not in vendors:
                told = found.vendors.get(name, {"name": name, "description": "", "icon": "", "status": 1})
                vendors[name] = catalog.put(VendorRow, 0, told)
                response.created_vendors += 1
            return int(vendors[name])

        for name in missing:
            if name in rows:
                # An entry by rule has this very name.
                response.skipped.append(name)
                continue
            there = dict(found.models[name])
            there["vendor_id"] = vendor_id(there.pop("vendor"))
            catalog.put(ModelRow, 0, there)
            response.created.append(name)
        for name, chosen in wanted.items():
            row, known = rows.get(name), found.models.get(name)
            if row is None or known is None or not row.sync_official or not chosen:
                response.skipped.append(name)
                continue
            written = {field: known[field] for field in chosen if field != "vendor"}
            if "vendor" in chosen:
                written["vendor_id"] = vendor_id(known["vendor"])
            catalog.put(ModelRow, row.id, written)
            response.updated.append(name)
        return response

    response = await services.store.database.write(run)
    await services.state.refresh()
    return response

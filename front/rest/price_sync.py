"""Prices of other sites, beside those in force."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import price_sync_pb2

from front.errors import bad
from front.rest.manager import Call, Level, Route
from front.rest.sent import Sent

TEXTS = ("billing_mode", "billing_expr")
SECONDS_MOST = 3600


async def sources(c: Call) -> Any:
    """Channels, and the public lists."""
    found = await c.m.price_sync.ListPriceSources(price_sync_pb2.ListPriceSourcesRequest(), metadata=c.who)
    return [
        {"id": one.id, "name": one.name, "base_url": one.base_url, "status": one.status, "type": one.type}
        for one in found.sources
    ]


def _value(field: str, text: str) -> Any:
    return text if field in TEXTS or text == "same" else float(text)


async def fetch(c: Call) -> Any:
    """Reads sources; tells what differs, and how reading went."""
    body = await c.body()
    asked = price_sync_pb2.ComparePricesRequest(timeout=max(0, body.number("timeout", 0, SECONDS_MOST)))
    numbers = body.raw("channel_ids") or []
    if not isinstance(numbers, list) or not all(type(one) is int and abs(one) < 1 << 53 for one in numbers):
        raise bad("channel_ids must be a list of numbers.", "channel_ids")
    asked.ids.extend(numbers)
    rows = body.raw("upstreams") or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad("upstreams must be a list of objects.", "upstreams")
    for row in map(Sent, rows):
        asked.sources.add(
            id=row.number("id"), name=row.text("name"), base_url=row.text("base_url"), endpoint=row.text("endpoint")
        )
    found = await c.m.price_sync.ComparePrices(asked, metadata=c.who)
    names = [one.name for one in found.results if not one.error]
    differences: dict[str, dict[str, Any]] = {}
    for one in found.differences:
        differences.setdefault(one.model, {})[one.field] = {
            "current": _value(one.field, one.current) if one.current else None,
            "upstreams": {
                name: _value(one.field, one.upstreams[name]) if name in one.upstreams else None for name in names
            },
            "confidence": {name: one.confidence[name] for name in names},
        }
    results = [
        {"name": one.name, "status": "error" if one.error else "success", **({"error": one.error} if one.error else {})}
        for one in found.results
    ]
    return {"differences": differences, "test_results": results}


ROUTES = (
    Route("GET", "/api/ratio_sync/channels", Level.ROOT, sources),
    Route("POST", "/api/ratio_sync/fetch", Level.ROOT, fetch),
)

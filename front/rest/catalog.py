"""Models, groups and prices."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import catalog_pb2

from front.rest.manager import Call, Level, Raw, Route

ENDPOINTS = {
    "openai": {"path": "/v1/chat/completions", "method": "POST"},
    "openai-response": {"path": "/v1/responses", "method": "POST"},
    "anthropic": {"path": "/v1/messages", "method": "POST"},
    "gemini": {"path": "/v1beta/models/{model}:generateContent", "method": "POST"},
    "embeddings": {"path": "/v1/embeddings", "method": "POST"},
    "jina-rerank": {"path": "/v1/rerank", "method": "POST"},
    "image-generation": {"path": "/v1/images/generations", "method": "POST"},
}
"""Endpoint type -> where it is asked."""
AUTO_RATIO = "自动"
"""What New API tells as the ratio of the group "auto"."""
OPTIONAL = ("cache_ratio", "create_cache_ratio", "image_ratio", "audio_ratio", "audio_completion_ratio")
RATIO_NAMES = {
    "ModelRatio": "model_ratio", "CompletionRatio": "completion_ratio", "CacheRatio": "cache_ratio",
    "CreateCacheRatio": "create_cache_ratio", "ModelPrice": "model_price",
}  # fmt: skip


async def known_models(c: Call) -> Any:
    """Channel type -> the models it is known for."""
    found = await c.m.catalog.ListKnownModels(catalog_pb2.ListKnownModelsRequest(), metadata=c.who)
    return {str(row.channel_type): list(row.models) for row in found.types}


async def usable_models(c: Call) -> Any:
    """Names of what the caller's groups serve."""
    asked = catalog_pb2.ListModelsRequest(scope=catalog_pb2.MODEL_SCOPE_USABLE_GROUPS)
    return [model.name for model in (await c.m.catalog.ListModels(asked, metadata=c.who)).models]


async def groups(c: Call) -> Any:
    """Usable groups: what the caller pays, what people read."""
    found = await c.m.catalog.ListGroups(catalog_pb2.ListGroupsRequest(), metadata=c.who)
    return {
        group.name: {"ratio": float(group.ratio) if group.ratio else AUTO_RATIO, "desc": group.description}
        for group in found.groups
    }


async def all_groups(c: Call) -> Any:
    """Names of every group."""
    found = await c.m.catalog.ListGroups(catalog_pb2.ListGroupsRequest(all=True), metadata=c.who)
    return [group.name for group in found.groups]


def price(row: catalog_pb2.ModelPrice) -> dict[str, Any]:
    """New API's Price."""
    told: dict[str, Any] = {
        "model_name": row.model,
        "quota_type": 1 if row.price else 0,
        "model_ratio": float(row.model_ratio or 0),
        "model_price": float(row.price or 0),
        "owner_by": "",
        "completion_ratio": float(row.completion_ratio or 0),
        "enable_groups": list(row.groups),
        "supported_endpoint_types": list(row.endpoints),
    }
    for name in ("description", "icon", "tags", "vendor_id"):
        if getattr(row, name):
            told[name] = getattr(row, name)
    if row.expression:
        told |= {"billing_mode": "tiered_expr", "billing_expr": row.expression}
    for name in OPTIONAL:
        if getattr(row, name):
            told[name] = float(getattr(row, name))
    return told


def _vendor(row: catalog_pb2.PricedVendor) -> dict[str, Any]:
    told = {"id": row.id, "name": row.name, "description": row.description, "icon": row.icon}
    return {name: value for name, value in told.items() if value}


async def pricing(c: Call) -> Any:
    """What models cost whom; beside `data`, as New API does."""
    found = await c.m.catalog.ListPrices(catalog_pb2.ListPricesRequest(), metadata=c.who)
    data = [price(row) for row in found.prices]
    if data:
        data[0]["pricing_version"] = found.version
    used = {name for row in found.prices for name in row.endpoints}
    own = {name: {"path": where.path, "method": where.method or "POST"} for name, where in found.endpoints.items()}
    return Raw(
        {
            "success": True,
            "data": data,
            "vendors": [_vendor(row) for row in found.vendors],
            "group_ratio": {name: float(ratio) for name, ratio in sorted(found.group_ratios.items())},
            "usable_group": dict(sorted(found.usable_groups.items())),
            "supported_endpoint": {name: where for name, where in {**ENDPOINTS, **own}.items() if name in used},
            "auto_groups": list(found.auto_groups),
            "pricing_version": found.version,
        }
    )


async def ratio_config(c: Call) -> Any:
    """The price tables, where the operator gives them out."""
    found = await c.m.catalog.GetRatioConfig(catalog_pb2.GetRatioConfigRequest(), metadata=c.who)
    return {
        name: {model: float(ratio) for model, ratio in sorted(found.tables[table].ratios.items())}
        for table, name in RATIO_NAMES.items()
    }


ROUTES = (
    Route("GET", "/api/user/models", Level.USER, usable_models),
    Route("GET", "/api/user/groups", Level.VISITOR, groups),
    Route("GET", "/api/user/self/groups", Level.USER, groups),
    Route("GET", "/api/group/", Level.ADMIN, all_groups),
    Route("GET", "/api/pricing", Level.VISITOR, pricing),
    Route("GET", "/api/ratio_config", Level.PUBLIC, ratio_config, limit="critical"),
)

"""Models, groups and prices: which a caller may use, and what they cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from isthmus.v1 import catalog_pb2

from core.errors import Forbidden, ModelNotFound, SessionInvalid
from core.link.call import CallInfo
from core.manage.entries import endpoints_of, entry_for, shown
from core.pricing.price import text
from core.pricing.tables import MAPS, PriceTables, built_in
from core.services.context import Services
from core.state.types import Principal, Snapshot
from core.vendors.registry import ALL, vendor

AUTO = "auto"
SHOWN = 1
"""The status of an entry that the price page shows."""
RATIO_CONFIG = ("ModelRatio", "CompletionRatio", "CacheRatio", "CreateCacheRatio", "ModelPrice")
"""The tables that a site may give out (New API's five)."""
ENDPOINT_OF = {
    "openai.responses": "openai-response",
    "anthropic.messages": "anthropic",
    "gemini.generate": "gemini",
}
"""Wire form -> New API's endpoint type, beside "openai", by which every chat channel can be asked."""
OWNERS = (
    ("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("text-embedding-", "openai"), ("claude-", "anthropic"), ("gemini-", "google"), ("deepseek-", "deepseek"),
)  # fmt: skip
"""(prefix of a model's name, who made it)."""


class SwitchedOff(Forbidden):
    """The operator has switched the page off."""

    reason = "SWITCHED_OFF"
    default_message = "The operator has switched this off."


def _model(services: Services, name: str, channel_type: int) -> catalog_pb2.Model:
    row = vendor(channel_type)
    return catalog_pb2.Model(
        name=name,
        owner=row.owner if row is not None else "custom",
        created=services.started,
        endpoints=endpoints((channel_type,)),
    )


def endpoints(channel_types: Iterable[int]) -> list[str]:
    """What channels of these types can be asked by."""
    found: dict[str, None] = {}
    for channel_type in channel_types:
        row = vendor(channel_type)
        if row is None:
            continue
        for forms, name in ((row.chat, "openai"), (row.embedding, "embeddings"), (row.rerank, "jina-rerank")):
            if forms:
                found[name] = None
        found.update(dict.fromkeys(ENDPOINT_OF[form.name] for form in row.chat if form.name in ENDPOINT_OF))
    return list(found)


def _served(services: Services, groups: Iterable[str]) -> dict[str, catalog_pb2.Model]:
    """Models that these groups serve."""
    found: dict[str, catalog_pb2.Model] = {}
    abilities = services.state.snapshot.abilities
    for name in groups:
        for model, tiers in abilities.get(name, {}).items():
            if model not in found:
                found[model] = _model(services, model, tiers[0].channels[0].type)
    return found


def models(
    services: Services,
    principal: Principal,
    scope: catalog_pb2.ModelScope.ValueType = catalog_pb2.MODEL_SCOPE_UNSPECIFIED,
) -> dict[str, catalog_pb2.Model]:
    """Name -> model, of what the caller may use; with SERVED of what anybody may."""
    snapshot = services.state.snapshot
    if scope == catalog_pb2.MODEL_SCOPE_SERVED:
        return _served(services, snapshot.abilities)
    usable = snapshot.options.usable(principal.account.group)
    if scope == catalog_pb2.MODEL_SCOPE_USABLE_GROUPS:
        return _served(services, sorted(usable))
    key = principal.key
    group = key.group if key is not None and key.group else principal.account.group
    groups = snapshot.options.auto_groups if group == AUTO else (group,)
    found = _served(services, [name for name in groups if name in usable])
    if key is None or key.models is None:
        return found
    return {name: model for name, model in found.items() if name in key.models}


def model(services: Services, principal: Principal, name: str) -> catalog_pb2.Model:
    """One model. Raises ModelNotFound."""
    found = models(services, principal).get(name)
    if found is None:
        raise ModelNotFound(f"The model {name[:255]} does not exist, or you may not use it.")
    return found


def known(services: Services) -> list[catalog_pb2.KnownModels]:
    """The models of each channel type: what prices name of its owner, and what its channels list."""
    priced: dict[str, set[str]] = {}
    for table in ("ModelRatio", "ModelPrice"):
        for name in built_in()[table]:
            owner = next((owner for prefix, owner in OWNERS if name.startswith(prefix)), "")
            priced.setdefault(owner, set()).add(name)
    listed: dict[int, set[str]] = {}
    for channel in services.state.snapshot.channels.values():
        listed.setdefault(channel.type, set()).update(channel.models)
    found = []
    for number, row in sorted(ALL.items()):
        names = priced.get(row.owner, set()) | listed.get(number, set())
        if names:
            found.append(catalog_pb2.KnownModels(channel_type=number, owner=row.owner, models=sorted(names)))
    return found


# -- groups -----------------------------------------------------------------------------------


async def reader(services: Services, info: CallInfo) -> Principal | None:
    """Who is signed in; None for nobody, and for whom proves nothing: what follows is public."""
    if not info.metadata.get("isthmus-session") and not info.metadata.get("isthmus-user"):
        return None
    try:
        return await services.account(info)
    except SessionInvalid:
        return None


def groups(services: Services, principal: Principal | None) -> list[catalog_pb2.Group]:
    """The usable groups that have a ratio, and "auto" where it is usable; nobody's: those of no group."""
    snapshot = services.state.snapshot
    options, own = snapshot.options, principal.account.group if principal is not None else ""
    found = []
    for name in sorted(options.usable(own)):
        description = options.usable_groups.get(name, name)
        if name == AUTO:
            found.append(catalog_pb2.Group(name=name, description=description))
        elif name in options.group_names:
            ratio = text(snapshot.prices.group_rate(own, name))
            found.append(catalog_pb2.Group(name=name, ratio=ratio, description=description))
    return found


def all_groups(services: Services) -> list[catalog_pb2.Group]:
    """Every group that has a ratio."""
    snapshot = services.state.snapshot
    return [
        catalog_pb2.Group(
            name=name,
            ratio=text(snapshot.prices.group_rate("", name)),
            description=snapshot.options.usable_groups.get(name, ""),
        )
        for name in sorted(snapshot.options.group_names)
    ]


# -- prices -----------------------------------------------------------------------------------


def page_open(snapshot: Snapshot, principal: Principal | None) -> None:
    """Raises SwitchedOff where HeaderNavModules closes the price page, to all or to nobody."""
    try:
        modules = json.loads(snapshot.options.raw["HeaderNavModules"] or "{}")
    except ValueError:
        return
    pricing = modules.get("pricing", True) if isinstance(modules, dict) else True
    if pricing is False or (isinstance(pricing, dict) and pricing.get("enabled") is False):
        raise SwitchedOff("The price page is switched off.")
    if isinstance(pricing, dict) and pricing.get("requireAuth") is True and principal is None:
        raise SwitchedOff("Sign in to see prices.")


async def prices(services: Services, principal: Principal | None) -> catalog_pb2.ListPricesResponse:
    """What the models of the caller's usable groups cost, and what people read of them. Raises SwitchedOff.

    Models whose entry is not shown are left out.
    """
    known = await shown(services)
    snapshot = services.state.snapshot
    page_open(snapshot, principal)
    options, own = snapshot.options, principal.account.group if principal is not None else ""
    usable = {name for name in options.usable(own) if name}
    serving: dict[str, list[str]] = {}
    types: dict[str, set[int]] = {}
    for group, served in snapshot.abilities.items():
        for name, tiers in served.items():
            serving.setdefault(name, []).append(group)
            types.setdefault(name, set()).update(channel.type for tier in tiers for channel in tier.channels)
    response = catalog_pb2.ListPricesResponse(
        group_ratios={each.name: each.ratio for each in groups(services, principal) if each.ratio},
        usable_groups={name: options.usable_groups.get(name, name) for name in sorted(usable)},
        auto_groups=[name for name in options.auto_groups if name in usable],
    )
    for name in sorted(serving):
        if not usable.intersection(serving[name]):
            continue
        entry = entry_for(name, known.entries)
        if entry is not None and entry.status != SHOWN:
            continue
        priced = _price(snapshot.prices, name)
        priced.groups.extend(sorted(serving[name]))
        named: dict[str, dict[str, str]] = {}
        if entry is not None:
            named = endpoints_of(entry)
            priced.description, priced.icon, priced.tags = entry.description, entry.icon, entry.tags
            priced.vendor_id = entry.vendor_id if entry.vendor_id in known.vendors else 0
        priced.endpoints.extend(named or endpoints(sorted(types[name])))
        for kind, where in named.items():
            if where.get("path"):
                response.endpoints[kind].path = where["path"]
                response.endpoints[kind].method = where.get("method", "POST")
        response.prices.append(priced)
    for number in sorted({priced.vendor_id for priced in response.prices} - {0}):
        vendor_row = known.vendors[number]
        response.vendors.add(
            id=number, name=vendor_row.name, description=vendor_row.description, icon=vendor_row.icon
        )  # fmt: skip
    told = response.SerializeToString(deterministic=True)
    response.version = hashlib.sha256(told).hexdigest()
    return response


def _price(tables: PriceTables, name: str) -> catalog_pb2.ModelPrice:
    """What one model costs; a model without price has no figures but the completion ratio."""
    told = catalog_pb2.ModelPrice(model=name)
    if (expression := tables.expressions.get(name)) is not None:
        told.expression = expression.source
    rates = tables.rates(name, "", "")
    if rates is None:
        return told
    told.completion_ratio = text(rates.completion_ratio)
    if rates.price is not None:
        told.price = text(rates.price)
    else:
        told.model_ratio = text(rates.model_ratio)
    for table, field in (
        ("CacheRatio", "cache_ratio"), ("CreateCacheRatio", "create_cache_ratio"), ("ImageRatio", "image_ratio"),
        ("AudioRatio", "audio_ratio"), ("AudioCompletionRatio", "audio_completion_ratio"),
    ):  # fmt: skip
        figure = tables.maps[table].get(name)
        if figure is not None:
            setattr(told, field, text(figure))
    return told


def ratio_config(services: Services) -> catalog_pb2.GetRatioConfigResponse:
    """The price tables. Raises SwitchedOff unless ExposeRatioEnabled."""
    snapshot = services.state.snapshot
    if snapshot.options.raw["ExposeRatioEnabled"] != "true":
        raise SwitchedOff("The price tables are not given out here.")
    response = catalog_pb2.GetRatioConfigResponse()
    for table in RATIO_CONFIG:
        ratios = response.tables[table].ratios
        for name, figure in snapshot.prices.maps[table].items():
            ratios[name] = text(figure)
    return response


assert set(RATIO_CONFIG) <= set(MAPS)

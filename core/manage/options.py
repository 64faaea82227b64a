"""Options: what is told of them, and how they are set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from isthmus.v1 import admin_pb2

from core.errors import InvalidRequest
from core.manage import before_after, fields
from core.options.table import ALIASES, GROUPS, is_secret, written
from core.pricing.completion import completion_rule
from core.pricing.expression import try_out
from core.pricing.tables import MAPS, PriceTables
from core.services.context import Services

COMPLETION_META = "CompletionRatioMeta"
"""A made-up option, read only: model -> {ratio, locked} (New API)."""
REVEAL = "token_setting.reveal"
EXPRESSIONS = "billing_setting.billing_expr"
AT_ONCE_MOST = 200


def told(services: Services) -> dict[str, str]:
    """Every option that is no secret; price tables nobody saved are the built-in ones, written out."""
    snapshot = services.state.snapshot
    found = {name: value for name, value in snapshot.options.raw.items() if not is_secret(name)}
    for name in MAPS:
        if not found.get(name):
            found[name] = json.dumps({model: float(figure) for model, figure in snapshot.prices.maps[name].items()})
    found[COMPLETION_META] = json.dumps(_completion(snapshot.prices))
    return found


def described(services: Services) -> list[admin_pb2.OptionDescription]:
    """Every option with a row of its own, in the order of docs/options.md."""
    values = told(services)
    raw = services.state.snapshot.options.raw
    return [
        admin_pb2.OptionDescription(
            name=row.name,
            group=group,
            kind=row.kind.words,
            form=row.kind.form,
            names=row.kind.names,
            default=row.default,
            help=row.help,
            value="" if row.secret else values.get(ALIASES.get(row.name, row.name), row.default),
            is_set=bool(raw.get(row.name)),
            secret=row.secret,
            used=row.used,
            why_not=row.why_not,
            needs=row.needs,
            own_route=row.own_route,
        )
        for group, rows in GROUPS.items()
        for row in rows
        if not row.name.endswith("*")
    ]


def _completion(prices: PriceTables) -> dict[str, dict[str, float | bool]]:
    names = {name for table in ("ModelRatio", "ModelPrice", "CompletionRatio") for name in prices.maps[table]}
    found: dict[str, dict[str, float | bool]] = {}
    for name in sorted(names):
        rates = prices.rates(name, "", "")
        known = completion_rule(name)
        if rates is not None:
            found[name] = {"ratio": float(rates.completion_ratio), "locked": bool(known and known[1])}
    return found


async def write(services: Services, values: Mapping[str, str]) -> None:
    """Sets options, all or none. Raises InvalidRequest, which says what is wrong."""
    if not 1 <= len(values) <= AT_ONCE_MOST:
        raise InvalidRequest(f"1 to {AT_ONCE_MOST} options at once.", param="key")
    for value in values.values():
        fields.text(value, "value", len(value))
    held = services.state.snapshot.options.raw
    changed = written(values, held)
    if EXPRESSIONS in changed:
        try:
            await asyncio.to_thread(try_out, changed[EXPRESSIONS], held[EXPRESSIONS])
        except ValueError as error:
            raise InvalidRequest(f"{EXPRESSIONS}: {error}", param="value") from error
    before_after.changed({name: held.get(name) for name in changed}, changed)
    await services.store.options.set_many(changed)
    if changed.get(REVEAL) == "off":
        # The option first: a key made meanwhile keeps no secret any more.
        await services.state.refresh()
        await services.store.keys.forget_secrets()
    await services.state.refresh()

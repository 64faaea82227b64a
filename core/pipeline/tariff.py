"""The price expression of a request, frozen when its quota is reserved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from isthmus.v1 import common_pb2

from core.errors import InvalidRequest
from core.pipeline.exchange import Exchange
from core.pricing.expression import Tariff, plain
from core.pricing.extras import tool_prices
from core.pricing.grammar import VARIABLES, Environment, Value
from core.pricing.price import ZERO
from core.pricing.tables import normalised
from core.subscriptions.periods import known_zone
from core.vendors.shared import scan

MISSING = object()


def tariff_of(exchange: Exchange, group: str, zone: str) -> Tariff | None:
    """The model's expression with what it may ask of this request; None where the model is priced otherwise."""
    prices, model = exchange.snapshot.prices, exchange.envelope.model
    expression = prices.expressions.get(model) or prices.expressions.get(normalised(model))
    if expression is None:
        return None
    native = exchange.task.native
    headers = {header.name.lower(): header.value for header in native.headers} if native is not None else {}
    environment = Environment(
        dict.fromkeys(VARIABLES, ZERO),
        param=_params(native),
        header=lambda name: headers.get(name.lower(), ""),
        now=datetime.fromtimestamp(exchange.started_ms / 1000, UTC),
        zone=known_zone(zone),
    )
    return Tariff(
        expression,
        environment,
        prices.group_rate(exchange.principal.account.group, group),
        prices.quota_per_unit,
        tool_prices(normalised(model), prices.tools),
    )


def _params(native: common_pb2.Native | None) -> Callable[[str], Value]:
    """Reads members of the client's JSON by path; a body is looked through once, each path once."""
    members: dict[str, Any] = {}
    known: dict[str, Value] = {}

    def read(path: str) -> Value:
        if native is None:
            return None
        if path not in known:
            if not members:
                try:
                    members.update({member.name: member for member in scan.members(native.body)})
                except InvalidRequest:
                    return None
            known[path] = plain(_found(native.body, members, path))
        return known[path]

    return read


def _found(body: bytes, members: dict[str, Any], path: str) -> object:
    first, *steps = path.split(".")
    member = members.get(first)
    if member is None:
        return None
    try:
        value = orjson.loads(body[member.value : member.end])
    except orjson.JSONDecodeError:
        return None
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and step == "#":
            value = len(value)
        elif isinstance(value, list) and step.isdecimal() and len(step) < 9 and int(step) < len(value):
            value = value[int(step)]
        else:
            value = MISSING
        if value is MISSING:
            return None
    return value

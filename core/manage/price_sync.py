"""Prices of other sites beside those in force: a preview, which writes nothing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from urllib.parse import urljoin

from isthmus.v1 import price_sync_pb2

from core.errors import InvalidRequest, Overloaded
from core.fetch.rules import Refused
from core.manage import fields
from core.manage.remote import Remote
from core.pricing.expression import MODE
from core.pricing.published import FIELDS, Prices, figure, is_placeholder, published
from core.pricing.tables import PriceTables
from core.services.context import Services

SOURCES_MOST = 50
AT_ONCE = 8
TRIES = 3
ANSWER_MOST = 10 << 20
SECONDS, SECONDS_MOST = 10, 60
PAGE = "/api/pricing"
OPENROUTER = "openrouter"
DIFFERENCES_MOST = 50_000
PRESETS = (
    price_sync_pb2.PriceSource(
        id=-100,
        name="basellm",
        base_url="https://basellm.github.io",
        endpoint="/llm-metadata/api/newapi/ratio_config-v1-base.json",
        status=1,
    ),
    price_sync_pb2.PriceSource(
        id=-101, name="models.dev", base_url="https://models.dev", endpoint="/api.json", status=1
    ),
)
"""Public lists."""


async def sources(services: Services) -> list[price_sync_pb2.PriceSource]:
    """Channels with an address of their own, and the public lists."""
    rows = await services.store.channels.all()
    found = [
        price_sync_pb2.PriceSource(id=row.id, name=row.name, base_url=row.base_url, status=row.status, type=row.type)
        for row in rows
        if row.base_url.startswith(("http://", "https://"))
    ]
    return [*found, *PRESETS]


def address_of(source: price_sync_pb2.PriceSource) -> str:
    """Where a source's prices stand. Raises InvalidRequest."""
    base, endpoint = fields.text(source.base_url, "base_url", 2048), fields.text(source.endpoint, "endpoint", 2048)
    if endpoint.startswith(("http://", "https://")):
        return endpoint
    if not base.startswith(("http://", "https://")):
        raise InvalidRequest("base_url must be an http or https address.", param="base_url")
    if endpoint == OPENROUTER:
        return urljoin(base, "/api/v1/models")
    return base.rstrip("/") + "/" + (endpoint or PAGE).lstrip("/")


async def compare(
    services: Services, request: price_sync_pb2.ComparePricesRequest
) -> price_sync_pb2.ComparePricesResponse:
    """What differs at the sources asked for; one that fails is told, and does not keep the others from it.

    Raises InvalidRequest.
    """
    known = {source.id: source for source in await sources(services)}
    wanted = [known[number] for number in dict.fromkeys(request.ids) if number in known]
    for source in request.sources:
        held = known.get(source.id)
        if held is not None and not source.base_url:
            source.base_url, source.name = held.base_url, source.name or held.name
        wanted.append(source)
    if not 1 <= len(wanted) <= SOURCES_MOST:
        raise InvalidRequest(f"1 to {SOURCES_MOST} sources at once.", param="upstreams")
    names: dict[str, str] = {}
    for source in wanted:
        name = fields.text(source.name, "name", 191) or source.base_url
        while name in names:
            name += f" ({source.id})"
        names[name] = address_of(source)
    seconds = min(request.timeout or SECONDS, SECONDS_MOST)
    remote = Remote(ANSWER_MOST, float(seconds), TRIES)
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(url: str) -> Prices | str:
        async with gate:
            try:
                told = await remote.json(url, services.state.snapshot.options.raw)
                # A large list must not stop the event loop.
                return await asyncio.to_thread(published, told)
            except (Refused, ValueError, Overloaded) as error:
                return str(error) or type(error).__name__

    answers = dict(zip(names, await asyncio.gather(*(read(url) for url in names.values())), strict=True))
    response = price_sync_pb2.ComparePricesResponse()
    lists: dict[str, Prices] = {}
    for name, answer in answers.items():
        response.results.add(name=name, error=answer if isinstance(answer, str) else "")
        if not isinstance(answer, str):
            lists[name] = answer
    differences = await asyncio.to_thread(differing, in_force(services.state.snapshot.prices), lists)
    response.differences.extend(differences)
    return response


def in_force(prices: PriceTables) -> Prices:
    """Our own figures, in the same form."""
    found: Prices = {}
    for field, option in FIELDS.items():
        for model, value in prices.maps[option].items():
            found.setdefault(model, {})[field] = figure(value)
    for model, figures in found.items():
        # What is built in is in force, too, and wins where it is locked.
        rates = prices.rates(model, "", "")
        if rates is not None and rates.price is None:
            figures["completion_ratio"] = figure(rates.completion_ratio)
    for model, expression in prices.expressions.items():
        found.setdefault(model, {}).update(billing_mode=MODE, billing_expr=expression.source)
    return found


def differing(ours: Prices, lists: dict[str, Prices]) -> list[price_sync_pb2.PriceDifference]:
    """Every figure that some list has otherwise than we."""
    found = []
    models = sorted({model for told in lists.values() for model in told})
    for model in models:
        mine = ours.get(model, {})
        for field in (*FIELDS, "billing_mode", "billing_expr"):
            theirs = {name: told.get(model, {}).get(field, "") for name, told in lists.items()}
            current = mine.get(field, "")
            if not any(value and not _same(field, value, current) for value in theirs.values()):
                continue
            row = price_sync_pb2.PriceDifference(model=model, field=field, current=current)
            for name, value in theirs.items():
                if value:
                    row.upstreams[name] = "same" if _same(field, value, current) else value
                row.confidence[name] = not is_placeholder(lists[name].get(model, {}))
            found.append(row)
            if len(found) >= DIFFERENCES_MOST:
                return found
    return found


def _same(field: str, one: str, other: str) -> bool:
    if field in FIELDS and one and other:
        return abs(Decimal(one) - Decimal(other)) < Decimal("1e-9")
    return one == other

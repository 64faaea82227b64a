"""How much a request may cost at most, and from which purses it is paid."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import chat_pb2, common_pb2

from core.errors import KeyExhausted, KeyQuotaExceeded, PriceNotSet
from core.ledger.interface import Draws, Ledger
from core.pipeline.exchange import Exchange
from core.pipeline.settle import UNITS_MOST
from core.pipeline.tariff import tariff_of
from core.pricing.estimate import reserve_units
from core.pricing.expression import Tariff
from core.pricing.grammar import ExpressionError
from core.state.types import Principal


def draws_of(principal: Principal) -> Draws:
    """The key's own purse where it has one, and the account's."""
    key = principal.key
    own = (key.purse_id,) if key is not None and key.purse_id else ()
    return Draws(all_of=own, first_of=(principal.account.purse_id,))


def limits_of(envelope: common_pb2.Envelope, canonical: Any) -> tuple[int, int]:
    """Output tokens a choice (0: not said) and choices: what the envelope tells, and never less than the request."""
    most, choices = max(0, envelope.max_output_tokens), max(1, envelope.candidates)
    if not isinstance(canonical, chat_pb2.ChatRequest):
        return most, choices
    return max(most, canonical.max_output_tokens), max(choices, canonical.candidates)


async def reserve(exchange: Exchange, ledger: Ledger, group: str, zone: str = "") -> None:
    """Holds the most the request may cost. zone: of hours and days in price expressions.

    Raises PriceNotSet, InsufficientQuota, Overloaded; KeyQuotaExceeded where the key's own purse holds too little,
    KeyExhausted where it holds nothing.
    """
    envelope = exchange.envelope
    account = exchange.principal.account
    most, choices = limits_of(envelope, exchange.task.canonical)
    exchange.tariff = tariff_of(exchange, group, zone)
    if exchange.tariff is not None:
        units = _by_expression(exchange, exchange.tariff, most * choices)
    else:
        units = reserve_units(
            exchange.prompt_tokens,
            most,
            choices,
            envelope.model,
            exchange.snapshot.prices,
            account.group,
            group,
            exchange.snapshot.options,
            account.accept_unset_price,
        )
    draws = draws_of(exchange.principal)
    hold = ledger.try_reserve(exchange.request_id, draws, units)
    if hold is None:
        try:
            hold = await ledger.reserve(exchange.request_id, draws, units)
        except KeyQuotaExceeded:
            purse = await ledger.purse(draws.all_of[0])
            if purse.available + purse.leased <= 0:
                raise KeyExhausted() from None
            raise
    exchange.hold = hold
    exchange.reserved = units


def _by_expression(exchange: Exchange, tariff: Tariff, output: int) -> int:
    """Units to hold; a free model holds one, so that an empty purse is refused. Raises PriceNotSet."""
    options = exchange.snapshot.options
    try:
        units = tariff.units(exchange.prompt_tokens, output or options.pre_consumed_quota)
    except ExpressionError as error:
        model = exchange.envelope.model
        raise PriceNotSet(f"The price expression of {model} gives no price: {error}.", param="model") from error
    return min(UNITS_MOST, max(units, 1 if options.free_model_pre_consume else 0))

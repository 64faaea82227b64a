"""How much a request may cost at most, and from which purses it is paid."""

from __future__ import annotations

import time
from typing import Any

from isthmus.v1 import chat_pb2, common_pb2

from core.errors import InsufficientQuota, KeyExhausted, KeyQuotaExceeded, PriceNotSet
from core.ledger.interface import Draws, Hold, Ledger
from core.pacing.budgets import BudgetUsedUp
from core.pipeline.exchange import Exchange
from core.pipeline.settle import UNITS_MOST
from core.pipeline.tariff import tariff_of
from core.pricing.estimate import reserve_units
from core.pricing.expression import Tariff
from core.pricing.grammar import ExpressionError
from core.state.types import Principal
from core.subscriptions.preference import purses_of

WHOLE_ANSWER = 4096
"""Output tokens held for an unstreamed answer whose request names no limit."""


def draws_of(principal: Principal, budget: int = 0, now: float = 0.0) -> Draws:
    """The key's own purse where it has one, that of its budget where it has one, and the account's as it wishes.

    now: Unix seconds; 0: as the clock says. Raises InsufficientQuota where nothing may pay.
    """
    key = principal.key
    own = (key.purse_id,) if key is not None and key.purse_id else ()
    if budget:
        own = (*own, budget)
    first_of = purses_of(principal.account, now or time.time())
    if not first_of:
        # Nothing to draw on is no gift.
        raise InsufficientQuota("No subscription runs, and the account pays by subscriptions alone.")
    return Draws(all_of=own, first_of=first_of)


def limits_of(envelope: common_pb2.Envelope, canonical: Any) -> tuple[int, int]:
    """Output tokens a choice (0: not said) and choices: what the envelope tells, and never less than the request."""
    most, choices = max(0, envelope.max_output_tokens), max(1, envelope.candidates)
    if not isinstance(canonical, chat_pb2.ChatRequest):
        return most, choices
    return max(most, canonical.max_output_tokens), max(choices, canonical.candidates)


async def reserve(exchange: Exchange, ledger: Ledger, group: str, zone: str = "") -> None:
    """Holds the most the request may cost. zone: of hours and days in price expressions.

    Raises PriceNotSet, InsufficientQuota, Overloaded; KeyQuotaExceeded where the key's own purse holds too little,
    KeyExhausted where it holds nothing,
    BudgetUsedUp where the budget's does.
    """
    most, choices = limits_of(exchange.envelope, exchange.task.canonical)
    exchange.tariff = tariff_of(exchange, group, zone)
    draws = draws_of(exchange.principal, exchange.budget)
    if not most and _comes_whole(exchange):
        # It cannot be told to stop when the purse is empty, as a stream can: what many at once may cost is held.
        units = _units(exchange, group, WHOLE_ANSWER, choices)
        hold = ledger.try_reserve(exchange.request_id, draws, units)
        if hold is None:
            least = _units(exchange, group, 0, choices)
            hold, units = await _whole(exchange, ledger, draws, units, least)
    else:
        units = _units(exchange, group, most, choices)
        hold = ledger.try_reserve(exchange.request_id, draws, units)
        if hold is None:
            hold = await _awaited(exchange, ledger, draws, units)
    exchange.hold = hold
    exchange.reserved = units


def expected(exchange: Exchange, group: str, zone: str = "") -> int:
    """Units that would be held for a request; nothing is. Raises PriceNotSet."""
    most, choices = limits_of(exchange.envelope, exchange.task.canonical)
    exchange.tariff = tariff_of(exchange, group, zone)
    return _units(exchange, group, most, choices)


def _comes_whole(exchange: Exchange) -> bool:
    """Whether the answer is words that come at once."""
    return exchange.task.operation == common_pb2.OPERATION_CHAT and not exchange.envelope.stream


async def _whole(exchange: Exchange, ledger: Ledger, draws: Draws, units: int, least: int) -> tuple[Hold, int]:
    """A hold for an answer of unknown length; one that is alone with its purse may begin on less."""
    try:
        return await _awaited(exchange, ledger, draws, units), units
    except InsufficientQuota:
        with ledger.alone(draws) as alone:
            if least >= units or not alone:
                raise
            return await _awaited(exchange, ledger, draws, least), least


async def _awaited(exchange: Exchange, ledger: Ledger, draws: Draws, units: int) -> Hold:
    """A hold that must be leased or waited for."""
    try:
        return await ledger.reserve(exchange.request_id, draws, units)
    except KeyQuotaExceeded:
        if draws.all_of[0] != exchange.budget:
            purse = await ledger.purse(draws.all_of[0])
            if purse.available + purse.leased <= 0:
                raise KeyExhausted() from None
        if exchange.budget:
            purse = await ledger.purse(exchange.budget)
            if purse.available + purse.leased < units:
                raise BudgetUsedUp() from None
        raise


def _units(exchange: Exchange, group: str, most: int, choices: int) -> int:
    """Units to hold for so many output tokens a choice (0: the options' figure)."""
    account = exchange.principal.account
    if exchange.tariff is not None:
        return _by_expression(exchange, exchange.tariff, most * choices)
    return reserve_units(
        exchange.prompt_tokens,
        most,
        choices,
        exchange.billed_by(),
        exchange.snapshot.prices,
        account.group,
        group,
        exchange.snapshot.options,
        account.accept_unset_price,
    )


def _by_expression(exchange: Exchange, tariff: Tariff, output: int) -> int:
    """Units to hold; a free model holds one, so that an empty purse is refused. Raises PriceNotSet."""
    options = exchange.snapshot.options
    try:
        units = tariff.units(exchange.prompt_tokens, output or options.pre_consumed_quota)
    except ExpressionError as error:
        model = exchange.envelope.model
        raise PriceNotSet(f"The price expression of {model} gives no price: {error}.", param="model") from error
    return min(UNITS_MOST, max(units, 1 if options.free_model_pre_consume else 0))


async def hold_more(exchange: Exchange, ledger: Ledger, tokens: int) -> None:
    """Holds input tokens beyond those the reserve was made with, once. Raises InsufficientQuota, PriceNotSet."""
    hold, more = exchange.hold, tokens - exchange.tokens_of_files
    if hold is None or more <= 0:
        return
    most, choices = limits_of(exchange.envelope, exchange.task.canonical)
    before = _units(exchange, exchange.group, most, choices)
    exchange.tokens_of_files = tokens
    exchange.prompt_tokens += more
    units = _units(exchange, exchange.group, most, choices) - before
    if units > 0:
        await ledger.extend(hold, units)
        exchange.reserved += units

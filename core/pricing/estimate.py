"""What a request may cost at most, before any vendor is asked."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any

from isthmus.v1 import chat_pb2

from core.pricing.price import EXACT, HOUR_WRITE, resolve
from core.pricing.tables import ONE, PriceTables, Rates
from core.state.options import Options

BYTES_PER_TOKEN = 3
"""UTF-8 bytes a token holds at least, on average: English has 4 to 5, Chinese 3 to 4, code about 3.5."""
MEDIA_TOKENS = {"image": 1560, "audio": 256, "video": 8192, "file": 4096}
"""Tokens held for a medium whose size in tokens nobody has counted (New API's figures; images three times 520)."""


def estimate_prompt(canonical: Any, native_bytes: int = 0) -> int:
    """Input tokens, from above: text by its bytes, media by fixed figures."""
    size: int = canonical.ByteSize()
    if not isinstance(canonical, chat_pb2.ChatRequest):
        return size // BYTES_PER_TOKEN + 8
    media = 0
    for message in canonical.messages:
        for part in message.parts:
            kind = part.WhichOneof("kind")
            if kind in MEDIA_TOKENS:
                media += MEDIA_TOKENS[kind]
                size -= part.ByteSize()
    return max(size, 0) // BYTES_PER_TOKEN + media + 8


def reserve_units(
    prompt_tokens: int,
    max_output: int,
    candidates: int,
    model: str,
    tables: PriceTables,
    user_group: str,
    using_group: str,
    options: Options,
    accept_unset: bool = False,
) -> int:
    """Units to hold: the prompt at its dearest input price, and max_output of each choice at the output price.

    Without max_output PreConsumedQuota tokens of output are held; a stream that
    outgrows them holds more as it goes. A free model holds one unit, so that an empty
    purse is refused, unless quota_setting.enable_free_model_pre_consume is off. Raises PriceNotSet.
    """
    rates = resolve(model, tables, user_group, using_group, accept_unset)
    free = 1 if options.free_model_pre_consume else 0
    if rates.price is not None:
        with localcontext(EXACT):
            exact = rates.price * rates.quota_per_unit * rates.group_ratio
            return max(free, int(exact.to_integral_value(ROUND_CEILING)))
    if not rates.held:
        rates.held.extend(_dearest(rates))
    into, out = rates.held
    output = (max_output or options.pre_consumed_quota) * max(1, candidates)
    units = EXACT.fma(prompt_tokens, into, EXACT.multiply(output, out))
    return max(1 if into or out else free, int(units.to_integral_value(ROUND_CEILING)))


def _dearest(rates: Rates) -> tuple[Decimal, Decimal]:
    """The most that a token of input and one of output may cost, in units."""
    with localcontext(EXACT):
        each = rates.model_ratio * rates.group_ratio
        heard = rates.audio_ratio if rates.audio_ratio is not None else ONE
        dearest = max(ONE, rates.cache_ratio, rates.create_cache_ratio * HOUR_WRITE, rates.image_ratio, heard)
        spoken = max(rates.completion_ratio, heard * rates.audio_completion_ratio if heard != 1 else ONE)
        apart = rates.audio_price / 1_000_000 * rates.quota_per_unit * rates.group_ratio
        return max(dearest * each, apart), spoken * each

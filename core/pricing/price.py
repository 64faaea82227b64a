"""The price of a usage: exact decimals, the whole sum rounded once, half away from zero, every line kept."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, localcontext

from isthmus.v1 import billing_pb2, common_pb2, usage_pb2

from core.errors import PriceNotSet
from core.pricing.extras import calls_of
from core.pricing.shown import Bill, text
from core.pricing.tables import QUOTA_PER_UNIT, PriceTables, Rates

HOUR_WRITE = Decimal("1.6")
"""1-hour cache writes against 5-minute ones (6 / 3.75)."""
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)
ONE = Decimal(1)

__all__ = ["EXACT", "HOUR_WRITE", "QUOTA_PER_UNIT", "Bill", "price", "resolve", "text"]


def resolve(model: str, tables: PriceTables, user_group: str, using_group: str, accept_unset: bool = False) -> Rates:
    """What the model costs. accept_unset: the user takes models without a price. Raises PriceNotSet."""
    rates = tables.rates(model, user_group, using_group, accept_unset)
    if rates is None:
        raise PriceNotSet(f"The model {model} has no price; an administrator must set one.", param="model")
    return rates


def price(
    usage: usage_pb2.Usage,
    model: str,
    tables: PriceTables,
    user_group: str,
    using_group: str,
    operation: common_pb2.Operation.ValueType = common_pb2.OPERATION_CHAT,
    accept_unset: bool = False,
) -> Bill:
    """The bill of a usage (normalised: the input total holds its parts). Raises PriceNotSet."""
    rates = resolve(model, tables, user_group, using_group, accept_unset)
    if usage.input_tokens + usage.output_tokens == 0:
        return Bill(0, (), {"group_ratio": text(rates.group_ratio)}, "nothing was used")
    heard = usage.input_audio_tokens or usage.output_audio_tokens
    spoken = heard and rates.audio_ratio is not None
    with localcontext(EXACT):
        sum_ = _Sum()
        if not spoken:
            for tool, count in calls_of(model, usage.tool_calls).items():
                sum_.call(tool, count, rates.tools.get(tool, ZERO))
        if rates.price is not None:
            return sum_.per_call(rates, rates.price, bool(spoken))
        if spoken:
            assert rates.audio_ratio is not None
            _audio(sum_, usage, rates, rates.audio_ratio)
        else:
            _tokens(sum_, usage, rates)
        return sum_.by_ratio(rates)


class _Sum:
    """The terms of a bill, and what they add up to: weighted tokens, and USD."""

    __slots__ = ("dollars", "lines", "paid", "tokens", "words")

    def __init__(self) -> None:
        self.tokens = ZERO
        self.dollars = ZERO
        self.lines: list[billing_pb2.PriceLine] = []
        self.words: list[str] = []
        self.paid: list[str] = []

    def term(self, item: str, count: int, ratio: Decimal, source: str, shown: str = "") -> None:
        """Tokens at a ratio; shown: the ratio as text, where that is known."""
        amount = count * ratio
        self.tokens += amount
        shown = shown or text(ratio)
        self.words.append(f"{count} x {shown}")
        self.lines.append(
            billing_pb2.PriceLine(item=item, quantity=str(count), ratio=shown, source=source, amount=text(amount))
        )

    def pay(self, item: str, count: int, each: Decimal, source: str) -> None:
        """Things that cost USD apiece."""
        amount = count * each
        self.dollars += amount
        shown = text(each)
        self.paid.append(f"{count} x {shown} USD")
        self.lines.append(
            billing_pb2.PriceLine(item=item, quantity=str(count), ratio=shown, source=source, amount=text(amount))
        )

    def call(self, tool: str, count: int, thousand: Decimal) -> None:
        """Calls of a tool; thousand: USD for as many calls."""
        self.pay(f"tool:{tool}", count, thousand / 1000, "tool_price_setting.prices")

    def per_call(self, rates: Rates, each: Decimal, cut: bool) -> Bill:
        """The price of a call, with its tools. cut: parts of a unit are dropped (audio)."""
        self.pay("per_call", 1, each, "ModelPrice")
        exact = self.dollars * rates.quota_per_unit * rates.group_ratio
        quota = int(exact.to_integral_value(ROUND_DOWN if cut else ROUND_HALF_UP))
        factors = {"quota_per_unit": text(rates.quota_per_unit), "group_ratio": text(rates.group_ratio)}
        formula = f"({' + '.join(self.paid)}) x {factors['quota_per_unit']} x {factors['group_ratio']} = {quota}"
        return Bill(quota, tuple(self.lines), factors, formula)

    def by_ratio(self, rates: Rates) -> Bill:
        """Weighted tokens, with what is paid apart: at least one unit, unless the model is free."""
        each = rates.model_ratio * rates.group_ratio
        exact = self.tokens * each
        if self.dollars:
            exact += self.dollars * rates.quota_per_unit * rates.group_ratio
        quota = int(exact.to_integral_value(ROUND_HALF_UP))
        if each and quota <= 0:
            quota = 1
        shown = rates.shown
        factors = {name: shown[name] for name in ("model_ratio", "group_ratio", "completion_ratio", "cache_ratio")}
        formula = f"({' + '.join(self.words)}) x {factors['model_ratio']} x {factors['group_ratio']}"
        if self.paid:
            factors["quota_per_unit"] = text(rates.quota_per_unit)
            formula += f" + ({' + '.join(self.paid)}) x {factors['quota_per_unit']} x {factors['group_ratio']}"
        return Bill(quota, tuple(self.lines), factors, f"{formula} = {quota}")


def _tokens(sum_: _Sum, usage: usage_pb2.Usage, rates: Rates) -> None:
    """Text, with what of the input was cached, written to the cache, or came as pictures or sound."""
    cached = usage.cached_tokens
    short, hour, other = (
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.cache_write_other_tokens,
    )
    images = usage.input_image_tokens if rates.image_ratio != 1 else 0
    audio = usage.input_audio_tokens if rates.audio_price else 0
    base = max(0, usage.input_tokens - cached - short - hour - other - images - audio)
    if usage.convention != usage_pb2.USAGE_CONVENTION_ANTHROPIC:
        # OpenAI's convention knows no 5-minute and 1-hour writes: one ratio for all of them.
        short, hour, other = short + hour + other, 0, 0
    sources, shown = rates.sources, rates.shown
    sum_.term("input", base, ONE, "base", "1")
    if cached:
        sum_.term("cached", cached, rates.cache_ratio, sources["cached"], shown["cache_ratio"])
    if written := short + other:
        sum_.term("cache_write", written, rates.create_cache_ratio, sources["cache_write"], shown["create_cache_ratio"])
    if hour:
        sum_.term("cache_write_1h", hour, rates.create_cache_ratio * HOUR_WRITE, sources["cache_write"])
    if images:
        sum_.term("image", images, rates.image_ratio, "ImageRatio", shown["image_ratio"])
    sum_.term("output", usage.output_tokens, rates.completion_ratio, sources["output"], shown["completion_ratio"])
    if audio:
        sum_.pay("audio", audio, rates.audio_price / 1_000_000, "built in, USD for a million tokens")


def _audio(sum_: _Sum, usage: usage_pb2.Usage, rates: Rates, ratio: Decimal) -> None:
    """Sound and text, each at its own ratio; no cache."""
    heard = min(usage.input_audio_tokens, usage.input_tokens)
    said = min(usage.output_audio_tokens, usage.output_tokens)
    sum_.term("input", usage.input_tokens - heard, ONE, "base")
    sum_.term("audio_in", heard, ratio, "AudioRatio")
    sum_.term("output", usage.output_tokens - said, rates.completion_ratio, rates.sources["output"])
    sum_.term("audio_out", said, ratio * rates.audio_completion_ratio, "AudioRatio x AudioCompletionRatio")

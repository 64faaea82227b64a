"""The price of a usage: exact decimals, the whole sum rounded once, half away from zero, every line kept."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from isthmus.v1 import billing_pb2, common_pb2, usage_pb2

from core.errors import PriceNotSet
from core.pricing.tables import PriceTables, Rates

QUOTA_PER_UNIT = Decimal(500_000)
"""Units of one USD."""
HOUR_WRITE = Decimal("1.6")
"""1-hour cache writes against 5-minute ones (6 / 3.75)."""
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Bill:
    """A sum with what led to it. quota is units, 0 or more."""

    quota: int
    lines: tuple[billing_pb2.PriceLine, ...]
    factors: dict[str, str]
    formula: str


def text(number: Decimal) -> str:
    """A decimal without exponent and without zeros that say nothing."""
    shown = format(number, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def resolve(model: str, tables: PriceTables, user_group: str, using_group: str) -> Rates:
    """What the model costs. Raises PriceNotSet."""
    rates = tables.rates(model, user_group, using_group)
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
) -> Bill:
    """The bill of a usage (normalised: the input total holds its parts). Raises PriceNotSet."""
    rates = resolve(model, tables, user_group, using_group)
    if usage.input_tokens + usage.output_tokens == 0:
        return Bill(0, (), {"group_ratio": text(rates.group_ratio)}, "nothing was used")
    if rates.price is not None:
        return _per_call(rates, rates.price)
    return _by_ratio(usage, rates)


def _per_call(rates: Rates, each: Decimal) -> Bill:
    with localcontext(EXACT):
        quota = int((each * QUOTA_PER_UNIT * rates.group_ratio).to_integral_value(ROUND_HALF_UP))
    line = billing_pb2.PriceLine(
        item="per_call", quantity="1", ratio=text(each), source="ModelPrice", amount=text(each)
    )
    factors = {"quota_per_unit": text(QUOTA_PER_UNIT), "group_ratio": text(rates.group_ratio)}
    return Bill(quota, (line,), factors, f"{text(each)} USD x {QUOTA_PER_UNIT} x {text(rates.group_ratio)} = {quota}")


def _by_ratio(usage: usage_pb2.Usage, rates: Rates) -> Bill:
    cached = usage.cached_tokens
    short, hour, other = (
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.cache_write_other_tokens,
    )
    images = usage.input_image_tokens if rates.image_ratio != 1 else 0
    base = max(0, usage.input_tokens - cached - short - hour - other - images)
    if usage.convention != usage_pb2.USAGE_CONVENTION_ANTHROPIC:
        # OpenAI's convention knows no 5-minute and 1-hour writes: one ratio for all of them.
        short, hour, other = short + hour + other, 0, 0
    terms = (
        ("input", base, Decimal(1), "base"),
        ("cached", cached, rates.cache_ratio, rates.sources["cached"]),
        ("cache_write", short + other, rates.create_cache_ratio, rates.sources["cache_write"]),
        ("cache_write_1h", hour, rates.create_cache_ratio * HOUR_WRITE, rates.sources["cache_write"]),
        ("image", images, rates.image_ratio, "ImageRatio"),
        ("output", usage.output_tokens, rates.completion_ratio, rates.sources["output"]),
    )
    lines = []
    words = []
    with localcontext(EXACT):
        total = ZERO
        for item, count, ratio, source in terms:
            if not count and item not in ("input", "output"):
                continue
            amount = count * ratio
            total += amount
            shown = text(ratio)
            words.append(f"{count} x {shown}")
            lines.append(
                billing_pb2.PriceLine(item=item, quantity=str(count), ratio=shown, source=source, amount=text(amount))
            )
        each = rates.model_ratio * rates.group_ratio
        quota = int((total * each).to_integral_value(ROUND_HALF_UP))
        if each and quota <= 0:
            quota = 1
    model_ratio, group_ratio = text(rates.model_ratio), text(rates.group_ratio)
    formula = f"({' + '.join(words)}) x {model_ratio} x {group_ratio} = {quota}"
    factors = {
        "model_ratio": model_ratio,
        "group_ratio": group_ratio,
        "completion_ratio": text(rates.completion_ratio),
        "cache_ratio": text(rates.cache_ratio),
    }
    return Bill(quota, tuple(lines), factors, formula)

"""Prices by expression: what tokens cost in USD per million, as the operator writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from functools import lru_cache
from itertools import pairwise, product

from isthmus.v1 import billing_pb2, usage_pb2

from core.pricing.extras import calls_of
from core.pricing.grammar import VARIABLES, Environment, ExpressionError, Node, Reader, Value, number, tokens
from core.pricing.shown import Bill, text

EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
MODE = "tiered_expr"
PREFIX = "v1:"
MILLION = Decimal(1_000_000)
SHOWN_MOST = 1000
"""Characters of an expression that a receipt shows."""
FIGURES_MOST = 24
"""Counts tried of each variable."""
TRIED_MOST = 1_000_000
"""Tokens up to which an expression must give a price of 0 or more before it is taken."""
_FIRST = (Decimal(0), Decimal(1), Decimal(1000), Decimal(128_000), Decimal(200_000), Decimal(TRIED_MOST))
_PARTS = ("cr", "cc", "cc1h", "img", "ai")
"""Variables of the input that stand beside p; those of the output are img_o and ao."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression, read."""

    source: str
    node: Node
    used: frozenset[str]
    constants: frozenset[Decimal]

    def cost(self, env: Environment) -> Decimal:
        """USD for a million times what was used. Raises ExpressionError."""
        with localcontext(EXACT):
            found = number(self.node(env), "the expression")
        if found < 0:
            raise ExpressionError("it gives a price below 0")
        return found

    def check(self) -> None:
        """Tries it with counts from 0 to a million. Raises ExpressionError with the counts it fails at."""
        for env in self._trials():
            try:
                self.cost(env)
            except ExpressionError as error:
                counts = ", ".join(f"{name}={text(env.counts[name])}" for name in sorted(self.used)) or "no counts"
                raise ExpressionError(f"{error} (with {counts})") from None

    def _trials(self) -> Iterator[Environment]:
        """Counts round the expression's own figures, each variable alone and all together, at every hour and day."""
        edges: set[Decimal] = set()
        for constant in self.constants:
            if 0 <= constant <= TRIED_MOST:
                edges |= {Decimal(max(0, int(constant) + step)) for step in (-1, 0, 1) if constant + step <= TRIED_MOST}
        # The largest count, where tiers begin: small figures are mostly prices.
        figures = sorted({*_FIRST, *sorted(edges, reverse=True)[:FIGURES_MOST]})
        names = sorted(self.used)
        nothing = dict.fromkeys(VARIABLES, Decimal(0))
        for first, second in product(figures, repeat=2):
            yield Environment({**nothing, "p": first, "len": first, "c": second})
        for name in names:
            for figure in figures:
                yield Environment({**nothing, name: figure})
                yield Environment({**dict.fromkeys(VARIABLES, Decimal(TRIED_MOST)), name: figure})
        everything = dict.fromkeys(VARIABLES, Decimal(1000))
        for day in range(1, 29):
            for hour in range(0, 24, 1 if day <= 7 else 12):
                yield Environment(everything, now=datetime(2026, (day % 12) + 1, day, hour, tzinfo=UTC))

    def shown(self, counts: Mapping[str, Decimal]) -> str:
        """The expression with its numbers put in."""
        out: list[str] = []
        at = 0
        found = tokens(self.source)
        for token, after in pairwise(found):
            if token.kind == "name" and token.text in counts and after.text != "(":
                out += [self.source[at : token.start], text(counts[token.text])]
                at = token.end
        return "".join(out) + self.source[at:]


@lru_cache(maxsize=4096)
def parse(source: str) -> Expression:
    """An expression out of its text; "v1:" may stand before it. Raises ExpressionError, which says what is wrong."""
    told = source.strip().removeprefix(PREFIX).strip()
    if not told:
        raise ExpressionError("it is empty")
    reader = Reader(told)
    node = reader.read()
    return Expression(told, node, frozenset(reader.used), frozenset(reader.constants))


@dataclass(frozen=True, slots=True)
class Tariff:
    """An expression as it holds for one request: text, group's ratio, time and request freeze at the reserve."""

    expression: Expression
    environment: Environment
    group_ratio: Decimal
    quota_per_unit: Decimal
    tools: Mapping[str, Decimal]
    """USD for a thousand calls."""

    def units(self, prompt: int, output: int) -> int:
        """Units to hold for so many tokens. Raises ExpressionError."""
        counts = dict.fromkeys(VARIABLES, Decimal(0)) | {
            "p": Decimal(prompt),
            "len": Decimal(prompt),
            "c": Decimal(output),
        }
        cost = self.expression.cost(replace(self.environment, counts=counts))
        with localcontext(EXACT):
            exact = cost / MILLION * self.quota_per_unit * self.group_ratio
            return int(exact.to_integral_value("ROUND_CEILING"))

    def bill(self, usage: usage_pb2.Usage, model: str, reserved: int) -> Bill:
        """What a usage costs; where the expression fails the reserve stands."""
        if usage.input_tokens + usage.output_tokens == 0:
            return Bill(0, (), {"group_ratio": text(self.group_ratio)}, "nothing was used")
        counts = counts_of(usage, self.expression.used)
        env = replace(self.environment, counts=counts)
        factors = {
            "expression": _cut(self.expression.source),
            "quota_per_unit": text(self.quota_per_unit),
            "group_ratio": text(self.group_ratio),
        }
        try:
            cost = self.expression.cost(env)
        except ExpressionError as error:
            return Bill(reserved, (), factors, f"the expression failed: {error}; the reserve stands = {reserved}")
        if env.tier:
            factors["tier"] = env.tier
        lines = [
            billing_pb2.PriceLine(item=name, quantity=text(counts[name]), ratio="", source="billing_expr", amount="")
            for name in VARIABLES
            if name in self.expression.used
        ]
        with localcontext(EXACT):
            dollars = Decimal(0)
            for tool, count in calls_of(model, usage.tool_calls).items():
                each = self.tools.get(tool, Decimal(0)) / 1000
                dollars += count * each
                lines.append(
                    billing_pb2.PriceLine(
                        item=f"tool:{tool}",
                        quantity=str(count),
                        ratio=text(each),
                        source="tool_price_setting.prices",
                        amount=text(count * each),
                    )
                )
            exact = (cost / MILLION + dollars) * self.quota_per_unit * self.group_ratio
            quota = int(exact.to_integral_value(ROUND_HALF_UP))
        lines.append(
            billing_pb2.PriceLine(
                item=f"tier:{env.tier}" if env.tier else "expression",
                quantity="1",
                ratio=text(cost),
                source="billing_expr, USD per million",
                amount=text(cost),
            )
        )
        paid = f" + {text(dollars)}" if dollars else ""
        sum_ = f"({text(cost)} / 1000000{paid}) x {factors['quota_per_unit']} x {factors['group_ratio']} = {quota}"
        formula = f"{_cut(self.expression.shown(counts))} = {text(cost)}; {sum_}"
        return Bill(quota, tuple(lines), factors, formula)


def _cut(told: str) -> str:
    """A text as receipts hold it: they are kept for every request."""
    return told if len(told) <= SHOWN_MOST else told[:SHOWN_MOST] + "..."


def counts_of(usage: usage_pb2.Usage, used: frozenset[str]) -> dict[str, Decimal]:
    """What the variables stand for.

    OpenAI's convention: p and c lose the parts that have a variable in the expression. Anthropic's: p is the input
    without cache reads and writes, whatever is used. Writes for an hour count in cc where nothing asks for cc1h.
    """
    hour = usage.cache_write_1h_tokens if "cc1h" in used else 0
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens + usage.cache_write_other_tokens - hour
    parts = {
        "cr": usage.cached_tokens, "cc": written, "cc1h": hour, "img": usage.input_image_tokens,
        "ai": usage.input_audio_tokens, "img_o": usage.output_image_tokens, "ao": usage.output_audio_tokens,
    }  # fmt: skip
    if usage.convention == usage_pb2.USAGE_CONVENTION_ANTHROPIC:
        prompt = usage.input_tokens - usage.cached_tokens - written - hour
        output = usage.output_tokens
    else:
        prompt = usage.input_tokens - sum(parts[name] for name in _PARTS if name in used)
        output = usage.output_tokens - sum(parts[name] for name in ("img_o", "ao") if name in used)
    found = {"p": max(0, prompt), "c": max(0, output), "len": usage.input_tokens, **parts}
    return {name: Decimal(count) for name, count in found.items()}


def read(modes: str, expressions: str) -> dict[str, Expression]:
    """Model -> expression, of the two options; what cannot be read is left out."""
    found: dict[str, Expression] = {}
    try:
        modes_of, texts = json.loads(modes or "{}"), json.loads(expressions or "{}")
        for model, mode in modes_of.items():
            if mode == MODE and isinstance(texts.get(model), str):
                found[str(model)] = parse(texts[model])
    except (ValueError, AttributeError, RecursionError):
        return found
    return found


def readable(entry: str, source: object) -> None:
    """Raises ValueError where a model's expression cannot be read."""
    if not isinstance(source, str):
        raise ValueError(f"{entry} needs a text")
    if source.strip():
        try:
            parse(source)
        except ExpressionError as error:
            raise ValueError(f"{entry}: {error}") from None


def try_out(texts: str, held: str) -> None:
    """Tries every expression of the option that is not in force already. Raises ValueError with what is wrong."""
    known = json.loads(held or "{}")
    for model, source in json.loads(texts or "{}").items():
        if source.strip() and known.get(model) != source:
            try:
                parse(source).check()
            except ExpressionError as error:
                raise ValueError(f"{model}: {error}") from None


def plain(value: object) -> Value:
    """A JSON value as expressions know it: numbers exact, lists and objects as their text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return Decimal(str(value))
    return json.dumps(value)

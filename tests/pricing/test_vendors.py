"""What vendors publish as prices, and what the gateway bills for the same usage: equal to the unit.

The figures here are the vendors' own, USD for a million tokens (a thousand calls of a tool), written down apart from
core/pricing. Where the built-in tables or rules cannot say a vendor's scheme (tiers), the options are set as an
operator would set them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.v1 import usage_pb2

from core.pricing.expression import Tariff
from core.pricing.grammar import VARIABLES, Environment
from core.pricing.price import ZERO, price
from core.pricing.tables import PriceTables

OPENAI, ANTHROPIC = usage_pb2.USAGE_CONVENTION_OPENAI, usage_pb2.USAGE_CONVENTION_ANTHROPIC
UNIT = 500_000

CLAUDE = "https://docs.claude.com/en/docs/about-claude/pricing"
OPEN_AI = "https://platform.openai.com/docs/pricing"
GEMINI = "https://ai.google.dev/gemini-api/docs/pricing"
DEEPSEEK = "https://api-docs.deepseek.com/quick_start/pricing"
QWEN = "https://www.alibabacloud.com/help/en/model-studio/models"


@dataclass(frozen=True)
class Sheet:
    """One row of a vendor's price page."""

    model: str
    source: str
    input: str
    output: str
    cached: str = ""
    write_5m: str = ""
    write_1h: str = ""
    convention: Any = OPENAI
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def tables(self) -> PriceTables:
        return PriceTables.parse({name: json.dumps(value) for name, value in self.options.items()})


def claude(model: str, *figures: str) -> Sheet:
    into, write, hour, cached, out = figures
    return Sheet(model, CLAUDE, into, out, cached, write, hour, ANTHROPIC)


SHEETS = (
    claude("claude-opus-4-1-20250805", "15", "18.75", "30", "1.50", "75"),
    claude("claude-sonnet-4-5-20250929", "3", "3.75", "6", "0.30", "15"),
    claude("claude-sonnet-4-20250514", "3", "3.75", "6", "0.30", "15"),
    claude("claude-haiku-4-5-20251001", "1", "1.25", "2", "0.10", "5"),
    claude("claude-3-5-haiku-20241022", "0.80", "1", "1.60", "0.08", "4"),
    Sheet("gpt-5", OPEN_AI, "1.25", "10", "0.125"),
    Sheet("gpt-5-mini", OPEN_AI, "0.25", "2", "0.025"),
    Sheet("gpt-4.1", OPEN_AI, "2", "8", "0.50"),
    Sheet("gpt-4.1-mini", OPEN_AI, "0.40", "1.60", "0.10"),
    Sheet("gpt-4o", OPEN_AI, "2.50", "10", "1.25"),
    Sheet("gpt-4o-mini", OPEN_AI, "0.15", "0.60", "0.075"),
    Sheet("o3", OPEN_AI, "2", "8", "0.50"),
    Sheet("o4-mini", OPEN_AI, "1.10", "4.40", "0.275"),
    Sheet("gemini-2.5-flash", GEMINI, "0.30", "2.50"),
    Sheet(
        "deepseek-chat", DEEPSEEK, "0.28", "0.42", "0.028",
        options={"ModelRatio": {"deepseek-chat": 0.14}, "CompletionRatio": {"deepseek-chat": 1.5},
                 "CacheRatio": {"deepseek-chat": 0.1}},
    ),
)  # fmt: skip


def vendors_sum(sheet: Sheet, fresh: int, cached: int, short: int, hour: int, output: int) -> int:
    """Units, by the vendor's own table."""

    def at(tokens: int, figure: str) -> Fraction:
        return tokens * Fraction(figure or sheet.input) / 1_000_000

    dollars = at(fresh, sheet.input) + at(output, sheet.output) + at(cached, sheet.cached)
    dollars += at(short, sheet.write_5m) + at(hour, sheet.write_1h)
    return math.floor(dollars * UNIT + Fraction(1, 2))


def usage_of(sheet: Sheet, fresh: int, cached: int, short: int, hour: int, output: int) -> usage_pb2.Usage:
    return usage_pb2.Usage(
        input_tokens=fresh + cached + short + hour,
        cached_tokens=cached,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=hour,
        output_tokens=output,
        convention=sheet.convention,
    )


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.model)
@given(st.lists(st.integers(0, 2_000_000), min_size=5, max_size=5))
def test_the_bill_is_the_vendors_sum(sheet: Sheet, counts: list[int]) -> None:
    fresh, cached, short, hour, output = counts
    if not sheet.cached:
        cached = 0
    if not sheet.write_5m:
        short = hour = 0
    usage = usage_of(sheet, fresh, cached, short, hour, output)
    bill = price(usage, sheet.model, sheet.tables, "default", "default").quota
    wanted = vendors_sum(sheet, fresh, cached, short, hour, output)
    assert bill == (max(1, wanted) if sum((fresh, cached, short, hour, output)) else 0)


@pytest.mark.parametrize(
    ("model", "tool", "thousand", "source"),
    [
        ("claude-sonnet-4-5-20250929", "web_search", "10", CLAUDE),
        ("gpt-4o", "web_search_preview", "25", OPEN_AI),
        ("gpt-4.1-mini", "web_search_preview", "25", OPEN_AI),
        ("gpt-5", "web_search", "10", OPEN_AI),
        ("gpt-5", "web_search_preview", "10", OPEN_AI),
        ("gpt-4o", "file_search", "2.50", OPEN_AI),
        ("gpt-5", "image_generation_high", "167", OPEN_AI),
        ("gpt-5", "image_generation_low_long", "16", OPEN_AI),
    ],
)
def test_calls_of_tools_cost_what_the_vendor_says(model: str, tool: str, thousand: str, source: str) -> None:
    assert source.startswith("https://")
    tables = PriceTables.parse({})
    for calls in (1, 3, 1000):
        usage = usage_pb2.Usage(input_tokens=1000, output_tokens=10, convention=OPENAI)
        without = price(usage, model, tables, "default", "default").quota
        usage.tool_calls[tool] = calls
        exact = calls * Fraction(thousand) / 1000 * UNIT
        bill = price(usage, model, tables, "default", "default").quota
        assert abs(bill - without - exact) <= 1, "rounded once, with the tokens"


def by_expression(text: str, usage: usage_pb2.Usage, model: str) -> int:
    tables = PriceTables.parse(
        {
            "billing_setting.billing_mode": json.dumps({model: "tiered_expr"}),
            "billing_setting.billing_expr": json.dumps({model: text}),
        }
    )
    environment = Environment(
        dict.fromkeys(VARIABLES, ZERO), param=lambda _: None, header=lambda _: "", now=NOW, zone=""
    )
    group = tables.group_rate("default", "default")
    return Tariff(tables.expressions[model], environment, group, tables.quota_per_unit, {}).bill(usage, model, 0).quota


NOW = datetime(2026, 11, 25, tzinfo=UTC)
GEMINI_PRO = (
    'len <= 200000 ? tier("to 200k", p * 1.25 + cr * 0.125 + c * 10) : tier("above", p * 2.5 + cr * 0.25 + c * 15)'
)
QWEN_MAX = (
    'len <= 32000 ? tier("32k", p * 1.2 + c * 6) :'
    ' len <= 128000 ? tier("128k", p * 2.4 + c * 12) : tier("252k", p * 3 + c * 15)'
)


@given(st.integers(0, 1_000_000), st.integers(0, 1_000_000), st.integers(1, 65_536))
def test_geminis_tiers_above_200k(fresh: int, cached: int, output: int) -> None:
    into, hit, out = ("1.25", "0.125", "10") if fresh + cached <= 200_000 else ("2.50", "0.25", "15")
    sheet = Sheet("gemini-2.5-pro", GEMINI, into, out, hit)
    usage = usage_of(sheet, fresh, cached, 0, 0, output)
    assert by_expression(GEMINI_PRO, usage, sheet.model) == vendors_sum(sheet, fresh, cached, 0, 0, output)


@pytest.mark.parametrize(
    ("input_", "into", "out"),
    [(1, "1.2", "6"), (32_000, "1.2", "6"), (32_001, "2.4", "12"), (128_000, "2.4", "12"), (128_001, "3", "15"), (252_000, "3", "15")],
)  # fmt: skip
def test_qwens_tiers(input_: int, into: str, out: str) -> None:
    sheet = Sheet("qwen3-max", QWEN, into, out)
    usage = usage_of(sheet, input_, 0, 0, 0, 777)
    assert by_expression(QWEN_MAX, usage, sheet.model) == vendors_sum(sheet, input_, 0, 0, 0, 777)


@given(
    st.sampled_from(SHEETS),
    st.lists(st.integers(0, 10**7), min_size=5, max_size=5),
    st.integers(0, 4),
    st.integers(1, 10**6),
)
def test_a_bill_is_never_negative_and_never_falls_as_more_is_used(
    sheet: Sheet, counts: list[int], which: int, more: int
) -> None:
    before = price(usage_of(sheet, *counts), sheet.model, sheet.tables, "default", "default").quota
    counts[which] += more
    assert 0 <= before <= price(usage_of(sheet, *counts), sheet.model, sheet.tables, "default", "default").quota

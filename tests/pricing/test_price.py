"""Prices: exact, rounded once, and the receipt alone leads to the sum."""

from __future__ import annotations

import json
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.v1 import usage_pb2

from core.errors import PriceNotSet
from core.pricing.count import Delivered, text_tokens
from core.pricing.estimate import reserve_units
from core.pricing.price import price
from core.pricing.tables import PriceTables
from core.state.options import Options

TABLES = PriceTables.parse({})
counts = st.integers(0, 1_000_000)


def usage(convention: int = usage_pb2.USAGE_CONVENTION_OPENAI, **fields: int) -> usage_pb2.Usage:
    return usage_pb2.Usage(convention=convention, **fields)


@pytest.mark.parametrize(
    ("found", "model", "quota"),
    [
        (usage(input_tokens=1000, output_tokens=100), "gpt-4o", 1750),
        (usage(input_tokens=1000, cached_tokens=200, output_tokens=100), "gpt-4o", 1625),
        (usage(input_tokens=1, output_tokens=1), "gpt-4o-mini", 1),
        (usage(), "gpt-4o", 0),
        (
            usage(
                usage_pb2.USAGE_CONVENTION_ANTHROPIC,
                input_tokens=1000 + 500 + 100 + 100,
                cached_tokens=500,
                cache_write_5m_tokens=100,
                cache_write_1h_tokens=100,
                output_tokens=10,
            ),
            "claude-sonnet-4-20250514",
            # (1000 + 500 x 0.1 + 100 x 1.25 + 100 x 2 + 10 x 5) x 1.5
            2138,
        ),
    ],
)
def test_bills(found: usage_pb2.Usage, model: str, quota: int) -> None:
    assert price(found, model, TABLES, "default", "default").quota == quota


@given(counts, counts, counts, st.sampled_from(["gpt-4o", "gpt-4o-mini", "o3", "claude-sonnet-4-20250514"]))
def test_the_lines_lead_to_the_sum(fresh: int, cached: int, out: int, model: str) -> None:
    bill = price(
        usage(input_tokens=fresh + cached, cached_tokens=cached, output_tokens=out), model, TABLES, "default", "default"
    )
    if not fresh + cached + out:
        assert bill.quota == 0
        return
    total = sum((Decimal(line.quantity) * Decimal(line.ratio) for line in bill.lines), Decimal(0))
    exact = total * Decimal(bill.factors["model_ratio"]) * Decimal(bill.factors["group_ratio"])
    assert bill.quota == max(1, int(exact.to_integral_value(ROUND_HALF_UP)))


def test_groups_and_per_call_prices() -> None:
    tables = PriceTables.parse(
        {
            "GroupRatio": '{"default": 1, "vip": 0.5}',
            "GroupGroupRatio": '{"gold": {"vip": 0.25, "default": -1}}',
            "ModelPrice": '{"painter": 0.04}',
        }
    )
    found = usage(input_tokens=1000, output_tokens=0)
    assert price(found, "gpt-4o", tables, "default", "vip").quota == 625
    assert price(found, "gpt-4o", tables, "gold", "vip").quota == 313
    assert price(found, "gpt-4o", tables, "gold", "default").quota == 1250
    assert price(found, "painter", tables, "default", "vip").quota == 10_000


def test_a_model_without_price() -> None:
    with pytest.raises(PriceNotSet):
        price(usage(input_tokens=1), "nobody-knows", TABLES, "default", "default")
    free = PriceTables.parse({"SelfUseModeEnabled": "true"})
    assert price(usage(input_tokens=10), "nobody-knows", free, "default", "default").quota == 375


@given(counts, counts, counts, st.integers(0, 1000))
def test_the_reserve_covers_every_bill_within_it(prompt: int, out: int, most: int, hour: int) -> None:
    options = Options.parse({})
    model = "claude-sonnet-4-20250514"
    held = reserve_units(prompt, max(most, 1), 1, model, TABLES, "default", "default", options)
    found = usage(
        usage_pb2.USAGE_CONVENTION_ANTHROPIC,
        input_tokens=prompt,
        cache_write_1h_tokens=min(hour, prompt),
        output_tokens=min(out, max(most, 1)),
    )
    assert price(found, model, TABLES, "default", "default").quota <= held


@given(st.text(), st.integers(0, 50))
def test_the_count_does_not_depend_on_the_split(text: str, place: int) -> None:
    counter = Delivered("m")
    counter.add(text[:place])
    counter.add(text[place:])
    assert counter.tokens() == text_tokens("m", text)


@given(st.dictionaries(st.sampled_from(["GroupRatio", "RetryTimes", "ModelRatio", "AutoGroups"]), st.text()))
def test_options_never_raise(rows: dict[str, str]) -> None:
    Options.parse(rows)
    PriceTables.parse(rows)


def test_bad_limits_keep_the_default() -> None:
    options = Options.parse({"ModelRequestRateLimitGroup": json.dumps({"vip": ["a", 1], "gold": [1, 2]})})
    assert options.rate_limit_groups == {}
    assert options.problems == (
        "ModelRequestRateLimitGroup: vip needs [requests of 0 or more, successes of 1 or more]",
    )

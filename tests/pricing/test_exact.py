"""Prices against an oracle of fractions: exact, rounded once, never negative, never falling as more is used."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from isthmus.v1 import usage_pb2

from core.pricing.estimate import reserve_units
from core.pricing.price import Bill, price
from core.pricing.tables import PriceTables
from core.state.options import Options

ratio = st.decimals(0, 100, allow_nan=False, allow_infinity=False, places=6)
count = st.integers(0, 50_000_000)
KINDS = (
    "cached_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "input_image_tokens",
)
OPENAI, ANTHROPIC = usage_pb2.USAGE_CONVENTION_OPENAI, usage_pb2.USAGE_CONVENTION_ANTHROPIC
TABLE_NAMES = ("ModelRatio", "CompletionRatio", "CacheRatio", "CreateCacheRatio", "ImageRatio")


def tables(model: str, group: Any, unit: int, values: tuple[Any, ...], **more: str) -> PriceTables:
    """Tables with one model and one group."""
    rows = {name: f'{{"{model}": {value}}}' for name, value in zip(TABLE_NAMES, values, strict=True)}
    return PriceTables.parse({**rows, "GroupRatio": f'{{"g": {group}}}', "QuotaPerUnit": str(unit), **more})


def rounded(exact: Fraction) -> int:
    """Half away from zero, for what is not negative."""
    return math.floor(exact + Fraction(1, 2))


def usage_of(fresh: int, parts: list[int], output: int, convention: Any) -> usage_pb2.Usage:
    """The input total holds its parts."""
    return usage_pb2.Usage(
        input_tokens=fresh + sum(parts),
        output_tokens=output,
        convention=convention,
        **dict(zip(KINDS, parts, strict=True)),
    )


@given(
    count, st.lists(count, min_size=5, max_size=5), count, st.tuples(*[ratio] * 5), ratio,
    st.sampled_from([OPENAI, ANTHROPIC]), st.integers(1, 10**7), st.integers(0, 50),
)  # fmt: skip
def test_tokens_by_ratio(
    fresh: int,
    parts: list[int],
    output: int,
    values: tuple[Any, ...],
    group: Any,
    convention: Any,
    unit: int,
    calls: int,
) -> None:
    found = usage_of(fresh, parts, output, convention)
    if calls:
        found.tool_calls["web_search"] = calls
    bill = price(found, "m", tables("m", group, unit, values), "x", "g")
    model, completion, cache, create, image = map(Fraction, values)
    cached, short, hour, other, images = parts
    writes = Fraction(hour) * Fraction(8, 5) if convention == ANTHROPIC else Fraction(hour)
    weighted = fresh + cached * cache + (short + other + writes) * create + images * image + output * completion
    each = model * Fraction(group)
    exact = weighted * each + Fraction(calls * 10, 1000) * unit * Fraction(group)
    expected = rounded(exact)
    if each and expected <= 0:
        expected = 1
    if fresh + sum(parts) + output == 0:
        expected = 0
    assert bill.quota == expected
    assert bill.quota >= 0
    if expected and bill.lines:
        shows(bill, unit)


def shows(bill: Bill, unit: int) -> None:
    """The receipt alone leads to the sum."""
    weighted = paid = Fraction(0)
    for line in bill.lines:
        amount = Fraction(line.quantity) * Fraction(line.ratio)
        assert Fraction(line.amount) == amount
        assert line.source
        if line.item.startswith(("tool:", "audio:")) or line.item == "per_call":
            paid += amount
        else:
            weighted += amount
    group = Fraction(bill.factors["group_ratio"])
    exact = weighted * Fraction(bill.factors.get("model_ratio", "0")) * group + paid * unit * group
    assert bill.quota in (rounded(exact), 1)
    assert bill.formula.endswith(f"= {bill.quota}")
    for line in bill.lines:
        assert f"{line.quantity} x {line.ratio}" in bill.formula


@given(count, count, ratio, ratio, st.integers(1, 10**7), st.integers(0, 9))
def test_a_price_per_call(prompt: int, output: int, each: Any, group: Any, unit: int, calls: int) -> None:
    found = usage_pb2.Usage(input_tokens=prompt, output_tokens=output)
    if calls:
        found.tool_calls["file_search"] = calls
    bill = price(found, "m", tables("m", group, unit, (1,) * 5, ModelPrice=f'{{"m": {each}}}'), "x", "g")
    exact = (Fraction(each) + Fraction(calls) * Fraction(5, 2000)) * unit * Fraction(group)
    assert bill.quota == (rounded(exact) if prompt + output else 0)
    if prompt + output:
        shows(bill, unit)


@given(count, count, count, count, st.tuples(*[ratio] * 5), ratio, ratio, ratio)
def test_audio_and_text(
    text_in: int,
    audio_in: int,
    text_out: int,
    audio_out: int,
    values: tuple[Any, ...],
    audio: Any,
    spoken: Any,
    group: Any,
) -> None:
    found = usage_pb2.Usage(
        input_tokens=text_in + audio_in, input_audio_tokens=audio_in,
        output_tokens=text_out + audio_out, output_audio_tokens=audio_out,
    )  # fmt: skip
    more = {"AudioRatio": f'{{"m": {audio}}}', "AudioCompletionRatio": f'{{"m": {spoken}}}'}
    bill = price(found, "m", tables("m", group, 500_000, values, **more), "x", "g")
    model, completion = Fraction(values[0]), Fraction(values[1])
    weighted = text_in + text_out * completion
    weighted += audio_in * Fraction(audio) + audio_out * Fraction(audio) * Fraction(spoken)
    each = model * Fraction(group)
    expected = max(rounded(weighted * each), 1 if each else 0)
    assert bill.quota == (expected if text_in + audio_in + text_out + audio_out else 0)


def test_audio_of_gemini_has_a_price_of_its_own() -> None:
    found = usage_pb2.Usage(input_tokens=1100, input_audio_tokens=100, output_tokens=0)
    # 1000 tokens of text at 0.15, 100 of audio at 1 USD a million.
    assert price(found, "gemini-2.5-flash", PriceTables.parse({}), "d", "d").quota == 150 + 50
    saved = PriceTables.parse({"QuotaPerUnit": "1000000"})
    assert price(found, "gemini-2.5-flash", saved, "d", "d").quota == 150 + 100


def test_search_models_search_once() -> None:
    found = usage_pb2.Usage(input_tokens=1000)
    free = PriceTables.parse({"ModelRatio": '{"gpt-4o-search-preview": 0, "gpt-4o": 0}'})
    assert price(found, "gpt-4o-search-preview", free, "d", "d").quota == 12_500
    assert price(found, "gpt-4o", free, "d", "d").quota == 0


@given(
    st.lists(count, min_size=7, max_size=7), st.integers(0, 6), st.integers(1, 10**6), st.tuples(*[ratio] * 5), ratio,
    st.sampled_from([OPENAI, ANTHROPIC]),
)  # fmt: skip
def test_more_never_costs_less(
    counts: list[int], place: int, extra: int, values: tuple[Any, ...], group: Any, convention: Any
) -> None:
    def quota(numbers: list[int]) -> int:
        found = usage_of(numbers[0], numbers[1:6], numbers[6], convention)
        return price(found, "m", tables("m", group, 500_000, values), "x", "g").quota

    more = list(counts)
    more[place] += extra
    assert 0 <= quota(counts) <= quota(more)


@given(count, count, st.tuples(*[ratio] * 5), ratio, st.integers(0, 4), st.integers(1, 4))
def test_the_reserve_covers_any_bill_of_its_tokens(
    prompt: int, most: int, values: tuple[Any, ...], group: Any, kind: int, choices: int
) -> None:
    most = max(1, most)
    found = tables("m", group, 500_000, values)
    held = reserve_units(prompt, most, choices, "m", found, "x", "g", Options.parse({}))
    parts = [0] * 5
    parts[kind] = prompt
    assert price(usage_of(0, parts, most * choices, ANTHROPIC), "m", found, "x", "g").quota <= held


def test_free_models_hold_one_unit_unless_told_otherwise() -> None:
    found = PriceTables.parse({"ModelRatio": '{"m": 0}'})
    assert reserve_units(100, 10, 1, "m", found, "x", "g", Options.parse({})) == 1
    off = Options.parse({"quota_setting.enable_free_model_pre_consume": "false"})
    assert reserve_units(100, 10, 1, "m", found, "x", "g", off) == 0


def test_quota_per_unit_counts_for_calls_and_reserves() -> None:
    rows = {"ModelPrice": '{"painter": 0.04}', "QuotaPerUnit": "1000"}
    found = PriceTables.parse(rows)
    assert price(usage_pb2.Usage(input_tokens=1), "painter", found, "d", "d").quota == 40
    assert reserve_units(1, 1, 1, "painter", found, "d", "d", Options.parse(rows)) == 40
    assert json.loads(Options.parse(rows).raw["QuotaPerUnit"]) == 1000


def test_tools_without_a_price_cost_nothing_until_they_are_given_one() -> None:
    found = usage_pb2.Usage(input_tokens=8, tool_calls={"search_source": 1000})
    assert price(found, "gpt-4o", PriceTables.parse({}), "d", "d").quota == 10
    priced = PriceTables.parse({"tool_price_setting.prices": '{"search_source": 25}'})
    assert price(found, "gpt-4o", priced, "d", "d").quota == 10 + 25 * 500_000

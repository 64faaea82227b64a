"""Price expressions: exact, bounded, never Python; whatever is typed in gives an error or a price."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal, DecimalException, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.v1 import usage_pb2

from core.pricing import expression as expressions
from core.pricing.expression import Tariff, counts_of, parse, readable, try_out
from core.pricing.grammar import DEPTH_MOST, VARIABLES, Environment, ExpressionError, Value
from core.pricing.tables import PriceTables

ANTHROPIC = usage_pb2.USAGE_CONVENTION_ANTHROPIC
OPENAI = usage_pb2.USAGE_CONVENTION_OPENAI


def env(**counts: int) -> Environment:
    body: dict[str, Value] = {"service_tier": "priority", "n": Decimal(2), "stream": True}
    headers = {"anthropic-beta": "fast-mode-2026"}
    return Environment(
        {name: Decimal(counts.get(name, 0)) for name in VARIABLES},
        param=body.get,
        header=lambda name: headers.get(name, ""),
        now=datetime(2026, 11, 25, 23, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("source", "counts", "cost"),
    [
        ("p * 2.5 + c * 15", {"p": 100, "c": 10}, "400"),
        ("v1: p * 0.1 + c * 0.2", {"p": 1, "c": 1}, "0.3"),
        ('len <= 200000 ? tier("base", p * 3) : tier("long", p * 6)', {"p": 200_000, "len": 200_000}, "600000"),
        ('len <= 200000 ? tier("base", p * 3) : tier("long", p * 6)', {"p": 200_001, "len": 200_001}, "1200006"),
        ("2 + 3 * 4 - 10 / 4 % 2", {}, "13.5"),
        ("-(2 - 5) - -1", {}, "4"),
        ("(1 > 0 && !(2 < 1) || 1 / 0 > 0) ? 7 : 8", {}, "7"),
        ("not (1 == 2) and 1 != 2 or false ? 1e2 : .5", {}, "100"),
        ("max(1, min(5, 3), abs(0 - 2)) + ceil(1.2) + floor(1.8)", {}, "6"),
        ('param("service_tier") == "priority" ? 2 : 1', {}, "2"),
        ('param("missing") == nil ? 2 : 1', {}, "2"),
        ('param("stream") ? param("n") : 0', {}, "2"),
        ('has(header("anthropic-beta"), "fast-mode") ? 6 : 1', {}, "6"),
        ('has(param("missing"), "x") ? 6 : 1', {}, "1"),
        ("hour() * 100 + minute()", {}, "2330"),
        ('hour("Asia/Shanghai") * 100 + day("Asia/Shanghai")', {}, "726"),
        ("weekday() + month() * 10 + day() * 1000", {}, "25113"),
        ("1 ? 1 : 2", {}, "true or false"),
        ("true == 1 ? 1 : 2", {}, "2"),
        ("p / c", {"p": 1}, "divides by zero"),
        ("p - 5", {"p": 1}, "below 0"),
        ('"a" + 1', {}, "needs a number"),
        ('tier(1, 2)', {}, "tier needs a text"),
        ('hour("Nowhere")', {}, "no zone"),
        ('hour("../../etc/passwd")', {}, "no zone"),
        ("p * p * p * p * p * p", {"p": 1_000_000}, "too large"),
        ("true", {}, "needs a number"),
        ("nil < 1 ? 1 : 2", {}, "needs a number"),
        ("1 / 3 * 3", {}, "0." + "9" * 60),
    ],
)  # fmt: skip
def test_what_it_gives(source: str, counts: dict[str, int], cost: str) -> None:
    if cost[0].isdecimal():
        assert parse(source).cost(env(**counts)) == Decimal(cost)
    else:
        with pytest.raises(ExpressionError, match=cost):
            parse(source).cost(env(**counts))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "empty"), ("v1:", "empty"), ("p *", "ends too early"), ("p * * c", "not expected"), ("q * 2", "no variable q"),
        ("eval(1)", "no function eval"), ("__import__('os')", "no function __import__"), ("p.real", "not understood"),
        ("p[0]", "not understood"), ("tier(p)", "takes 2"), ("max()", "takes 1 to 16"), ("1.2.3", "not understood"),
        ("(" * 60 + "p" + ")" * 60, "deeper"), ("-" * 60 + "p", "deeper"), ("p + " * 3000 + "p", "longer|parts"),
        ("p" * 9000, "longer"), ("1e999", "not understood"), ("9" * 40, "not understood"), ("1e40", "too large"),
        ('"open', "not understood"), ("p; c", "not understood"), ("p = 1", "not understood"), ("p ? 1", "too early"),
        ("lambda", "no variable"), ("p ** 2", "not expected"), ("\uff10", "not understood"),
    ],
)  # fmt: skip
def test_what_is_refused(source: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        parse(source)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("p * 3 - 10", "below 0"),
        ("len < 200000 ? p : 0 - p", "below 0"),
        ("1000000 / abs(c - 1000)", "divides by zero.*c=1000"),
        ("cr > 999999 ? 0 - 1 : 1", "below 0.*cr=1000000"),
        ("hour() == 3 ? 0 - 1 : 1", "below 0"),
        ("weekday() == 0 ? 0 - 1 : 1", "below 0"),
        ("p > 77777 && p < 77779 ? 0 - 1 : p", "below 0.*p=77778"),
    ],
)
def test_tried_before_it_is_taken(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"m: .*{said}"):
        try_out(json.dumps({"m": source}), "{}")
    try_out(json.dumps({"m": source}), json.dumps({"m": source}))  # in force already: not tried again
    readable("m", source)


Both = tuple[str, str]
"""An expression in our language, and the same in Python's."""
numbers = (st.integers(0, 10**6).map(str) | st.decimals(0, 1000, places=4).map(lambda d: format(d, "f"))).map(
    lambda text: (text, f"D('{text}')")
)
leaves = numbers | st.sampled_from([(name, name) for name in VARIABLES])


def _grow(inner: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    def each(ours: str, theirs: str, *parts: Both) -> Both:
        return ours.format(*[part[0] for part in parts]), theirs.format(*[part[1] for part in parts])

    return (
        st.tuples(inner, st.sampled_from("+-*/%"), inner).map(
            lambda t: each(f"({{}} {t[1]} {{}})", f"({{}} {t[1]} {{}})", t[0], t[2])
        )
        | st.tuples(inner, st.sampled_from(["<", "<=", "==", "!="]), inner, inner, inner).map(
            lambda t: each(
                f"({{0}} {t[1]} {{1}} ? {{2}} : {{3}})", f"({{2}} if {{0}} {t[1]} {{1}} else {{3}})", t[0], *t[2:]
            )
        )
        | st.tuples(inner, inner).map(lambda t: each("max({}, min({}, 10))", "max({}, min({}, D(10)))", *t))
        | inner.map(lambda t: each('tier("x", {})', "({})", t))
        | inner.map(lambda t: each("-{}", "-{}", t))
    )


@given(
    both=st.recursive(leaves, _grow, max_leaves=20),
    counts=st.fixed_dictionaries({name: st.integers(0, 2 * 10**6) for name in VARIABLES}),
)
def test_same_as_exact_arithmetic(both: Both, counts: dict[str, int]) -> None:
    """Python's reading of the same thing, in the same decimals, gives the same price, or fails where ours does."""
    theirs: Decimal | None = None
    with localcontext(expressions.EXACT), contextlib.suppress(DecimalException):
        names = {name: Decimal(count) for name, count in counts.items()}
        known = {"D": Decimal, "max": max, "min": min, "__builtins__": {}}
        theirs = eval(both[1], known, names)
    ours, failed = None, ""
    try:
        ours = parse(both[0]).cost(env(**counts))
    except ExpressionError as error:
        failed = str(error)
    if not failed:
        assert ours == theirs
    elif "below 0" in failed:
        assert theirs is not None
        assert theirs < 0
    else:
        assert theirs is None or "too large" in failed


@given(source=st.text(alphabet="pclen 0123456789.()+-*/%<>=!?:,\"'&|abtiermxv_\\", max_size=80))
def test_whatever_is_typed_in(source: str) -> None:
    """An error of ours, or a price of 0 or more; never another exception."""
    with contextlib.suppress(ExpressionError):
        assert parse(source).cost(env(p=5, c=7, len=5)) >= 0


@given(depth=st.integers(1, 200))
def test_depth_is_bounded(depth: int) -> None:
    source = "(" * depth + "p" + ")" * depth
    if depth < DEPTH_MOST:
        assert parse(source).cost(env(p=3)) == 3
    else:
        with pytest.raises(ExpressionError, match="deeper"):
            parse(source)


def usage(convention: int = OPENAI, **fields: int) -> usage_pb2.Usage:
    return usage_pb2.Usage(convention=convention, **fields)  # type: ignore[arg-type]


def test_conventions() -> None:
    """OpenAI's p loses only parts that have a variable; Anthropic's never holds cache parts."""
    told = {
        "input_tokens": 100,
        "cached_tokens": 30,
        "cache_write_5m_tokens": 8,
        "cache_write_1h_tokens": 2,
        "output_tokens": 9,
    }
    openai, claude = usage(**told), usage(ANTHROPIC, **told)
    assert counts_of(openai, frozenset({"p"}))["p"] == 100
    assert counts_of(openai, frozenset({"p", "cr"}))["p"] == 70
    found = counts_of(openai, frozenset({"p", "cr", "cc"}))
    assert (found["p"], found["cc"], found["len"]) == (60, 10, 100)
    for used in ({"p"}, {"p", "cr", "cc"}):
        assert counts_of(claude, frozenset(used))["p"] == 60
    split = counts_of(claude, frozenset({"cc", "cc1h"}))
    assert (split["cc"], split["cc1h"], split["len"]) == (8, 2, 100)
    heard = usage(input_tokens=50, input_audio_tokens=20, output_tokens=30, output_audio_tokens=25)
    assert counts_of(heard, frozenset({"ai", "ao"})) | {} == {
        "p": 30, "c": 5, "len": 50, "cr": 0, "cc": 0, "cc1h": 0, "img": 0, "img_o": 0, "ai": 20, "ao": 25,
    }  # fmt: skip


def tariff(source: str, ratio: str = "1") -> Tariff:
    return Tariff(parse(source), env(), Decimal(ratio), Decimal(500_000), {"web_search": Decimal(10)})


def test_the_bill_shows_its_numbers() -> None:
    made = tariff('tier("base", p * 2.5 + c * 15)', "1.5")
    bill = made.bill(usage(input_tokens=1000, output_tokens=100, tool_calls={"web_search": 2}), "m", 0)  # type: ignore[arg-type]
    # (1000 x 2.5 + 100 x 15) / 1e6 = 0.004 USD; two searches 0.02 USD; x 500000 x 1.5 = 18000
    assert bill.quota == 18_000
    assert bill.factors["tier"] == "base"
    assert bill.factors["expression"] == 'tier("base", p * 2.5 + c * 15)'
    assert bill.formula == 'tier("base", 1000 * 2.5 + 100 * 15) = 4000; (4000 / 1000000 + 0.02) x 500000 x 1.5 = 18000'
    assert [(line.item, line.quantity) for line in bill.lines] == [
        ("p", "1000"), ("c", "100"), ("tool:web_search", "2"), ("tier:base", "1"),
    ]  # fmt: skip


def test_rounded_once_half_away_from_zero_no_minimum() -> None:
    assert tariff("p * 1").bill(usage(input_tokens=1), "m", 0).quota == 1  # 0.5
    assert tariff("p * 0.9").bill(usage(input_tokens=1), "m", 0).quota == 0
    assert tariff("p * 1").bill(usage(), "m", 0).quota == 0
    assert tariff("5000000").bill(usage(), "m", 0).quota == 0, "nothing was used"


def test_a_failure_at_settlement_leaves_the_reserve() -> None:
    bill = tariff("10 / (1000 - p)").bill(usage(input_tokens=1000), "m", 77)
    assert bill.quota == 77
    assert "divides by zero; the reserve stands = 77" in bill.formula


@given(p=st.integers(0, 10**7), c=st.integers(0, 10**7), ratio=st.decimals(0, 100, places=3))
def test_the_bill_is_the_formula(p: int, c: int, ratio: Decimal) -> None:
    made = tariff("p * 2.5 + c * 15", str(ratio))
    exact = (p * Decimal("2.5") + c * 15) / 2 * ratio
    assert made.bill(usage(input_tokens=p, output_tokens=c), "m", 0).quota == int(
        exact.to_integral_value("ROUND_HALF_UP")
    )
    assert made.units(p, c) >= exact


def test_of_the_options() -> None:
    modes = {"a": "tiered_expr", "b": "ratio", "d": "tiered_expr"}
    rows = {
        "billing_setting.billing_mode": json.dumps(modes),
        "billing_setting.billing_expr": json.dumps({"a": "p", "b": "p", "c": "p"}),
    }
    assert set(PriceTables.parse(rows).expressions) == {"a"}
    assert not PriceTables.parse({**rows, "billing_setting.billing_expr": "["}).expressions

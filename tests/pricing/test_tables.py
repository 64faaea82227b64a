"""Price tables: built-in figures, locked ratios, names with wildcards, what users and sites accept."""

from __future__ import annotations

from decimal import Decimal

import pytest
from isthmus.v1 import usage_pb2

from core.errors import PriceNotSet
from core.pricing.completion import completion_rule
from core.pricing.extras import tool_prices
from core.pricing.price import price
from core.pricing.tables import PriceTables, built_in, normalised

TABLES = PriceTables.parse({})


@pytest.mark.parametrize(
    ("model", "ratio", "locked"),
    [
        ("gpt-4o", "4", False), ("gpt-4o-2024-05-13", "3", True), ("gpt-4o-mini-tts", "20", False),
        ("gpt-5", "8", True), ("gpt-5-mini-2025-08-07", "8", True), ("gpt-5.4", "6", True), ("gpt-5.4-mini", "6", True),
        ("gpt-5.4-nano", "6.25", True), ("gpt-5.5-pro", "6", True), ("gpt-4.5-preview", "2", True),
        ("gpt-4-turbo-2024-04-09", "3", True), ("gpt-4", "2", False), ("gpt-3.5-turbo", "2", False),
        ("o1-pro", "4", True), ("o3", "4", True), ("chatgpt-4o-latest", "3", True), ("gpt-4-all", "2", False),
        ("claude-sonnet-5", "5", False), ("claude-opus-5", "5", False),
        ("gpt-4-gizmo-*", "2", False), ("claude-3-5-haiku-20241022", "5", True), ("aws/claude-3-opus", "5", True),
        ("claude-sonnet-4-20250514", "5", True), ("claude-opus-4-8-max", "5", True), ("claude-haiku-4-5", "5", True),
        ("mistral-large", "3", True), ("gemini-1.5-pro", "4", True), ("gemini-2.0-flash", "4", True),
        ("gemini-2.5-pro", "8", False), ("gemini-2.5-flash-lite", "4", False),
        ("gemini-2.5-flash-preview-05-20-nothinking", "4", False), ("gemini-3-pro-preview", "6", False),
        ("gemini-3-pro-image-preview", "60", False), ("gemini-exp", "4", False), ("command", "4", False),
        ("command-r", "3", True), ("command-r-plus", "5", True), ("command-r-08-2024", "4", True),
        ("command-r-plus-08-2024", "4", True), ("command-a", "4", False), ("ERNIE-Speed-8K", "2", True),
        ("ERNIE-Lite-8K-0922", "2", True),
    ],
)  # fmt: skip
def test_built_in_completion_ratios(model: str, ratio: str, locked: bool) -> None:
    assert completion_rule(model) == (Decimal(ratio), locked)


def test_completion_ratios_that_are_no_short_decimals() -> None:
    for model, top, below in (
        ("gemini-2.5-flash", "2.5", "0.3"),
        ("gemini-robotics-er-1.5-preview", "2.5", "0.3"),
        ("gemini-2.5-flash-preview-05-20", "3.5", "0.15"),
    ):
        found = completion_rule(model)
        assert found is not None
        assert abs(found[0] * Decimal(below) - Decimal(top)) < Decimal("1e-20")
    assert completion_rule("o4-mini") is None
    assert completion_rule("llama-3") is None


def test_which_completion_ratio_counts() -> None:
    tables = PriceTables.parse(
        {"CompletionRatio": '{"gpt-5": 1, "gpt-4o": 9, "x/gpt-5": 7, "mine": 3}', "SelfUseModeEnabled": "true"}
    )

    def ratio(model: str) -> Decimal:
        rates = tables.rates(model, "default", "default")
        assert rates is not None
        return rates.completion_ratio

    assert ratio("gpt-5") == 8  # locked
    assert ratio("gpt-4o") == 9  # saved, before an unlocked one
    assert ratio("x/gpt-5") == 7  # saved, for names with a slash
    assert ratio("mine") == 3
    assert ratio("nobody") == 1
    # A saved table replaces the whole built-in one.
    assert ratio("gpt-4.1") == 2
    assert TABLES.rates("gpt-4.1", "d", "d").completion_ratio == 4  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("model", "ratio"),
    [
        ("gpt-4o", "1.25"), ("gpt-4o-mini", "0.075"), ("gpt-4.1-nano-2025-04-14", "0.05"), ("o1-pro", "75"),
        ("o4-mini", "0.55"), ("claude-opus-4-20250514", "7.5"), ("claude-opus-4-8-xhigh", "2.5"), ("glm-4-flash", "0"),
        ("gemini-2.5-flash", "0.15"), ("text-embedding-3-small", "0.01"), ("whisper-1", "15"), ("qwen-plus", "10"),
        ("deepseek-reasoner", "0.275"), ("command-r-plus-08-2024", "1.25"), ("SparkDesk-v4.0", "1.2858"),
    ],
)  # fmt: skip
def test_built_in_ratios(model: str, ratio: str) -> None:
    assert built_in()["ModelRatio"][model] == Decimal(ratio)


def test_built_in_tables_are_filled() -> None:
    tables = built_in()
    assert len(tables["ModelRatio"]) > 200
    assert tables["ModelPrice"]["dall-e-3"] == Decimal("0.04")
    assert tables["ModelPrice"]["mj_inpaint"] == 0
    assert tables["CacheRatio"]["claude-sonnet-4-20250514"] == Decimal("0.1")
    assert set(tables["CreateCacheRatio"].values()) == {Decimal("1.25")}
    assert tables["AudioRatio"]["gpt-4o-mini-audio-preview"] == Decimal("66.67")
    assert tables["AudioCompletionRatio"]["gpt-4o-mini-realtime"] == 2
    assert tables["ImageRatio"] == {"gpt-image-1": 2}


def test_names_with_wildcards() -> None:
    assert normalised("gpt-4-gizmo-g-1") == "gpt-4-gizmo-*"
    assert normalised("gpt-4o-gizmo-g-1") == "gpt-4o-gizmo-*"
    assert normalised("gemini-2.5-flash-lite-thinking-128") == "gemini-2.5-flash-lite-thinking-*"
    assert normalised("gemini-2.5-flash-thinking-128") == "gemini-2.5-flash-thinking-*"
    assert normalised("gemini-2.5-pro-preview-thinking-8") == "gemini-2.5-pro-thinking-*"
    assert normalised("gemini-2.5-pro") == "gemini-2.5-pro"
    assert normalised("gemini-2.5-pro-thinking") == "gemini-2.5-pro-thinking"
    assert TABLES.rates("gemini-2.5-pro-thinking-8", "d", "d").model_ratio == Decimal("0.625")  # type: ignore[union-attr]
    # Cache ratios take the raw name.
    cached = PriceTables.parse({"CacheRatio": '{"gpt-4-gizmo-*": 0.5, "gpt-4-gizmo-g-1": 0.25}'})
    assert cached.rates("gpt-4-gizmo-g-1", "d", "d").cache_ratio == Decimal("0.25")  # type: ignore[union-attr]
    assert cached.rates("gpt-4-gizmo-g-2", "d", "d").cache_ratio == 1  # type: ignore[union-attr]


def test_compactions_have_a_price_of_their_own() -> None:
    name = "gpt-5-openai-compact"
    assert TABLES.rates(name, "d", "d") is None
    tables = PriceTables.parse({"ModelRatio": '{"*-openai-compact": 3, "gpt-4o-openai-compact": 1}'})
    assert tables.rates(name, "d", "d").model_ratio == 3  # type: ignore[union-attr]
    assert tables.rates("gpt-4o-openai-compact", "d", "d").model_ratio == 1  # type: ignore[union-attr]
    per_call = PriceTables.parse({"ModelPrice": '{"*-openai-compact": 0.5}'})
    assert per_call.rates(name, "d", "d").price == Decimal("0.5")  # type: ignore[union-attr]


def test_models_without_a_price() -> None:
    used = usage_pb2.Usage(input_tokens=2)
    with pytest.raises(PriceNotSet):
        price(used, "nobody", TABLES, "d", "d")
    assert price(used, "nobody", TABLES, "d", "d", accept_unset=True).quota == 75
    with pytest.raises(PriceNotSet):
        price(used, "nobody", TABLES, "d", "d")
    site = PriceTables.parse({"SelfUseModeEnabled": "true"})
    assert price(used, "nobody", site, "d", "d").quota == 75


@pytest.mark.parametrize("text", ["", "0", "-1", "NaN", "Infinity", "1e99", "many", "[]"])
def test_units_of_a_dollar_that_are_none(text: str) -> None:
    assert PriceTables.parse({"QuotaPerUnit": text}).quota_per_unit == 500_000


def test_the_longest_tool_price_counts() -> None:
    assert tool_prices("gpt-4o-mini", TABLES.tools)["web_search_preview"] == 25
    assert tool_prices("gpt-5", TABLES.tools)["web_search_preview"] == 10
    saved = PriceTables.parse({"tool_price_setting.prices": '{"a": 1, "a:gpt-4*": 2, "a:gpt-4o*": 3}'}).tools
    assert [tool_prices(model, saved)["a"] for model in ("o3", "gpt-4.1", "gpt-4o-mini")] == [1, 2, 3]
    only = PriceTables.parse({"tool_price_setting.prices": '{"a:gpt-4*": 2}'}).tools
    assert tool_prices("o3", only) == {}

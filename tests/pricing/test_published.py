"""Price lists of other sites: four forms read, anything else refused, differences told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.manage.price_sync import differing, in_force
from core.pricing.published import figure, published
from core.pricing.tables import PriceTables

FORMS: list[tuple[Any, dict[str, dict[str, str]]]] = [
    (
        {"success": True, "data": {"model_ratio": {"m": 1.25, "n": 1}, "completion_ratio": {"m": 4}, "model_price": {"i": 0.04}}},
        {"m": {"model_ratio": "1.25", "completion_ratio": "4"}, "n": {"model_ratio": "1"}, "i": {"model_price": "0.04"}},
    ),
    (
        {"data": [
            {"model_name": "m", "quota_type": 0, "model_ratio": 2, "model_price": 0, "completion_ratio": 3, "cache_ratio": 0.1},
            {"model_name": "i", "quota_type": 1, "model_ratio": 0, "model_price": 0.1, "completion_ratio": 0},
            {"model_name": "e", "quota_type": 0, "model_ratio": 1, "billing_mode": "tiered_expr", "billing_expr": "p * 3"},
            {"model_name": "w", "billing_expr": "import os", "billing_mode": "x"},
        ]},
        {"m": {"model_ratio": "2", "completion_ratio": "3", "cache_ratio": "0.1"}, "i": {"model_price": "0.1"},
         "e": {"model_ratio": "1", "billing_mode": "tiered_expr", "billing_expr": "p * 3"}},
    ),
    (
        {"data": [{"id": "anthropic/claude", "pricing": {
            "prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003", "input_cache_write": "0.00000375",
        }}, {"id": "free", "pricing": {"prompt": "0", "completion": "0"}}, {"id": "auto", "pricing": {"prompt": "-1"}}]},
        {"anthropic/claude": {"model_ratio": "1.5", "completion_ratio": "5", "cache_ratio": "0.1", "create_cache_ratio": "1.25"}},
    ),
    (
        {"openai": {"models": {"gpt-4o": {"cost": {"input": 2.5, "output": 10, "cache_read": 1.25}}, "x": {"cost": {"input": 0}}}}},
        {"gpt-4o": {"model_ratio": "1.25", "completion_ratio": "4", "cache_ratio": "0.5"}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("told", "wanted"), FORMS)
def test_forms(told: Any, wanted: Any) -> None:
    assert published(told) == wanted


@pytest.mark.parametrize("told", [[], "x", None, 5, {}, {"data": "x"}, {"data": [{"name": 1}]}, {"data": {"x": 1}}])
def test_what_is_no_price_list(told: Any) -> None:
    with pytest.raises(ValueError, match="no price list"):
        published(told)


def test_figures_that_are_none() -> None:
    for value in (-1, "-1", "NaN", "Infinity", "1e30", True, None, [], "x", "1" * 100, 10**12):
        assert figure(value) == "", value
    assert (figure(0), figure("1e-400"), figure(0.1), figure("2.50")) == ("0", "0", "0.1", "2.5")


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["data", "model_ratio", "model_name", "pricing", "prompt", "models", "cost", "input", "id", "m"]), inner, max_size=4
    ),
    max_leaves=25,
))  # fmt: skip
def test_answers_of_any_shape_are_read_or_refused(told: Any) -> None:
    try:
        found = published(told)
    except ValueError:
        return
    assert all(value for figures in found.values() for value in figures.values())


def test_differences() -> None:
    prices = PriceTables.parse(
        {"ModelRatio": '{"same": 1, "other": 2}', "CompletionRatio": '{"other": 3}', "ModelPrice": "{}"}
    )
    lists = {
        "a": {
            "same": {"model_ratio": "1"},
            "other": {"model_ratio": "2.5", "completion_ratio": "3"},
            "new": {"model_price": "0.1"},
        },
        "b": {"other": {"model_ratio": "2"}, "guess": {"model_ratio": "37.5", "completion_ratio": "1"}},
    }
    found = {(one.model, one.field): one for one in differing(in_force(prices), lists)}
    assert set(found) == {
        ("other", "model_ratio"),
        ("new", "model_price"),
        ("guess", "model_ratio"),
        ("guess", "completion_ratio"),
    }
    other = found["other", "model_ratio"]
    assert (other.current, dict(other.upstreams)) == ("2", {"a": "2.5", "b": "same"})
    assert dict(found["new", "model_price"].upstreams) == {"a": "0.1"}
    assert dict(found["guess", "model_ratio"].confidence) == {"a": True, "b": False}

"""Paths into providers' answers, and policies over them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identity import policy
from core.identity.paths import MISSING, text_at, value_at

DOCUMENT = {
    "id": 7, "sub": "u-1", "groups": ["staff", "dev"], "deep": {"a.b": {"c": [10, {"d": "x"}]}}, "level": "3",
    "active": True, "none": None, "ratio": 2.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 7), ("groups.1", "dev"), ("deep.a\\.b.c.1.d", "x"), ("none", None), ("deep.a.b", MISSING),
        ("groups.2", MISSING), ("groups.x", MISSING), ("sub.0", MISSING), ("no", MISSING), ("groups.99999999999", MISSING),
    ],
)  # fmt: skip
def test_paths(path: str, value: Any) -> None:
    assert value_at(DOCUMENT, path) == value


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a\\", "x" * 200, ".".join("a" * 20)])
def test_no_paths(path: str) -> None:
    with pytest.raises(ValueError, match="no path"):
        value_at(DOCUMENT, path)
    assert text_at(DOCUMENT, path, 9) == ""


def test_texts() -> None:
    assert text_at(DOCUMENT, "id", 9) == "7"
    assert text_at({"a": "x" * 10}, "a", 9) == ""
    for value in (True, None, 1.5, [], {}, "a\nb", 10**60):
        assert text_at({"a": value}, "a", 99) == "", value


@pytest.mark.parametrize(
    ("condition", "held"),
    [
        (("id", "eq", 7), True), (("id", "eq", "7"), True), (("id", "eq", 8), False), (("sub", "eq", "u-1"), True),
        (("id", "ne", 7), False), (("no", "eq", 7), False), (("no", "ne", 7), True), (("none", "eq", None), True),
        (("level", "gte", 3), True), (("level", "gt", 3), False), (("level", "lt", 3), False), (("ratio", "lte", "2.5"), True),
        (("no", "gte", 0), False), (("no", "lt", 5), False), (("sub", "gt", 1), False), (("active", "gt", 0), False),
        (("active", "eq", True), True), (("active", "eq", "true"), True), (("active", "eq", 1), False),
        (("id", "in", [1, 7]), True), (("id", "not_in", [1, 7]), False), (("no", "in", [None]), False), (("no", "not_in", [1]), True),
        (("groups", "contains", "dev"), True), (("groups", "contains", "de"), False), (("sub", "contains", "u-"), True),
        (("groups", "not_contains", "admin"), True), (("no", "contains", ""), False), (("id", "contains", 7), False),
        (("none", "exists", None), True), (("no", "exists", None), False), (("no", "not_exists", None), True),
    ],
)  # fmt: skip
def test_conditions(condition: tuple[str, str, Any], held: bool) -> None:
    name, op, value = condition
    rules = policy.parse(json.dumps({"conditions": [{"field": name, "op": op, "value": value}]}))
    assert rules is not None
    assert policy.allows(rules, DOCUMENT) is held


def test_groups() -> None:
    staff = {"field": "groups", "op": "contains", "value": "staff"}
    boss = {"field": "groups", "op": "contains", "value": "boss"}
    for logic, held in (("and", False), ("or", True), ("", False)):
        rules = policy.parse(json.dumps({"logic": logic, "conditions": [boss], "groups": [{"conditions": [staff]}]}))
        assert rules is not None
        assert policy.allows(rules, DOCUMENT) is held
    assert policy.parse("  ") is None


@pytest.mark.parametrize(
    "text",
    ["x", "[]", "1", "{}", '{"conditions": []}', '{"logic": "xor", "conditions": [{"field": "a", "op": "eq"}]}',
     '{"conditions": [{"field": "a", "op": "like"}]}', '{"conditions": [{"field": "", "op": "eq"}]}',
     '{"conditions": [{"field": "a", "op": "in", "value": 1}]}', '{"conditions": {"a": 1}}', '{"groups": [1]}',
     "[" * 5000, json.dumps({"conditions": [{"field": "a", "op": "eq"}] * 101}), " " * 9 + "x" * 20_000],
)  # fmt: skip
def test_no_policies(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        policy.parse(text)
    deep: dict[str, Any] = {"conditions": [{"field": "a", "op": "eq"}]}
    for _ in range(6):
        deep = {"groups": [deep]}
    with pytest.raises(ValueError, match="nested"):
        policy.parse(json.dumps(deep))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(found=VALUES, wanted=VALUES, op=st.sampled_from([op for op in policy.OPERATORS if "in" not in op.split("_")]))
def test_nothing_a_provider_says_breaks_a_policy(found: Any, wanted: Any, op: str) -> None:
    rules = {"conditions": [{"field": "a", "op": op, "value": wanted}]}
    assert policy.allows(rules, {"a": found}) in (True, False)
    assert policy.allows(rules, found) in (True, False)
    opposite = {"eq": "ne", "contains": "not_contains", "exists": "not_exists"}.get(op)
    if opposite:
        other = {"conditions": [{"field": "a", "op": opposite, "value": wanted}]}
        assert policy.allows(rules, {"a": found}) is not policy.allows(other, {"a": found})

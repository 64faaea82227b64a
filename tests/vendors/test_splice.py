"""Splicing changes what it must and keeps every other byte."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidRequest
from core.vendors.shared import scan

_texts = st.text(max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(["model", "max_tokens", "stream", "a", 'q"\\', "é"])
_pairs = st.lists(st.tuples(_names, _values), max_size=6)
_spaces = st.sampled_from(["", " ", "\n\t", "\r\n "])


def _written(pairs: list[tuple[str, Any]], space: str, ascii_only: bool) -> bytes:
    members = [
        space
        + json.dumps(key, ensure_ascii=ascii_only)
        + space
        + ":"
        + space
        + json.dumps(value, ensure_ascii=ascii_only)
        + space
        for key, value in pairs
    ]
    return (space + "{" + (",".join(members) or space) + "}" + space).encode("utf-8", "surrogatepass")


@settings(max_examples=400, deadline=None)
@given(_pairs, _spaces, st.booleans(), st.dictionaries(_names, _values, max_size=2), st.sets(_names, max_size=2))
def test_change_equals_parse_change_dump(
    pairs: list[tuple[str, Any]], space: str, ascii_only: bool, sets: dict[str, Any], deletes: set[str]
) -> None:
    body = _written(pairs, space, ascii_only)
    sets = {name: value for name, value in sets.items() if name not in deletes}
    expected = {name: value for name, value in json.loads(body).items() if name not in deletes}
    expected.update(sets)
    out = scan.change(body, {name: orjson.dumps(value) for name, value in sets.items()}, deletes, {})
    assert json.loads(out) == expected


@settings(max_examples=200, deadline=None)
@given(_values, _values, _spaces)
def test_rename_and_set_keep_all_other_bytes(before: Any, after: Any, space: str) -> None:
    body = _written([("a", before), ("max_tokens", 5), ("z", after)], space, True)
    out = scan.change(body, {}, set(), {"max_tokens": "max_completion_tokens"})
    at = body.index(b'"max_tokens"' + space.encode() + b":" + space.encode() + b"5" + space.encode() + b",")
    assert out == body[:at] + b'"max_completion_tokens"' + body[at + len(b'"max_tokens"') :]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a":1', b'{"a" 1}', b'{"a":[1}', b'{"a":1,}', b"x"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        scan.change(body, {"model": b'"x"'}, set(), {})

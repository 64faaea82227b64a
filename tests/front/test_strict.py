"""What is refused of a body before anything is made of it, and that finding out takes no time."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.dialects.strict import VALUES_MOST, check_names, check_shape, load_object
from front.errors import FrontError

SECONDS = 3.0
"""Generous: each takes some tenths, and took five to fifty."""


def depth(value: Any) -> int:
    """How deep lists and objects nest."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max((depth(each) for each in inner), default=0)


def fits(raw: bytes, limit: int) -> bool:
    """Whether a body's shape is taken."""
    try:
        check_shape(raw, limit)
    except FrontError:
        return False
    return True


texts = st.text(st.sampled_from('a[]{}",\\\n')) | st.text()


@given(
    st.recursive(texts | st.none(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=30),
    st.integers(0, 8),
)
def test_depth(value: Any, limit: int) -> None:
    assert fits(orjson.dumps(value), limit) == (depth(value) <= limit)


@pytest.mark.parametrize("value", [b"[]", b'"a"', b"1", b"{}", b'{"a":[]}'])
def test_many_values(value: bytes) -> None:
    started = time.process_time()
    raw = b'{"x":[' + b",".join([value] * (VALUES_MOST + 1)) + b"]}"
    with pytest.raises(FrontError) as refused:
        load_object(raw)
    assert refused.value.status == 400
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("piece", [b"[", b"]", b'"', b'"\\', b"{", b"[]", b'["', b",", b'"",', b"\\"])
def test_no_body_takes_long(piece: bytes) -> None:
    started = time.process_time()
    with pytest.raises(FrontError):
        load_object(b"{" + piece * ((16 << 20) // len(piece)))
    assert time.process_time() - started < SECONDS


def test_a_long_text_is_one_value() -> None:
    told = {"messages": [{"role": "user", "content": "[a, {b}, " * VALUES_MOST}]}
    assert load_object(orjson.dumps(told)) == told


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"a","model":"b"}',
        b'{"\\u006dodel":"a","model":"b"}',
        b'{"model":"a","x":{"model":1},"model":"b"}',
        b'{"model":"a","Model":"b"}',
        b'{"STREAM":true}',
        b'{"n":1,"n":2,"seed":' + b"9" * 5000 + b"}",
    ],
)
def test_names_that_parsers_read_differently(raw: bytes) -> None:
    source = orjson.loads(raw.replace(b"9" * 5000, b"9"))
    with pytest.raises(FrontError) as refused:
        check_names(raw, source)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"model","messages":[{"model":1,"stream":"stream","model":2}],"stream":true}',
        b'{"model":"a","tools":[{"\\u006dodel":1}],"x":"\\u0041"}',
        b'{"model":"a","messages":[{"content":"\\"model\\":1, \\"model\\":2"}],"serviceTier":1}',
    ],
)
def test_names_that_mean_one_thing(raw: bytes) -> None:
    check_names(raw, orjson.loads(raw))

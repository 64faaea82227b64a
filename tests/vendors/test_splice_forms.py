"""The client's own bytes go out: what the channel does not change is not touched, in any form that is spliced."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.v1 import common_pb2

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.registry import ALL

CHANNEL = Channel(
    id=1, type=1014, name="c", keys=(), base_url="http://127.0.0.1:1", models=frozenset(), groups=frozenset(),
    priority=0, weight=0,
)  # fmt: skip
CALL = Call(CHANNEL, "", "asked", "asked", False)
FORMS = [
    ("openai.chat", ALL[1014].chat[0], {"messages": [{"role": "user", "content": "hi \u00e9"}]}),
    ("openai.embeddings", ALL[1014].embedding[0], {"input": ["a"]}),
    ("jina.rerank", ALL[1014].rerank[0], {"query": "q", "documents": ["a"]}),
]
texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
members = st.dictionaries(st.from_regex(r"x_[a-z]{1,6}", fullmatch=True) | st.just('x_"\\'), values, max_size=5)
spaces = st.sampled_from(["", " ", "\n\t", "\r\n  "])


def written(body: dict[str, Any], space: str, ascii_only: bool) -> bytes:
    """The body with white space wherever it may stand."""
    pairs = (
        f"{space}{json.dumps(name)}{space}:{space}{json.dumps(value, ensure_ascii=ascii_only)}{space}"
        for name, value in body.items()
    )
    return f"{space}{{{','.join(pairs)}}}{space}".encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(("name", "form", "needed"), FORMS, ids=lambda item: item if isinstance(item, str) else "")
def test_nothing_to_change_is_the_same_bytes(name: str, form: Any, needed: dict[str, Any]) -> None:
    @given(members, members, spaces, st.booleans())
    def check(before: dict[str, Any], after: dict[str, Any], space: str, ascii_only: bool) -> None:
        raw = written({**before, "model": "asked", **needed, **after}, space, ascii_only)
        assert form.splice(common_pb2.Native(form=name, body=raw), CALL).body == raw

    check()


@pytest.mark.parametrize(("name", "form", "needed"), FORMS, ids=lambda item: item if isinstance(item, str) else "")
def test_a_mapped_model_changes_its_value_alone(name: str, form: Any, needed: dict[str, Any]) -> None:
    @given(members, members, spaces, st.booleans(), texts.filter(bool))
    def check(before: dict[str, Any], after: dict[str, Any], space: str, ascii_only: bool, model: str) -> None:
        call = replace(CALL, sent=model)
        raw = written({**before, "model": "asked-\0-model", **needed, **after}, space, ascii_only)
        out = form.splice(common_pb2.Native(form=name, body=raw), call).body
        assert out == raw.replace(json.dumps("asked-\0-model").encode(), orjson.dumps(model))

    check()


@given(members, members, spaces, values)
def test_an_override_changes_its_member_alone(
    before: dict[str, Any], after: dict[str, Any], space: str, value: Any
) -> None:
    name, form, needed = FORMS[0]
    call = replace(CALL, channel=replace(CHANNEL, param_override={"temperature": value}))
    raw = written({**before, "model": "asked", "temperature": -77.25, **needed, **after}, space, True)
    out = form.splice(common_pb2.Native(form=name, body=raw), call).body
    assert out == raw.replace(b"-77.25", orjson.dumps(value))

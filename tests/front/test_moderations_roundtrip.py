"""A request for moderation, parsed and encoded again, is the same request."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.registry import ALL
from front.dialects.interface import Ask
from front.dialects.openai.moderations import OpenAIModerations

CHANNEL = Channel(
    id=1, type=1, name="c", keys=(), base_url="http://127.0.0.1:1", models=frozenset(), groups=frozenset(),
    priority=0, weight=0,
)  # fmt: skip
words = st.text(min_size=1, max_size=12)
pieces = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": words}),
    st.sampled_from(["https://example.com/a.png", "data:image/png;base64,iVBORw0KGgo="]).map(
        lambda url: {"type": "image_url", "image_url": {"url": url}}
    ),
)
several = st.lists(pieces, min_size=1, max_size=3).filter(lambda made: len(made) > 1 or made[0]["type"] != "text")


@given(words | st.lists(words, min_size=1, max_size=3) | several, st.none() | words)
def test_parse_and_encode_lose_nothing(given_input: Any, unknown: str | None) -> None:
    body = {"model": "m", "input": given_input, **({"x_more": unknown} if unknown else {})}
    raw = orjson.dumps(body)
    _, found = OpenAIModerations().parse(Ask(raw, orjson.loads(raw), "/v1/moderations", 100))
    wire = ALL[1].moderation[0].encode(found, Call(CHANNEL, "", "m", "m", False))
    assert orjson.loads(wire.body) == body

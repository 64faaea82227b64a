"""A request of OpenAI's legacy completions, parsed and encoded again, is the same request."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.openai.completions import FORM
from core.vendors.registry import ALL
from front.dialects.interface import Ask
from front.dialects.openai.completions import OpenAICompletions

VENDOR = 1014
"""vLLM: no rules of its own."""
CHANNEL = Channel(
    id=1, type=VENDOR, name="c", keys=(), base_url="http://127.0.0.1:1", models=frozenset(), groups=frozenset(),
    priority=0, weight=0,
)  # fmt: skip
SPEAKER = next(form for form in ALL[VENDOR].chat if form.name == FORM)
words = st.text(min_size=1, max_size=12)
tokens = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4)
floats = st.floats(0, 1, allow_nan=False)
requests = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "prompt": words | st.lists(words | tokens, min_size=2, max_size=4) | tokens | st.lists(tokens, min_size=1),
    },
    optional={
        "suffix": words,
        "best_of": st.integers(1, 9),
        "max_tokens": st.integers(0, 100),
        "n": st.integers(1, 9),
        "logprobs": st.integers(0, 5),
        "temperature": floats,
        "top_p": floats,
        "presence_penalty": floats,
        "frequency_penalty": floats,
        "seed": st.integers(-(2**63), 2**63 - 1),
        "logit_bias": st.dictionaries(st.integers(0, 9).map(str), st.integers(-100, 100), min_size=1, max_size=3),
        "stop": st.lists(words, min_size=1, max_size=4),
        "user": words,
        "x_unknown": st.booleans() | words,
    },
)


@settings(max_examples=200)
@given(requests)
def test_parse_and_encode_lose_nothing(body: dict[str, Any]) -> None:
    raw = orjson.dumps(body)
    _, chat = OpenAICompletions().parse(Ask(raw, orjson.loads(raw), "/v1/completions", 100))
    wire = SPEAKER.encode(chat, Call(CHANNEL, "", "m", "m", False))
    assert orjson.loads(wire.body) == body
    assert wire.dropped == ()

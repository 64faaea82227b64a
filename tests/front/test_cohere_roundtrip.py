"""A request of Cohere's chat, parsed and encoded again, is the same request."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.registry import ALL
from front.dialects.cohere.chat import CohereChat
from front.dialects.interface import Ask

CHANNEL = Channel(
    id=1, type=34, name="c", keys=(), base_url="http://127.0.0.1:1", models=frozenset(), groups=frozenset(),
    priority=0, weight=0,
)  # fmt: skip
words = st.text(min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
objects = st.dictionaries(names, st.booleans() | words, min_size=1, max_size=3)


def made(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    return st.fixed_dictionaries(required, optional=optional or {})


texts = made({"type": st.just("text"), "text": words})
thoughts = made({"type": st.just("thinking"), "thinking": words})
images = made(
    {
        "type": st.just("image_url"),
        "image_url": made(
            {"url": st.sampled_from(["https://example.com/a.png", "data:image/png;base64,iVBORw0KGgo="])},
            {"detail": st.sampled_from(["auto", "low", "high"])},
        ),
    }
)
documents = made({"data": objects}, {"id": words})
results = st.lists(
    texts | made({"type": st.just("document"), "document": documents}), min_size=2, max_size=3
)  # One text alone in a list becomes a plain string.
calls = st.lists(
    made({"id": words, "type": st.just("function"), "function": made({"name": names, "arguments": words})}),
    min_size=1,
    max_size=3,
)
user = made({"role": st.just("user"), "content": words | st.lists(texts | images, min_size=2, max_size=3)})
system = made({"role": st.just("system"), "content": words})
assistant = st.one_of(
    made({"role": st.just("assistant"), "tool_calls": calls}, {"tool_plan": words, "content": words}),
    made(
        {"role": st.just("assistant"), "content": words | st.tuples(thoughts, texts).map(list)},
        {"citations": st.just([{"start": 0, "end": 1, "text": "a", "sources": []}])},
    ),
)
result = made({"role": st.just("tool"), "tool_call_id": words, "content": words | results})
tools = made(
    {"type": st.just("function"), "function": made({"name": names, "parameters": objects}, {"description": words})}
)
requests = made(
    {
        "model": st.just("m"),
        "messages": st.tuples(user, st.lists(user | system | assistant | result, max_size=3)).map(
            lambda found: [found[0], *found[1]]
        ),
    },
    {
        "temperature": st.floats(0, 5, allow_nan=False),
        "p": st.floats(0.01, 0.99, allow_nan=False),
        "k": st.integers(0, 500),
        "frequency_penalty": st.floats(0, 1, allow_nan=False),
        "presence_penalty": st.floats(0, 1, allow_nan=False),
        "seed": st.integers(0, 2**63 - 1),
        "logprobs": st.booleans(),
        "max_tokens": st.integers(1, 100),
        "stop_sequences": st.lists(words, min_size=1, max_size=5),
        "documents": st.lists(words | documents, min_size=1, max_size=3),
        "thinking": made({"type": st.just("enabled")}, {"token_budget": st.integers(1, 9)}),
        "response_format": st.sampled_from(
            [{"type": "text"}, {"type": "json_object"}, {"type": "json_object", "json_schema": {"type": "object"}}]
        ),
        "safety_mode": st.just("STRICT"),
        "citation_options": st.just({"mode": "FAST"}),
        "priority": st.integers(0, 9),
        "x_unknown": words,
    },
)


@settings(max_examples=200)
@given(requests, st.lists(tools, max_size=2), st.booleans(), st.sampled_from(["", "REQUIRED", "NONE"]))
def test_parse_and_encode_lose_nothing(body: dict[str, Any], offered: list[Any], strict: bool, choice: str) -> None:
    if offered:
        more = {"strict_tools": True} if strict else {}
        body = {**body, "tools": offered, **more, **({"tool_choice": choice} if choice else {})}
    raw = orjson.dumps(body)
    _, chat = CohereChat().parse(Ask(raw, orjson.loads(raw), "/v2/chat", 100))
    wire = ALL[34].chat[0].encode(chat, Call(CHANNEL, "", "m", "m", False))
    assert orjson.loads(wire.body) == body
    assert wire.dropped == ()

"""A request of Ollama's chat or generate, parsed and encoded again, is the same request."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.registry import ALL
from front.dialects.interface import Ask
from front.dialects.ollama.dialect import OllamaChat

CHANNEL = Channel(
    id=1, type=4, name="c", keys=(), base_url="http://127.0.0.1:1", models=frozenset(), groups=frozenset(),
    priority=0, weight=0,
)  # fmt: skip
FORMS = {form.name: form for form in ALL[4].chat}
words = st.text(min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
objects = st.dictionaries(names, st.booleans() | words, min_size=1, max_size=3)
images = st.lists(st.just("iVBORw0KGgo="), min_size=1, max_size=2)
floats = st.floats(-2, 2, allow_nan=False)


def made(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    return st.fixed_dictionaries(required, optional=optional or {})


calls = st.lists(made({"id": words, "function": made({"name": names, "arguments": objects})}), min_size=1, max_size=3)
said = made({"role": st.sampled_from(["system", "user"]), "content": words}, {"images": images, "x_unknown": words})
answered = made({"role": st.just("assistant"), "content": words}, {"thinking": words, "tool_calls": calls})
result = made({"role": st.just("tool"), "content": words, "tool_name": names, "tool_call_id": words})
tools = made(
    {"type": st.just("function"), "function": made({"name": names, "parameters": objects}, {"description": words})}
)
options = made(
    {"temperature": floats},
    {
        "top_p": floats,
        "top_k": st.integers(0, 100),
        "min_p": floats,
        "seed": st.integers(0, 2**30),
        "repeat_penalty": floats,
        "presence_penalty": floats,
        "frequency_penalty": floats,
        "num_predict": st.integers(1, 100),
        "stop": st.lists(words, min_size=1, max_size=3),
        "num_ctx": st.integers(1, 100),
    },
)
common = {
    "options": options,
    "format": st.just("json") | objects,
    "think": st.booleans() | st.sampled_from(["low", "medium", "high"]),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "keep_alive": st.just("5m") | st.just(0),
    "x_unknown": words,
}
chats = made(
    {
        "model": st.just("m"),
        "stream": st.booleans(),
        "messages": st.lists(said | answered | result, min_size=1, max_size=4),
    },
    {**common, "tools": st.lists(tools, min_size=1, max_size=2)},
)
prompts = made(
    {"model": st.just("m"), "stream": st.booleans(), "prompt": words},
    {**common, "system": words, "images": images, "suffix": words, "raw": st.booleans(), "context": st.just([1, 2])},
)


def check(body: dict[str, Any], generate: bool) -> None:
    raw = orjson.dumps(body)
    dialect = OllamaChat(generate)
    envelope, chat = dialect.parse(Ask(raw, orjson.loads(raw), "/api", 100))
    assert envelope.stream == body["stream"]
    wire = FORMS[dialect.form].encode(chat, Call(CHANNEL, "", "m", "m", envelope.stream))
    assert orjson.loads(wire.body) == body
    assert wire.dropped == ()


@settings(max_examples=200)
@given(chats)
def test_chat_loses_nothing(body: dict[str, Any]) -> None:
    check(body, generate=False)


@settings(max_examples=100)
@given(prompts)
def test_generate_loses_nothing(body: dict[str, Any]) -> None:
    check(body, generate=True)

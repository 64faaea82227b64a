"""A request of OpenAI's chat form, parsed and encoded again, is the same request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.registry import ALL
from front.dialects.openai import chat as openai_chat

VENDOR = 1014
"""vLLM: a form that is OpenAI's and takes all of it, thoughts included."""
CHANNEL = Channel(
    id=1, type=VENDOR, name="c", keys=(), base_url="http://127.0.0.1:1", models=frozenset(), groups=frozenset(),
    priority=0, weight=0,
    settings={
        f"allow_{name}": True
        for name in ("service_tier", "inference_geo", "speed", "safety_identifier", "include_obfuscation")
    },
)  # fmt: skip
words = st.text(min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
leaves = st.booleans() | st.integers(-(2**40), 2**40) | words
json_objects = st.dictionaries(
    names, st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
)
# Members nobody knows: prefixed, so that they are not by chance ones that are known.
unknown = st.dictionaries(names.map("x_".__add__), leaves, max_size=2)


def made(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    """Objects of these members."""
    return st.fixed_dictionaries(required, optional=optional or {})


def extended(objects: Any) -> Any:
    """The objects with members nobody knows."""
    return st.builds(lambda found, more: {**more, **found}, objects, unknown)


def kind(name: str, inner: Any) -> Any:
    """A part {type: name, name: inner}."""
    return extended(made({"type": st.just(name), name: inner}))


texts = extended(
    made({"type": st.just("text"), "text": words}, {"prompt_cache_breakpoint": st.just({"mode": "explicit"})})
)
urls = st.sampled_from(
    ["https://example.com/a.png", "data:image/png;base64,iVBORw0KGgo=", "data:image/svg+xml,%3Csvg/%3E", "gs://b/c"]
)
parts = st.one_of(
    texts,
    kind("image_url", extended(made({"url": urls}, {"detail": st.sampled_from(["low", "high", "original"])}))),
    kind("input_audio", extended(made({"data": st.just("UklGRg=="), "format": st.sampled_from(["wav", "mp3"])}))),
    kind("file", extended(made({"file_id": words}, {"filename": words}))),
    kind("file", extended(made({"file_data": st.just("data:text/plain;base64,aGk="), "filename": words}))),
    kind("video_url", made({"url": st.just("https://example.com/a.mp4")})),
    extended(made({"type": st.just("x_hologram"), "x": leaves})),
)
# One text alone in a list becomes a plain string: the same to every vendor.
several = st.lists(parts, min_size=2, max_size=4)
calls = extended(
    made(
        {
            "id": words,
            "type": st.just("function"),
            "function": extended(made({"name": names, "arguments": st.just('{"a": 1}') | words})),
        }
    )
)
custom_calls = extended(made({"id": words, "type": st.just("custom"), "custom": made({"name": names, "input": words})}))
user = extended(made({"role": st.sampled_from(["user", "system"]), "content": words | several}, {"name": names}))
assistant = extended(
    made(
        {"role": st.just("assistant"), "content": words | st.lists(texts, min_size=2, max_size=3)},
        {
            "name": names,
            "refusal": words,
            "reasoning_content": words,
            "tool_calls": st.lists(calls, min_size=1, max_size=3),
            "audio": made({"id": words}),
        },
    )
)
result = extended(
    made(
        {
            "role": st.just("tool"),
            "tool_call_id": words,
            "content": words | st.lists(texts, min_size=2, max_size=3),
        },
        {"name": names},
    )
)
function_tools = extended(
    made(
        {
            "type": st.just("function"),
            "function": extended(
                made({"name": names}, {"description": words, "parameters": json_objects, "strict": st.booleans()})
            ),
        }
    )
)
custom_tools = made(
    {
        "type": st.just("custom"),
        "custom": extended(
            made(
                {"name": names},
                {
                    "description": words,
                    "format": st.just({"type": "text"})
                    | made(
                        {
                            "type": st.just("grammar"),
                            "grammar": made({"syntax": st.sampled_from(["lark", "regex"]), "definition": words}),
                        }
                    ),
                },
            )
        ),
    }
)
known_tools = st.one_of(function_tools, extended(made({"type": st.just("x_vendor_tool"), "x_setting": leaves})))
formats = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    made({"type": st.just("x_regex"), "pattern": words}),
    made(
        {
            "type": st.just("json_schema"),
            "json_schema": made(
                {"name": names}, {"description": words, "schema": json_objects, "strict": st.booleans()}
            ),
        }
    ),
)
floats = st.floats(0, 1, allow_nan=False)
requests = extended(
    made(
        {"model": st.just("m"), "messages": st.lists(user | assistant | result, min_size=1, max_size=4)},
        {
            "temperature": floats,
            "top_p": floats,
            "min_p": floats,
            "frequency_penalty": floats,
            "presence_penalty": floats,
            "repetition_penalty": floats,
            "top_k": st.integers(-1, 100),
            "seed": st.integers(-(2**63), 2**63 - 1),
            "n": st.integers(1, 4),
            "logprobs": st.booleans(),
            "top_logprobs": st.integers(0, 20),
            "logit_bias": st.dictionaries(st.integers(0, 9).map(str), st.integers(-100, 100), min_size=1, max_size=3),
            "max_tokens": st.integers(1, 100),
            "stop": st.lists(words, min_size=1, max_size=4),
            "response_format": formats,
            "verbosity": st.sampled_from(["low", "medium", "high"]),
            "modalities": st.just(["text", "audio"]),
            "audio": made({"format": st.just("wav"), "voice": st.just("alloy") | st.just({"id": "v"})}),
            "prediction": made(
                {
                    "type": st.just("content"),
                    "content": words | st.lists(made({"type": st.just("text"), "text": words}), min_size=2, max_size=3),
                }
            ),
            "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
            "reasoning": made({"effort": st.just("low")}, {"max_tokens": st.integers(1, 9), "exclude": st.booleans()}),
            "thinking": made({"type": st.sampled_from(["enabled", "disabled"])}, {"budget_tokens": st.integers(1, 9)}),
            "enable_thinking": st.booleans(),
            "user": words,
            "safety_identifier": words,
            "metadata": st.dictionaries(names, words, min_size=1, max_size=3),
            "prompt_cache_key": words,
            "prompt_cache_retention": st.just("24h"),
            "prompt_cache_options": st.just({"mode": "explicit"}),
            "service_tier": st.just("flex"),
            "speed": st.just("fast"),
            "store": st.booleans(),
            "web_search_options": made({}, {"search_context_size": st.just("low")}),
            "moderation": st.just({"model": "x"}),
        },
    )
)
choices = st.none() | st.sampled_from(["auto", "none", "required"])


@settings(max_examples=100)
@given(st.lists(custom_tools, min_size=1, max_size=3), st.lists(custom_calls, min_size=1, max_size=3))
def test_free_form_tools_stay_what_they_are_at_openai(offered: list[Any], called: list[Any]) -> None:
    """Others get them as functions: only OpenAI's own models take them in this form."""
    said = {"role": "assistant", "content": "0", "tool_calls": called}
    raw = orjson.dumps({"model": "m", "messages": [said], "tools": offered})
    _, chat = openai_chat.parse(orjson.loads(raw), raw, 100)
    channel = replace(CHANNEL, type=1)
    wire = ALL[1].chat[0].encode(chat, Call(channel, "", "m", "m", False))
    assert orjson.loads(wire.body)["tools"] == offered
    assert orjson.loads(wire.body)["messages"] == [said]


@settings(max_examples=300)
@given(
    requests,
    st.lists(known_tools, max_size=3),
    choices,
    st.none() | st.booleans(),
)
def test_parse_and_encode_lose_nothing(
    body: dict[str, Any], offered: list[Any], choice: str | None, parallel: bool | None
) -> None:
    if offered:
        body = {**body, "tools": offered}
        if choice is not None:
            body["tool_choice"] = choice
        if parallel is not None:
            body["parallel_tool_calls"] = parallel
    raw = orjson.dumps(body)
    _, chat = openai_chat.parse(orjson.loads(raw), raw, 100)
    wire = ALL[VENDOR].chat[0].encode(chat, Call(CHANNEL, "", "m", "m", False))
    assert orjson.loads(wire.body) == body
    assert wire.dropped == ()

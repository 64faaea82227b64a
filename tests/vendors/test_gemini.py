"""Gemini's form: what must hold for any request, stream and signature. Shapes are in tests/golden/gemini.*."""

from __future__ import annotations

import base64
import json
import warnings
from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2

from core.options.table import DEFAULTS
from core.state.types import Channel
from core.vendors.gemini import decode, schema, thinking
from core.vendors.gemini.chunks import Chunks
from core.vendors.gemini.partial import PartialArguments
from core.vendors.interface import BadAnswer, Call
from core.vendors.registry import ALL
from core.vendors.shared import carry
from front.dialects import call_ids
from front.dialects.gemini import render as gemini_render
from front.dialects.gemini.dialect import GeminiChat
from front.dialects.interface import Ask
from front.dialects.openai.dialect import OpenAIChat

CHANNEL = Channel(
    id=1, type=24, name="c", keys=(), base_url="https://generativelanguage.googleapis.com", models=frozenset(),
    groups=frozenset(), priority=0, weight=0,
)  # fmt: skip
GEMINI = ALL[24].chat[0]
MODEL = "gemini-2.5-flash"


def call(model: str = MODEL, raw: bytes = b"", **more: Any) -> Call:
    native = common_pb2.Native(form="gemini.generate", body=raw)
    return Call(CHANNEL, "AIza-secret", model, model, False, native=native, **more)


def parsed(body: Any, model: str = MODEL) -> tuple[chat_pb2.ChatRequest, bytes]:
    """The canonical request of a client's body, and the bytes."""
    raw = orjson.dumps(body)
    ask = Ask(raw, orjson.loads(raw), f"/v1beta/models/{model}:generateContent", 8192, {"model": model})
    return GeminiChat(streamed=False).parse(ask)[1], raw


# -- requests ---------------------------------------------------------------------------------

TEXTS = st.text(min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
SIGNATURES = (
    st.binary(min_size=1, max_size=40)
    # The house's own mark (hypothesis finds it among the code's constants) is another vendor's signature, brought back.
    .filter(lambda raw: not raw.startswith(b"isthmus"))
    .map(lambda raw: base64.b64encode(raw).decode())
)


def optional(**members: Any) -> Any:
    return st.fixed_dictionaries({}, optional=members)


TEXT_PARTS = st.builds(lambda text, more: {"text": text, **more}, TEXTS, optional(thoughtSignature=SIGNATURES))
THOUGHTS = st.builds(
    lambda text, more: {"text": text, "thought": True, **more}, TEXTS, optional(thoughtSignature=SIGNATURES)
)
MEDIA = st.builds(
    lambda kind, data: {"inlineData": {"mimeType": kind, "data": base64.b64encode(data).decode()}},
    st.sampled_from(["image/png", "audio/mpeg", "video/mp4", "application/pdf"]),
    st.binary(min_size=1, max_size=9) | st.just(b"x" * 6000),
)
FILES = st.builds(
    lambda kind, name: {"fileData": {"mimeType": kind, "fileUri": f"https://files.example/{name}"}},
    st.sampled_from(["image/png", "application/pdf"]),
    NAMES,
)
CODE = st.builds(lambda text: {"executableCode": {"language": "PYTHON", "code": text}}, TEXTS)
NEW_KINDS = st.builds(lambda inner: {"aKindOfTomorrow": inner}, OBJECTS)


@st.composite
def conversations(draw: Any) -> list[dict[str, Any]]:
    """Turns of user and model; calls with and without ids and signatures, each followed by its results."""
    contents: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 3))):
        contents.append({"role": "user", "parts": draw(st.lists(TEXT_PARTS | MEDIA | FILES, min_size=1, max_size=3))})
        parts = draw(st.lists(TEXT_PARTS | THOUGHTS | CODE | NEW_KINDS, max_size=3))
        results = []
        for number in range(draw(st.integers(0, 3))):
            name = draw(NAMES)
            made: dict[str, Any] = {"name": name, "args": draw(OBJECTS)}
            result: dict[str, Any] = {"name": name, "response": draw(OBJECTS)}
            if draw(st.booleans()):
                made["id"] = result["id"] = f"id-{turn}-{number}"
            parts.append({"functionCall": made, **draw(optional(thoughtSignature=SIGNATURES))})
            results.append({"functionResponse": result})
        if parts:
            contents.append({"role": "model", "parts": parts})
        if results:
            contents.append({"role": "user", "parts": results})
    return contents


CONFIGS = optional(
    temperature=st.sampled_from([0.0, 0.5, 2.0]), topP=st.sampled_from([0.1, 1.0]), topK=st.integers(1, 99),
    seed=st.integers(-9, 9), maxOutputTokens=st.integers(1, 9999), candidateCount=st.integers(1, 8),
    stopSequences=st.lists(TEXTS, min_size=1, max_size=3), responseLogprobs=st.booleans(), logprobs=st.integers(0, 20),
    presencePenalty=st.sampled_from([-1.5, 1.5]), frequencyPenalty=st.sampled_from([-1.5, 1.5]),
    responseMimeType=st.sampled_from(["application/json", "text/plain", "text/x.enum"]),
    responseModalities=st.just(["TEXT", "IMAGE"]), imageConfig=OBJECTS, speechConfig=OBJECTS,
    thinkingConfig=st.sampled_from(
        [{"thinkingBudget": 1024, "includeThoughts": True}, {"thinkingBudget": 0}, {"thinkingBudget": -1}]
    ),
    mediaResolution=st.just("MEDIA_RESOLUTION_LOW"), someNewSetting=st.integers(0, 99),
)  # fmt: skip
FUNCTIONS = st.builds(
    lambda name, description: {
        "name": name,
        "description": description,
        "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}},
    },
    NAMES,
    TEXTS,
)
BODIES = st.builds(
    lambda contents, config, functions, rest: {
        "contents": contents,
        **({"generationConfig": config} if config else {}),
        **({"tools": [{"functionDeclarations": functions}, {"urlContext": {}}]} if functions else {}),
        **rest,
    },
    conversations(),
    CONFIGS,
    st.lists(FUNCTIONS, max_size=2),
    optional(
        systemInstruction=st.builds(lambda text: {"parts": [{"text": text}]}, TEXTS),
        safetySettings=st.just([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]),
        cachedContent=st.just("cachedContents/a"), labels=st.just({"team": "a"}), store=st.booleans(),
        someNewMember=OBJECTS.filter(bool),
    ),
)  # fmt: skip


@settings(max_examples=40)
@given(BODIES)
def test_a_request_parsed_and_encoded_is_equal(body: dict[str, Any]) -> None:
    chat, raw = parsed(body)
    sent = GEMINI.encode(chat, call(raw=raw))
    assert sent.dropped == ()
    assert json.loads(sent.body) == body


@settings(max_examples=40)
@given(BODIES)
def test_a_relayed_request_keeps_its_bytes(body: dict[str, Any]) -> None:
    raw = orjson.dumps(body)
    assert GEMINI.splice(common_pb2.Native(body=raw), call(raw=raw)).body == raw


@given(st.binary(min_size=1, max_size=3000), st.text("abcXYZ019_-", min_size=1, max_size=20))
def test_a_signature_comes_back_through_openai_clients_bit_for_bit(signature: bytes, own: str) -> None:
    """The second turn of a client that keeps nothing but the members of OpenAI's reference."""
    told = {"functionCall": {"id": own, "name": "f", "args": {"a": 1}}}
    part = {**told, "thoughtSignature": base64.b64encode(signature).decode()}
    candidate = {"content": {"parts": [part]}, "finishReason": "STOP", "index": 0}
    answer = GEMINI.decode(orjson.dumps({"candidates": [candidate], "responseId": "r"}), call())
    rendered = json.loads(OpenAIChat().render(answer, chat_pb2.ChatRequest(), 0))
    kept = {key: rendered["choices"][0]["message"]["tool_calls"][0][key] for key in ("id", "type", "function")}
    assert set(kept["id"]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    body = {
        "model": "gemini-3-pro",
        "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": None, "tool_calls": [kept]},
            {"role": "tool", "tool_call_id": kept["id"], "content": "done"},
        ],
    }
    raw = orjson.dumps(body)
    _, chat = OpenAIChat().parse(Ask(raw, orjson.loads(raw), "/v1/chat/completions", 100))
    contents = json.loads(GEMINI.encode(chat, call("gemini-3-pro")).body)["contents"]
    assert contents[1]["parts"] == [part]
    assert contents[2]["parts"][0]["functionResponse"]["id"] == own
    relayed = json.loads(carry.stripped(raw))
    assert relayed["messages"][1]["tool_calls"][0]["id"] == relayed["messages"][2]["tool_call_id"] == own


@given(st.binary(min_size=1, max_size=50), st.integers(1, 200))
def test_an_id_that_was_cut_carries_nothing(signature: bytes, kept: int) -> None:
    whole = call_ids.join("call_1", signature)
    if kept < len(whole):
        assert call_ids.split(whole[:kept])[1] in (b"", signature)
    assert call_ids.split(whole) == ("call_1", signature)
    assert call_ids.split("call_1") == ("call_1", b"")


@given(st.binary(max_size=60), st.binary(max_size=60), TEXTS)
def test_another_vendors_thought_comes_back_whole(signature: bytes, encrypted: bytes, words: str) -> None:
    thought = parts_pb2.ThinkingPart(
        text=words, signature=signature, encrypted=encrypted, signed_by="anthropic", id="i"
    )
    told = gemini_render.part(parts_pb2.Part(thinking=thought))
    assert told is not None
    chat, _ = parsed({"contents": [{"role": "model", "parts": [told]}]})
    if signature or encrypted:
        assert chat.messages[0].parts[0].thinking == thought
    body = orjson.dumps({"contents": [{"role": "model", "parts": [told]}]})
    assert b"aXN0aG11cy" not in GEMINI.splice(common_pb2.Native(body=body), call(raw=body)).body


# -- streams ----------------------------------------------------------------------------------


@given(
    st.lists(OBJECTS.filter(bool), min_size=1, max_size=5),
    st.sampled_from(["sse", "array", "lines"]),
    st.booleans(),
    st.lists(st.integers(0, 2000), max_size=12),
)
def test_objects_are_found_in_any_framing_and_split(
    objects: list[dict[str, Any]], framing: str, indented: bool, cuts: list[int]
) -> None:
    told = [json.dumps(each, indent=2 if indented and framing == "array" else None).encode() for each in objects]
    if framing == "sse":
        body = b": hello\r\n\r\n" + b"".join(b"data: " + each + b"\r\n\r\n" for each in told)
    elif framing == "array":
        body = b" [" + b"\n,\r\n".join(told) + b"\n]\n"
    else:
        body = b"\n".join(told)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = Chunks(1 << 20)
    found = [one for a, b in pairwise(places) for one in chunks.feed(body[a:b])] + chunks.end()
    assert [json.loads(one) for one in found] == objects


def test_a_relay_holds_no_more_than_one_event() -> None:
    event = b'data: {"candidates": [{"content": {"parts": [{"text": " word"}]}}]}\r\n\r\n'
    for body in (event, event.removeprefix(b"data: ")):
        relay = GEMINI.relay(replace(call(), stream=True))
        for _ in range(2000):
            relay.feed(body[:30])
            relay.feed(body[30:])
        held = len(relay._rest) + len(relay._elements._held if relay._elements else b"")  # type: ignore[attr-defined]
        assert held < len(event)
        assert relay.delivered.tokens() == 2000


def test_partial_arguments_that_do_not_fit() -> None:
    for pieces in (
        [{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": "$.a.b", "stringValue": "x"}],
        [{"jsonPath": "$", "stringValue": "x"}],
        [{"jsonPath": "$.a[", "stringValue": "x"}],
    ):
        with pytest.raises(BadAnswer):
            PartialArguments().take({"partialArgs": pieces})


# -- tables -----------------------------------------------------------------------------------


def test_every_finish_reason_of_the_sdk_is_known() -> None:
    known = {reason.value for reason in types.FinishReason} - {"FINISH_REASON_UNSPECIFIED"}
    assert known == set(decode.FINISH) == set(gemini_render.OWN_WORDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reason in chat_pb2.FinishReason.values():
            types.FinishReason(gemini_render.finish(reason, "a word of another vendor"))


@pytest.mark.parametrize(
    ("model", "reasoning", "made", "named"),
    [
        ("gemini-3-pro", {"effort": 2}, {"thinkingLevel": "LOW", "includeThoughts": True}, True),
        ("gemini-3-pro", {"effort": 4}, {"thinkingLevel": "HIGH", "includeThoughts": True}, True),
        ("gemini-3.1-pro-preview", {"effort": 4}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}, False),
        ("gemini-3-flash", {"effort": 1}, {"thinkingLevel": "MINIMAL"}, True),
        ("gemini-3.5-flash", {"effort": 7}, {"thinkingLevel": "HIGH", "includeThoughts": True}, True),
        ("gemini-3-flash", {"mode": chat_pb2.REASONING_MODE_ADAPTIVE}, {"includeThoughts": True}, False),
        ("gemini-3-flash", {"budget_tokens": 99}, {"thinkingBudget": 99, "includeThoughts": True}, False),
        ("gemini-2.5-pro", {"effort": 1}, {"thinkingBudget": 128}, True),
        ("gemini-2.5-pro", {"effort": 7}, {"thinkingBudget": 32768, "includeThoughts": True}, False),
        ("gemini-2.5-flash", {"effort": 1}, {"thinkingBudget": 0}, False),
        ("gemini-2.5-flash", {"effort": 3}, {"thinkingBudget": 1024, "includeThoughts": True}, False),
        ("gemini-2.5-flash-lite", {"budget_tokens": 5}, {"thinkingBudget": 512, "includeThoughts": True}, True),
        ("gemini-2.5-flash", {"budget_tokens": -1}, {"thinkingBudget": -1, "includeThoughts": True}, False),
        (
            "gemini-2.5-flash",
            {"mode": chat_pb2.REASONING_MODE_ON},
            {"thinkingBudget": -1, "includeThoughts": True},
            False,
        ),
        ("gemini-2.5-flash", {"effort": 5, "include_thoughts": False}, {"thinkingBudget": 24576}, False),
        ("gemini-2.0-flash", {"effort": 5}, {}, True),
        ("gemma-3-27b-it", {"mode": chat_pb2.REASONING_MODE_OFF}, {}, False),
        ("gemini-3-pro", {}, {}, False),
    ],
)
def test_thinking_by_family(model: str, reasoning: dict[str, Any], made: dict[str, Any], named: bool) -> None:
    dropped: list[str] = []
    assert thinking.config(chat_pb2.Reasoning(**reasoning), model, dropped) == made
    assert bool(dropped) is named


@pytest.mark.parametrize(
    ("asked", "model", "made"),
    [
        ("gemini-2.5-flash-thinking", "gemini-2.5-flash", {"thinkingBudget": -1, "includeThoughts": True}),
        ("gemini-2.5-flash-thinking-2048", "gemini-2.5-flash", {"thinkingBudget": 2048, "includeThoughts": True}),
        ("gemini-2.5-flash-nothinking", "gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-3-pro-preview-low", "gemini-3-pro-preview", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-2.0-flash-thinking", "gemini-2.0-flash-thinking", {}),
        ("gemini-2.5-flash", "gemini-2.5-flash", {}),
    ],
)
def test_suffixes(asked: str, model: str, made: dict[str, Any]) -> None:
    assert thinking.unsuffixed(asked) == (model, made)
    off = replace(call(asked), options={"gemini.thinking_adapter_enabled": "false"})
    body = b'{"contents":[]}'
    assert f"/models/{model}:" in GEMINI.splice(common_pb2.Native(body=body), call(asked)).url
    assert f"/models/{asked}:" in GEMINI.splice(common_pb2.Native(body=body), off).url


def test_options_set_version_and_safety() -> None:
    chat = chat_pb2.ChatRequest()
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "x"
    sent = GEMINI.encode(chat, call("gemini-1.0-pro", options=dict(DEFAULTS)))
    assert "/v1/models/gemini-1.0-pro:" in sent.url
    assert {each["threshold"] for each in json.loads(sent.body)["safetySettings"]} == {"OFF"}
    assert dict(sent.headers)["x-goog-api-key"] == "AIza-secret"
    chosen = call(options={"gemini.safety_settings": '{"HARM_CATEGORY_HARASSMENT":"BLOCK_NONE"}'})
    made = json.loads(GEMINI.encode(chat, chosen).body)["safetySettings"]
    assert made == [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]


def test_schemas_keep_what_the_vendor_takes() -> None:
    left: set[str] = set()
    given = {
        "$schema": "x", "type": "object", "if": {}, "definitions": {"T": {"const": 1}},
        "properties": {"a": {"$ref": "#/definitions/T"}, "if": {"allOf": [{"type": "string"}, {"minLength": 1}]}},
    }  # fmt: skip
    assert schema.json_schema(given, left) == {
        "type": "object",
        "$defs": {"T": {"enum": [1]}},
        "properties": {"a": {"$ref": "#/$defs/T"}, "if": {"type": "string", "minLength": 1}},
    }
    assert left == {"if"}
    assert schema.openapi(
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}, set()
    )


def test_counts_are_asked_with_the_vendors_name_of_the_model() -> None:
    mapped = replace(call("gemini-2.5-pro"), asked="asked")
    turn = b'{"generateContentRequest": {"model": "models/asked","contents": []}}'
    sent = GEMINI.splice_count(common_pb2.Native(body=turn), mapped)  # type: ignore[attr-defined]
    assert sent.url.endswith("/v1beta/models/gemini-2.5-pro:countTokens")
    assert sent.body == turn.replace(b"models/asked", b"models/gemini-2.5-pro")
    chat, _ = parsed({"contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    encoded = json.loads(GEMINI.count_request(chat, mapped).body)  # type: ignore[attr-defined]
    assert encoded["generateContentRequest"]["model"] == "models/gemini-2.5-pro"
    assert GEMINI.counted(b'{"totalTokens": 7}', mapped) == 7  # type: ignore[attr-defined]
    for broken in (b"", b"{}", b'{"totalTokens": -1}', b'{"totalTokens": true}', b"[]"):
        with pytest.raises(BadAnswer):
            GEMINI.counted(broken, mapped)  # type: ignore[attr-defined]

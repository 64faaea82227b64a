"""OpenAI's chat form: streams, relays, refusals, headers. Shapes are of the public OpenAI API reference."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.v1 import chat_pb2, common_pb2

from core.errors import ChannelError
from core.state.types import Channel
from core.vendors.interface import BadAnswer, Call
from core.vendors.openai import usage
from core.vendors.registry import ALL, vendor
from core.vendors.shared import refusal

CHANNEL = Channel(
    id=1,
    type=1,
    name="c",
    keys=(),
    base_url="https://api.openai.com",
    models=frozenset(),
    groups=frozenset(),
    priority=0,
    weight=0,
)
CALL = Call(CHANNEL, "sk-secret-key", "asked", "sent", True, include_usage=False)
OPENAI = ALL[1].chat[0]


def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "c1", "model": "sent-1", "choices": [choice], **more}) + b"\n\n"


def call_delta(**call: Any) -> dict[str, Any]:
    return {"tool_calls": [call]}


USAGE = b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":3,'
USAGE += b'"completion_tokens":4,"total_tokens":7}}\r\n\r\n'
STREAM = (
    b": hello\n\n"
    + event({"role": "assistant", "content": ""})
    + event({"reasoning_content": "hm \u00e9"})
    + event({"content": 'a "model":"x"\n'})
    + event(call_delta(index=0, id="a", function={"name": "f", "arguments": "{"}))
    + event(call_delta(index=0, function={"arguments": "}"}))
    + event(call_delta(index=0, id="b", function={"name": "g", "arguments": "{}"}))
    + event({}, "tool_calls")
    + USAGE
    + b"data: [DONE]\n\n"
)


def decoded(stream: bytes, cuts: list[int]) -> list[chat_pb2.ChatEvent]:
    decoder = OPENAI.decoder(CALL)
    places = [0, *sorted(cuts), len(stream)]
    out = []
    for first, after in pairwise(places):
        out += decoder.feed(stream[first:after])
    return out + decoder.end()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    assert decoded(STREAM, cuts) == decoded(STREAM, [])
    relay = OPENAI.relay(CALL)
    places = [0, *sorted(cuts), len(STREAM)]
    out = b"".join(relay.feed(STREAM[a:b]) for a, b in pairwise(places)) + relay.end()
    whole = OPENAI.relay(CALL)
    assert out == whole.feed(STREAM) + whole.end()
    assert relay.usage == whole.usage


def test_each_call_keeps_its_identity() -> None:
    events = decoded(STREAM, [])
    calls = {
        e.part_started.index: e.part_started.part.tool_call
        for e in events
        if e.WhichOneof("event") == "part_started" and e.part_started.part.HasField("tool_call")
    }
    said = dict.fromkeys(calls, "")
    for e in events:
        if e.WhichOneof("event") == "delta" and e.delta.WhichOneof("delta") == "arguments":
            said[e.delta.index] += e.delta.arguments
    assert [(calls[i].id, calls[i].name, said[i]) for i in sorted(calls)] == [
        ("a", "f", "{}"),
        ("b", "g", "{}"),
    ]
    assert events[-2].usage.usage.output_tokens == 4
    assert events[-1].HasField("ended")


def test_a_call_told_whole_again_is_told_once() -> None:
    again = call_delta(index=0, id="a", function={"name": "f", "arguments": '{"x":1}'})
    events = decoded(event(again) + event(again) + event({}, "tool_calls") + b"data: [DONE]\n\n", [])
    assert [e.delta.arguments for e in events if e.HasField("delta")] == ['{"x":1}']


def test_relay_renames_removes_our_usage_and_keeps_the_rest() -> None:
    relay = OPENAI.relay(CALL)
    out = relay.feed(STREAM)
    assert out == STREAM.replace(b'"model":"sent-1"', b'"model":"asked"').replace(USAGE, b"")
    assert relay.finished
    assert relay.usage is not None
    assert relay.usage.input_tokens == 3
    asked = OPENAI.relay(replace(CALL, include_usage=True, asked="sent"))
    assert asked.feed(STREAM) == STREAM
    assert asked.delivered.tokens() > 3


def test_cut_streams_are_told() -> None:
    half = event({"content": "x"})
    for reader in (OPENAI.relay(CALL), OPENAI.decoder(CALL)):
        reader.feed(half)
        with pytest.raises(BadAnswer):
            reader.end()
    relay = OPENAI.relay(CALL)
    relay.feed(half + event({}, "stop"))
    assert relay.end() == b"data: [DONE]\n\n"


def test_errors_in_streams_are_faults_and_masked() -> None:
    bad = b'data: {"error":{"message":"at https://up.example.com with sk-secret-key","code":429}}\n\n'
    relay = OPENAI.relay(CALL)
    out = relay.feed(event({"content": "x"}) + bad)
    assert relay.fault is not None
    assert relay.fault.http_status == 429
    assert b"example.com" not in out
    assert b"sk-secret" not in out
    fault = OPENAI.decoder(CALL).feed(bad)[-1].fault
    assert fault.http_status == 429


def test_relay_memory_does_not_grow() -> None:
    relay = OPENAI.relay(CALL)
    piece = event({"content": "word"})
    for _ in range(3000):
        relay.feed(piece[:40])
        relay.feed(piece[40:])
    assert len(relay._rest) == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":{"message":"no","type":"t","code":"c","param":"p"}}', "no"),
        (b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b'{"detail":"gone"}', "gone"),
        (b'[{"error":{"message":"in a list"}}]', "in a list"),
        (b"", "The vendor answered with status 429 and no message."),
        (
            b'{"message":"host 10.1.2.3:80 key sk-abcdef123456 Bearer abcdefgh"}',
            "host [address] key *** Bearer ***",
        ),
    ],
)
def test_refusals_of_any_shape(body: bytes, said: str) -> None:
    assert refusal.read(429, {}, body).message == said


@pytest.mark.parametrize(
    ("headers", "text", "wait"),
    [
        ({"retry-after": "2"}, "", 2000),
        ({}, "Please try again in 3.2s.", 3200),
        ({}, "try again in 6m0s", 360_000),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, "", 120),
        ({}, "no", 0),
    ],
)
def test_waits(headers: dict[str, str], text: str, wait: int) -> None:
    assert refusal.read(429, headers, orjson.dumps({"message": text})).retry_after_ms == wait


def test_usage_is_never_negative_and_says_what_was_cut() -> None:
    told = usage.normalise({"prompt_tokens": 5, "completion_tokens": -3, "prompt_tokens_details": {"cached_tokens": 9}})
    assert (told.input_tokens, told.cached_tokens, told.output_tokens) == (5, 5, 0)
    assert len(told.corrections) == 2
    assert usage.normalise({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "cost": 0.00012}).cached_tokens == 4
    assert usage.normalise({"cost": 0.00012}).vendor_cost == "0.00012"
    moved = usage.of_answer({"choices": [{"usage": {"prompt_tokens": 2, "cached_tokens": 1}}]})
    assert moved is not None
    assert moved.cached_tokens == 1


def test_header_overrides_cannot_smuggle() -> None:
    native = common_pb2.Native(form="openai.chat", body=b'{"model":"asked","messages":[]}')
    native.headers.add(name="x-team", value="a\r\nx-evil: {api_key}")
    channel = replace(CHANNEL, header_override={"X-Team": "{client_header:X-Team}", "Authorization": "Key {api_key}"})
    sent = dict(OPENAI.splice(native, replace(CALL, channel=channel, native=native)).headers)
    assert sent["X-Team"] == "ax-evil: {api_key}"
    assert sent["Authorization"] == "Key sk-secret-key"
    with pytest.raises(ChannelError):
        OPENAI.splice(native, replace(CALL, channel=replace(CHANNEL, header_override={"A": "b\r\nc: d"})))


def test_splice_applies_the_channel_and_keeps_order() -> None:
    body = b'{ "messages": [ ] ,"speed":"fast", "model":"asked","service_tier" : "flex","temperature":1 }'
    channel = replace(CHANNEL, settings={"allow_service_tier": True}, param_override={"temperature": 0})
    out = OPENAI.splice(common_pb2.Native(body=body), replace(CALL, channel=channel, stream=False)).body
    assert out == b'{ "messages": [ ], "model":"sent","service_tier" : "flex","temperature":0 }'


def test_operations_of_an_override() -> None:
    operations = [
        {"mode": "set", "path": "metadata.team", "value": "x"},
        {"mode": "move", "from": "user", "to": "metadata.who"},
        {
            "mode": "delete",
            "path": "temperature",
            "conditions": [{"path": "model", "mode": "prefix", "value": "se"}],
        },
    ]
    channel = replace(CHANNEL, param_override={"operations": operations})
    body = b'{"model":"asked","user":"u","temperature":1,"messages":[]}'
    out = OPENAI.splice(common_pb2.Native(body=body), replace(CALL, channel=channel, stream=False)).body
    assert orjson.loads(out) == {"model": "sent", "messages": [], "metadata": {"team": "x", "who": "u"}}


def test_whole_answer_with_several_choices() -> None:
    first = {"role": "assistant", "content": "hi", "reasoning": "so", "annotations": []}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{ }"}}
    second = {"role": "assistant", "content": None, "refusal": "no", "tool_calls": [call]}
    choices = [
        {"index": 0, "message": first, "finish_reason": "stop"},
        {"index": 1, "message": second, "finish_reason": "tool_calls"},
    ]
    answer = OPENAI.decode(orjson.dumps({"id": "c", "model": "sent", "choices": choices, "new": 1}), CALL)
    assert answer.model == "asked"
    assert [p.WhichOneof("kind") for p in answer.choices[0].parts] == ["thinking", "text"]
    assert [p.WhichOneof("kind") for p in answer.choices[1].parts] == ["refusal", "tool_call"]
    assert answer.choices[1].parts[1].tool_call.arguments == "{ }"
    assert orjson.loads(answer.extensions.by_dialect["openai.chat"]) == {"new": 1}
    with pytest.raises(BadAnswer):
        OPENAI.decode(b"<html>", CALL)


def test_every_row_has_code_or_says_why_not() -> None:
    for number, row in ALL.items():
        assert row.number == number
        assert bool(row.chat or row.embedding or row.rerank) != bool(row.unavailable), row.name
        assert not row.base_url.endswith(("/v1", "/"))
    assert vendor(999_999) is None

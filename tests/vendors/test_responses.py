"""OpenAI's Responses form: requests, answers, streams, relays. Shapes are of the public OpenAI API reference."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.v1 import chat_pb2, common_pb2

from core.pricing.extras import TOOLS
from core.state.types import Channel
from core.vendors.interface import BadAnswer, Call
from core.vendors.registry import ALL
from core.vendors.responses.form import OpenAIResponses
from core.vendors.responses.names import CARRIED

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
CALL = Call(CHANNEL, "sk-secret-key", "asked", "sent", True, created=7)
FORM = next(form for form in ALL[1].chat if isinstance(form, OpenAIResponses))
USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 39,
}
REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
    "encrypted_content": "gAAA==",
}
CITED = {"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://a.example/", "title": "A"}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "phase": "final_answer",
    "content": [
        {"type": "output_text", "text": 'h\u00e9 "model":"x"\n', "annotations": [CITED], "logprobs": []},
        {"type": "refusal", "refusal": "no"},
    ],
}
FUNCTION = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_a",
    "name": "f",
    "arguments": '{"x": 1}',
}
CUSTOM = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_b", "name": "g", "input": "free text"}
SEARCH = {
    "id": "ws_1",
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "canals"},
}
CODE = {
    "id": "ci_1",
    "type": "code_interpreter_call",
    "status": "completed",
    "code": "1+1",
    "container_id": "cntr_1",
    "outputs": [{"type": "logs", "logs": "2"}],
}
NEW = {"id": "x_1", "type": "thing_of_2027", "value": 1}
OUTPUT = [REASONING, SEARCH, CODE, MESSAGE, FUNCTION, CUSTOM, NEW]


def response(status: str, output: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 5,
        "status": status,
        "model": "sent-1",
        "output": output,
        "tools": [{"type": "image_generation", "model": "gpt-image-1"}],
        "usage": USAGE if status in ("completed", "incomplete") else None,
        **more,
    }


class Stream:
    """Writes events with their numbers."""

    def __init__(self) -> None:
        self.number = -1
        self.bytes = b""

    def event(self, kind: str, **members: Any) -> None:
        self.number += 1
        body = {"type": kind, "sequence_number": self.number, **members}
        self.bytes += b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(body) + b"\n\n"


def stream_of(output: list[dict[str, Any]], ending: str = "completed", **more: Any) -> bytes:
    """The whole sequence, as the API reference describes it."""
    out = Stream()
    out.event("response.created", response=response("in_progress", []))
    out.event("response.in_progress", response=response("in_progress", []))
    for at, item in enumerate(output):
        place = {"output_index": at, "item_id": item["id"]}
        begun = {key: value for key, value in item.items() if key not in ("encrypted_content", "outputs")}
        begun.update({key: [] for key in ("content", "summary") if key in item})
        begun.update({key: "" for key in ("arguments", "input", "code") if key in item})
        out.event("response.output_item.added", output_index=at, item={**begun, "status": "in_progress"})
        if item["type"] == "message":
            for index, piece in enumerate(item["content"]):
                where = {**place, "content_index": index}
                key, name = ("text", "output_text") if "text" in piece else ("refusal", "refusal")
                out.event("response.content_part.added", **where, part={**piece, key: "", "annotations": []})
                for letter in piece[key]:
                    out.event(f"response.{name}.delta", **where, delta=letter, logprobs=[])
                for number, each in enumerate(piece.get("annotations", ())):
                    out.event(
                        "response.output_text.annotation.added", **where, annotation_index=number, annotation=each
                    )
                out.event(f"response.{name}.done", **where, **{key: piece[key]}, logprobs=[])
                out.event("response.content_part.done", **where, part=piece)
        elif item["type"] == "reasoning":
            for index, piece in enumerate(item["summary"]):
                where = {**place, "summary_index": index}
                out.event("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
                out.event("response.reasoning_summary_text.delta", **where, delta=piece["text"])
                out.event("response.reasoning_summary_text.done", **where, text=piece["text"])
                out.event("response.reasoning_summary_part.done", **where, part=piece)
        elif item["type"] == "function_call":
            for letter in item["arguments"]:
                out.event("response.function_call_arguments.delta", **place, delta=letter)
            out.event("response.function_call_arguments.done", **place, arguments=item["arguments"])
        elif item["type"] == "custom_tool_call":
            out.event("response.custom_tool_call_input.delta", **place, delta=item["input"])
            out.event("response.custom_tool_call_input.done", **place, input=item["input"])
        elif item["type"] == "web_search_call":
            for status in ("in_progress", "searching", "completed"):
                out.event(f"response.web_search_call.{status}", **place)
        elif item["type"] == "code_interpreter_call":
            out.event("response.code_interpreter_call.in_progress", **place)
            out.event("response.code_interpreter_call_code.delta", **place, delta=item["code"])
            out.event("response.code_interpreter_call_code.done", **place, code=item["code"])
        out.event("response.output_item.done", output_index=at, item=item)
    out.event(f"response.{ending}", response=response(ending, output, **more))
    return out.bytes


STREAM = stream_of(OUTPUT)


def decoded(stream: bytes, cuts: list[int]) -> list[chat_pb2.ChatEvent]:
    decoder = FORM.decoder(CALL)
    out = []
    for first, after in pairwise([0, *sorted(cuts), len(stream)]):
        out += decoder.feed(stream[first:after])
    return out + decoder.end()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    assert decoded(STREAM, cuts) == decoded(STREAM, [])
    relay, whole = FORM.relay(CALL), FORM.relay(CALL)
    places = [0, *sorted(cuts), len(STREAM)]
    out = b"".join(relay.feed(STREAM[a:b]) for a, b in pairwise(places)) + relay.end()
    assert out == whole.feed(STREAM) + whole.end()
    assert relay.usage == whole.usage
    assert relay.usage is not None


def gathered(events: list[chat_pb2.ChatEvent]) -> list[chat_pb2.PartStarted]:
    """Parts out of events, with what grew put into them."""
    parts: dict[int, Any] = {}
    for event in events:
        kind = event.WhichOneof("event")
        if kind == "part_started":
            parts[event.part_started.index] = chat_pb2.PartStarted.FromString(event.part_started.SerializeToString())
        if kind != "delta":
            continue
        part = parts[event.delta.index].part
        delta = event.delta
        what = delta.WhichOneof("delta")
        if what in ("text", "refusal"):
            getattr(part, what).text += getattr(delta, what)
        elif what == "thinking":
            part.thinking.text += delta.thinking
        elif what == "summary":
            while len(part.thinking.summary) <= delta.summary_index:
                part.thinking.summary.append("")
            part.thinking.summary[delta.summary_index] += delta.summary
        elif what == "encrypted":
            part.thinking.encrypted = delta.encrypted
        elif what == "arguments" and part.HasField("tool_call"):
            part.tool_call.arguments += delta.arguments
        elif what == "citation":
            part.text.citations.append(delta.citation)
    return [parts[index] for index in sorted(parts)]


def test_stream_and_whole_answer_say_the_same() -> None:
    whole = FORM.decode(orjson.dumps(response("completed", OUTPUT)), CALL)
    events = decoded(STREAM, [])
    streamed = [each.part for each in gathered(events)]
    assert [part.WhichOneof("kind") for part in streamed] == [
        "thinking",
        "server_tool_call",
        "server_tool_call",
        "server_tool_result",
        "text",
        "refusal",
        "tool_call",
        "tool_call",
        "opaque",
    ]
    for one, other in zip(streamed, whole.choices[0].parts, strict=True):
        if one.HasField("server_tool_call"):
            assert one.server_tool_call.kind == other.server_tool_call.kind
            continue
        if one.HasField("tool_call"):
            other.tool_call.status = ""
        if one.HasField("text"):
            other.text.ClearField("logprobs")
            head = orjson.loads(one.extensions.by_dialect["openai.responses"])["message"]
            assert {key: head[key] for key in ("id", "phase")} == {"id": "msg_1", "phase": "final_answer"}
        one.ClearField("extensions")
        other.ClearField("extensions")
        assert one == other
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[0] == "started"
    assert kinds[-3:] == ["finished", "usage", "ended"]
    assert kinds.count("part_started") == kinds.count("part_ended")
    assert kinds.count("tool_progress") == 4
    assert events[-3].finished.finish == whole.choices[0].finish == chat_pb2.FINISH_REASON_TOOL_CALLS
    usage = events[-2].usage.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.cache_write_other_tokens) == (30, 10, 5)
    assert (usage.output_tokens, usage.reasoning_tokens) == (9, 4)
    assert dict(usage.tool_calls) == dict(whole.usage.tool_calls) == {"web_search": 1, "code_interpreter": 1}


def test_vendors_that_tell_only_the_end() -> None:
    """Some send no deltas, some no items: the last event has it all."""
    out = Stream()
    out.event("response.created", response=response("in_progress", []))
    out.event("response.output_item.added", output_index=0, item={**FUNCTION, "arguments": ""})
    out.event("response.function_call_arguments.done", output_index=0, item_id="fc_1", arguments='{"x": 1}')
    out.event("response.completed", response=response("completed", [FUNCTION, MESSAGE]))
    parts = [each.part for each in gathered(decoded(out.bytes, []))]
    assert parts[0].tool_call.arguments == '{"x": 1}'
    assert [part.WhichOneof("kind") for part in parts] == ["tool_call", "text", "refusal"]
    assert parts[1].text.text.startswith("h\u00e9")


def test_relay_renames_and_keeps_the_rest() -> None:
    relay = FORM.relay(CALL)
    assert relay.feed(STREAM) == STREAM.replace(b'"model":"sent-1"', b'"model":"asked"')
    assert relay.finished
    same = FORM.relay(replace(CALL, asked="sent"))
    assert same.feed(STREAM) == STREAM
    assert same.delivered.tokens() > 8
    assert same.usage is not None
    assert dict(same.usage.tool_calls) == {"web_search": 1, "code_interpreter": 1}


def test_relay_counts_no_sound() -> None:
    out = Stream()
    out.event("response.audio.delta", delta="QUJD" * 999)
    out.event("response.audio.transcript.delta", delta="word")
    relay = FORM.relay(CALL)
    relay.feed(out.bytes)
    assert relay.delivered.tokens() == 1


def test_relay_memory_does_not_grow() -> None:
    relay = FORM.relay(CALL)
    out = Stream()
    out.event("response.output_text.delta", item_id="m", output_index=0, content_index=0, delta="word", logprobs=[])
    for _ in range(3000):
        relay.feed(out.bytes[:40])
        relay.feed(out.bytes[40:])
    assert len(relay._rest) == len(relay._held) == 0
    assert relay.delivered.tokens() >= 1000


def test_opening_events_wait_for_what_follows() -> None:
    """A vendor that opens a response and fails at once leaves the choice of another channel."""
    out = Stream()
    out.event("response.created", response=response("in_progress", []))
    out.event("response.in_progress", response=response("in_progress", []))
    relay, decoder = FORM.relay(CALL), FORM.decoder(CALL)
    assert relay.feed(out.bytes) == b""
    assert decoder.feed(out.bytes) == []
    error = {"code": "rate_limit_exceeded", "message": "Slow down, at https://up.example.com with sk-secret-key"}
    tail = Stream()
    tail.event("response.failed", response=response("failed", [], error=error))
    told = relay.feed(tail.bytes)
    assert relay.fault is not None
    assert relay.fault.http_status == 429
    assert b"example.com" not in told
    assert b"sk-secret" not in told
    event = orjson.loads(told.split(b"data: ")[-1])
    assert event["type"] == "response.failed"
    assert event["response"]["error"]["code"] == "rate_limit_exceeded"
    assert event["response"]["model"] == "asked"
    events = decoder.feed(tail.bytes)
    assert [each.WhichOneof("event") for each in events] == ["fault"]
    assert events[0].fault.vendor_code == "rate_limit_exceeded"


@pytest.mark.parametrize(
    "error",
    [
        {"type": "error", "code": "server_error", "message": "at 10.1.2.3", "param": None, "sequence_number": 9},
        {"type": "error", "error": {"type": "server_error", "code": None, "message": "at 10.1.2.3"}},
        {"error": {"message": "at 10.1.2.3", "type": "server_error"}},
    ],
)
def test_errors_in_streams_are_faults_and_masked(error: dict[str, Any]) -> None:
    bad = b"event: error\ndata: " + orjson.dumps(error) + b"\n\n"
    relay = FORM.relay(CALL)
    out = relay.feed(bad)
    assert relay.fault is not None
    told = orjson.loads(out.split(b"data: ")[1])
    assert told["type"] == "error"
    assert told["message"] == "at [address]"
    assert told["code"] == "server_error"
    fault = FORM.decoder(CALL).feed(bad)[-1].fault
    assert fault == relay.fault


def test_cut_streams_are_told() -> None:
    half = STREAM[: STREAM.index(b"event: response.completed")]
    for reader in (FORM.relay(CALL), FORM.decoder(CALL)):
        reader.feed(half)
        with pytest.raises(BadAnswer):
            reader.end()


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("max_output_tokens", chat_pb2.FINISH_REASON_LENGTH),
        ("content_filter", chat_pb2.FINISH_REASON_CONTENT_FILTER),
    ],
)
def test_incomplete(reason: str, finish: int) -> None:
    details = {"incomplete_details": {"reason": reason}}
    whole = FORM.decode(orjson.dumps(response("incomplete", [MESSAGE], **details)), CALL)
    assert whole.choices[0].finish == finish
    assert whole.choices[0].vendor_finish == reason
    events = decoded(stream_of([MESSAGE], "incomplete", **details), [])
    assert events[-3].finished.finish == finish


def test_failed_answers_are_bad_answers() -> None:
    body = orjson.dumps(response("failed", [], error={"code": "server_error", "message": "at 10.0.0.1"}))
    for read in (FORM.decode, FORM.relay_whole):
        with pytest.raises(BadAnswer, match=r"server_error.*\[address\]"):
            read(body, CALL)
    with pytest.raises(BadAnswer):
        FORM.relay_whole(b"<html>", CALL)


def test_relay_whole_renames_only_the_models_own_name() -> None:
    body = orjson.dumps(response("completed", OUTPUT))
    out, usage = FORM.relay_whole(body, CALL)
    assert out == body.replace(b'"model":"sent-1"', b'"model":"asked"')
    assert usage is not None
    assert usage.output_tokens == 9


# -- requests -------------------------------------------------------------------------------------


def spliced(body: dict[str, Any], **change: Any) -> dict[str, Any]:
    native = common_pb2.Native(form="openai.responses", body=orjson.dumps(body))
    channel = replace(CHANNEL, **change.pop("channel", {}))
    out = FORM.splice(native, replace(CALL, channel=channel, native=native, **change))
    loaded: dict[str, Any] = orjson.loads(out.body)
    return loaded


def test_splice_keeps_bytes_and_order() -> None:
    body = b'{ "input" : [ {"role":"user", "content":"hi"} ], "model":"asked","service_tier":"flex" , "x": 1e3 }'
    native = common_pb2.Native(form="openai.responses", body=body)
    out = FORM.splice(native, replace(CALL, native=native))
    assert out.body == b'{ "input" : [ {"role":"user", "content":"hi"} ], "model":"sent" , "x": 1e3 }'
    assert out.url == "https://api.openai.com/v1/responses"


def test_splice_applies_the_channel() -> None:
    body = {"model": "asked", "input": "hi", "temperature": 1, "top_p": 1, "reasoning": {"summary": "auto"}}
    sent = spliced(body, sent="gpt-5-high")
    assert sent == {"model": "gpt-5", "input": "hi", "reasoning": {"summary": "auto", "effort": "high"}}
    kept = spliced(body, channel={"settings": {"disable_store": True}})
    assert kept["store"] is False
    hidden = spliced({**body, "stream": True, "stream_options": {"include_obfuscation": True}})
    assert "stream_options" not in hidden
    prompt = {"setting": {"system_prompt": "Be kind."}}
    assert spliced(body, channel=prompt)["instructions"] == "Be kind."
    assert spliced({**body, "instructions": "Mine"}, channel=prompt)["instructions"] == "Mine"
    prompt["setting"]["system_prompt_override"] = True  # type: ignore[assignment]
    assert spliced({**body, "instructions": "Mine"}, channel=prompt)["instructions"] == "Be kind.\nMine"


def test_splice_leaves_out_what_the_gateway_carries_of_other_vendors() -> None:
    carried = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": CARRIED + "AAAA"}
    items = [{"role": "user", "content": "hi"}, REASONING, carried, FUNCTION]
    assert spliced({"model": "asked", "input": items})["input"] == [items[0], REASONING, FUNCTION]


@pytest.mark.parametrize(
    ("base", "settings", "other", "url"),
    [
        ("https://r.openai.azure.com", {}, "2024-10-21", "/openai/v1/responses?api-version=preview"),
        ("https://r.openai.azure.com", {"azure_responses_version": "v1"}, "", "/openai/v1/responses?api-version=v1"),
        (
            "https://r.cognitiveservices.azure.com",
            {},
            "2025-04-01-preview",
            "/openai/responses?api-version=2025-04-01-preview",
        ),
    ],
)
def test_azure_addresses(base: str, settings: dict[str, Any], other: str, url: str) -> None:
    form = ALL[3].chat[1]
    channel = replace(CHANNEL, type=3, base_url=base, settings=settings, other=other)
    native = common_pb2.Native(form="openai.responses", body=b'{"model":"asked","input":"hi"}')
    sent = form.splice(native, replace(CALL, channel=channel, native=native))
    assert sent.url == base + url
    assert dict(sent.headers)["api-key"] == "sk-secret-key"


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ({"quality": "low", "size": "1024x1024"}, "image_generation_low"),
        ({"quality": "medium", "size": "1536x1024"}, "image_generation_medium_long"),
        ({"quality": "auto", "size": "auto"}, "image_generation_high"),
        ({}, "image_generation_high"),
    ],
)
def test_pictures_are_counted_by_what_they_cost(item: dict[str, Any], name: str) -> None:
    made = {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "QUJD", **item}
    _, usage = FORM.relay_whole(orjson.dumps(response("completed", [made])), CALL)
    assert usage is not None
    assert dict(usage.tool_calls) == {name: 1}
    assert name in TOOLS
    relay = FORM.relay(CALL)
    relay.feed(stream_of([made]))
    assert relay.usage is not None
    assert dict(relay.usage.tool_calls) == {name: 1}


def test_searches_are_counted_as_they_are_billed() -> None:
    opened = {**SEARCH, "id": "ws_2", "action": {"type": "open_page", "url": "https://a.example"}}
    told = {"tool_usage": {"web_search": {"num_requests": 5}}}
    for more, counted in ({}, {"web_search": 1}), (told, {"web_search": 5}):
        usage = FORM.relay_whole(orjson.dumps(response("completed", [SEARCH, opened], **more)), CALL)[1]
        assert usage is not None
        assert dict(usage.tool_calls) == counted
    preview = response("completed", [SEARCH], tools=[{"type": "web_search_preview"}])
    usage = FORM.relay_whole(orjson.dumps(preview), CALL)[1]
    assert usage is not None
    assert dict(usage.tool_calls) == {"web_search_preview": 1}


def test_rows_prefer_chat_and_speak_responses_second() -> None:
    for number in (1, 3, 17, 20, 27, 39, 45, 48, 1000):
        assert [form.name for form in ALL[number].chat][:2] == ["openai.chat", "openai.responses"], number

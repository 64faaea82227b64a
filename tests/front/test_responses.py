"""The Responses dialect: requests, whole answers, streams. The openai SDK's own types and accumulator judge."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, usage_pb2
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.registry import ALL
from core.vendors.responses import names
from front.dialects.gemini.dialect import GeminiChat
from front.dialects.interface import Ask
from front.dialects.responses import carry as carry
from front.dialects.responses.dialect import OpenAIResponses
from front.errors import FrontError
from tests.vendors.test_responses import OUTPUT, decoded, stream_of

DIALECT = OpenAIResponses()
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ALLOWED = {
    f"allow_{name}": True
    for name in ("service_tier", "inference_geo", "speed", "safety_identifier", "include_obfuscation")
}


def parsed(body: dict[str, Any]) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
    raw = orjson.dumps(body)
    return DIALECT.parse(Ask(raw=raw, source=orjson.loads(raw), path="/v1/responses", max_messages=100))


def encoded(body: dict[str, Any], vendor: int, form: str = "openai.responses", native: bool = True) -> dict[str, Any]:
    """The body parsed, then encoded for a vendor."""
    envelope, chat = parsed(body)
    channel = Channel(
        id=1, type=vendor, name="c", keys=(), base_url="http://127.0.0.1:1", models=frozenset(),
        groups=frozenset(), priority=0, weight=0, settings=ALLOWED,
    )  # fmt: skip
    bytes_of = common_pb2.Native(form="openai.responses", body=orjson.dumps(body)) if native else None
    call = Call(channel, "k", envelope.model, envelope.model, envelope.stream, native=bytes_of)
    found = next(one for one in ALL[vendor].chat if one.name == form)
    out = found.encode(chat, call)
    assert not native or form != "openai.responses" or not out.dropped, out.dropped
    loaded: dict[str, Any] = orjson.loads(out.body)
    return loaded


# -- requests: parsed and encoded again they are the same -----------------------------------------

words = st.text(min_size=1, max_size=12)
ids = st.from_regex(r"[a-z]{2,4}_[a-z0-9]{4}", fullmatch=True)
plain = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
leaves = st.booleans() | st.integers(-(2**40), 2**40) | words
objects = st.dictionaries(plain, st.recursive(leaves, lambda inner: st.lists(inner, max_size=2)), max_size=3)
unknown = st.dictionaries(plain.map("x_".__add__), leaves, max_size=2)


def made(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    """Objects of these members, and sometimes of some nobody knows."""
    known = st.fixed_dictionaries(required, optional=optional or {})
    return st.builds(lambda found, more: {**more, **found}, known, unknown)


def typed(kind: str, required: dict[str, Any], optional: dict[str, Any] | None = None) -> Any:
    """The same, with a type."""
    return made({"type": st.just(kind), **required}, optional)


statuses = {"status": st.sampled_from(["in_progress", "completed", "incomplete"])}
marks = {"prompt_cache_breakpoint": st.sampled_from([{"mode": "explicit"}, {"mode": "explicit", "ttl": "12h"}])}
urls = st.sampled_from(["https://example.com/a.png", "data:image/png;base64,iVBORw0KGgo="])
inputs = st.one_of(
    typed("input_text", {"text": words}, marks),
    typed("input_image", {"image_url": urls}, {"detail": st.sampled_from(["low", "high", "auto"]), **marks}),
    typed("input_image", {"file_id": ids}),
    typed("input_file", {"file_data": st.just("data:application/pdf;base64,aGk=")}, {"filename": words}),
    typed("input_file", {"file_id": ids}, {"detail": st.just("high")}),
    typed("input_file", {"file_url": st.just("https://example.com/a.pdf")}),
    typed("input_audio", {"input_audio": st.just({"data": "UklGRg==", "format": "wav"})}),
    typed("input_hologram", {"value": leaves}),
)
# One text alone in a list becomes a plain string: the same to every vendor.
several = st.lists(inputs, min_size=2, max_size=4)
annotations = st.lists(
    st.sampled_from(
        [
            {"type": "url_citation", "start_index": 0, "end_index": 3, "url": "https://a.example", "title": "A"},
            {"type": "file_citation", "file_id": "f", "filename": "x.txt", "index": 2},
        ]
    ),
    max_size=2,
)
outputs = st.one_of(
    typed("output_text", {"text": words, "annotations": annotations}),
    typed("refusal", {"refusal": words}),
)
caller = {"caller": st.sampled_from([{"type": "direct"}, {"type": "program", "caller_id": "p"}])}
items = st.one_of(
    typed("message", {"role": st.sampled_from(["user", "system", "developer"]), "content": words | several}, statuses),
    typed("message", {"role": st.just("assistant"), "content": words}, {"phase": st.just("commentary")}),
    typed(
        "message",
        {"role": st.just("assistant"), "id": ids, "content": st.lists(outputs, min_size=1, max_size=3), **statuses},
    ),
    typed(
        "reasoning",
        {"id": ids, "summary": st.lists(st.builds(lambda t: {"type": "summary_text", "text": t}, words), max_size=2)},
        {
            "encrypted_content": st.just("gAAAA=="),
            "content": st.lists(
                st.builds(lambda t: {"type": "reasoning_text", "text": t}, words), min_size=1, max_size=2
            ),
            **statuses,
        },
    ),
    typed(
        "function_call",
        {"call_id": ids, "name": plain, "arguments": st.just('{"a": 1}') | words},
        {"id": ids, "namespace": plain, "async": st.just(True), **statuses, **caller},
    ),
    typed("custom_tool_call", {"call_id": ids, "name": plain, "input": words}, {"id": ids}),
    typed("function_call_output", {"call_id": ids, "output": words | several}, {"id": ids, **statuses, **caller}),
    typed("custom_tool_call_output", {"call_id": ids, "output": words | several}, {"id": ids}),
    typed("web_search_call", {"id": ids, "action": st.just({"type": "search", "query": "x"}), **statuses}),
    typed("code_interpreter_call", {"id": ids, "code": words, "container_id": ids, "outputs": st.just([])}),
    typed("image_generation_call", {"id": ids, "result": st.just("iVBORw0KGgo="), "status": st.just("completed")}),
    typed("computer_call_output", {"call_id": ids, "output": objects}),
    typed("mcp_approval_response", {"approval_request_id": ids, "approve": st.booleans()}),
    typed("compaction", {"id": ids, "encrypted_content": words}),
    typed("additional_tools", {"role": st.just("developer"), "tools": st.just([])}),
    typed("item_reference", {"id": ids}),
    typed("thing_of_2027", {"value": leaves}),
)
schema = st.just({"type": "object", "properties": {"b": {"type": "string"}, "a": {}}})
function = typed(
    "function",
    {"name": plain, "parameters": schema},
    {"strict": st.booleans(), "description": words, "output_schema": schema, "defer_loading": st.just(True)},
)
custom = typed(
    "custom",
    # Never "f", which the choices below call a function.
    {"name": plain.map("c_{}".format)},
    {
        "description": words,
        "format": st.sampled_from([{"type": "text"}, {"type": "grammar", "syntax": "lark", "definition": "x"}]),
        "allowed_callers": st.just(["direct"]),
    },
)
tools = st.one_of(
    function,
    custom,
    typed("web_search", {}, {"filters": st.just({"allowed_domains": ["a.example"]})}),
    typed("mcp", {"server_label": words, "server_url": st.just("https://m.example")}),
    typed(
        "namespace",
        {"name": plain, "description": words, "tools": st.lists(function | custom, min_size=1, max_size=2)},
    ),
)
choices = st.sampled_from(
    [
        "auto",
        "none",
        "required",
        {"type": "function", "name": "f"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "mcp", "server_label": "m"}]},
        {"type": "mcp", "server_label": "m"},
        {"type": "file_search"},
    ]
)
formats = st.sampled_from(
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"},
    ]
)
requests = made(
    {"model": st.just("gpt-4o"), "input": st.lists(items, min_size=1, max_size=8)},
    {
        "instructions": words,
        "max_output_tokens": st.integers(16, 9999),
        "max_tool_calls": st.integers(1, 9),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_logprobs": st.integers(0, 20),
        "include": st.lists(
            st.sampled_from(["reasoning.encrypted_content", "message.output_text.logprobs"]), min_size=1
        ),
        "reasoning": made(
            {},
            {
                "effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
                "summary": st.sampled_from(["auto", "concise", "detailed"]),
                "mode": st.just("pro"),
                "context": st.just("all_turns"),
            },
        ).filter(bool),
        "text": made({"format": formats}, {"verbosity": st.just("low")}),
        "tools": st.lists(tools, min_size=1, max_size=4, unique_by=lambda tool: str(tool.get("name"))),
        "tool_choice": choices,
        "parallel_tool_calls": st.booleans(),
        "store": st.booleans(),
        "previous_response_id": ids,
        "conversation": ids,
        "truncation": st.just("auto"),
        "context_management": st.just([{"type": "compaction", "compact_threshold": 9}]),
        "metadata": st.dictionaries(plain, words, min_size=1, max_size=2),
        "prompt_cache_key": words,
        "prompt_cache_retention": st.just("24h"),
        "prompt_cache_options": st.just({"mode": "explicit"}),
        "service_tier": st.just("flex"),
        "safety_identifier": words,
        "user": words,
        "prompt": st.just({"id": "pmpt_1"}),
        "moderation": st.just({"model": "m"}),
    },
)


@settings(max_examples=60, deadline=None)
@given(requests)
def test_parsed_and_encoded_again_it_is_the_same(body: dict[str, Any]) -> None:
    assert encoded(body, 1014) == body


def test_shorthands_mean_the_same() -> None:
    body = {"model": "m", "input": "hi", "conversation": {"id": "conv_1"}}
    assert encoded(body, 1) == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "conversation": "conv_1",
    }
    listed = {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}
    assert encoded(listed, 1)["input"] == [{"type": "message", "role": "user", "content": "hi"}]


def test_a_limit_the_form_refuses_is_raised_for_clients_of_other_forms() -> None:
    body = {"model": "m", "input": "hi", "max_output_tokens": 1}
    assert encoded(body, 1)["max_output_tokens"] == 1
    assert encoded(body, 1, native=False)["max_output_tokens"] == 16


def test_large_media_stay_in_the_body() -> None:
    data = base64.b64encode(bytes(9000)).decode()
    content = [{"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64," + data}]
    body = {"model": "m", "input": [{"type": "message", "role": "user", "content": content}]}
    assert parsed(body)[1].ByteSize() < 200
    assert encoded(body, 1) == body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "hi"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": 5}, "input"),
        ({"model": "m", "input": ["hi"]}, "input[0]"),
        ({"model": "m", "input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"model": "m", "input": [{"role": "user"}]}, "input[0].content"),
        ({"model": "m", "input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"model": "m", "input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"model": "m", "input": "x", "temperature": 3}, "temperature"),
        ({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"model": "m", "input": "x", "reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"model": "m", "input": "x", "tools": [{"type": "function"}]}, "tools[0].name"),
        ({"model": "m", "input": "x", "tool_choice": "maybe"}, "tool_choice"),
        ({"model": "m", "input": "x", "background": True}, "background"),
        ({"model": "m", "input": "x", "metadata": {"a": 1}}, "metadata"),
    ],
)
def test_refusals_name_the_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(FrontError) as refused:
        parsed(body)
    assert refused.value.status == 400
    assert refused.value.param == param


# -- answers --------------------------------------------------------------------------------------


def rendered(events: list[chat_pb2.ChatEvent], chat: chat_pb2.ChatRequest | None = None) -> list[dict[str, Any]]:
    """The events a stream's client gets; every one is of the SDK's types, and its numbers follow each other."""
    renderer = DIALECT.stream(common_pb2.Envelope(model="asked"), chat or chat_pb2.ChatRequest(), "req1", 9)
    out = b"".join(renderer.render(event) for event in events) + renderer.close()
    return checked(out)


def checked(out: bytes) -> list[dict[str, Any]]:
    """As above, of bytes."""
    found = []
    for block in out.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        event = orjson.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(found)
        found.append(event)
    return found


def accumulated(events: list[dict[str, Any]]) -> Any:
    """The response the SDK's accumulator makes of them."""
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))
    return state._completed_response


def test_a_stream_of_the_form_itself_comes_out_as_it_was() -> None:
    """Vendor's bytes -> canonical events -> bytes: the same events, but for what the frame says again."""
    before = checked(stream_of(OUTPUT))
    after = rendered(decoded(stream_of(OUTPUT), []))
    frames = ("response.created", "response.in_progress", "response.completed")
    assert [event["type"] for event in before] == [event["type"] for event in after]
    for one, other in zip(before, after, strict=True):
        if one["type"] not in frames:
            assert _normal(one) == _normal(other)
    for event in after:
        if event.get("item", {}).get("type") != "thing_of_2027" and event["type"] not in frames:
            EVENT.validate_python(event)
    # The SDK warns of items it does not know.
    response = accumulated(rendered(decoded(stream_of(OUTPUT[:-1]), [])))
    assert response.output_text == 'h\u00e9 "model":"x"\n'
    assert response.usage.total_tokens == 39
    assert [item["type"] for item in after[-1]["response"]["output"]] == [item["type"] for item in OUTPUT]


def _normal(event: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing."""
    event = orjson.loads(orjson.dumps(event))
    for holder in (event, event.get("item", {}), event.get("part", {})):
        for name in ("logprobs", "annotations", "status"):
            if holder.get(name) in ([], "in_progress"):
                del holder[name]
    for piece in event.get("item", {}).get("content") or ():
        for name in ("logprobs", "annotations"):
            if piece.get(name) == []:
                del piece[name]
    return event


def started(index: int, **kind: Any) -> chat_pb2.ChatEvent:
    part = parts_pb2.Part(**kind)
    return chat_pb2.ChatEvent(part_started=chat_pb2.PartStarted(index=index, part=part))


def delta(index: int, **what: Any) -> chat_pb2.ChatEvent:
    return chat_pb2.ChatEvent(delta=chat_pb2.PartDelta(index=index, **what))


def ended(index: int) -> chat_pb2.ChatEvent:
    return chat_pb2.ChatEvent(part_ended=chat_pb2.PartEnded(index=index))


def finished(finish: int) -> list[chat_pb2.ChatEvent]:
    usage = usage_pb2.Usage(input_tokens=3, output_tokens=4, reasoning_tokens=1)
    return [
        chat_pb2.ChatEvent(finished=chat_pb2.ChoiceFinished(finish=finish)),  # type: ignore[arg-type]
        chat_pb2.ChatEvent(usage=chat_pb2.UsageReport(usage=usage, final=True)),
        chat_pb2.ChatEvent(ended=chat_pb2.StreamEnded()),
    ]


BEGIN = chat_pb2.ChatEvent(started=chat_pb2.StreamStarted(id="msg_0123", model="asked", created=5))
CLAUDE = [
    BEGIN,
    started(0, thinking=parts_pb2.ThinkingPart(signed_by="anthropic")),
    delta(0, thinking="I "),
    delta(0, thinking="think"),
    delta(0, signature=b"\x00sig"),
    delta(0, signature=b"\xff"),
    ended(0),
    started(1, thinking=parts_pb2.ThinkingPart(signed_by="anthropic", encrypted=b"secret", redacted=True)),
    ended(1),
    started(2, text=parts_pb2.TextPart()),
    delta(2, text="Let me"),
    ended(2),
    started(3, text=parts_pb2.TextPart()),
    delta(3, text=" look."),
    ended(3),
    started(4, tool_call=parts_pb2.ToolCall(id="toolu_1", name="f")),
    started(5, tool_call=parts_pb2.ToolCall(id="toolu_2", name="g", arguments="{}")),
    delta(4, arguments='{"a":'),
    delta(4, arguments="1}"),
    ended(5),
    ended(4),
    *finished(chat_pb2.FINISH_REASON_TOOL_CALLS),
]


@pytest.mark.parametrize("summary", ["", "auto"])
def test_other_vendors_thoughts_survive_the_turn(summary: str) -> None:
    chat = chat_pb2.ChatRequest(reasoning=chat_pb2.Reasoning(summary=summary))
    events = rendered(CLAUDE, chat)
    for event in events:
        EVENT.validate_python(event)
    response = accumulated(events)
    assert response.id == "resp_msg0123"
    assert response.output_text == "Let me look."
    kinds = [item.type for item in response.output]
    assert kinds == ["reasoning", "reasoning", "message", "function_call", "function_call"]
    thought = response.output[0]
    said = thought.summary if summary else thought.content
    assert [piece.text for piece in said] == ["I think"]
    assert [item.call_id for item in response.output[3:]] == ["toolu_1", "toolu_2"]
    assert response.output[3].arguments == '{"a":1}'
    # The client sends the items back as it got them.
    sent_back = [item.to_dict() for item in response.output]
    _, again = parsed({"model": "m", "input": [{"role": "user", "content": "hi"}, *sent_back]})
    assert [message.role for message in again.messages] == [chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT]
    parts = again.messages[1].parts
    assert parts[0].thinking == parts_pb2.ThinkingPart(text="I think", signature=b"\x00sig\xff", signed_by="anthropic")
    assert parts[1].thinking == parts_pb2.ThinkingPart(encrypted=b"secret", signed_by="anthropic", redacted=True)
    assert [part.tool_call.id for part in parts if part.HasField("tool_call")] == ["toolu_1", "toolu_2"]


def test_a_client_that_drops_what_it_may_still_sends_the_signature() -> None:
    """Some clients leave out plain thoughts where there is encrypted content (Codex)."""
    item = accumulated(rendered(CLAUDE)).output[0].to_dict()
    del item["content"]
    _, again = parsed({"model": "m", "input": [item]})
    assert again.messages[0].parts[0].thinking.text == "I think"


def test_thoughts_without_signature_come_back_as_text() -> None:
    events = [
        BEGIN,
        started(0, thinking=parts_pb2.ThinkingPart()),
        delta(0, thinking="hm"),
        ended(0),
        *finished(chat_pb2.FINISH_REASON_STOP),
    ]
    item = accumulated(rendered(events)).output[0].to_dict()
    assert item["encrypted_content"].startswith(names.CARRIED)
    _, again = parsed({"model": "m", "input": [item]})
    assert again.messages[0].parts[0].thinking == parts_pb2.ThinkingPart(text="hm")
    cut = {**item, "encrypted_content": item["encrypted_content"][:-3] + "!"}
    assert len(parsed({"model": "m", "input": [cut, {"role": "user", "content": "x"}]})[1].messages[0].parts) <= 1


def test_thought_signatures_of_texts_and_calls_are_carried() -> None:
    call = parts_pb2.Part(tool_call=parts_pb2.ToolCall(id="c1", name="f", arguments="{}"), thought_signature=b"\x01s")
    events = [
        BEGIN,
        started(0, text=parts_pb2.TextPart()),
        delta(0, text="a"),
        delta(0, signature=b"t"),
        ended(0),
        chat_pb2.ChatEvent(part_started=chat_pb2.PartStarted(index=1, part=call)),
        ended(1),
        started(2, tool_call=parts_pb2.ToolCall(id="c2", name="f", arguments="{}")),
        ended(2),
        started(3, server_tool_call=parts_pb2.ServerToolCall(id="s", kind="web_search", dialect="anthropic.messages")),
        ended(3),
        *finished(chat_pb2.FINISH_REASON_TOOL_CALLS),
    ]
    out = rendered(events)
    for event in out:
        EVENT.validate_python(event)
    _, again = parsed({"model": "m", "input": [item.to_dict() for item in accumulated(out).output]})
    parts = [part for message in again.messages for part in message.parts]
    assert [(part.WhichOneof("kind"), part.thought_signature) for part in parts] == [
        ("text", b"t"),
        ("tool_call", b"\x01s"),
        ("tool_call", b""),
        ("server_tool_call", b""),
    ]


def test_whole_and_stream_agree() -> None:
    answer = chat_pb2.ChatResponse(id="msg_0123", model="asked", created=5)
    choice = answer.choices.add(finish=chat_pb2.FINISH_REASON_TOOL_CALLS)
    choice.parts.add(thinking=parts_pb2.ThinkingPart(text="I think", signature=b"\x00sig\xff", signed_by="anthropic"))
    choice.parts.add(thinking=parts_pb2.ThinkingPart(encrypted=b"secret", redacted=True, signed_by="anthropic"))
    choice.parts.add(text=parts_pb2.TextPart(text="Let me"))
    choice.parts.add(text=parts_pb2.TextPart(text=" look."))
    choice.parts.add(tool_call=parts_pb2.ToolCall(id="toolu_1", name="f", arguments='{"a":1}'))
    choice.parts.add(tool_call=parts_pb2.ToolCall(id="toolu_2", name="g", arguments="{}"))
    answer.usage.CopyFrom(CLAUDE[-2].usage.usage)
    whole = orjson.loads(DIALECT.render(answer, chat_pb2.ChatRequest(), 9))
    assert whole == rendered(CLAUDE)[-1]["response"]
    Response.model_validate(whole)


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        (chat_pb2.FINISH_REASON_STOP, "completed", None),
        (chat_pb2.FINISH_REASON_LENGTH, "incomplete", "max_output_tokens"),
        (chat_pb2.FINISH_REASON_CONTENT_FILTER, "incomplete", "content_filter"),
        (chat_pb2.FINISH_REASON_REFUSAL, "incomplete", "content_filter"),
        (chat_pb2.FINISH_REASON_ERROR, "failed", None),
    ],
)
def test_how_answers_end(finish: int, status: str, reason: str | None) -> None:
    events = rendered([BEGIN, started(0, text=parts_pb2.TextPart(text="hi")), ended(0), *finished(finish)])
    for event in events:
        EVENT.validate_python(event)
    last = events[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["incomplete_details"] == ({"reason": reason} if reason else None)
    assert last["response"]["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")
    assert last["response"]["usage"]["total_tokens"] == 7


def test_faults_end_the_stream_in_the_form() -> None:
    renderer = DIALECT.stream(common_pb2.Envelope(model="asked"), chat_pb2.ChatRequest(), "req1", 9)
    out = b"".join(map(renderer.render, [BEGIN, started(0, text=parts_pb2.TextPart(text="half"))]))
    out += renderer.fault(FrontError(429, "Too fast.", code="x")) + renderer.close()
    events = checked(out)
    for event in events:
        EVENT.validate_python(event)
    assert [event["type"] for event in events[-3:]] == ["response.output_text.delta", "error", "response.failed"]
    assert events[-1]["response"]["error"]["code"] == "rate_limit_exceeded"
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "half"
    assert renderer.render(BEGIN) == b""


def test_faults_after_native_bytes_go_on_counting() -> None:
    renderer = DIALECT.stream(common_pb2.Envelope(model="asked"), chat_pb2.ChatRequest(), "req1", 9)
    native = stream_of(OUTPUT).split(b"event: response.output_item.done")[0]
    assert renderer.native(native) == native
    events = checked(native + renderer.fault(FrontError(502, "It broke.", code="bad_response_body")))
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["id"] == "resp_1"


def test_answers_say_again_what_was_asked() -> None:
    body = {
        "model": "m",
        "input": "hi",
        "instructions": "Be brief.",
        "temperature": 0.5,
        "max_output_tokens": 99,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}, "verbosity": "low"},
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "description": None},
            {"type": "web_search"},
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "metadata": {"a": "b"},
    }
    _, chat = parsed(body)
    answer = orjson.loads(DIALECT.render(chat_pb2.ChatResponse(id="x", model="m"), chat, 9))
    for name in body.keys() - {"input", "text", "model"}:
        assert answer[name] == body[name], name
    assert answer["text"]["format"]["schema"] == {"type": "object"}
    Response.model_validate(answer)


def test_the_mark_is_the_same_on_both_sides() -> None:
    assert carry.CARRIED == names.CARRIED
    assert carry.SIGNER == names.SIGNER


def test_free_form_calls_come_back_free_form() -> None:
    """A vendor that has no free-form tools is given one with an object, and calls it so."""
    _, chat = parsed({"model": "m", "input": "x", "tools": [{"type": "custom", "name": "shout"}]})
    events = [
        BEGIN,
        started(0, tool_call=parts_pb2.ToolCall(id="toolu_1", name="shout")),
        delta(0, arguments='{"input": "H'),
        delta(0, arguments='EY"}'),
        ended(0),
        started(1, tool_call=parts_pb2.ToolCall(id="toolu_2", name="f", arguments='{"input": "x"}')),
        ended(1),
        *finished(chat_pb2.FINISH_REASON_TOOL_CALLS),
    ]
    out = rendered(events, chat)
    for event in out:
        EVENT.validate_python(event)
    first, second = accumulated(out).output
    assert (first.type, first.input, first.call_id) == ("custom_tool_call", "HEY", "toolu_1")
    assert (second.type, second.arguments) == ("function_call", '{"input": "x"}')


part_kinds = st.sampled_from(["text", "refusal", "thinking", "tool_call", "custom", "server", "signed"])


@st.composite
def streams(draw: Any) -> list[chat_pb2.ChatEvent]:
    """Any parts in any interleaving."""
    events = [BEGIN]
    open_parts: list[tuple[int, str]] = []
    number = 0
    for _ in range(draw(st.integers(0, 14))):
        action = draw(st.sampled_from(["start", "grow", "end"]))
        if action == "start" or not open_parts:
            kind = draw(part_kinds)
            part = parts_pb2.Part()
            if kind in ("text", "refusal", "thinking"):
                getattr(part, kind).SetInParent()
            elif kind == "server":
                part.server_tool_call.id, part.server_tool_call.dialect = f"s{number}", "anthropic.messages"
            else:
                part.tool_call.id, part.tool_call.name = f"call_{number}", "f"
                part.tool_call.free_form = kind == "custom"
                part.thought_signature = b"s" if kind == "signed" else b""
            events.append(chat_pb2.ChatEvent(part_started=chat_pb2.PartStarted(index=number, part=part)))
            open_parts.append((number, kind))
            number += 1
        elif action == "grow":
            index, kind = draw(st.sampled_from(open_parts))
            what = {"text": "text", "refusal": "refusal", "thinking": draw(st.sampled_from(["thinking", "summary"]))}
            if kind != "server":
                events.append(delta(index, **{what.get(kind, "arguments"): draw(words)}))
        else:
            index, _ = open_parts.pop(draw(st.integers(0, len(open_parts) - 1)))
            events.append(ended(index))
    events += [ended(index) for index, _ in open_parts]
    return [*events, *finished(chat_pb2.FINISH_REASON_STOP)]


@settings(max_examples=60, deadline=None)
@given(streams(), st.sampled_from(["", "auto"]))
def test_any_stream_is_one_that_the_sdk_accepts(events: list[chat_pb2.ChatEvent], summary: str) -> None:
    out = rendered(events, chat_pb2.ChatRequest(reasoning=chat_pb2.Reasoning(summary=summary)))
    for event in out:
        EVENT.validate_python(event)
    response = accumulated(out)
    assert out[-1]["type"] == "response.completed"
    told = "".join(event["delta"] for event in out if event["type"] == "response.output_text.delta")
    said = "".join(event.delta.text for event in events if event.delta.text)
    assert sorted(told) == sorted(said) == sorted(response.output_text)
    begun = [event["output_index"] for event in out if event["type"] == "response.output_item.added"]
    done = [event["output_index"] for event in out if event["type"] == "response.output_item.done"]
    assert begun == list(range(len(response.output)))
    assert sorted(done) == begun
    sent_back = [item.to_dict() for item in response.output]
    if sent_back:
        _, again = parsed({"model": "m", "input": sent_back})
        kept = [part.tool_call.id for message in again.messages for part in message.parts if part.HasField("tool_call")]
        assert kept == [item.call_id for item in response.output if "tool_call" in item.type or "function" in item.type]


def test_sealed_thoughts_survive_gemini_clients_streams() -> None:
    """OpenAI's encrypted reasoning comes at an item's end; Gemini's clients carry it as a thoughtSignature."""
    renderer = GeminiChat(streamed=True).stream(common_pb2.Envelope(model="m"), chat_pb2.ChatRequest(), "req1", 9)
    out = b"".join(map(renderer.render, decoded(stream_of(OUTPUT[:1]), [])))
    chunks = [orjson.loads(line.removeprefix(b"data: ")) for line in out.splitlines() if line.startswith(b"data: ")]
    parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
    body = orjson.dumps({"contents": [{"role": "model", "parts": parts}, {"role": "user", "parts": [{"text": "x"}]}]})
    ask = Ask(
        raw=body,
        source=orjson.loads(body),
        path="/v1beta/models/m:generateContent",
        max_messages=9,
        names={"model": "m"},
    )
    _, again = GeminiChat(streamed=False).parse(ask)
    sealed = [part.thinking for part in again.messages[0].parts if part.thinking.encrypted]
    assert [(one.encrypted, one.id, one.signed_by) for one in sealed] == [(b"gAAA==", "rs_1", "openai")]


JUNK = [
    b"null", b"true", b"0", b"-1", b"1.5", b'""', b'"x"', b"[]", b"{}", b"[1]", b"[null]", b"[{}]", b'{"type":"text"}',
    b'{"type":5}', b'{"id":3}', b'[{"type":"function"}]', b'"isthmus.v1.QgA="', b'"isthmus.v1.!!"', b"1e30",
]  # fmt: skip
GOLDEN = Path(__file__).parents[1] / "golden" / "openai.responses"


def test_junk_is_refused_or_understood() -> None:
    """Nothing but a refusal comes out of a body that is none; what is understood can be shown."""
    chance = random.Random(7)
    given = [orjson.loads(path.read_bytes()) for path in sorted(GOLDEN.glob("request-*.in.json"))]
    bodies = [orjson.dumps(one["body"]) for one in given if one.get("dialect") != "openai.chat"]
    refused = understood = 0
    for _ in range(4000):
        body: Any = orjson.loads(chance.choice(bodies))
        holder = body
        while holder:
            key: Any = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if isinstance(holder[key], dict | list) and holder[key] and chance.random() < 0.7:
                holder = holder[key]
                continue
            holder[key] = orjson.loads(chance.choice(JUNK))
            break
        try:
            _, chat = parsed(body)
        except FrontError:
            refused += 1
            continue
        understood += 1
        DIALECT.render(chat_pb2.ChatResponse(id="x", model="m"), chat, 9)
    assert min(refused, understood) > 500

"""Anthropic's Messages form and dialect: what must always hold. Single shapes are golden files (tests/golden)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2
from openai.lib.streaming._deltas import accumulate_delta

from core.pricing.prompt import prompt_tokens
from core.state.types import Channel
from core.vendors.anthropic.models import ALL_EFFORTS, facts, nearest
from core.vendors.anthropic.signature import sound
from core.vendors.interface import BadAnswer, Call
from core.vendors.registry import ALL
from front.dialects import carry
from front.dialects.anthropic import messages as anthropic_messages
from front.dialects.anthropic import render as anthropic_render
from front.dialects.anthropic.parts import FORM, Blocks
from front.dialects.anthropic.stream import StreamRenderer
from front.dialects.openai import chat as openai_chat
from front.dialects.openai import reasoning as openai_reasoning
from front.dialects.openai.render import StreamRenderer as OpenAIStream

CLAUDE = ALL[14].chat[0]
OPENAI = ALL[53].chat[0]
SIGNATURE = "EqQBCgIYAhIM"


def channel(number: int = 14, **more: Any) -> Channel:
    empty: frozenset[str] = frozenset()
    return Channel(
        id=1, type=number, name="c", keys=(), base_url="https://api.anthropic.com", models=empty, groups=empty,
        priority=0, weight=0, **more,
    )  # fmt: skip


def call(model: str = "claude-opus-4-8", native: common_pb2.Native | None = None, number: int = 14) -> Call:
    return Call(channel(number), "sk-secret-key", model, model, True, native=native)


def parsed(body: dict[str, Any]) -> tuple[chat_pb2.ChatRequest, common_pb2.Native]:
    raw = orjson.dumps(body)
    _, chat = anthropic_messages.parse(orjson.loads(raw), raw, 1000)
    return chat, common_pb2.Native(form=FORM, body=raw)


# -- parse and encode are mirrors -------------------------------------------------------------

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
base64s = st.binary(min_size=3, max_size=9).map(lambda data: orjson.dumps(data.hex()).decode().strip('"'))
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 50), 1 << 50) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
marks = st.sampled_from(
    [{}, {"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
)
texts = st.builds(lambda text: {"type": "text", "text": text}, words)
images = st.one_of(
    st.builds(lambda data: {"type": "base64", "media_type": "image/png", "data": data}, base64s),
    st.builds(lambda name: {"type": "url", "url": f"https://example.com/{name}"}, names),
    st.builds(lambda name: {"type": "file", "file_id": name}, names),
).map(lambda source: {"type": "image", "source": source})
documents = st.builds(
    lambda text, title, cited: {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": text},
        "title": title,
        "citations": {"enabled": cited},
    },
    words, words, st.booleans(),
)  # fmt: skip
calls = st.builds(
    lambda name, given_: {"type": "tool_use", "id": name, "name": "f", "input": given_},
    names, st.dictionaries(words, plain_json, max_size=3),
)  # fmt: skip
results = st.builds(
    lambda name, content, failed: {"type": "tool_result", "tool_use_id": name, "content": content, "is_error": failed},
    names, words | st.lists(texts | images | documents, min_size=2, max_size=3), st.booleans(),
)  # fmt: skip
thoughts = st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": SIGNATURE}, words) | st.just(
    {"type": "redacted_thinking", "data": SIGNATURE}
)
unknown = st.builds(lambda value: {"type": "hologram", "value": value}, plain_json)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Requests in the form in which they go out: alternating turns, lists of several blocks, results first."""
    messages: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 3))):
        asked = draw(st.lists(results, max_size=2)) + draw(st.lists(texts | images | documents | unknown, max_size=3))
        messages.append({"role": "user", "content": asked if len(asked) > 1 else draw(words)})
        said = draw(st.lists(thoughts, max_size=2)) + draw(st.lists(texts | calls | unknown, max_size=3))
        messages.append({"role": "assistant", "content": said if len(said) > 1 else draw(words)})
    messages.append({"role": "user", "content": draw(words)})
    last = messages[0]["content"]
    if isinstance(last, list):
        last[-1] = {**last[-1], **draw(marks)}
    body: dict[str, Any] = {"model": "claude-opus-4-8", "max_tokens": draw(st.integers(0, 99)), "messages": messages}
    optional = {
        "system": words | st.lists(texts, min_size=2, max_size=3),
        "metadata": st.builds(lambda name: {"user_id": name}, names),
        "stop_sequences": st.lists(names, min_size=1, max_size=3),
        "thinking": st.sampled_from([{"type": "adaptive"}, {"type": "disabled"}, {"type": "new", "x": 1}]),
        "output_config": st.sampled_from([{"effort": "low"}, {"effort": "max", "new": True}]),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "context_management": st.just({"edits": []}),
        "novelty": plain_json.filter(lambda value: value is not None),
        "stream": st.just(True),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            body[name] = draw(values)
    if draw(st.booleans()):
        tool = {"name": "f", "description": draw(words), "input_schema": {"type": "object", "x": draw(plain_json)}}
        body["tools"] = [tool, {"type": "web_search_20260209", "name": "web_search", "max_uses": 3}]
        body["tool_choice"] = draw(st.sampled_from([{"type": "auto"}, {"type": "none"}, {"type": "tool", "name": "f"}]))
    return body


def guarded(body: dict[str, Any]) -> dict[str, Any]:
    """What the channel lets pass."""
    return {name: value for name, value in body.items() if name != "service_tier"}


@given(bodies())
@settings(max_examples=40)
def test_what_a_client_of_the_form_says_is_what_the_vendor_hears(body: dict[str, Any]) -> None:
    chat, native = parsed(body)
    made = Call(channel(), "s", body["model"], body["model"], bool(body.get("stream")), native=native)
    wire = CLAUDE.encode(chat, made)
    forced = body.get("tool_choice", {}).get("type") == "tool" and body.get("thinking", {}).get("type") == "adaptive"
    if forced:
        # Nobody may force a tool and let think: the one case in which the form itself says no.
        assert "reasoning.mode" in wire.dropped
        return
    assert orjson.loads(wire.body) == guarded(body)
    assert wire.dropped == ()
    assert orjson.loads(CLAUDE.splice(native, made).body) == guarded(body)


@given(bodies())
@settings(max_examples=40)
def test_another_form_loses_nothing_in_silence(body: dict[str, Any]) -> None:
    chat, native = parsed(body)
    wire = OPENAI.encode(chat, Call(channel(53), "s", "m", "m", False, native=native))
    out = wire.body.decode()
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        for block in blocks:
            if block["type"] == "thinking":
                assert "parts.thinking" in wire.dropped
            elif block["type"] == "hologram":
                assert "parts.opaque" in wire.dropped
            elif block["type"] == "text":
                assert orjson.dumps(block["text"]).decode() in out


# -- answers ----------------------------------------------------------------------------------

blocks_out = st.lists(
    st.one_of(
        texts, calls, thoughts, unknown,
        st.builds(
            lambda text, name: {
                "type": "text", "text": text, "citations": [{"type": "web_search_result_location", "url": name}],
            },
            words, names,
        ),
        st.builds(lambda name, value: {"type": "server_tool_use", "id": name, "name": "web_search", "input": {"q": value}}, names, plain_json),
        st.builds(lambda name, value: {"type": "web_search_tool_result", "tool_use_id": name, "content": [value]}, names, plain_json),
    ),
    max_size=5,
)  # fmt: skip


def message(content: list[Any], stop: str = "end_turn") -> dict[str, Any]:
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 9}
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "asked", "content": content,
        "stop_reason": stop, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\n".encode() + b"data: " + orjson.dumps({"type": kind, **members}) + b"\n\n"


def streamed(body: dict[str, Any], pieces: int) -> bytes:
    """The answer as Anthropic streams it."""
    out = event("message_start", message={**body, "content": [], "stop_reason": None})
    for index, block in enumerate(body["content"]):
        begun, deltas = dict(block), []
        kind = block["type"]
        if kind in ("tool_use", "server_tool_use"):
            begun["input"] = {}
            said = orjson.dumps(block["input"]).decode()
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in cut(said, pieces)]
        elif kind == "text":
            begun = {"type": "text", "text": ""}
            deltas = [{"type": "citations_delta", "citation": cited} for cited in block.get("citations", ())]
            deltas += [{"type": "text_delta", "text": piece} for piece in cut(block["text"], pieces)]
        elif kind == "thinking":
            begun = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"], pieces)]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        out += event("content_block_start", index=index, content_block=begun)
        out += b"".join(event("content_block_delta", index=index, delta=delta) for delta in deltas)
        out += event("ping") + event("content_block_stop", index=index)
    out += event(
        "message_delta", delta={"stop_reason": body["stop_reason"], "stop_sequence": None}, usage=body["usage"]
    )
    return out + event("message_stop")


def cut(text: str, pieces: int) -> list[str]:
    size = max(1, -(-len(text) // pieces))
    return [text[at : at + size] for at in range(0, len(text), size)]


def collected(stream: bytes) -> dict[str, Any]:
    """What a client puts together; the rules of the form are asserted on the way."""
    found: dict[str, Any] = {}
    said: dict[int, str] = {}
    current = -1
    for block in stream.decode().strip().split("\n\n"):
        name, data = block.split("\n", 1)
        read = orjson.loads(data.removeprefix("data: "))
        assert name == f"event: {read['type']}"
        kind = read["type"]
        if kind == "message_start":
            assert not found
            found = read["message"]
        elif kind == "content_block_start":
            assert (current, read["index"]) == (-1, len(found["content"]))
            current = read["index"]
            found["content"].append(read["content_block"])
        elif kind == "content_block_delta":
            assert read["index"] == current
            delta, open_block = read["delta"], found["content"][current]
            what = delta["type"]
            if what == "input_json_delta":
                said[current] = said.get(current, "") + delta["partial_json"]
            elif what == "citations_delta":
                open_block.setdefault("citations", []).append(delta["citation"])
            elif what == "signature_delta":
                open_block["signature"] = delta["signature"]
            else:
                key = what.removesuffix("_delta")
                open_block[key] += delta[key]
        elif kind == "content_block_stop":
            if current in said:
                found["content"][current]["input"] = orjson.loads(said[current])
            current = -1
        elif kind == "message_delta":
            assert current == -1
            found.update(read["delta"])
            found["usage"] = read["usage"]
        else:
            assert kind == "message_stop"
            found["stopped"] = True
    assert found.pop("stopped")
    return found


def decoded(stream: bytes, places: list[int]) -> list[chat_pb2.ChatEvent]:
    decoder = CLAUDE.decoder(call())
    out: list[chat_pb2.ChatEvent] = []
    for first, after in pairwise([0, *sorted(places), len(stream)]):
        out += decoder.feed(stream[first:after])
    return out + decoder.end()


@given(blocks_out, st.integers(1, 4), st.data())
def test_streams_and_whole_answers_come_back_as_they_were(content: list[Any], pieces: int, data: st.DataObject) -> None:
    body = message(content)
    stream = streamed(body, pieces)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    events = decoded(stream, places)
    assert events == decoded(stream, [])
    renderer = StreamRenderer("asked", "r1")
    told = collected(b"".join(renderer.render(one) for one in events))
    whole = orjson.loads(anthropic_render.whole(CLAUDE.decode(orjson.dumps(body), call()), 0))
    assert told["content"] == whole["content"] == content
    wanted = "tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn"
    assert (told["stop_reason"], whole["stop_reason"]) == (wanted, wanted)
    for name, count in body["usage"].items():
        assert (told["usage"][name], whole["usage"][name]) == (count, count)


@given(blocks_out, st.integers(1, 4), st.data())
def test_relays_pass_on_every_byte(content: list[Any], pieces: int, data: st.DataObject) -> None:
    stream = streamed(message(content), pieces)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    relay, out = CLAUDE.relay(call()), b""
    for first, after in pairwise([0, *sorted(places), len(stream)]):
        out += relay.feed(stream[first:after])
    assert out + relay.end() == stream
    assert relay.usage is not None
    assert (relay.usage.input_tokens, relay.usage.cached_tokens, relay.usage.output_tokens) == (5, 2, 9)
    assert relay.finished


def test_a_relay_renames_the_model_and_nothing_else() -> None:
    stream = streamed({**message([{"type": "text", "text": 'my "model":"sent"'}]), "model": "sent"}, 2)
    relay = CLAUDE.relay(Call(channel(), "s", 'a"b', "sent", True))
    assert relay.feed(stream) + relay.end() == stream.replace(b'"model":"sent"', b'"model":"a\\"b"', 1)


@pytest.mark.parametrize("end", [1, 40, -250])
def test_a_cut_stream_is_told_as_cut(end: int) -> None:
    stream = streamed(message([{"type": "text", "text": "Hello"}]), 2)[:end]
    relay = CLAUDE.relay(call())
    relay.feed(stream)
    with pytest.raises(BadAnswer):
        relay.end()
    with pytest.raises(BadAnswer):
        decoded(stream, [])


def test_a_stream_without_its_last_line_is_whole() -> None:
    stream = streamed(message([{"type": "text", "text": "Hello"}]), 2)
    relay = CLAUDE.relay(call())
    assert relay.feed(stream[:-1]) + relay.end() == stream


# -- what other vendors said, carried by Anthropic's clients ----------------------------------


@given(words, st.binary(max_size=20), st.binary(max_size=20), st.sampled_from(["gemini", "openai", ""]), names)
def test_thoughts_of_other_vendors_come_back_whole(
    text: str, signature: bytes, encrypted: bytes, signer: str, item: str
) -> None:
    thought = parts_pb2.ThinkingPart(text=text, signature=signature, encrypted=encrypted, signed_by=signer, id=item)
    [block] = anthropic_render.blocks(parts_pb2.Part(thinking=thought))
    assert not sound(block["signature"], strict=True)
    assert not sound(block["signature"], strict=False)
    found = parts_pb2.Part()
    Blocks(b"").block(found, block, "x")
    assert found.thinking == thought


@given(st.lists(words, min_size=1, max_size=3), st.binary(min_size=1, max_size=9))
def test_summaries_and_encrypted_items_come_back_whole(summary: list[str], encrypted: bytes) -> None:
    thought = parts_pb2.ThinkingPart(summary=summary, encrypted=encrypted, signed_by="openai", id="rs_1")
    [block] = anthropic_render.blocks(parts_pb2.Part(thinking=thought))
    found = parts_pb2.Part()
    Blocks(b"").block(found, block, "x")
    assert found.thinking == thought


@given(st.binary(min_size=1, max_size=30))
def test_geminis_signatures_come_back_on_the_call_and_on_the_text(signature: bytes) -> None:
    parts = [
        parts_pb2.Part(text=parts_pb2.TextPart(text="So"), thought_signature=signature),
        parts_pb2.Part(text=parts_pb2.TextPart(), thought_signature=signature),
        parts_pb2.Part(tool_call=parts_pb2.ToolCall(id="c1", name="f", arguments="{}"), thought_signature=signature),
    ]
    blocks = [block for part in parts for block in anthropic_render.blocks(part)]
    assert [block["type"] for block in blocks] == ["text", "redacted_thinking", "redacted_thinking", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": blocks[3]["id"], "content": "x"}
    back = chat_pb2.Message()
    Blocks(b"").content(back.parts.add, [*orjson.loads(orjson.dumps(blocks)), dict(result)], "x")
    assert list(back.parts)[:-1] == parts
    assert back.parts[-1].tool_result.call_id == "c1"
    # Where Anthropic goes on instead, it is not shown.
    chat = chat_pb2.ChatRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, parts=parts)])
    wire = CLAUDE.encode(chat, call())
    assert carry.CARRIED.encode() not in wire.body
    assert "parts.thought_signature" in wire.dropped
    turns = [{"role": "assistant", "content": blocks}, {"role": "user", "content": [result]}]
    body = {"model": "m", "max_tokens": 1, "messages": turns}
    spliced = CLAUDE.splice(common_pb2.Native(form=FORM, body=orjson.dumps(body)), call())
    assert carry.CARRIED.encode() not in spliced.body
    assert spliced.dropped == ("parts.thinking",)
    said = orjson.loads(spliced.body)["messages"]
    assert said[0]["content"][1]["id"] == said[1]["content"][0]["tool_use_id"] == "c1"


@given(st.lists(st.tuples(words, st.booleans()), min_size=1, max_size=4))
def test_an_openai_client_holds_claudes_thoughts(told: list[tuple[str, bool]]) -> None:
    parts = [
        parts_pb2.Part(
            thinking=parts_pb2.ThinkingPart(text=text, signature=SIGNATURE.encode(), signed_by="anthropic")
            if shown
            else parts_pb2.ThinkingPart(encrypted=SIGNATURE.encode(), signed_by="anthropic", redacted=True)
        )
        for text, shown in told
    ]
    details = orjson.loads(orjson.dumps(openai_reasoning.details(parts)))
    turn = {"role": "assistant", "content": "x", "reasoning_content": "y", "reasoning_details": details}
    raw = orjson.dumps({"model": "m", "messages": [turn]})
    _, chat = openai_chat.parse(orjson.loads(raw), raw, 9)
    assert list(chat.messages[0].parts)[:-1] == parts
    body = orjson.loads(CLAUDE.encode(chat, call(native=common_pb2.Native(form="openai.chat", body=raw))).body)
    blocks = body["messages"][0]["content"]
    assert [block.get("thinking") for block in blocks[:-1]] == [text if shown else None for text, shown in told]


def test_streamed_thoughts_are_whole_however_a_client_puts_them_together() -> None:
    """Python's SDK adds up the pieces of one index, JavaScript's keeps the list that came last."""
    begun = parts_pb2.Part(thinking=parts_pb2.ThinkingPart(signed_by="openai", id="rs_1"))
    events = [
        chat_pb2.ChatEvent(part_started=chat_pb2.PartStarted(part=begun)),
        chat_pb2.ChatEvent(delta=chat_pb2.PartDelta(summary="one")),
        chat_pb2.ChatEvent(delta=chat_pb2.PartDelta(summary="two", summary_index=1)),
        chat_pb2.ChatEvent(delta=chat_pb2.PartDelta(encrypted=b"gAAA")),
        chat_pb2.ChatEvent(part_ended=chat_pb2.PartEnded()),
    ]
    renderer = OpenAIStream("m", chat_pb2.ChatRequest(), "r", 1)
    told = [orjson.loads(chunk.removeprefix(b"data: ")) for event in events if (chunk := renderer.render(event))]
    deltas = [chunk["choices"][0]["delta"] for chunk in told]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "one\ntwo"
    added: dict[object, object] = {}
    for delta in orjson.loads(orjson.dumps(deltas)):
        accumulate_delta(added, delta)
    last = [delta["reasoning_details"] for delta in deltas if "reasoning_details" in delta][-1]
    expected = parts_pb2.ThinkingPart(signed_by="openai", id="rs_1", summary=["one\ntwo"], encrypted=b"gAAA")
    for details in (added["reasoning_details"], last):
        assert isinstance(details, list)
        assert openai_reasoning.read(details) == [expected]


def test_signatures_that_cannot_be_anthropics() -> None:
    assert sound(SIGNATURE, strict=True)
    for bad in ("", "EqQBC", "not base64!", "isthmus.abcd", "Eq=BEqQB"):
        assert not sound(bad, strict=True), bad
    assert sound("", strict=False), "vendors that only speak the form sign as they like"


# -- models -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "limit", "adaptive", "budget", "off"),
    [
        ("claude-3-opus-20240229", 4096, False, False, ""),
        ("claude-3-5-haiku-20241022", 8192, False, False, ""),
        ("claude-3-7-sonnet-20250219", 64_000, False, True, "disabled"),
        ("claude-opus-4-20250514", 32_000, False, True, "disabled"),
        ("claude-opus-4-1-20250805", 32_000, False, True, "disabled"),
        ("claude-sonnet-4-20250514", 64_000, False, True, "disabled"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 64_000, False, True, "disabled"),
        ("anthropic/claude-sonnet-4-6", 128_000, True, True, "disabled"),
        ("claude-opus-4-7", 128_000, True, False, "disabled"),
        ("claude-fable-5", 128_000, True, False, ""),
        ("claude-opus-5-5", 128_000, True, False, ""),
        ("claude-sonnet-5-5", 128_000, True, False, "between_tools"),
        ("claude-opus-9", 128_000, True, False, "disabled"),
        ("glm-4.6", 8192, False, True, "disabled"),
    ],
)
def test_facts_of_models(model: str, limit: int, adaptive: bool, budget: bool, off: str) -> None:
    found = facts(model)
    assert (found.max_tokens, found.adaptive, found.budget, found.off) == (limit, adaptive, budget, off)


def test_the_nearest_effort() -> None:
    assert [nearest(effort, ("low", "medium", "high", "max")) for effort in ALL_EFFORTS] == [
        "low", "medium", "high", "high", "max",
    ]  # fmt: skip
    assert nearest("minimal", ALL_EFFORTS) == "low"


@given(bodies())
@settings(max_examples=30)
def test_counts_grow_with_what_is_said(body: dict[str, Any]) -> None:
    chat, _ = parsed(body)
    before = prompt_tokens(chat, "m")
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "One more word"
    assert prompt_tokens(chat, "m") >= before + 3

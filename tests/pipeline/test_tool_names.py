"""Tools' names that vendors forbid: written as they take them, and back, without two becoming one."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from isthmus.v1 import chat_pb2

from core.pipeline.tool_names import RULES, Renamed, legal
from core.vendors.interface import Call
from core.vendors.registry import ALL
from tests.routing.test_choose import channel

LONG = "mcp__a_server_with_a_long_name__a_tool_with_a_very_long_name_that_goes_on_and_on"


def chat(*names: str) -> chat_pb2.ChatRequest:
    made = chat_pb2.ChatRequest()
    for name in names:
        made.tools.add().function.name = name
    return made


def names(made: chat_pb2.ChatRequest) -> list[str]:
    return [tool.function.name for tool in made.tools]


def test_names_that_fit_stay() -> None:
    asked = chat("weather", "mcp__fs__read-file", "a" * 64)
    for form in RULES:
        assert legal(asked, form) == (asked, {})
        assert legal(asked, form)[0] is asked
    assert legal(chat("a.b"), "ollama.chat")[0] == chat("a.b")
    # Google takes dots.
    assert legal(chat("a.b:c"), "gemini.generate")[1] == {}


def test_forbidden_ones_are_written_and_read_back() -> None:
    asked = chat("fs.read", "fs_read", LONG, "Wetter für", "9lives")
    made, back = legal(asked, "openai.chat")
    written = names(made)
    assert written[1] == "fs_read"
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", name) for name in written)
    assert len(set(written)) == 5
    assert [back.get(name, name) for name in written] == names(asked)
    assert legal(chat("9lives"), "gemini.generate")[1] == {"_9lives": "9lives"}
    assert names(asked)[0] == "fs.read", "a received message is never changed"


def test_everywhere_a_name_stands() -> None:
    asked = chat("fs.read")
    asked.tools.add().custom.name = "run.it"
    asked.tool_choice.names.append("fs.read")
    asked.messages.add().parts.add().tool_call.name = "fs.read"
    asked.messages.add().parts.add().tool_result.name = "fs.read"
    # A call of a tool that is told no more.
    asked.messages.add().parts.add().tool_call.name = "gone.tool"
    made, back = legal(asked, "anthropic.messages")
    assert made.tools[1].custom.name == "run_it"
    assert list(made.tool_choice.names) == ["fs_read"]
    assert made.messages[0].parts[0].tool_call.name == made.messages[1].parts[0].tool_result.name == "fs_read"
    assert made.messages[2].parts[0].tool_call.name == "gone_tool"
    assert back == {"fs_read": "fs.read", "run_it": "run.it", "gone_tool": "gone.tool"}
    assert not legal(chat("a.b"), "openai.chat")[0].HasField("tool_choice")


@given(some.lists(some.text(min_size=1, max_size=90), min_size=1, max_size=8, unique=True), some.randoms())
@pytest.mark.parametrize("form", RULES)
def test_never_two_names_for_one_and_the_same_in_every_order(form: str, given_names: list[str], rng: Any) -> None:
    made, back = legal(chat(*given_names), form)
    written = names(made)
    assert len(set(written)) == len(given_names)
    assert all(RULES[form].fits.fullmatch(name) for name in written)
    assert [back.get(name, name) for name in written] == given_names
    other = list(given_names)
    rng.shuffle(other)
    again, _ = legal(chat(*other), form)
    assert dict(zip(other, names(again), strict=True)) == dict(zip(given_names, written, strict=True))


ANSWERS: dict[str, tuple[int, bytes, bytes]] = {
    "openai.chat": (
        1,
        json.dumps({"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": None, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "fs_read", "arguments": "{}"}}]}}]}).encode(),
        b'data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"1","type":"function",'
        b'"function":{"name":"fs_read","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n',
    ),
    "anthropic.messages": (
        14,
        json.dumps({"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
                    "content": [{"type": "tool_use", "id": "1", "name": "fs_read", "input": {}}],
                    "usage": {"input_tokens": 1, "output_tokens": 1}}).encode(),
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
        b'"model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use",'
        b'"id":"1","name":"fs_read","input":{}}}\n\n'
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ),
    "gemini.generate": (
        24,
        json.dumps({"candidates": [{"content": {"role": "model", "parts": [{"functionCall": {
            "name": "fs_read", "args": {}}}]}, "finishReason": "STOP"}]}).encode(),
        b'data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"fs_read","args":{}}}]},'
        b'"finishReason":"STOP"}]}\n\n',
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", ANSWERS)
def test_answers_and_streams_call_by_the_clients_name(form: str) -> None:
    number, whole, stream = ANSWERS[form]
    spoken: Any = next(known for known in ALL[number].chat if known.name == form)
    renamed = Renamed(spoken, {"fs_read": "fs.read"})
    call = Call(channel(1, 0), "secret", "m", "m", True)
    answer = renamed.decode(whole, call)
    assert [part.tool_call.name for part in answer.choices[0].parts if part.HasField("tool_call")] == ["fs.read"]
    decoder = renamed.decoder(call)
    events = [*decoder.feed(stream), *decoder.end()]
    begun = [event.part_started.part.tool_call.name for event in events
             if event.HasField("part_started") and event.part_started.part.HasField("tool_call")]  # fmt: skip
    assert begun == ["fs.read"]
    assert renamed.name == form

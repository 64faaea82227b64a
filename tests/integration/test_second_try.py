"""What one vendor refuses or cannot hold, and is answered all the same: thoughts, other channels, names of tools."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.integration.house import House
from tests.servers import vendor as fake
from tests.servers.vendor import Asked, Vendor

MODELS = ("again-claude", "again-native", "again-words", "again-names", "again-gemini")
FORGED = base64.b64encode(b"signed by a house that nobody knows").decode()
LONG = "mcp__a_server_with_a_long_name__a_tool_with_a_very_long_name_that_goes_on_and_on"


def stubborn(asked: Asked) -> None:
    """Refuses thoughts, whatever it is told."""
    told = {"type": "invalid_request_error", "message": "messages.1.content.0: Invalid `signature` in `thinking` block"}
    asked.whole(json.dumps({"type": "error", "error": told}).encode(), status="400 Bad Request")


@pytest.fixture(scope="module")
def vendor(gateway: House) -> Iterator[Vendor]:
    with fake.vendor() as made:
        made.behaviours["stubborn"] = stubborn
        listed = gateway.manage("GET", "/api/option/")
        ratios = json.loads(next((row["value"] for row in listed if row["key"] == "ModelRatio"), "{}"))
        gateway.option("ModelRatio", json.dumps({**ratios, **dict.fromkeys((*MODELS, "again-stubborn"), 1)}))
        claude = {"type": 14, "model_mapping": json.dumps(dict.fromkeys(MODELS, "claude-opus-4-6"))}
        gateway.add_channel(models="again-claude,again-names", **claude)
        gateway.add_channel(type=14, key="stubborn", base_url=made.url, models="again-stubborn")
        # The first cannot complete a prompt of tokens, the second can.
        gateway.add_channel(models="again-words", priority=9, **claude)
        gateway.add_channel(type=25, key="completes", base_url=made.url, models="again-words")
        gateway.add_channel(type=24, models="again-gemini", model_mapping='{"again-gemini":"gemini-2.5-flash"}')
        yield made


@pytest.fixture(scope="module")
def key(gateway: House) -> str:
    return gateway.add_key(remain_quota=100_000_000)[1]


@pytest.fixture
def claude(gateway: House, vendor: Vendor, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=key, base_url=gateway.base, max_retries=0) as made:
        yield made


@pytest.fixture
def gpt(gateway: House, vendor: Vendor, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as made:
        yield made


HISTORY: Any = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "so", "signature": FORGED},
                                      {"type": "text", "text": "Hello"}]},
    {"role": "user", "content": "And?"},
]  # fmt: skip


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refused_signature_is_asked_again_without_thoughts(
    gateway: House, claude: anthropic.Anthropic, streamed: bool
) -> None:
    """The client's own bytes go out, are refused for a signature that looks sound, and go out once more."""
    reply = claude.messages.with_raw_response.create(
        model="again-claude", max_tokens=500, messages=HISTORY, stream=streamed
    )
    assert reply.status_code == 200
    assert "parts.thinking" in reply.headers["x-isthmus-dropped"]
    if streamed:
        kinds = [event.type for event in reply.parse()]  # type: ignore[attr-defined]
        assert kinds[-1] == "message_stop"
    else:
        assert reply.parse().content[0].type == "text"
    line = gateway.line(reply.headers["request-id"])
    assert "parts.thinking" in line["receipt"]["dropped"]
    first, second = line["receipt"]["attempts"]
    assert (first["status"], first["reason"]) == (400, "ASKED_AGAIN")
    assert (second["status"], second["reason"]) == (200, "")
    assert first["channel"] == second["channel"]


def test_a_signature_of_openais_client_too(gateway: House, gpt: openai.OpenAI) -> None:
    thought = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1", "text": "so", "signature": FORGED}
    said: Any = [{"role": "user", "content": "Hi"},
                 {"role": "assistant", "content": "Hello", "reasoning_details": [thought]},
                 {"role": "user", "content": "And?"}]  # fmt: skip
    reply = gpt.chat.completions.with_raw_response.create(model="again-claude", messages=said)
    assert reply.parse().choices[0].message.content
    assert "parts.thinking" in reply.headers["x-isthmus-dropped"]


def test_asked_once_more_and_no_more(claude: anthropic.Anthropic, vendor: Vendor) -> None:
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        claude.messages.create(model="again-stubborn", max_tokens=500, messages=HISTORY)
    assert vendor.counts["stubborn"] == 2
    assert vendor.last("stubborn").body["messages"][1]["content"] == [{"type": "text", "text": "Hello"}]
    plain: Any = [{"role": "user", "content": "Hi"}]
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model="again-stubborn", max_tokens=500, messages=plain)
    assert vendor.counts["stubborn"] == 3


def test_what_one_channel_cannot_hold_the_next_one_serves(gateway: House, gpt: openai.OpenAI, vendor: Vendor) -> None:
    """Without a single retry allowed: the first vendor was not asked."""
    completion = {"id": "c", "object": "text_completion", "created": 1, "model": "m",
                  "choices": [{"index": 0, "text": "done", "finish_reason": "stop", "logprobs": None}],
                  "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}  # fmt: skip
    vendor.behaviours["completes"] = lambda asked: asked.whole(json.dumps(completion).encode())
    reply = gpt.completions.with_raw_response.create(model="again-words", prompt=[1, 2, 3])
    assert reply.parse().choices[0].text == "done"
    line = gateway.line(reply.headers["x-request-id"])
    assert [attempt["reason"] for attempt in line["receipt"]["attempts"]] == ["UNSUPPORTED_FEATURE", ""]


NAMES = ("fs.read", "fs_read", LONG)
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in NAMES
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["again-names", "again-gemini"])
def test_forbidden_names_of_tools_over_two_turns(gpt: openai.OpenAI, model: str, streamed: bool) -> None:
    """The Sandbox refuses what the vendors refuse; the client sees its own names, each call its own tool."""
    said: Any = [{"role": "user", "content": "[[sandbox calls=3]] Read"}]
    if streamed:
        called = [piece.function.name for chunk in gpt.chat.completions.create(
            model=model, messages=said, tools=TOOLS, stream=True) if chunk.choices
            for piece in chunk.choices[0].delta.tool_calls or () if piece.function and piece.function.name]  # fmt: skip
        assert called == list(NAMES)
        return
    message = gpt.chat.completions.create(model=model, messages=said, tools=TOOLS).choices[0].message
    calls: Any = message.tool_calls
    assert [call.function.name for call in calls] == list(NAMES)
    said.append(message.to_dict())
    said += [{"role": "tool", "tool_call_id": call.id, "content": "done"} for call in calls]
    assert gpt.chat.completions.create(model=model, messages=said, tools=TOOLS).choices[0].message.content
    forced: Any = {"type": "function", "function": {"name": LONG}}
    message = (
        gpt.chat.completions.create(model=model, messages=said[:1], tools=TOOLS, tool_choice=forced).choices[0].message
    )
    assert {call.function.name for call in message.tool_calls or ()} == {LONG}  # type: ignore[union-attr]

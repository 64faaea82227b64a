"""A refused signature: the same request without thoughts, by Anthropic's, Bedrock's and Vertex AI's own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.vendors.anthropic.again import without_thoughts
from core.vendors.interface import VendorRefusal, VendorRequest

THOUGHT = {"type": "thinking", "thinking": "so", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "x"}
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "sunny"}
TEXT = {"type": "text", "text": "Hi"}
REFUSED = "messages.1.content.0: Invalid `signature` in `thinking` block"


def again(messages: list[Any], message: str = REFUSED, status: int = 400, **more: Any) -> Any:
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": messages, **more}).encode()
    made = without_thoughts(VendorRefusal(status, message), VendorRequest("POST", "u", (), body, ("sampling.top_k",)))
    return made if made is None else (json.loads(made.body), made.dropped)


def turns(*said: Any) -> list[Any]:
    return [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": list(said)},
            {"role": "user", "content": [RESULT]}]  # fmt: skip


@pytest.mark.parametrize(
    "message",
    [
        REFUSED,
        "***.***.content.0: Invalid `signature` in `thinking` block",
        "messages.1.content.0.thinking.signature: Field required",
        "messages.5.content.21: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
        "modified. These blocks must remain as they were in the original response.",
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
        "The model returned the following errors: messages.1.content.0: Invalid `signature` in `thinking` block",
        "The reasoning content block has an invalid signature",
    ],
)
def test_refusals_of_a_thought(message: str) -> None:
    body, dropped = again(turns(THOUGHT, TEXT, REDACTED, USE), message)
    assert body["messages"][1]["content"] == [TEXT, USE]
    assert dropped == ("sampling.top_k", "parts.thinking")


def test_thinking_ends_where_a_call_would_stand_without_its_thought() -> None:
    body, dropped = again(turns(THOUGHT, USE), thinking={"type": "enabled", "budget_tokens": 2000})
    assert "thinking" not in body
    assert dropped[-1] == "reasoning.mode"
    adaptive, _ = again(turns(THOUGHT, USE), thinking={"type": "adaptive"})
    assert adaptive["thinking"] == {"type": "adaptive"}


def test_a_turn_of_thoughts_alone_goes_with_them() -> None:
    body, _ = again(turns(THOUGHT))
    assert [turn["role"] for turn in body["messages"]] == ["user", "user"]


def test_converse() -> None:
    said = [{"reasoningContent": {"reasoningText": {"text": "so", "signature": "c2ln"}}}, {"text": "Hi"}]
    body, _ = again([{"role": "assistant", "content": said}])
    assert body["messages"][0]["content"] == [{"text": "Hi"}]


@pytest.mark.parametrize(
    ("message", "status"),
    [("max_tokens: must be greater than thinking.budget_tokens", 400), ("Invalid API key", 401), (REFUSED, 500),
     ("messages: text content blocks must be non-empty", 400), ("The request signature we calculated does not match", 403)],
)  # fmt: skip
def test_other_refusals_are_final(message: str, status: int) -> None:
    assert again(turns(THOUGHT, TEXT), message, status) is None


def test_nothing_to_leave_out_and_no_json() -> None:
    assert again(turns(TEXT)) is None
    assert without_thoughts(VendorRefusal(400, REFUSED), VendorRequest("POST", "u", (), b"no json")) is None
    assert without_thoughts(VendorRefusal(400, REFUSED), VendorRequest("POST", "u", (), b'{"input":1}')) is None

"""Claude Code's traffic before vendors of other forms: thinking between tools, cache marks, betas, counted tokens.

The shapes are those of its requests as @anthropic-ai/claude-code 2.x sends them through Anthropic's SDK.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.users.conftest import Studio

OTHERS = ("deepseek-r1", "qwen3-max", "gemini-3-pro")
BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"
MARK = {"cache_control": {"type": "ephemeral"}}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
TOOLS = [
    {
        "name": "Bash",
        "description": "Runs a command",
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"command": {"type": "string"}, "timeout": {"type": "number", "exclusiveMinimum": 0}},
            "required": ["command"],
            "additionalProperties": False,
        },
    },
    {
        "name": "Read",
        "description": "Reads a file",
        "input_schema": {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
        **MARK,
    },
]
STEPS = (
    # What the user says, the tool that is called for it and how often, and what the calls give back.
    ("Look around [[sandbox thinking tool=Bash calls=2]]", "Bash", ("README.md\nsetup.py", "on branch main")),
    ("Read it [[sandbox thinking tool=Read]]", "Read", ("# A project",)),
)


@pytest.fixture
def client(studio: Studio) -> Iterator[anthropic.Anthropic]:
    headers = {"anthropic-beta": BETAS, "x-app": "cli", "user-agent": "claude-cli/2.1.0 (external, cli)"}
    with anthropic.Anthropic(
        auth_token=studio.key, base_url=studio.house.base, max_retries=0, default_headers=headers
    ) as made:
        yield made


def request(model: str, turn: int, messages: list[Any]) -> dict[str, Any]:
    """One request: the first system block changes with each, the marks move to the newest words."""
    system = [
        {
            "type": "text",
            "text": f"x-anthropic-billing-header: cc_version=2.1.0.{turn}f3; cc_entrypoint=cli; cch={turn}a1b2;",
        },
        {"type": "text", "text": "You are Claude Code, Anthropic's official CLI for Claude.", **MARK},
        {"type": "text", "text": "You help with software engineering. " * 20, **MARK},
    ]
    sent = json.loads(json.dumps(messages))
    sent[-1]["content"][-1] |= MARK
    return {
        "model": model,
        "max_tokens": 32000,
        "system": system,
        "messages": sent,
        "tools": TOOLS,
        "thinking": {"type": "enabled", "budget_tokens": 10000},
        "metadata": {"user_id": json.dumps({"device_id": "d1", "account_uuid": "", "session_id": "s1"})},
        "extra_query": {"beta": "true"},
        "extra_body": {
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "temperature": 1,
        },
    }


def converse(client: anthropic.Anthropic, model: str) -> tuple[list[Any], list[str]]:
    """Both steps; the answers' content, and what each answer named as dropped."""
    messages: list[Any] = []
    answers, dropped = [], []
    for said, name, outputs in STEPS:
        reminder = {"type": "text", "text": "<system-reminder>Today is a day.</system-reminder>"}
        messages.append({"role": "user", "content": [reminder, {"type": "text", "text": said}]})
        for _ in range(2):
            asked = request(model, len(messages), messages)
            with client.messages.stream(**asked) as stream:
                answer = stream.get_final_message()
                dropped.append(stream.response.headers.get("x-isthmus-dropped", ""))
            content = [block.to_dict() for block in answer.content]
            answers.append((answer.stop_reason, content))
            messages.append({"role": "assistant", "content": content})
            calls = [block for block in content if block["type"] == "tool_use"]
            if not calls:
                break
            assert [call["name"] for call in calls] == [name] * len(outputs)
            results: list[Any] = [
                {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": text}]}
                for call, text in zip(calls, outputs, strict=True)
            ]
            messages.append({"role": "user", "content": results})
    return answers, dropped


def texts(body: Any) -> list[Any]:
    """A vendor's conversation without instructions: chat's or Gemini's."""
    if "contents" in body:
        return list(body["contents"])
    return [message for message in body["messages"] if message["role"] != "system"]


@pytest.mark.parametrize("model", OTHERS)
def test_thinking_between_tools_over_several_turns(studio: Studio, client: anthropic.Anthropic, model: str) -> None:
    studio.heard(model)
    answers, _ = converse(client, model)
    assert [reason for reason, _ in answers] == ["tool_use", "end_turn", "tool_use", "end_turn"]
    for (_, content), outputs in zip(answers[1::2], (outputs for _, _, outputs in STEPS), strict=True):
        said = "".join(block.get("text", "") for block in content)
        assert all(output in said for output in outputs)
    for _, content in answers:
        assert content[0]["type"] in ("thinking", "redacted_thinking"), content
    heard = studio.heard(model)
    assert len(heard) == 4
    for body in heard:
        written = json.dumps(body)
        for foreign in ("billing-header", "cache_control", "context_management", "clear_thinking", "isthmus.v1"):
            assert foreign not in written, foreign
        assert "You are Claude Code" in written
    # Vendors cache by the beginning of a request: each holds the one before it, as it was.
    for before, after in itertools.pairwise(heard):
        assert texts(after)[: len(texts(before))] == texts(before)
        assert {**after, "contents": 0, "messages": 0} == {**before, "contents": 0, "messages": 0}


def test_gemini_gets_its_signatures_back(studio: Studio, client: anthropic.Anthropic) -> None:
    studio.heard("gemini-3-pro")
    converse(client, "gemini-3-pro")
    last = studio.heard("gemini-3-pro")[-1]
    calls = [part for turn in last["contents"] for part in turn["parts"] if "functionCall" in part]
    assert len(calls) == 3
    # The first call of a turn is signed, parallel ones are not: as the vendor told them.
    assert [bool(part.get("thoughtSignature")) for part in calls] == [True, False, True]
    assert "skip_thought_signature_validator" not in json.dumps(last)


def test_deepseek_gets_its_thoughts_back(studio: Studio, client: anthropic.Anthropic) -> None:
    """Its thoughts have no signature; a turn with tools goes on with them."""
    studio.heard("deepseek-r1")
    converse(client, "deepseek-r1")
    last = studio.heard("deepseek-r1")[-1]
    assistants = [message for message in last["messages"] if message["role"] == "assistant"]
    assert all(message["reasoning_content"] for message in assistants)
    assert [len(message.get("tool_calls", ())) for message in assistants] == [2, 0, 1]
    for message in (one for one in last["messages"] if one["role"] == "tool"):
        assert message["tool_call_id"]


@pytest.mark.parametrize("model", OTHERS)
def test_failed_calls_and_pictures_in_results(studio: Studio, client: anthropic.Anthropic, model: str) -> None:
    studio.heard(model)
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    calls = [
        {"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {"command": "false"}},
        {"type": "tool_use", "id": "toolu_02", "name": "Read", "input": {"file_path": "a.png"}},
    ]
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_01", "content": "exit code 1", "is_error": True},
        {"type": "tool_result", "tool_use_id": "toolu_02", "content": [{"type": "image", "source": source}]},
        {"type": "text", "text": "Go on"},
    ]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Look"}]},
        {"role": "assistant", "content": calls},
        {"role": "user", "content": results},
    ]
    with client.messages.stream(**request(model, 0, messages)) as stream:
        answer = stream.get_final_message()
    assert answer.stop_reason == "end_turn"
    [body] = studio.heard(model)
    written = json.dumps(body)
    assert "exit code 1" in written
    assert PICTURE in written


@pytest.mark.parametrize("model", [*OTHERS, "claude-haiku-4-5"])
def test_counted_tokens_grow_with_the_conversation(client: anthropic.Anthropic, model: str) -> None:
    def counted(*texts: str) -> int:
        messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": text}]} for text in texts]
        asked = request(model, 1, messages)
        for name in ("max_tokens", "metadata"):
            asked.pop(name)
        asked["extra_body"].pop("temperature")
        return client.messages.count_tokens(**asked).input_tokens

    assert 0 < counted("Hello") < counted("Hello", "there, " * 50)


def test_anthropic_gets_the_bytes_it_knows(studio: Studio, client: anthropic.Anthropic) -> None:
    """Its own form is relayed: marks, betas, context management and the attribution arrive."""
    studio.heard("claude-haiku-4-5")
    answers, dropped = converse(client, "claude-haiku-4-5")
    assert [reason for reason, _ in answers] == ["tool_use", "end_turn", "tool_use", "end_turn"]
    assert not any(dropped)
    first = studio.heard("claude-haiku-4-5")[0]
    assert first["context_management"]["edits"][0]["type"] == "clear_thinking_20251015"
    assert first["system"][0]["text"].startswith("x-anthropic-billing-header")
    assert first["system"][1]["cache_control"] == {"type": "ephemeral"}
    asked = studio.ear.last("claude-haiku-4-5")
    assert set(BETAS.split(",")) <= set(asked.headers["anthropic-beta"].split(","))
    assert asked.path.endswith("?beta=true")

"""Codex CLI's traffic before vendors that know no Responses: sealed thoughts, free-form tools, parallel calls.

The shapes are those of openai/codex (codex-rs/core/src/client.rs, codex-rs/protocol/src/models.rs): the whole
conversation with each request, items without their ids, nothing stored.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.users.conftest import Studio

MODELS = ("deepseek-r1", "qwen3-max", "gemini-3-pro", "claude-haiku-4-5")
GRAMMAR = 'start: "*** Begin Patch" LF hunk+ "*** End Patch"\nhunk: /.+/ LF\n%import common.LF'
TOOLS: list[Any] = [
    {
        "type": "function",
        "name": "shell",
        "description": "Runs a command",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "workdir": {"type": "string"},
            },
            "required": ["command"],
            "additionalProperties": False,
        },
    },
    {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files. This is a FREEFORM tool, so do not wrap the patch in JSON.",
        "format": {"type": "grammar", "syntax": "lark", "definition": GRAMMAR},
    },
]
STEPS = (
    ("Look around [[sandbox thinking tool=shell calls=2]]", ("README.md", "on main")),
    ("Mend it [[sandbox thinking tool=apply_patch]]", ("Success. Updated README.md",)),
)


@pytest.fixture
def client(studio: Studio) -> Iterator[openai.OpenAI]:
    headers = {
        "originator": "codex_cli_rs",
        "session_id": "0197a1b2-0000-7000-8000-00000000c0de",
        "user-agent": "codex_cli_rs/0.99.0 (Linux; x86_64)",
    }
    with openai.OpenAI(
        api_key=studio.key, base_url=studio.house.base + "/v1", max_retries=0, default_headers=headers
    ) as made:
        yield made


def request(model: str, items: list[Any]) -> dict[str, Any]:
    """One request of a session."""
    return {
        "model": model,
        "instructions": "You are Codex, a coding agent.",
        "input": items,
        "tools": TOOLS,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0197a1b2-0000-7000-8000-00000000c0de",
        "text": {"verbosity": "medium"},
    }


def message(role: str, *texts: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text} for text in texts]}


def remembered(item: Any) -> dict[str, Any]:
    """An item as Codex keeps it: without its id and what it does not know."""
    told = item.to_dict()
    kept = {
        "reasoning": ("type", "summary", "encrypted_content"),
        "message": ("type", "role", "content"),
        "function_call": ("type", "name", "arguments", "call_id"),
        "custom_tool_call": ("type", "status", "call_id", "name", "input"),
    }[told["type"]]
    return {name: told[name] for name in kept if name in told}


def converse(client: openai.OpenAI, model: str) -> tuple[list[Any], list[str]]:
    """Both steps; all items of the session, and what each answer named as dropped."""
    items: list[Any] = [
        message("developer", "<permissions>read-only</permissions>"),
        message("user", "<environment_context><cwd>/work</cwd></environment_context>"),
    ]
    dropped = []
    for said, outputs in STEPS:
        items.append(message("user", said))
        for _ in range(2):
            with client.responses.stream(**request(model, items)) as stream:
                answer = stream.get_final_response()
                dropped.append(stream._response.headers.get("x-isthmus-dropped", ""))
            assert answer.status == "completed"
            items += [remembered(item) for item in answer.output]
            calls = [item for item in answer.output if item.type in ("function_call", "custom_tool_call")]
            if not calls:
                break
            assert len(calls) == len(outputs)
            items += [
                {"type": f"{call.type}_output", "call_id": call.call_id, "output": text}
                for call, text in zip(calls, outputs, strict=True)
            ]
    return items, dropped


@pytest.mark.parametrize("model", MODELS)
def test_a_session_over_several_turns(studio: Studio, client: openai.OpenAI, model: str) -> None:
    studio.heard(model)
    items, dropped = converse(client, model)
    kinds = [item["type"] for item in items if item["type"] != "reasoning"]
    assert kinds == [
        "message", "message", "message", "function_call", "function_call", "function_call_output",
        "function_call_output", "message", "message", "custom_tool_call", "custom_tool_call_output", "message",
    ]  # fmt: skip
    answers = [item for item in items if item["type"] == "message" and item["role"] == "assistant"]
    for answer, (_, outputs) in zip(answers, STEPS, strict=True):
        said = "".join(piece["text"] for piece in answer["content"])
        assert all(output in said for output in outputs), said
    [patch] = [item for item in items if item["type"] == "custom_tool_call"]
    assert patch["name"] == "apply_patch"
    assert not patch["input"].startswith("{"), "free-form input is no JSON"
    heard = studio.heard(model)
    assert len(heard) == 4
    for body in heard:
        written = json.dumps(body)
        for foreign in ("encrypted_content", "isthmus.v1", "reasoning.encrypted", "custom_tool"):
            assert foreign not in written, foreign
        assert "You are Codex" in written
        assert "Begin Patch" in written, "what the grammar wants is told in words"
    # What Codex asks of storing and sealed thoughts is the gateway's to keep, not a loss.
    for told in dropped:
        assert not {"include", "store", "prompt_cache_key", "tools", "parts.tool_call"} & set(told.split(", ")), told


@pytest.mark.parametrize("model", MODELS)
def test_the_beginning_stays_as_it_was(studio: Studio, client: openai.OpenAI, model: str) -> None:
    """Vendors cache by the beginning of a request."""
    studio.heard(model)
    converse(client, model)
    heard = studio.heard(model)
    for before, after in itertools.pairwise(heard):
        old, new = (body.get("contents") or body["messages"] for body in (before, after))
        assert new[: len(old)] == old
        assert {**after, "contents": 0, "messages": 0} == {**before, "contents": 0, "messages": 0}


@pytest.mark.parametrize("model", ["gemini-3-pro", "claude-haiku-4-5"])
def test_sealed_thoughts_come_back_to_who_signed_them(studio: Studio, client: openai.OpenAI, model: str) -> None:
    """The Sandbox refuses a signature that came back changed, so that every answer is a proof, too."""
    studio.heard(model)
    items, _ = converse(client, model)
    assert all(item["encrypted_content"] for item in items if item["type"] == "reasoning")
    last = json.dumps(studio.heard(model)[-1])
    if model.startswith("claude"):
        assert last.count('"signature"') >= 3
    else:
        assert last.count('"thoughtSignature"') >= 3
        assert "skip_thought_signature_validator" not in last

"""What the demo asks: one row a request, in every dialect, across vendors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

QUESTION = "What is an isthmus?"
OPENAI, CLAUDE, GEMINI = "gpt-5-mini", "claude-sonnet-5", "gemini-2.5-pro"
CHANNELS = ((1, "OpenAI", OPENAI), (14, "Anthropic", CLAUDE), (24, "Gemini", GEMINI))
"""Channel type, name and model of the demo's three vendors; all are the Sandbox, each in its own form."""
CHAT = [{"role": "user", "content": QUESTION}]
CONTENTS = [{"role": "user", "parts": [{"text": QUESTION}]}]
VERSION = {"anthropic-version": "2023-06-01"}


@dataclass(frozen=True, slots=True)
class Question:
    """One request: dialect, path, body, how its key is sent, and how the answer's text is read."""

    title: str
    path: str
    body: dict[str, Any]
    read: Callable[[bytes], str]
    key_header: str = "Authorization"
    headers: tuple[tuple[str, str], ...] = ()


def events(raw: bytes) -> Iterator[Any]:
    """The data of a stream's events that are JSON."""
    for line in raw.decode().splitlines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


def _told(pieces: list[str]) -> str:
    return f"{''.join(pieces)}   ({len(pieces)} pieces)"


def chat(raw: bytes) -> str:
    """OpenAI Chat."""
    return str(json.loads(raw)["choices"][0]["message"]["content"])


def chat_stream(raw: bytes) -> str:
    """OpenAI Chat, streamed."""
    choices = [choice for event in events(raw) for choice in event.get("choices", ())]
    return _told([choice["delta"]["content"] for choice in choices if choice["delta"].get("content")])


def responses(raw: bytes) -> str:
    """OpenAI Responses."""
    parts = [part for item in json.loads(raw)["output"] for part in item.get("content") or ()]
    return "".join(part.get("text", "") for part in parts)


def messages(raw: bytes) -> str:
    """Anthropic Messages."""
    return "".join(block.get("text", "") for block in json.loads(raw)["content"])


def messages_stream(raw: bytes) -> str:
    """Anthropic Messages, streamed."""
    deltas = [event["delta"] for event in events(raw) if event["type"] == "content_block_delta"]
    return _told([delta["text"] for delta in deltas if delta.get("text")])


def _gemini_text(answer: Any) -> str:
    parts = answer.get("candidates", [{}])[0].get("content", {}).get("parts", ())
    return "".join(part.get("text", "") for part in parts)


def gemini(raw: bytes) -> str:
    """Gemini generateContent."""
    return _gemini_text(json.loads(raw))


def gemini_stream(raw: bytes) -> str:
    """Gemini streamGenerateContent?alt=sse."""
    return _told([text for event in events(raw) if (text := _gemini_text(event))])


ASKS = (
    Question("OpenAI Chat", "/v1/chat/completions", {"model": OPENAI, "messages": CHAT}, chat),
    Question(
        "OpenAI Chat, streamed",
        "/v1/chat/completions",
        {"model": CLAUDE, "messages": CHAT, "stream": True},
        chat_stream,
    ),
    Question("OpenAI Responses", "/v1/responses", {"model": GEMINI, "input": QUESTION}, responses),
    Question(
        "Anthropic Messages",
        "/v1/messages",
        {"model": CLAUDE, "max_tokens": 200, "messages": CHAT},
        messages,
        "x-api-key",
        tuple(VERSION.items()),
    ),
    Question(
        "Anthropic Messages, streamed",
        "/v1/messages",
        {"model": OPENAI, "max_tokens": 200, "messages": CHAT, "stream": True},
        messages_stream,
        "x-api-key",
        tuple(VERSION.items()),
    ),
    Question(
        "Gemini generateContent",
        f"/v1beta/models/{GEMINI}:generateContent",
        {"contents": CONTENTS},
        gemini,
        "x-goog-api-key",
    ),
    Question(
        "Gemini streamGenerateContent",
        f"/v1beta/models/{CLAUDE}:streamGenerateContent?alt=sse",
        {"contents": CONTENTS},
        gemini_stream,
        "x-goog-api-key",
    ),
)


def curl(base: str, key: str, question: Question) -> list[str]:
    """The request as a command, a line for each part."""
    value = f"Bearer {key}" if question.key_header == "Authorization" else key
    headers = [(question.key_header, value), ("Content-Type", "application/json"), *question.headers]
    lines = [f"curl '{base}{question.path}'"]
    lines += [f"  -H '{name}: {text}'" for name, text in headers]
    return [*lines, f"  -d '{json.dumps(question.body)}'"]

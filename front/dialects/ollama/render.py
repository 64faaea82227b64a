"""Canonical answers as Ollama's: whole answers, and streams of lines by a small state machine.

Shapes are those of the ollama SDK's types (ChatResponse, GenerateResponse). Durations are not told: nobody
measured them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from front.dialects import call_ids
from front.dialects.openai import render as openai_render
from front.errors import FrontError

LOGPROBS = "openai.chat"
LENGTH = (chat_pb2.FINISH_REASON_LENGTH, chat_pb2.FINISH_REASON_CONTEXT_WINDOW)


def stamp(seconds: int) -> str:
    """A time as Ollama tells it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def call(part: parts_pb2.Part, arguments: str) -> dict[str, Any]:
    """A tool call, its arguments as an object."""
    made = part.tool_call
    try:
        told = orjson.loads(arguments or b"{}")
    except orjson.JSONDecodeError:
        told = None
    function = {"name": made.name, "arguments": told if isinstance(told, dict) else {"input": arguments}}
    return {"id": call_ids.join(made.id, part.thought_signature), "function": function}


def logprobs(found: parts_pb2.LogProbabilities) -> Any:
    """The list of tokens, where it is OpenAI's or Ollama's."""
    return orjson.loads(found.json).get("content") if found.json and found.dialect == LOGPROBS else None


def ending(finish: chat_pb2.FinishReason.ValueType, used: usage_pb2.Usage) -> dict[str, Any]:
    """What the last line says beside the words."""
    return {
        "done_reason": "length" if finish in LENGTH else "stop",
        "done": True,
        "prompt_eval_count": used.input_tokens,
        "eval_count": used.output_tokens,
    }


def said(content: str, thinking: str, calls: list[dict[str, Any]], generate: bool) -> dict[str, Any]:
    """The words in their members: of generate, or of chat."""
    told: dict[str, Any] = {"response" if generate else "content": content}
    if thinking:
        told["thinking"] = thinking
    if calls and not generate:
        told["tool_calls"] = calls
    return told if generate else {"message": {"role": "assistant", **told}}


def whole(answer: chat_pb2.ChatResponse, now: int, generate: bool) -> bytes:
    """A whole answer; of several choices the first, as the form has one."""
    choice = answer.choices[0] if answer.choices else chat_pb2.Choice()
    content, thinking = "", ""
    calls: list[dict[str, Any]] = []
    for part in choice.parts:
        kind = part.WhichOneof("kind")
        if kind == "thinking":
            thinking += part.thinking.text or "\n".join(part.thinking.summary)
        elif kind == "tool_call":
            calls.append(call(part, part.tool_call.arguments))
        elif kind in ("code", "code_outcome"):
            content += openai_render.fenced(part)
        else:
            content += part.text.text or part.refusal.text
    body: dict[str, Any] = {"model": answer.model, "created_at": stamp(answer.created or now)}
    body.update(said(content, thinking, calls, generate))
    if told := logprobs(choice.logprobs):
        body["logprobs"] = told
    return orjson.dumps({**body, **ending(choice.finish, answer.usage)})


class LineRenderer:
    """Canonical events of the first choice as lines. Implements the interface's StreamRenderer."""

    content_type = "application/x-ndjson"

    def __init__(self, model: str, request_id: str, now: int, generate: bool) -> None:
        self._head: dict[str, Any] = {"model": model, "created_at": stamp(now)}
        self._request_id = request_id
        self._generate = generate
        self._calls: dict[int, tuple[parts_pb2.Part, list[str]]] = {}
        """Part -> the call, and its arguments so far: a call is told whole."""
        self._finish: chat_pb2.FinishReason.ValueType = chat_pb2.FINISH_REASON_STOP
        self._usage = usage_pb2.Usage()

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if kind == "delta":
            return b"" if event.delta.choice else self._delta(event.delta)
        if kind == "part_started":
            return b"" if event.part_started.choice else self._begin(event.part_started)
        if kind == "part_ended" and not event.part_ended.choice and event.part_ended.index in self._calls:
            part, told = self._calls.pop(event.part_ended.index)
            return self._line(calls=[call(part, part.tool_call.arguments + "".join(told))])
        if kind == "finished" and not event.finished.choice:
            self._finish = event.finished.finish
        elif kind == "usage":
            self._usage = event.usage.usage
        elif kind == "ended":
            return self._line(**ending(self._finish, self._usage))
        return b""

    def _begin(self, started: chat_pb2.PartStarted) -> bytes:
        part = started.part
        kind = part.WhichOneof("kind")
        if kind == "tool_call":
            self._calls[started.index] = (part, [])
            return b""
        if kind == "thinking":
            thoughts = part.thinking.text or "\n".join(part.thinking.summary)
            return self._line(thinking=thoughts) if thoughts else b""
        content = (
            openai_render.fenced(part) if kind in ("code", "code_outcome") else part.text.text or part.refusal.text
        )
        return self._line(content) if content else b""

    def _delta(self, delta: chat_pb2.PartDelta) -> bytes:
        kind = delta.WhichOneof("delta")
        if kind in ("text", "refusal"):
            told = logprobs(delta.logprobs)
            more = {"logprobs": told} if told else {}
            return self._line(getattr(delta, kind), **more)
        if kind in ("thinking", "summary"):
            return self._line(thinking=getattr(delta, kind))
        if kind == "arguments" and delta.index in self._calls:
            self._calls[delta.index][1].append(delta.arguments)
        return b""

    def _line(
        self, content: str = "", thinking: str = "", calls: list[dict[str, Any]] | None = None, **more: Any
    ) -> bytes:
        told = said(content, thinking, calls or [], self._generate)
        return orjson.dumps({**self._head, **told, "done": False, **more}) + b"\n"

    def native(self, data: bytes) -> bytes:
        """As they came."""
        return data

    def fault(self, error: FrontError) -> bytes:
        """A line with the error."""
        return orjson.dumps({"error": f"{error.message} (request id: {self._request_id})"}) + b"\n"

    def close(self) -> bytes:
        """The last line has been told, or a fault."""
        return b""

    def ping(self) -> bytes:
        """Nothing: every line is an answer to this form's clients."""
        return b""

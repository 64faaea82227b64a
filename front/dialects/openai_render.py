"""Canonical answers as OpenAI's: whole answers, and streams by a small state machine."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, usage_pb2

from front.dialects import openai_errors
from front.errors import FrontError

FINISH = {
    chat_pb2.FINISH_REASON_LENGTH: "length",
    chat_pb2.FINISH_REASON_CONTEXT_WINDOW: "length",
    chat_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
    chat_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    chat_pb2.FINISH_REASON_REFUSAL: "content_filter",
}


def usage(found: usage_pb2.Usage) -> dict[str, Any]:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": found.input_tokens,
        "completion_tokens": found.output_tokens,
        "total_tokens": found.input_tokens + found.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": found.cached_tokens,
            "audio_tokens": found.input_audio_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": found.reasoning_tokens,
            "audio_tokens": found.output_audio_tokens,
            "accepted_prediction_tokens": found.accepted_prediction_tokens,
            "rejected_prediction_tokens": found.rejected_prediction_tokens,
        },
    }


def call(found: Any) -> dict[str, Any]:
    """A tool call."""
    if found.free_form:
        return {"id": found.id, "type": "custom", "custom": {"name": found.name, "input": found.arguments}}
    return {
        "id": found.id,
        "type": "function",
        "function": {"name": found.name, "arguments": found.arguments},
    }


def whole(chat: chat_pb2.ChatResponse, now: int) -> bytes:
    """A whole answer; now: Unix seconds, where the vendor told none."""
    choices = []
    for choice in chat.choices:
        texts = [part.text.text for part in choice.parts if part.HasField("text")]
        thoughts = [part.thinking.text for part in choice.parts if part.HasField("thinking")]
        refusals = [part.refusal.text for part in choice.parts if part.HasField("refusal")]
        calls = [call(part.tool_call) for part in choice.parts if part.HasField("tool_call")]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(texts) if texts else None,
            "refusal": "".join(refusals) if refusals else None,
        }
        if thoughts:
            message["reasoning_content"] = "".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        choices.append(
            {
                "index": choice.index,
                "message": message,
                "finish_reason": FINISH.get(choice.finish, "stop"),
                "logprobs": None,
            }
        )
    return orjson.dumps(
        {
            "id": chat.id or "chatcmpl-isthmus",
            "object": "chat.completion",
            "created": chat.created or now,
            "model": chat.model,
            "choices": choices,
            "usage": usage(chat.usage),
        }
    )


class StreamRenderer:
    """Canonical events as chat.completion.chunk events."""

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, include_usage: bool, request_id: str, now: int) -> None:
        self._request_id = request_id
        self._head = {
            "id": f"chatcmpl-{request_id}",
            "object": "chat.completion.chunk",
            "created": now,
            "model": model,
        }
        self._include_usage = include_usage
        self._calls: dict[tuple[int, int], int] = {}
        self._usage: usage_pb2.Usage | None = None

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if kind == "started":
            self._head["id"] = event.started.id or self._head["id"]
            self._head["created"] = event.started.created or self._head["created"]
            return self._chunk(0, {"role": "assistant", "content": ""})
        if kind == "part_started" and event.part_started.part.HasField("tool_call"):
            started = event.part_started
            number = sum(1 for choice, _ in self._calls if choice == started.choice)
            self._calls[(started.choice, started.index)] = number
            return self._chunk(started.choice, {"tool_calls": [{"index": number, **call(started.part.tool_call)}]})
        if kind == "delta":
            return self._delta(event.delta)
        if kind == "finished":
            return self._chunk(event.finished.choice, {}, FINISH.get(event.finished.finish, "stop"))
        if kind == "usage":
            self._usage = event.usage.usage
        if kind == "ended":
            return self._end()
        return b""

    def _delta(self, delta: chat_pb2.PartDelta) -> bytes:
        kind = delta.WhichOneof("delta")
        if kind == "text":
            return self._chunk(delta.choice, {"content": delta.text})
        if kind in ("thinking", "summary"):
            return self._chunk(delta.choice, {"reasoning_content": getattr(delta, kind)})
        if kind == "refusal":
            return self._chunk(delta.choice, {"refusal": delta.refusal})
        if kind == "arguments":
            number = self._calls.get((delta.choice, delta.index), 0)
            piece = {"index": number, "function": {"arguments": delta.arguments}}
            return self._chunk(delta.choice, {"tool_calls": [piece]})
        return b""

    def _chunk(self, choice: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        body = {**self._head, "choices": [{"index": choice, "delta": delta, "finish_reason": finish}]}
        return b"data: " + orjson.dumps(body) + b"\n\n"

    def native(self, data: bytes) -> bytes:
        """As they came."""
        return data

    def fault(self, error: FrontError) -> bytes:
        """The envelope as an event."""
        return openai_errors.event(error, self._request_id)

    def close(self) -> bytes:
        """[DONE] has been sent, or a fault."""
        return b""

    def ping(self) -> bytes:
        """A comment."""
        return b": ping\n\n"

    def _end(self) -> bytes:
        """Usage, where it was asked for, and [DONE]."""
        last = b"data: [DONE]\n\n"
        if self._include_usage and self._usage is not None:
            body = {**self._head, "choices": [], "usage": usage(self._usage)}
            return b"data: " + orjson.dumps(body) + b"\n\n" + last
        return last

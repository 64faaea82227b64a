"""What the mock vendor answers, made once: in OpenAI's, Anthropic's and Gemini's forms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from front.sandbox.connection import LAST_CHUNK, chunk

EVENTS = 100
"""Events with text in one stream."""
LONG_EVENTS = 10_000
"""The same in a long one."""
WORD = "word "
DIMENSIONS = 256
PROMPT_TOKENS = 200
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def reply(body: bytes, status: str = "200 OK") -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def words(length: int) -> str:
    """Text of a length in characters."""
    return (WORD * (length // len(WORD) + 1))[:length]


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Answers:
    """One wire form's: whole HTTP responses, and the events of a stream as HTTP chunks."""

    small: bytes
    """A body of some 1 kB."""
    large: bytes
    """A body of some 30 kB."""
    events: tuple[bytes, ...]
    """EVENTS chunks with a word each, what opens the stream before the first."""
    last: bytes
    """What closes the stream."""
    burst: bytes
    """The whole stream as one response, its events in one chunk."""


def _answers(small: object, large: object, first: bytes, event: bytes, last: bytes) -> Answers:
    whole = first + event * EVENTS + last
    return Answers(
        small=reply(_dumped(small)),
        large=reply(_dumped(large)),
        events=(chunk(first + event), *[chunk(event)] * (EVENTS - 1)),
        last=chunk(last) + LAST_CHUNK,
        burst=STREAM_HEAD + chunk(whole) + LAST_CHUNK,
    )


SMALL_TEXT, LARGE_TEXT, STREAM_TEXT = words(700), words(29_700), WORD * EVENTS


def _openai() -> Answers:
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": EVENTS, "total_tokens": PROMPT_TOKENS + EVENTS}
    head = {"id": "chatcmpl-bench", "created": 1700000000, "model": "bench"}

    def whole(text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    def event(delta: dict[str, str], finish: str | None = None, **more: object) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        body = {**head, "object": "chat.completion.chunk", "choices": [choice], **more}
        return b"data: " + _dumped(body) + b"\n\n"

    first = event({"role": "assistant", "content": ""})
    last = event({}, "stop", usage=usage) + b"data: [DONE]\n\n"
    return _answers(whole(SMALL_TEXT), whole(LARGE_TEXT), first, event({"content": WORD}), last)


def _anthropic() -> Answers:
    usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": EVENTS}
    head: dict[str, Any] = {"id": "msg_bench", "type": "message", "role": "assistant", "model": "bench"}

    def whole(text: str) -> dict[str, Any]:
        content = [{"type": "text", "text": text}]
        return {**head, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}

    def event(kind: str, **more: object) -> bytes:
        return f"event: {kind}\ndata: ".encode() + _dumped({"type": kind, **more}) + b"\n\n"

    message = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
    first = event("message_start", message={**message, "usage": {**usage, "output_tokens": 1}})
    first += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    last = event("content_block_stop", index=0)
    last += event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage)
    last += event("message_stop")
    delta = event("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD})
    return _answers(whole(SMALL_TEXT), whole(LARGE_TEXT), first, delta, last)


def _gemini() -> Answers:
    usage = {
        "promptTokenCount": PROMPT_TOKENS,
        "candidatesTokenCount": EVENTS,
        "totalTokenCount": PROMPT_TOKENS + EVENTS,
    }

    def whole(text: str, finish: str = "") -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "bench", "responseId": "bench"}

    def event(text: str, finish: str = "") -> bytes:
        return b"data: " + _dumped(whole(text, finish)) + b"\r\n\r\n"

    return _answers(whole(SMALL_TEXT, "STOP"), whole(LARGE_TEXT, "STOP"), b"", event(WORD), event("", "STOP"))


OPENAI, ANTHROPIC, GEMINI = _openai(), _anthropic(), _gemini()

EMBEDDING = reply(
    _dumped(
        {
            "object": "list",
            "model": "bench",
            "data": [{"object": "embedding", "index": 0, "embedding": [n / DIMENSIONS for n in range(DIMENSIONS)]}],
            "usage": {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS},
        }
    )
)
FAULT = reply(_dumped({"error": {"message": "busy", "type": "server_error"}}), "500 Internal Server Error")

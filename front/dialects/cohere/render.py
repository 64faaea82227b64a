"""Canonical answers as Cohere's, version 2: whole answers, and streams by a small state machine.

Shapes are those of the cohere SDK's types (V2ChatResponse, V2ChatStreamResponse).
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from front.dialects import call_ids
from front.dialects.openai import render as openai_render
from front.errors import FrontError

FORM = "cohere.chat"
FINISH = {
    chat_pb2.FINISH_REASON_STOP: "COMPLETE",
    chat_pb2.FINISH_REASON_STOP_SEQUENCE: "STOP_SEQUENCE",
    chat_pb2.FINISH_REASON_LENGTH: "MAX_TOKENS",
    chat_pb2.FINISH_REASON_CONTEXT_WINDOW: "MAX_TOKENS",
    chat_pb2.FINISH_REASON_TOOL_CALLS: "TOOL_CALL",
    chat_pb2.FINISH_REASON_CONTENT_FILTER: "ERROR",
    chat_pb2.FINISH_REASON_ERROR: "ERROR",
    chat_pb2.FINISH_REASON_MALFORMED_TOOL_CALL: "ERROR",
}
DONE = b"data: [DONE]\n\n"


def usage(found: usage_pb2.Usage) -> dict[str, Any]:
    """Cohere's usage object."""
    counted = {"input_tokens": found.input_tokens, "output_tokens": found.output_tokens}
    told: dict[str, Any] = {"billed_units": counted, "tokens": counted}
    if found.cached_tokens:
        told["cached_tokens"] = found.cached_tokens
    return told


def call(part: parts_pb2.Part, arguments: str) -> dict[str, Any]:
    """A tool call; the input of a free-form one is its arguments."""
    made = part.tool_call
    call_id = call_ids.join(made.id, part.thought_signature)
    return {"id": call_id, "type": "function", "function": {"name": made.name, "arguments": arguments}}


def citation(found: parts_pb2.Citation, content_index: int) -> dict[str, Any]:
    """A citation, as it came where it was Cohere's."""
    if found.dialect == FORM and found.json:
        told: dict[str, Any] = orjson.loads(found.json)
        return {**told, "content_index": content_index}
    document = {name: value for name, value in (("title", found.title), ("url", found.url)) if value}
    source = {"type": "document", "id": found.url or found.title or "doc:0", "document": document}
    return {
        "start": max(found.start, 0),
        "end": max(found.end, 0),
        "text": found.cited_text,
        "sources": [source],
        "content_index": content_index,
        "type": "TEXT_CONTENT",
    }


def words(part: parts_pb2.Part) -> str:
    """What a part says in the content, thoughts apart."""
    kind = part.WhichOneof("kind")
    if kind in ("code", "code_outcome"):
        return openai_render.fenced(part)
    return part.text.text or part.refusal.text


def whole(answer: chat_pb2.ChatResponse) -> bytes:
    """A whole answer; of several choices the first, as the form has one."""
    choice = answer.choices[0] if answer.choices else chat_pb2.Choice()
    content: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    calls = [call(part, part.tool_call.arguments) for part in choice.parts if part.HasField("tool_call")]
    plan = ""
    for part in choice.parts:
        if part.HasField("thinking"):
            said = part.thinking.text or "\n".join(part.thinking.summary)
            if said:
                content.append({"type": "thinking", "thinking": said})
        elif told := words(part):
            citations += [citation(found, len(content)) for found in part.text.citations]
            if calls:
                plan += told
            else:
                content.append({"type": "text", "text": told})
    message: dict[str, Any] = {"role": "assistant"}
    members = {"tool_plan": plan, "tool_calls": calls, "content": content, "citations": citations}
    message.update({name: value for name, value in members.items() if value})
    if not calls:
        message["content"] = content
    body: dict[str, Any] = {
        "id": answer.id,
        "finish_reason": FINISH.get(choice.finish, "COMPLETE"),
        "message": message,
        "usage": usage(answer.usage),
    }
    if choice.logprobs.json and choice.logprobs.dialect == FORM:
        body["logprobs"] = orjson.loads(choice.logprobs.json)
    return orjson.dumps(body)


def event(kind: str, **members: Any) -> bytes:
    """One server-sent event."""
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **members}) + b"\n\n"


class CohereRenderer:
    """Canonical events of the first choice as Cohere's. Implements the interface's StreamRenderer.

    Texts and thoughts are content, numbered as they begin; calls are numbered apart.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._id = request_id
        self._content: dict[int, tuple[int, str]] = {}
        """Part -> number and kind of content that was begun."""
        self._calls: dict[int, int] = {}
        self._numbers = [0, 0, 0]
        """How many contents, calls and citations there were."""
        self._finish = "COMPLETE"
        self._usage: usage_pb2.Usage | None = None

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if kind == "delta":
            return b"" if event.delta.choice else self._delta(event.delta)
        if kind == "part_started":
            return b"" if event.part_started.choice else self._begin(event.part_started)
        if kind == "part_ended":
            return b"" if event.part_ended.choice else self._shut(event.part_ended.index)
        if kind == "finished" and not event.finished.choice:
            self._finish = FINISH.get(event.finished.finish, "COMPLETE")
        elif kind == "started":
            self._id = event.started.id or self._id
            return self._start()
        elif kind == "usage":
            self._usage = event.usage.usage
        elif kind == "ended":
            return self._end()
        return b""

    def _start(self) -> bytes:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        return event("message-start", id=self._id, delta={"message": message})

    def _begin(self, started: chat_pb2.PartStarted) -> bytes:
        part = started.part
        kind = part.WhichOneof("kind")
        if kind == "tool_call":
            number = self._calls[started.index] = self._count(1)
            begun = call(part, "")
            out = event("tool-call-start", index=number, delta={"message": {"tool_calls": begun}})
            return out + (self._arguments(number, part.tool_call.arguments) if part.tool_call.arguments else b"")
        if kind == "thinking":
            said = part.thinking.text or "\n".join(part.thinking.summary)
            return self._say(started.index, "thinking", said) if said else b""
        said = words(part)
        return self._say(started.index, "text", said) if said else b""

    def _count(self, what: int) -> int:
        self._numbers[what] += 1
        return self._numbers[what] - 1

    def _delta(self, delta: chat_pb2.PartDelta) -> bytes:
        kind = delta.WhichOneof("delta")
        if kind in ("text", "refusal"):
            told = orjson.loads(delta.logprobs.json) if delta.logprobs.dialect == FORM else None
            return self._say(delta.index, "text", getattr(delta, kind), told)
        if kind in ("thinking", "summary"):
            return self._say(delta.index, "thinking", getattr(delta, kind))
        if kind == "arguments" and delta.index in self._calls:
            return self._arguments(self._calls[delta.index], delta.arguments)
        if kind == "citation":
            out = self._say(delta.index, "text", "")
            found = citation(delta.citation, self._content[delta.index][0])
            number = self._count(2)
            out += event("citation-start", index=number, delta={"message": {"citations": found}})
            return out + event("citation-end", index=number)
        return b""

    def _arguments(self, number: int, said: str) -> bytes:
        made = {"function": {"arguments": said}}
        return event("tool-call-delta", index=number, delta={"message": {"tool_calls": made}})

    def _say(self, part: int, kind: str, said: str, logprobs: Any = None) -> bytes:
        out = b""
        if part not in self._content:
            number = self._count(0)
            self._content[part] = (number, kind)
            begun = {"type": kind, kind: ""}
            out = event("content-start", index=number, delta={"message": {"content": begun}})
        number = self._content[part][0]
        if said:
            more = {"logprobs": logprobs} if logprobs else {}
            out += event("content-delta", index=number, delta={"message": {"content": {kind: said}}}, **more)
        return out

    def _shut(self, part: int) -> bytes:
        if part in self._calls:
            return event("tool-call-end", index=self._calls.pop(part))
        if part in self._content:
            return event("content-end", index=self._content.pop(part)[0])
        return b""

    def _end(self) -> bytes:
        delta: dict[str, Any] = {"finish_reason": self._finish}
        if self._usage is not None:
            delta["usage"] = usage(self._usage)
        return event("message-end", id=self._id, delta=delta) + DONE

    def native(self, data: bytes) -> bytes:
        """As they came."""
        return data

    def fault(self, error: FrontError) -> bytes:
        """The end of a message that failed."""
        told = f"{error.message} (request id: {self._request_id})"
        return event("message-end", id=self._id, delta={"finish_reason": "ERROR", "error": told}) + DONE

    def close(self) -> bytes:
        """The end has been told, or a fault."""
        return b""

    def ping(self) -> bytes:
        """A comment."""
        return b": ping\n\n"

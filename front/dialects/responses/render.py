"""Canonical answers as response objects, whole and streamed."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, usage_pb2

from front.dialects.openai.chat import EFFORTS
from front.dialects.responses.items_out import logprobs, own
from front.dialects.responses.output import Output
from front.dialects.responses.parse import INSTRUCTIONS
from front.dialects.responses.parts import FORM
from front.dialects.responses.tools import shown, shown_choice
from front.errors import FrontError

INCOMPLETE = {
    chat_pb2.FINISH_REASON_LENGTH: "max_output_tokens",
    chat_pb2.FINISH_REASON_CONTEXT_WINDOW: "max_output_tokens",
    chat_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    chat_pb2.FINISH_REASON_REFUSAL: "content_filter",
}
FAILED = {
    chat_pb2.FINISH_REASON_ERROR: "The vendor ended the answer with an error.",
    chat_pb2.FINISH_REASON_MALFORMED_TOOL_CALL: "The model made a tool call that could not be read.",
}
_ECHOED = ("max_tool_calls", "moderation", "prompt")
"""Members of the request that have no canonical field and stand in answers."""
_ID = re.compile(rb'"id"[ ]?:[ ]?"(resp_[^"\\]{1,200})"')
_SEQUENCE = re.compile(rb'"sequence_number"[ ]?:[ ]?(\d{1,15})')


def usage(found: usage_pb2.Usage) -> dict[str, Any]:
    """The form's usage object."""
    written = found.cache_write_5m_tokens + found.cache_write_1h_tokens + found.cache_write_other_tokens
    return {
        "input_tokens": found.input_tokens,
        "input_tokens_details": {"cached_tokens": found.cached_tokens, "cache_write_tokens": written},
        "output_tokens": found.output_tokens,
        "output_tokens_details": {"reasoning_tokens": found.reasoning_tokens},
        "total_tokens": found.input_tokens + found.output_tokens,
    }


def response_id(vendors: str) -> str:
    """An id of this form: the vendor's where it is one, else made of it."""
    return vendors if vendors.startswith("resp_") else "resp_" + re.sub(r"[^A-Za-z0-9]", "", vendors)


def frame(chat: chat_pb2.ChatRequest, model: str, answer_id: str, created: int) -> dict[str, Any]:
    """A response object before anything is answered: it says again what was asked."""
    sampling, reasoning, output = chat.sampling, chat.reasoning, chat.output
    efforts = {value: word for word, value in EFFORTS.items()}
    asked = own(chat.extensions)
    made: dict[str, Any] = {
        "id": answer_id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": chat.state.background,
        "error": None,
        "incomplete_details": None,
        "instructions": _instructions(chat),
        "max_output_tokens": chat.max_output_tokens if chat.HasField("max_output_tokens") else None,
        "model": model,
        "output": [],
        "parallel_tool_calls": chat.tool_choice.parallel if chat.tool_choice.HasField("parallel") else True,
        "previous_response_id": chat.state.previous_response_id or None,
        "prompt_cache_key": chat.caching.key or None,
        "reasoning": {
            "effort": efforts.get(reasoning.effort),
            "summary": reasoning.summary or None,
            **own(reasoning.extensions),
        },
        "safety_identifier": chat.identity.safety_identifier or None,
        "service_tier": chat.placement.service_tier or None,
        "store": False,
        "temperature": sampling.temperature if sampling.HasField("temperature") else None,
        "text": {"format": _format(output), **({"verbosity": output.verbosity} if output.verbosity else {})},
        "tool_choice": shown_choice(chat),
        "tools": shown(chat.tools),
        "top_logprobs": sampling.top_logprobs,
        "top_p": sampling.top_p if sampling.HasField("top_p") else None,
        "truncation": chat.state.truncation or "disabled",
        "usage": None,
        "user": chat.identity.user or None,
        "metadata": dict(chat.identity.metadata),
    }
    made.update({name: asked[name] for name in _ECHOED if name in asked})
    return made


def _instructions(chat: chat_pb2.ChatRequest) -> str | None:
    if chat.messages and chat.messages[0].extensions.by_dialect.get(FORM) == INSTRUCTIONS:
        return chat.messages[0].parts[0].text.text
    return None


def _format(output: chat_pb2.OutputFormat) -> dict[str, Any]:
    if output.HasField("json_object"):
        return {"type": "json_object"}
    if not output.HasField("json_schema"):
        return {"type": "text"}
    schema = output.json_schema
    return {
        "type": "json_schema",
        "name": schema.name,
        "description": schema.description or None,
        "schema": orjson.Fragment(schema.schema_json or b"{}"),
        "strict": schema.strict if schema.HasField("strict") else None,
    }


def ended(made: dict[str, Any], finish: chat_pb2.FinishReason.ValueType) -> str:
    """Puts into a response how it ended; the status of a message that was open."""
    if finish in FAILED:
        made["status"] = "failed"
        made["error"] = {"code": "server_error", "message": FAILED[finish]}
        return "incomplete"
    if finish in INCOMPLETE:
        made["status"] = "incomplete"
        made["incomplete_details"] = {"reason": INCOMPLETE[finish]}
        return "incomplete"
    made["status"] = "completed"
    return "completed"


def whole(
    answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int, kept_id: str = "", previous: str = ""
) -> bytes:
    """A whole answer; now: Unix seconds, where the vendor told none. Only the first choice: this form has no others.

    kept_id: under which the gateway keeps it; previous: the answer it follows, where that was kept.
    """
    choice = answer.choices[0] if answer.choices else chat_pb2.Choice()
    made = frame(chat, answer.model, kept_id or response_id(answer.id or str(now)), answer.created or now)
    made["store"] = bool(kept_id)
    made["previous_response_id"] = previous or made["previous_response_id"]
    output = Output(chat, made["id"].removeprefix("resp_"), lambda kind, **members: None)
    for number, part in enumerate(choice.parts):
        output.begin(number, part)
        output.end(number)
    output.close(ended(made, choice.finish))
    made["output"] = output.shown
    made["usage"] = usage(answer.usage) if answer.HasField("usage") else None
    if answer.service_tier:
        made["service_tier"] = answer.service_tier
    if made["status"] == "completed":
        made["completed_at"] = max(now, made["created_at"])
    made.update({name: value for name, value in own(answer.extensions).items() if name not in made})
    return orjson.dumps(made)


class StreamRenderer:
    """Canonical events as the form's events. Implements the interface's StreamRenderer."""

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, chat: chat_pb2.ChatRequest, request_id: str, now: int) -> None:
        self._request_id = request_id
        self._chat = chat
        self._now = now
        self._frame = frame(chat, model, f"resp_{request_id}", now)
        self._written: list[bytes] = []
        self._number = 0
        self._output: Output | None = None
        self._finish: chat_pb2.FinishReason.ValueType = chat_pb2.FINISH_REASON_UNSPECIFIED
        self._over = False
        self._native = False
        self._kept = False
        self._given = b""

    def keep(self, kept_id: str, previous: str, given: bytes) -> None:
        """The gateway keeps this answer, under an id; previous: the kept answer it follows; given: its input."""
        self._kept = True
        self._given = given
        self._frame["id"], self._frame["store"] = kept_id, True
        self._frame["previous_response_id"] = previous or self._frame["previous_response_id"]

    def kept(self) -> tuple[bytes, bytes]:
        """Input and response object of an answer of ours that came to its end; nothing of others."""
        ended = self._over and not self._native and self._frame["status"] in ("completed", "incomplete")
        return (self._given, orjson.dumps(self._frame)) if self._kept and ended else (b"", b"")

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if self._over:
            return b""
        if kind == "started":
            self._begin(event.started)
            return self._taken()
        output = self._output or self._begin(chat_pb2.StreamStarted())
        if kind == "delta":
            if event.delta.choice == 0:
                self._delta(output, event.delta)
        elif kind == "part_started":
            if event.part_started.choice == 0:
                output.begin(event.part_started.index, event.part_started.part)
        elif kind == "part_ended":
            if event.part_ended.choice == 0:
                output.end(event.part_ended.index)
        elif kind == "tool_progress":
            output.progress(event.tool_progress.index, event.tool_progress.status)
        elif kind == "opaque":
            self._opaque(event)
        elif kind == "finished":
            if event.finished.choice == 0:
                self._finish = event.finished.finish
                extra = own(event.finished.extensions)
                self._frame.update({name: value for name, value in extra.items() if name not in self._frame})
        elif kind == "usage":
            self._frame["usage"] = usage(event.usage.usage)
        elif kind == "ended":
            self._end(output)
        return self._taken()

    def _taken(self) -> bytes:
        written, self._written = self._written, []
        return written[0] if len(written) == 1 else b"".join(written)

    def _emit(self, kind: str, **members: Any) -> None:
        body = orjson.dumps({"type": kind, "sequence_number": self._number, **members})
        self._number += 1
        self._written.append(b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n")

    def _begin(self, started: chat_pb2.StreamStarted) -> Output:
        if self._output is not None:
            return self._output
        made = self._frame
        if started.id and not self._kept:
            made["id"] = response_id(started.id)
        made["created_at"] = started.created or made["created_at"]
        made["service_tier"] = started.service_tier or made["service_tier"]
        self._output = Output(self._chat, made["id"].removeprefix("resp_"), self._emit)
        self._emit("response.created", response=made)
        self._emit("response.in_progress", response=made)
        return self._output

    def _delta(self, output: Output, delta: chat_pb2.PartDelta) -> None:
        kind = delta.WhichOneof("delta")
        if kind in ("text", "refusal", "transcript"):
            told = logprobs(delta.logprobs) if delta.HasField("logprobs") else []
            output.speak(delta.index, getattr(delta, kind), told)
        elif kind == "citation":
            output.cite(delta.index, delta.citation)
        elif kind == "audio_base64":
            self._emit("response.audio.delta", delta=delta.audio_base64)
        elif kind is None and delta.HasField("logprobs"):
            output.speak(delta.index, "", logprobs(delta.logprobs))
        else:
            output.grow(delta.index, kind or "", delta)

    def _opaque(self, event: chat_pb2.ChatEvent) -> None:
        """An event of this form that has no field, under a number of ours."""
        if event.opaque.dialect != FORM:
            return
        loaded = orjson.loads(event.opaque.json)
        if isinstance(loaded, dict) and isinstance(loaded.get("type"), str):
            told = {name: value for name, value in loaded.items() if name not in ("type", "sequence_number")}
            self._emit(loaded["type"], **told)

    def _end(self, output: Output) -> None:
        self._over = True
        output.close(ended(self._frame, self._finish))
        self._frame["output"] = output.shown
        if self._frame["status"] == "completed":
            self._frame["completed_at"] = max(self._now, self._frame["created_at"])
        self._emit(f"response.{self._frame['status']}", response=self._frame)

    def native(self, data: bytes) -> bytes:
        """As they came; the response's id and the last number are noted for an error that may follow."""
        if not self._native:
            # Its vendor keeps it, or nobody: a large input is let go of.
            self._native, self._given = True, b""
            if found := _ID.search(data):
                self._frame["id"] = found[1].decode()
        last = data.rfind(b'"sequence_number"')
        if last >= 0 and (numbered := _SEQUENCE.match(data, last)):
            self._number = int(numbered[1]) + 1
        return data

    def fault(self, error: FrontError) -> bytes:
        """An error event, and the response as one that failed."""
        if self._over:
            return b""
        self._over = True
        message = f"{error.message} (request id: {self._request_id})"
        code = _code(error)
        if self._output is not None:
            # What is open never became whole: only the last event shows it.
            written, number = len(self._written), self._number
            self._output.close("incomplete")
            del self._written[written:]
            self._number = number
            self._frame["output"] = self._output.shown
        self._emit("error", code=code, message=message, param=error.param or None)
        self._frame["status"] = "failed"
        self._frame["error"] = {"code": code, "message": message}
        self._emit("response.failed", response=self._frame)
        return self._taken()

    def close(self) -> bytes:
        """The last event closes the stream."""
        return b""

    def ping(self) -> bytes:
        """A comment."""
        return b": ping\n\n"


def _code(error: FrontError) -> str:
    """The code of a response's error: the form's own words where it has one."""
    if error.reason in ("INSUFFICIENT_QUOTA", "KEY_QUOTA_EXCEEDED"):
        return "insufficient_quota"
    if error.status == 429:
        return "rate_limit_exceeded"
    return error.code or "server_error"

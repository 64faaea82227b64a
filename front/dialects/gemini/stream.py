"""Canonical events as Gemini's stream: a small state machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from front.dialects.gemini import errors as gemini_errors
from front.dialects.gemini.parts import FORM
from front.dialects.gemini.render import AUDIO, citations, finish, logprobs, part, tell, usage
from front.errors import FrontError

_BLANK = re.compile(rb"\r?\n\r?\n")


@dataclass(slots=True)
class _Open:
    """A part that is being told. Calls are told whole in this dialect, so their arguments wait here."""

    part: parts_pb2.Part
    said: list[str] = field(default_factory=list)
    signature: bytes = b""


class StreamRenderer:
    """Canonical events as chunks: server-sent events, or the elements of one JSON array."""

    def __init__(self, model: str, request_id: str, sse: bool) -> None:
        self.content_type = "text/event-stream; charset=utf-8" if sse else "application/json; charset=utf-8"
        self._sse = sse
        self._request_id = request_id
        self._tail = {"modelVersion": model, "responseId": request_id}
        self._begun = False
        self._blocked = False
        """The prompt was: there are no candidates."""
        self._open: dict[tuple[int, int], _Open] = {}
        self._cited: dict[int, list[parts_pb2.Citation]] = {}
        self._finished: dict[int, dict[str, Any]] = {}
        self._usage: usage_pb2.Usage | None = None
        self._tier = ""

    # -- framing ------------------------------------------------------------------------------

    def _frame(self, chunk: bytes) -> bytes:
        if self._sse:
            return b"data: " + chunk + b"\r\n\r\n"
        before = b",\r\n" if self._begun else b"["
        self._begun = True
        return before + chunk

    def native(self, data: bytes) -> bytes:
        """The vendor's events as they came, or as elements where the client reads an array."""
        if self._sse:
            return data
        out = []
        for event in _BLANK.split(data):
            told = b"".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
            if told:
                out.append(self._frame(told))
        return b"".join(out)

    def fault(self, error: FrontError) -> bytes:
        """The error as a chunk."""
        self._finished.clear()
        return self._frame(gemini_errors.body(error, self._request_id))

    def close(self) -> bytes:
        """The end of the array."""
        if self._sse:
            return b""
        return b"]" if self._begun else b"[]"

    def ping(self) -> bytes:
        """White space: readers of this dialect take nothing else between chunks."""
        return b"\r\n"

    # -- events -------------------------------------------------------------------------------

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if kind == "started":
            return self._started(event.started)
        if kind == "part_started":
            return self._part_started(event.part_started)
        if kind == "delta":
            return self._delta(event.delta)
        if kind == "part_ended":
            return self._part_ended((event.part_ended.choice, event.part_ended.index))
        if kind == "finished":
            self._finish(event.finished)
        elif kind == "usage":
            self._usage = event.usage.usage
        elif kind == "ended":
            return self._ended()
        return b""

    def _started(self, started: chat_pb2.StreamStarted) -> bytes:
        if started.id:
            self._tail["responseId"] = started.id
        self._tier = started.service_tier
        if FORM in started.extensions.by_dialect:
            extra = orjson.loads(started.extensions.by_dialect[FORM])
            feedback = extra.pop("promptFeedback", None)
            self._tail = {**extra, **self._tail}
            if feedback:
                self._blocked = bool(feedback.get("blockReason"))
                return self._chunk({"promptFeedback": feedback})
        return b""

    def _chunk(self, body: dict[str, Any]) -> bytes:
        return self._frame(orjson.dumps({**body, **self._tail}))

    def _parts(self, choice: int, parts: list[dict[str, Any]], **more: Any) -> bytes:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": choice, **more}
        return self._chunk({"candidates": [candidate]})

    def _part_started(self, started: chat_pb2.PartStarted) -> bytes:
        found = parts_pb2.Part()
        found.CopyFrom(started.part)
        kind = found.WhichOneof("kind")
        if kind in ("text", "thinking", "refusal", "tool_call"):
            self._open[(started.choice, started.index)] = _Open(found)
            words = getattr(found, kind).text if kind != "tool_call" else found.tool_call.arguments
            if kind == "tool_call" and words:
                self._open[(started.choice, started.index)].said.append(words)
            elif words:
                thought = {"thought": True} if kind == "thinking" else {}
                return self._parts(started.choice, [{"text": words, **thought}])
            return b""
        if kind == "audio" and found.audio.media.WhichOneof("source") is None:
            self._open[(started.choice, started.index)] = _Open(found)
            return b""
        made = part(found)
        return self._parts(started.choice, [made]) if made is not None else b""

    def _delta(self, delta: chat_pb2.PartDelta) -> bytes:
        kind = delta.WhichOneof("delta")
        known = self._open.get((delta.choice, delta.index))
        more: dict[str, Any] = {}
        if (found := logprobs(delta.logprobs)) is not None:
            more["logprobsResult"] = found
        if kind in ("text", "refusal", "transcript"):
            return self._parts(delta.choice, [{"text": getattr(delta, kind)}], **more)
        if kind in ("thinking", "summary"):
            return self._parts(delta.choice, [{"text": getattr(delta, kind), "thought": True}])
        if kind == "audio_base64":
            form = known.part.audio.format if known is not None else ""
            mime = AUDIO.get(form, f"audio/{form}") if form else "audio/pcm"
            return self._parts(delta.choice, [{"inlineData": {"mimeType": mime, "data": delta.audio_base64}}])
        if kind == "citation":
            self._cited.setdefault(delta.choice, []).append(delta.citation)
        elif known is not None and kind == "arguments":
            known.said.append(delta.arguments)
        elif known is not None and kind == "signature":
            known.signature += delta.signature
        elif known is not None and kind == "encrypted":
            known.part.thinking.encrypted = delta.encrypted
        return b""

    def _part_ended(self, place: tuple[int, int]) -> bytes:
        known = self._open.pop(place, None)
        if known is None:
            return b""
        found = known.part
        kind = found.WhichOneof("kind")
        if kind == "tool_call":
            found.tool_call.arguments = "".join(known.said)
            if known.signature:
                found.thought_signature = known.signature
            made = part(found)
            return self._parts(place[0], [made]) if made is not None else b""
        if kind == "thinking":
            found.thinking.signature += known.signature
            if found.thinking.signed_by == "gemini":
                found.thought_signature = found.thought_signature or found.thinking.signature
            found.thinking.text = ""
            del found.thinking.summary[:]
        elif kind == "text":
            found.text.text = ""
            found.thought_signature = known.signature or found.thought_signature
        made = part(found)
        return self._parts(place[0], [made]) if made is not None and "thoughtSignature" in made else b""

    def _finish(self, finished: chat_pb2.ChoiceFinished) -> None:
        """Kept for the last chunk, which tells usage, too; readers of this dialect want content in every chunk."""
        made: dict[str, Any] = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": finish(finished.finish, finished.vendor_finish),
            "index": finished.choice,
        }
        cited = citations(self._cited.pop(finished.choice, []))
        if cited is not None:
            made["citationMetadata"] = cited
        tell(made, finished)
        self._finished[finished.choice] = made

    def _ended(self) -> bytes:
        body: dict[str, Any] = {}
        if self._finished and not self._blocked:
            body["candidates"] = [self._finished[choice] for choice in sorted(self._finished)]
        if self._usage is not None:
            body["usageMetadata"] = usage(self._usage)
            if self._tier:
                body["usageMetadata"].setdefault("serviceTier", self._tier)
        return self._chunk(body) if body else b""

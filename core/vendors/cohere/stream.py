"""Streams of Cohere's chat form: as canonical events, and relayed."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.cohere import decode
from core.vendors.cohere.encode import FORM
from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.shared import refusal
from core.vendors.shared.relay import BLANK, BlockRelay, data, json, unescaped
from core.vendors.shared.sse import Events
from core.vendors.shared.values import text

CALLS_LIMIT = 1024
"""Tool calls an answer may hold."""
DONE = b"data: [DONE]\n\n"


class CohereDecoder:
    """Implements ChatDecoder."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._events = Events(call.house.event_limit)
        self._id = ""
        self._parts = 0
        self._open: tuple[str, int] | None = None
        """Kind and number of the open part: text, thinking, plan."""
        self._calls: dict[Any, int] = {}
        """The vendor's index of an open call -> the part's number."""
        self._cited: dict[Any, int] = {}
        """The vendor's index of content -> the part's number."""
        self.usage: usage_pb2.Usage | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._read(self._events.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where the message did not end."""
        out = self._read(self._events.end())
        if not self.finished:
            raise BadAnswer("the stream was cut")
        return out

    def _read(self, whole: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for told in whole:
            if self.finished or told.strip() in (b"", b"[DONE]"):
                continue
            try:
                event = orjson.loads(told)
            except orjson.JSONDecodeError:
                raise BadAnswer("an event of the stream is not JSON") from None
            if not isinstance(event, dict):
                raise BadAnswer("an event of the stream is not an object")
            self._event(event, out)
        return out

    def _event(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        delta = event.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        message = delta.get("message")
        message = message if isinstance(message, dict) else {}
        kind = text(event.get("type"))
        if kind == "message-start":
            self._id = text(event.get("id"))
            started = chat_pb2.StreamStarted(id=self._id, model=self._call.asked, created=self._call.created)
            out.append(ChatEvent(started=started))
        elif kind in ("content-start", "content-delta"):
            for piece in decode.dicts(message.get("content")):
                self._content(event, piece, kind == "content-start", out)
        elif kind == "tool-plan-delta":
            self._say("plan", "text", text(message.get("tool_plan")), out)
        elif kind in ("content-end", "citation-end"):
            pass  # A part stays open for citations, which come behind its end.
        elif kind == "tool-call-start":
            self._call_start(event, message, out)
        elif kind == "tool-call-delta":
            for made in decode.dicts(message.get("tool_calls")):
                at = self._calls.get(event.get("index"))
                if at is not None and (words := decode.call_text(made)):
                    out.append(_delta(at, arguments=words))
        elif kind == "tool-call-end":
            at = self._calls.pop(event.get("index"), None)
            if at is not None:
                out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=at)))
        elif kind == "citation-start":
            for found in decode.dicts(message.get("citations")):
                self._citation(found, out)
        elif kind == "message-end":
            self._end(delta, out)
        elif not kind and text(event.get("message")):
            self._fault({"message": event["message"]}, out)

    def _content(self, event: dict[str, Any], piece: dict[str, Any], begins: bool, out: list[ChatEvent]) -> None:
        kind = "thinking" if "thinking" in piece or piece.get("type") == "thinking" else "text"
        if begins:
            self._shut(out)
            self._begin(kind, kind, out)
        self._say(kind, kind, text(piece.get(kind)), out)
        if self._open is not None:
            self._cited[event.get("index")] = self._open[1]
        told = event.get("logprobs")
        if told and out and out[-1].HasField("delta"):
            out[-1].delta.logprobs.dialect, out[-1].delta.logprobs.json = FORM, orjson.dumps(told)

    def _begin(self, kind: str, field: str, out: list[ChatEvent]) -> None:
        part = parts_pb2.Part()
        getattr(part, field).SetInParent()
        self._open = (kind, self._parts)
        self._parts += 1
        out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=self._open[1], part=part)))

    def _say(self, kind: str, field: str, words: str, out: list[ChatEvent]) -> None:
        if not words:
            return
        if self._open is None or self._open[0] != kind:
            self._shut(out)
            self._begin(kind, field, out)
        assert self._open is not None
        out.append(_delta(self._open[1], **{field: words}))

    def _shut(self, out: list[ChatEvent]) -> None:
        if self._open is not None:
            out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=self._open[1])))
            self._open = None

    def _citation(self, found: dict[str, Any], out: list[ChatEvent]) -> None:
        """Citations of parts that ended already stand behind the open text."""
        at = self._cited.get(found.get("content_index") or 0)
        if self._open is None or (at != self._open[1] and self._open[0] != "text"):
            self._shut(out)
            self._begin("text", "text", out)
        assert self._open is not None
        out.append(_delta(self._open[1], citation=decode.citation(found)))

    def _call_start(self, event: dict[str, Any], message: dict[str, Any], out: list[ChatEvent]) -> None:
        for made in decode.dicts(message.get("tool_calls")):
            if self._parts >= CALLS_LIMIT:
                raise BadAnswer("there are too many tool calls")
            self._shut(out)
            begun = decode.tool_call(made, self._id, self._parts)
            at = self._calls[event.get("index")] = self._parts
            self._parts += 1
            out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=at, part=parts_pb2.Part(tool_call=begun))))
            if words := decode.call_text(made):
                out.append(_delta(at, arguments=words))

    def _end(self, delta: dict[str, Any], out: list[ChatEvent]) -> None:
        self.usage = decode.usage(delta.get("usage")) or self.usage
        if delta.get("error"):
            self._fault({"message": str(delta["error"])}, out)
            return
        self._shut(out)
        out += [ChatEvent(part_ended=chat_pb2.PartEnded(index=at)) for at in sorted(self._calls.values())]
        word = text(delta.get("finish_reason"))
        done = chat_pb2.ChoiceFinished(finish=decode.finish(word), vendor_finish=word)
        out.append(ChatEvent(finished=done))
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage, final=True)))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))
        self.finished = True

    def _fault(self, error: dict[str, Any], out: list[ChatEvent]) -> None:
        self.finished = True
        out.append(ChatEvent(fault=refusal.fault(error, self._call.secret)))


def _delta(index: int, **what: Any) -> ChatEvent:
    return ChatEvent(delta=chat_pb2.PartDelta(index=index, **what))


class CohereRelay(BlockRelay):
    """Implements NativeRelay. The end mark is always told, whether or not it came with the last event."""

    _said = re.compile(rb'"(?:text|thinking|tool_plan|arguments)"[ ]?:[ ]?"((?:[^"\\]++|\\.)*+)"')

    def _block(self, block: bytes) -> bytes:
        """One or more whole events."""
        if b"message-end" not in block and b'"type"' in block:
            self._count(block)
            return block
        out: list[bytes] = []
        at = 0
        for blank in BLANK.finditer(block):
            event = block[at : blank.end()]
            at = blank.end()
            found = json(data(event))
            kind = found.get("type") if found is not None else None
            if found is not None and kind == "message-end":
                return b"".join(out) + self._last(found, event)
            if found is not None and kind is None and text(found.get("message")):
                self.fault = refusal.fault({"message": found["message"]}, self._call.secret)
                return b"".join(out)
            self._count(event)
            out.append(event)
        return b"".join(out) + block[at:]

    def _last(self, found: dict[str, Any], event: bytes) -> bytes:
        delta = found.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        self.usage = decode.usage(delta.get("usage")) or self.usage
        if delta.get("error"):
            self.fault = refusal.fault({"message": str(delta["error"])}, self._call.secret)
            return b""
        self.finished = True
        return event + DONE

    def _count(self, block: bytes) -> None:
        if b"citation-start" in block:
            block = b"\n\n".join(event for event in BLANK.split(block) if b"citation-start" not in event)
        if found := b"".join(self._said.findall(block)):
            self.delivered.add(unescaped(found))

    def _tail(self) -> bytes | None:
        return None

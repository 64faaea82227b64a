"""Canonical events as Anthropic's stream: one block at a time, in the order message_start ... message_stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from front.dialects import call_ids, carry
from front.dialects.anthropic import errors as anthropic_errors
from front.dialects.anthropic import render as anthropic_render
from front.dialects.anthropic.parts import FORM, SIGNER
from front.errors import FrontError

_TEXTS = ("text", "refusal", "transcript")
_TEXT_DELTA = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}\n\n'
)
"""The most frequent event, made fast."""


def sse(kind: str, **members: Any) -> bytes:
    """One event."""
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **members}) + b"\n\n"


@dataclass(slots=True)
class _Part:
    """A part of the answer that has begun and has not ended."""

    begun: parts_pb2.Part
    block: int = -1
    """Its block's number; -1: none has begun."""
    waiting: list[chat_pb2.PartDelta] = field(default_factory=list)
    """What came while another block was open."""
    shown: bool = False
    ended: bool = False
    summaries: list[str] = field(default_factory=list)
    """The pieces of a summary."""


class StreamRenderer:
    """Implements the interface's StreamRenderer.

    Other vendors tell several parts at once (calls that interleave); Anthropic's clients read one block after the
    other: what comes for a part while another one's block is open waits for its turn.
    """

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, request_id: str, sealed: bool = True) -> None:
        self._model = model
        self._sealed = sealed
        self._request_id = request_id
        self._parts: dict[int, _Part] = {}
        self._blocks = 0
        self._started = False
        self._usage = usage_pb2.Usage()
        self._finish: chat_pb2.ChoiceFinished | None = None
        self._called = self._refused = False

    # -- the interface --------------------------------------------------------------------------

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if kind == "delta" and self._started:
            return self._grow(event.delta)
        if kind == "started":
            return self._start(event.started)
        if kind == "usage":
            self._usage = event.usage.usage
            return b""
        out = b"" if self._started else self._start(chat_pb2.StreamStarted())
        if kind == "part_started":
            return out + self._begin(event.part_started)
        if kind == "delta":
            return out + self._grow(event.delta)
        if kind == "part_ended":
            return out + self._end(event.part_ended)
        if kind == "finished" and event.finished.choice == 0:
            self._finish = event.finished
        elif kind == "opaque" and event.opaque.dialect == FORM:
            return out + b"event: " + event.opaque.kind.encode() + b"\ndata: " + event.opaque.json + b"\n\n"
        elif kind == "ended":
            return out + self._stop()
        return out

    def native(self, data: bytes) -> bytes:
        """As they came."""
        return data

    def fault(self, error: FrontError) -> bytes:
        """The envelope as an event."""
        return anthropic_errors.event(error, self._request_id)

    def close(self) -> bytes:
        """message_stop has been sent, or an error."""
        return b""

    def ping(self) -> bytes:
        """Anthropic's own sign of life."""
        return sse("ping")

    # -- the message ----------------------------------------------------------------------------

    def _start(self, started: chat_pb2.StreamStarted) -> bytes:
        if self._started:
            return b""
        self._started = True
        if started.HasField("usage"):
            self._usage = started.usage
        told = anthropic_render.usage(self._usage)
        if started.service_tier:
            told.setdefault("service_tier", started.service_tier)
        message: dict[str, Any] = {
            "id": started.id or f"msg_{self._request_id}",
            "type": "message",
            "role": "assistant",
            "model": started.model or self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": told,
        }
        more = anthropic_render.unknown(started.extensions)
        return sse("message_start", message={**message, **{k: v for k, v in more.items() if k not in message}})

    def _stop(self) -> bytes:
        out = b""
        while self._parts:
            out += self._finished(next((n for n, part in self._parts.items() if part.block >= 0), min(self._parts)))
        done = self._finish or chat_pb2.ChoiceFinished()
        more = anthropic_render.unknown(done.extensions)
        delta = {
            "stop_reason": anthropic_render.stop(
                done.finish, done.vendor_finish, called=self._called, refused=self._refused
            ),
            "stop_sequence": done.stop_sequence or None,
            **more.pop("delta", {}),
        }
        if (details := anthropic_render.details(done.safety_json)) is not None:
            delta["stop_details"] = details
        told = anthropic_render.usage(self._usage)
        return out + sse("message_delta", delta=delta, usage=told, **more) + sse("message_stop")

    # -- blocks ---------------------------------------------------------------------------------

    def _open(self) -> _Part | None:
        """The part whose block is open."""
        return next((part for part in self._parts.values() if part.block >= 0), None)

    def _begin(self, started: chat_pb2.PartStarted) -> bytes:
        if started.choice:
            return b""
        kind = started.part.WhichOneof("kind")
        self._called = self._called or kind == "tool_call"
        self._refused = self._refused or kind == "refusal"
        part = self._parts[started.index] = _Part(started.part)
        return self._show(part) if self._open() is None else b""

    def _show(self, part: _Part) -> bytes:
        """The block of a part whose turn has come, as far as it is known; texts begin with their first word."""
        if part.shown:
            return b""
        part.shown = True
        begun = part.begun
        kind = begun.WhichOneof("kind") or ""
        if kind in ("text", "refusal", "audio"):
            said = begun.text.text or begun.refusal.text
            return self._text(part, said) if said else b""
        if kind == "thinking":
            return self._thought(part, carry.said(begun.thinking)) if carry.said(begun.thinking) else b""
        if kind == "tool_call":
            return self._call(part)
        if kind == "opaque" and begun.opaque.dialect == FORM:
            # It may grow in its own way.
            return self._block(part, orjson.loads(begun.opaque.json))
        return self._all(part)

    def _all(self, part: _Part) -> bytes:
        """The blocks of a part that is told whole."""
        return b"".join(self._whole(part, made) for made in anthropic_render.blocks(part.begun))

    def _block(self, part: _Part, made: dict[str, Any]) -> bytes:
        part.block = self._blocks
        self._blocks += 1
        return sse("content_block_start", index=part.block, content_block=made)

    def _delta(self, part: _Part, **delta: Any) -> bytes:
        return sse("content_block_delta", index=part.block, delta=delta)

    def _shut(self, part: _Part) -> bytes:
        number, part.block = part.block, -1
        return sse("content_block_stop", index=number)

    def _whole(self, part: _Part, made: dict[str, Any]) -> bytes:
        """A block that needs no more: its start, its input as one piece, its end."""
        given = made.get("input") if made["type"] in ("server_tool_use", "mcp_tool_use") else None
        if given is None:
            return self._block(part, made) + self._shut(part)
        piece = orjson.dumps(given).decode()
        out = self._block(part, {**made, "input": {}}) + self._delta(part, type="input_json_delta", partial_json=piece)
        return out + self._shut(part)

    def _text(self, part: _Part, said: str) -> bytes:
        out = b""
        if part.block < 0:
            out = self._block(part, {"type": "text", "text": ""})
        return out + _TEXT_DELTA % (part.block, orjson.dumps(said))

    def _thought(self, part: _Part, said: str) -> bytes:
        out = b""
        if part.block < 0:
            out = self._block(part, {"type": "thinking", "thinking": "", "signature": ""})
        return out + (self._delta(part, type="thinking_delta", thinking=said) if said else b"")

    def _call(self, part: _Part) -> bytes:
        call = part.begun.tool_call
        call_id = call_ids.join(call.id, part.begun.thought_signature)
        made: dict[str, Any] = {"type": "tool_use", "id": call_id, "name": call.name, "input": {}}
        if call.caller_json:
            made["caller"] = orjson.loads(call.caller_json)
        if call.namespace:
            made["toolset_name"] = call.namespace
        out = self._block(part, {**made, **anthropic_render.unknown(part.begun.extensions)})
        if call.free_form:
            said = orjson.dumps(call.arguments).decode()[1:-1]
            return out + self._delta(part, type="input_json_delta", partial_json='{"input":"' + said)
        if not call.arguments:
            return out
        return out + self._delta(part, type="input_json_delta", partial_json=call.arguments)

    def _grow(self, delta: chat_pb2.PartDelta) -> bytes:
        part = self._parts.get(delta.index) if not delta.choice else None
        if part is None:
            return b""
        if part.block < 0 and self._open() is not None:
            part.waiting.append(delta)
            return b""
        return self._piece(part, delta)

    def _piece(self, part: _Part, delta: chat_pb2.PartDelta) -> bytes:
        kind = delta.WhichOneof("delta") or ""
        if kind in _TEXTS:
            said = getattr(delta, kind)
            return self._text(part, said) if said else b""
        if kind in ("thinking", "summary"):
            said = getattr(delta, kind)
            if kind == "summary":
                part.summaries.extend([""] * (delta.summary_index + 1 - len(part.summaries)))
                if part.summaries[delta.summary_index] == "" and delta.summary_index:
                    said = "\n" + said
                part.summaries[delta.summary_index] += delta.summary
            return self._thought(part, said) if said else b""
        if kind == "signature":
            if not part.begun.HasField("thinking"):
                part.begun.thought_signature += delta.signature
            elif part.begun.thinking.signed_by == SIGNER:
                part.begun.thinking.signature = delta.signature
            else:
                part.begun.thinking.signature += delta.signature
        elif kind == "encrypted":
            part.begun.thinking.encrypted = delta.encrypted
        elif kind == "arguments" and part.block >= 0:
            said = delta.arguments
            if part.begun.tool_call.free_form:
                said = orjson.dumps(said).decode()[1:-1]
            return self._delta(part, type="input_json_delta", partial_json=said)
        elif kind == "citation":
            cited = anthropic_render.citation(delta.citation)
            if cited is not None:
                opened = self._text(part, "") if part.block < 0 else b""
                return opened + self._delta(part, type="citations_delta", citation=cited)
        elif kind == "opaque_json" and part.block >= 0:
            told = b'{"type":"content_block_delta","index":%d,"delta":%b}' % (part.block, delta.opaque_json)
            return b"event: content_block_delta\ndata: " + told + b"\n\n"
        return b""

    def _end(self, ended: chat_pb2.PartEnded) -> bytes:
        if ended.choice or ended.index not in self._parts:
            return b""
        part = self._parts[ended.index]
        current = self._open()
        if current is not None and current is not part:
            part.ended = True
            return b""
        out = self._finished(ended.index)
        # What waited has its turn now, in the order it began.
        for number in list(self._parts):
            waited = self._parts[number]
            out += self._show(waited) + b"".join(self._piece(waited, delta) for delta in waited.waiting)
            waited.waiting = []
            if waited.ended:
                out += self._finished(number)
            elif waited.block >= 0:
                break
        return out

    def _finished(self, number: int) -> bytes:
        """Ends a part: what is still owed of it, and the end of its block."""
        part = self._parts.pop(number)
        begun, out = part.begun, b""
        if not part.shown or part.waiting:
            out += self._show(part) + b"".join(self._piece(part, delta) for delta in part.waiting)
        if begun.HasField("thinking"):
            out += self._signed(part)
        if begun.tool_call.free_form and part.block >= 0:
            out += self._delta(part, type="input_json_delta", partial_json='"}')
        told = part.block >= 0
        out += self._shut(part) if told else b""
        if begun.HasField("text") and begun.thought_signature and self._sealed:
            begun.text.text = "told" if told else ""
            out += self._whole(part, anthropic_render.signed(begun))
        return out

    def _signed(self, part: _Part) -> bytes:
        """The signature of thoughts; thoughts without words are a block all the same if they are signed."""
        found = part.begun.thinking
        if part.summaries:
            del found.summary[:]
            found.summary.extend(part.summaries)
        if part.block < 0 and found.encrypted:
            return self._all(part)
        signed = anthropic_render.signature(found)
        if not signed and part.block < 0:
            return b""
        # An empty one, too: clients give back only thoughts whose signature they were told.
        return self._thought(part, "") + self._delta(part, type="signature_delta", signature=signed)

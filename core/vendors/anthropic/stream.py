"""Streams of the Messages form, as canonical events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.anthropic import decode
from core.vendors.anthropic import usage as usages
from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.shared import refusal
from core.vendors.shared.sse import Events
from core.vendors.shared.values import text
from core.vendors.shared.words import words_event

BLOCKS_LIMIT = 4096
"""Blocks one answer may hold."""
_WHOLE = ("server_tool_use", "mcp_tool_use", "compaction")
"""Kinds of blocks that are told when they are whole: their pieces mean nothing to other dialects."""
_MESSAGE = frozenset(
    ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage", "container"]
)
_DELTA = frozenset(["stop_reason", "stop_sequence", "stop_details"])


@dataclass(slots=True)
class _Block:
    """An open block: its part's number, its beginning, and what a held one said so far."""

    index: int
    kind: str
    begun: dict[str, Any]
    held: bool
    told: list[str] = field(default_factory=list)
    given: str = ""
    """A tool's whole input, where the vendor put it into the beginning instead of pieces; {} where it has none."""


class AnthropicDecoder:
    """Implements ChatDecoder."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._events = Events(call.house.event_limit)
        self._blocks: dict[int, _Block] = {}
        self._parts = 0
        self._told: dict[str, Any] = {}
        self._started = self._stopped = False
        self._readers = {
            "message_start": self._start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._done,
            "error": self._fault,
        }
        self.usage: usage_pb2.Usage | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._read(self._events.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where neither message_stop nor a stop reason came."""
        out = self._read(self._events.end())
        if self.finished:
            return out
        if not self._stopped:
            raise BadAnswer("the stream was cut")
        self._done({}, out)
        return out

    def _read(self, whole: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for data in whole:
            if self.finished:
                break
            if not data.strip() or data.strip() == b"[DONE]":
                continue
            try:
                event = orjson.loads(data)
            except orjson.JSONDecodeError:
                raise BadAnswer("an event of the stream is not JSON") from None
            if not isinstance(event, dict):
                raise BadAnswer("an event of the stream is not an object")
            self._event(event, data, out)
        return out

    def _event(self, event: dict[str, Any], data: bytes, out: list[ChatEvent]) -> None:
        kind = text(event.get("type"))
        known = self._readers.get(kind)
        if known is not None:
            known(event, out)
        elif isinstance(event.get("error"), dict):
            self._fault(event, out)
        elif kind != "ping":
            out.append(ChatEvent(opaque=parts_pb2.Opaque(dialect=decode.DIALECT, kind=kind, json=data)))

    def _fault(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        self.finished = True
        out.append(ChatEvent(fault=refusal.fault(event.get("error") or event, self._call.secret)))

    def _start(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        message = event.get("message")
        if self._started or not isinstance(message, dict):
            return
        self._started = True
        self._use(message.get("usage"))
        started = chat_pb2.StreamStarted(
            id=text(message.get("id")),
            model=self._call.asked,
            created=self._call.created,
            service_tier=text(self._told.get("service_tier")),
        )
        if self.usage is not None:
            started.usage.CopyFrom(self.usage)
        unknown = {key: value for key, value in message.items() if key not in _MESSAGE and value is not None}
        if unknown:
            started.extensions.by_dialect[decode.DIALECT] = orjson.dumps(unknown)
        out.append(ChatEvent(started=started))

    def _use(self, told: Any) -> None:
        """Takes a later report of the usage."""
        self._told = usages.merge(self._told, told)
        if self._told:
            self.usage = usages.normalise(self._told)

    def _block_start(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        begun, number = event.get("content_block"), event.get("index")
        if not isinstance(begun, dict) or not isinstance(number, int):
            raise BadAnswer("a block has no beginning")
        if self._parts >= BLOCKS_LIMIT:
            raise BadAnswer("there are too many blocks")
        kind = text(begun.get("type"))
        block = self._blocks[number] = _Block(self._parts, kind, begun, kind in _WHOLE)
        self._parts += 1
        if block.held:
            return
        part = decode.block(begun)
        said = ""
        if kind == "tool_use":
            block.given = part.tool_call.arguments
            part.tool_call.arguments = ""
        elif kind in ("text", "thinking"):
            said = getattr(part, kind).text
            getattr(part, kind).text = ""
            if kind == "thinking":
                part.thinking.signed_by = decode.SIGNER
        out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=block.index, part=part)))
        if said:
            out.append(_delta(block, **{kind: said}))

    def _block_delta(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        delta, number = event.get("delta"), event.get("index")
        block = self._blocks.get(number) if isinstance(number, int) else None
        if block is None or not isinstance(delta, dict):
            raise BadAnswer("a piece belongs to no block")
        kind = text(delta.get("type"))
        if block.held:
            block.told.append(text(delta.get("partial_json")) or text(delta.get("content")))
            if encrypted := text(delta.get("encrypted_content")):
                block.begun["encrypted_content"] = encrypted
        elif kind == "text_delta":
            out.append(words_event(0, block.index, "text", text(delta.get("text"))))
        elif kind == "thinking_delta":
            out.append(words_event(0, block.index, "thinking", text(delta.get("thinking"))))
        elif kind == "signature_delta":
            out.append(_delta(block, signature=text(delta.get("signature")).encode()))
        elif kind == "input_json_delta":
            if piece := text(delta.get("partial_json")):
                block.given = ""
                out.append(_delta(block, arguments=piece))
        elif kind == "citations_delta" and isinstance(delta.get("citation"), dict):
            out.append(_delta(block, citation=decode.citation(delta["citation"])))
        else:
            out.append(_delta(block, opaque_json=orjson.dumps(delta)))

    def _block_stop(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        number = event.get("index")
        block = self._blocks.pop(number, None) if isinstance(number, int) else None
        if block is not None:
            self._close(block, out)

    def _close(self, block: _Block, out: list[ChatEvent]) -> None:
        said = "".join(block.told)
        if block.held:
            if block.kind == "compaction":
                block.begun["content"] = text(block.begun.get("content")) + said
            elif said:
                block.begun["input"] = said
            part = decode.block(block.begun)
            out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=block.index, part=part)))
        elif block.given:
            out.append(_delta(block, arguments=block.given))
        out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=block.index)))

    def _message_delta(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        self._use(event.get("usage"))
        delta = event.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        word = text(delta.get("stop_reason"))
        for number in sorted(self._blocks):
            self._close(self._blocks.pop(number), out)
        if word and not self._stopped:
            self._stopped = True
            finished = chat_pb2.ChoiceFinished(
                finish=decode.finish(word), vendor_finish=word, stop_sequence=text(delta.get("stop_sequence"))
            )
            if isinstance(delta.get("stop_details"), dict):
                finished.safety_json = orjson.dumps(delta["stop_details"])
            unknown = {key: value for key, value in delta.items() if key not in _DELTA and value is not None}
            beside = {key: value for key, value in event.items() if key not in ("type", "delta", "usage")}
            if unknown or beside:
                finished.extensions.by_dialect[decode.DIALECT] = orjson.dumps({**beside, "delta": unknown})
            out.append(ChatEvent(finished=finished))
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage)))

    def _done(self, _event: dict[str, Any], out: list[ChatEvent]) -> None:
        self.finished = True
        for number in sorted(self._blocks):
            self._close(self._blocks.pop(number), out)
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage, final=True)))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))


def _delta(block: _Block, **what: Any) -> ChatEvent:
    return ChatEvent(delta=chat_pb2.PartDelta(index=block.index, **what))

"""Streams of Converse, as canonical events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.bedrock import decode, refusal
from core.vendors.bedrock import usage as usages
from core.vendors.bedrock.frames import Frame, Frames
from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.shared.values import text

BLOCKS_LIMIT = 4096
"""Blocks one answer may hold."""


@dataclass(slots=True)
class _Block:
    """An open block: its part's number and kind, and whether it holds arguments yet."""

    index: int
    kind: str
    said: bool = False


class ConverseDecoder:
    """Implements ChatDecoder. Texts and thoughts begin with their first piece: nothing announces them."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._frames = Frames()
        self._blocks: dict[int, _Block] = {}
        self._parts = 0
        self._broken = ""
        self._stopped = self._started = False
        self._readers = {
            "messageStart": self._start,
            "contentBlockStart": self._block_start,
            "contentBlockDelta": self._delta,
            "contentBlockStop": self._block_stop,
            "messageStop": self._stop,
            "metadata": self._metadata,
        }
        self.usage: usage_pb2.Usage | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole; those before damage are given first. Raises BadAnswer."""
        if self._broken:
            raise BadAnswer(self._broken)
        out: list[ChatEvent] = []
        try:
            for frame in self._frames.feed(chunk):
                if not self.finished:
                    self._frame(frame, out)
        except BadAnswer as damage:
            if not out:
                raise
            self._broken = str(damage)
        return out

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where no stop reason came."""
        out: list[ChatEvent] = []
        if self.finished:
            return out
        if self._broken:
            raise BadAnswer(self._broken)
        self._frames.end()
        if not self._stopped:
            raise BadAnswer("the stream was cut")
        self._done(out)
        return out

    def _frame(self, frame: Frame, out: list[ChatEvent]) -> None:
        if frame.failed:
            self.finished = True
            said = text(frame.payload.get("message")) or frame.kind
            out.append(ChatEvent(fault=refusal.fault(frame.kind, said, self._call)))
            return
        reader = self._readers.get(frame.kind)
        if reader is not None:
            reader(frame.payload, out)
        elif frame.kind != "initial-response":
            json = orjson.dumps(frame.payload)
            out.append(ChatEvent(opaque=parts_pb2.Opaque(dialect=decode.DIALECT, kind=frame.kind, json=json)))

    def _start(self, _event: dict[str, Any], out: list[ChatEvent]) -> None:
        if not self._started:
            self._started = True
            started = chat_pb2.StreamStarted(model=self._call.asked, created=self._call.created)
            out.append(ChatEvent(started=started))

    def _open(self, number: int, part: parts_pb2.Part, out: list[ChatEvent]) -> _Block:
        self._start({}, out)
        if self._parts >= BLOCKS_LIMIT:
            raise BadAnswer("there are too many blocks")
        block = _Block(self._parts, part.WhichOneof("kind") or "")
        self._parts += 1
        self._blocks[number] = block
        out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=block.index, part=part)))
        return block

    def _block_start(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        begun = event.get("start")
        called = begun.get("toolUse") if isinstance(begun, dict) else None
        part = parts_pb2.Part()
        if isinstance(called, dict) and not called.get("type"):
            part.tool_call.id, part.tool_call.name = text(called.get("toolUseId")), text(called.get("name"))
        elif isinstance(begun, dict) and begun:
            kind = next(iter(begun))
            part.opaque.dialect, part.opaque.kind, part.opaque.json = decode.DIALECT, kind, orjson.dumps(begun)
        else:
            return
        self._open(_number(event), part, out)

    def _delta(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        delta, number = event.get("delta"), _number(event)
        if not isinstance(delta, dict):
            raise BadAnswer("a piece is not an object")
        block = self._blocks.get(number)
        for kind, value in delta.items():
            if kind == "text":
                block = self._of_kind(block, number, "text", out)
                out.append(_piece(block, text=text(value)))
            elif kind == "reasoningContent" and isinstance(value, dict):
                block = self._of_kind(block, number, "thinking", out)
                self._thought(block, value, out)
            elif kind == "toolUse" and isinstance(value, dict) and block is not None and block.kind == "tool_call":
                if piece := text(value.get("input")):
                    block.said = True
                    out.append(_piece(block, arguments=piece))
            elif kind == "citation" and isinstance(value, dict):
                block = self._of_kind(block, number, "text", out)
                out.append(_piece(block, citation=decode.citation(value)))
            else:
                if block is None:
                    part = parts_pb2.Part(opaque=parts_pb2.Opaque(dialect=decode.DIALECT, kind=kind))
                    block = self._open(number, part, out)
                out.append(_piece(block, opaque_json=orjson.dumps({kind: value})))

    def _of_kind(self, block: _Block | None, number: int, kind: str, out: list[ChatEvent]) -> _Block:
        """The open block of a number, if it is of the kind; else a new one takes the number."""
        if block is not None and block.kind == kind:
            return block
        if block is not None:
            self._close(number, out)
        part = parts_pb2.Part()
        getattr(part, kind).SetInParent()
        if kind == "thinking":
            part.thinking.signed_by = decode.SIGNER
        return self._open(number, part, out)

    def _thought(self, block: _Block, value: dict[str, Any], out: list[ChatEvent]) -> None:
        if words := text(value.get("text")):
            out.append(_piece(block, thinking=words))
        if signature := text(value.get("signature")):
            out.append(_piece(block, signature=signature.encode()))
        if redacted := text(value.get("redactedContent")):
            out.append(_piece(block, encrypted=redacted.encode()))

    def _block_stop(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        self._close(_number(event), out)

    def _close(self, number: int, out: list[ChatEvent]) -> None:
        block = self._blocks.pop(number, None)
        if block is None:
            return
        if block.kind == "tool_call" and not block.said:
            out.append(_piece(block, arguments="{}"))
        out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=block.index)))

    def _stop(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        for number in sorted(self._blocks):
            self._close(number, out)
        if self._stopped:
            return
        self._stopped = True
        word = text(event.get("stopReason"))
        finished = chat_pb2.ChoiceFinished(finish=decode.finish(word), vendor_finish=word)
        unknown = {key: value for key, value in event.items() if key not in ("stopReason", "p") and value is not None}
        if unknown:
            finished.extensions.by_dialect[decode.DIALECT] = orjson.dumps(unknown)
        out.append(ChatEvent(finished=finished))

    def _metadata(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        self.usage = usages.normalise(event.get("usage")) or self.usage
        if self._stopped:
            self._done(out)

    def _done(self, out: list[ChatEvent]) -> None:
        self.finished = True
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage, final=True)))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))


def _number(event: dict[str, Any]) -> int:
    number = event.get("contentBlockIndex")
    return number if isinstance(number, int) else 0


def _piece(block: _Block, **what: Any) -> ChatEvent:
    return ChatEvent(delta=chat_pb2.PartDelta(index=block.index, **what))

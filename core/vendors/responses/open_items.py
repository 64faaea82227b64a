"""One output item of a stream that is being told, and the events that tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.vendors.interface import ChatEvent
from core.vendors.responses import decode_items
from core.vendors.responses.names import DIALECT
from core.vendors.shared.values import text


def delta_event(index: int, **what: Any) -> ChatEvent:
    """A part grows."""
    return ChatEvent(delta=chat_pb2.PartDelta(index=index, **what))


def extra_event(index: int, extra: dict[str, Any]) -> ChatEvent:
    """What a part says that has no field, told with its last piece."""
    event = ChatEvent(delta=chat_pb2.PartDelta(index=index))
    event.delta.extensions.by_dialect[DIALECT] = orjson.dumps(extra)
    return event


def started(index: int, part: parts_pb2.Part) -> ChatEvent:
    """A part begins."""
    return ChatEvent(part_started=chat_pb2.PartStarted(index=index, part=part))


def ended(index: int) -> ChatEvent:
    """A part is whole."""
    return ChatEvent(part_ended=chat_pb2.PartEnded(index=index))


@dataclass(slots=True)
class _Piece:
    """A content part of a message: its part's number, its kind, how much of it was told."""

    index: int
    kind: str
    told: int = 0
    cited: int = 0
    done: bool = False


class OpenItem:
    """An item between output_item.added and output_item.done. Counts what was told, keeps none of it."""

    def __init__(self, item: dict[str, Any], number: Callable[[], int]) -> None:
        self.kind = text(item.get("type"))
        self.id = text(item.get("id"))
        self.index: int | None = None
        self.told = 0
        """Characters of arguments or thoughts."""
        self.done = False
        self._head = decode_items.head(item) if self.kind == "message" else {}
        self._number = number
        self._pieces: dict[int, _Piece] = {}
        self._summary: dict[int, int] = {}

    def begin(self, part: parts_pb2.Part, out: list[ChatEvent]) -> None:
        """Starts the item's one part."""
        self.index = self._number()
        out.append(started(self.index, part))

    def grow(self, kind: str, said: str, out: list[ChatEvent]) -> None:
        """More arguments or thoughts."""
        if said and self.index is not None:
            self.told += len(said)
            out.append(delta_event(self.index, **{kind: said}))

    # -- messages -----------------------------------------------------------------------------

    def piece(self, at: int, content: dict[str, Any], out: list[ChatEvent]) -> _Piece:
        """The content part at a place; begun where it is not there yet."""
        known = self._pieces.get(at)
        if known is not None:
            return known
        part = decode_items.content_part({"type": content.get("type")}, self._head)
        if part.HasField("opaque"):
            part.opaque.json = orjson.dumps(content)
        kind = part.WhichOneof("kind") or ""
        known = self._pieces[at] = _Piece(self._number(), kind)
        out.append(started(known.index, part))
        said = text(content.get("refusal" if kind == "refusal" else "text"))
        if said and kind in ("text", "refusal"):
            known.told += len(said)
            out.append(delta_event(known.index, **{kind: said}))
        return known

    def say(self, at: int, kind: str, said: str, logprobs: Any, out: list[ChatEvent]) -> None:
        """More text, or more of a refusal."""
        known = self._pieces.get(at)
        if known is None:
            known = self.piece(at, {"type": "output_text" if kind == "text" else "refusal"}, out)
        if known.kind != kind or not (said or logprobs):
            return
        known.told += len(said)
        event = delta_event(known.index, **{kind: said})
        if logprobs:
            event.delta.logprobs.CopyFrom(decode_items.logprobs(logprobs))
        out.append(event)

    def cite(self, at: int, annotation: dict[str, Any], out: list[ChatEvent]) -> None:
        """An annotation of a text."""
        known = self.piece(at, {"type": "output_text"}, out)
        known.cited += 1
        out.append(delta_event(known.index, citation=decode_items.citation(annotation)))

    def piece_done(self, at: int, content: dict[str, Any], out: list[ChatEvent]) -> None:
        """The content part is whole: what was not told comes now."""
        known = self._pieces.get(at)
        if known is None:
            known = self.piece(at, {"type": content.get("type")}, out)
        if known.done:
            return
        known.done = True
        self.say(at, known.kind, text(content.get(known.kind))[known.told :], None, out)
        annotations = content.get("annotations")
        for annotation in (annotations if isinstance(annotations, list) else [])[known.cited :]:
            if isinstance(annotation, dict):
                self.cite(at, annotation, out)
        out.append(ended(known.index))

    # -- reasoning ----------------------------------------------------------------------------

    def summarise(self, at: int, said: str, out: list[ChatEvent]) -> None:
        """More of a summary's part."""
        if self.index is None or self.kind != "reasoning":
            return
        self._summary[at] = self._summary.get(at, 0) + len(said)
        if said:
            out.append(delta_event(self.index, summary=said, summary_index=at))

    def summary_whole(self, at: int, said: str, out: list[ChatEvent]) -> None:
        """What of a summary's part was not told."""
        self.summarise(at, said[self._summary.get(at, 0) :], out)

    # -- end ----------------------------------------------------------------------------------

    def close(self, item: dict[str, Any], out: list[ChatEvent]) -> None:
        """The item is whole: what was not told comes now, and its parts end."""
        if self.kind == "message":
            content = item.get("content")
            for at, piece in enumerate(content if isinstance(content, list) else ()):
                if isinstance(piece, dict):
                    self.piece_done(at, piece, out)
            out += [ended(known.index) for known in self._pieces.values() if not known.done]
            return
        if self.index is None:
            for part in decode_items.parts(item, self.id) if item else ():
                index = self._number()
                out += (started(index, part), ended(index))
            return
        if self.kind == "reasoning":
            self._close_reasoning(item, out)
        elif self.kind in ("function_call", "custom_tool_call"):
            self.grow("arguments", decode_items.call_text(item)[self.told :], out)
        elif item:
            out.append(extra_event(self.index, item))
        out.append(ended(self.index))
        if item and self.kind not in ("reasoning", "function_call", "custom_tool_call"):
            for part in decode_items.server_result(item):
                index = self._number()
                out += (started(index, part), ended(index))

    def _close_reasoning(self, item: dict[str, Any], out: list[ChatEvent]) -> None:
        assert self.index is not None
        part = decode_items.reasoning(item)
        self.grow("thinking", part.thinking.text[self.told :], out)
        for at, said in enumerate(part.thinking.summary):
            self.summary_whole(at, said, out)
        if part.thinking.encrypted:
            out.append(delta_event(self.index, encrypted=part.thinking.encrypted))
        extra = part.extensions.by_dialect.get(DIALECT)
        if extra:
            out.append(extra_event(self.index, orjson.loads(extra)))

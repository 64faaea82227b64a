"""Output items of the Responses form that are being written: each knows its events."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import orjson
from isthmus.v1 import parts_pb2

from front.dialects.responses import carry as carry
from front.dialects.responses.parts import FORM

Emit = Callable[..., None]
"""Takes an event's type and its members."""
CALLERS = frozenset({"direct", "program"})


def own(extensions: Any) -> dict[str, Any]:
    """What a vendor said in this form that has no field."""
    json = extensions.by_dialect.get(FORM)
    loaded = orjson.loads(json) if json else {}
    return loaded if isinstance(loaded, dict) else {}


def annotation(found: parts_pb2.Citation) -> Any:
    """An annotation: its own object, or a URL's; None where the form has none."""
    if found.dialect == FORM and found.json:
        return orjson.loads(found.json)
    if not found.url:
        return None
    place = {"start_index": max(found.start, 0), "end_index": max(found.end, 0)}
    return {"type": "url_citation", **place, "url": found.url, "title": found.title}


def logprobs(found: parts_pb2.LogProbabilities) -> list[Any]:
    """Log-probabilities: this form's list, or the list inside chat's object."""
    if not found.json:
        return []
    loaded = orjson.loads(found.json)
    if isinstance(loaded, dict):
        loaded = loaded.get("content")
    return loaded if isinstance(loaded, list) else []


class Item:
    """An item and its place. add() tells that it begins, done() that it is whole."""

    def __init__(self, item: dict[str, Any], index: int, emit: Emit) -> None:
        self.item = item
        self.index = index
        self.closed = False
        self._emit = emit

    def add(self) -> None:
        """output_item.added."""
        self._emit("response.output_item.added", output_index=self.index, item=self.item)

    def done(self, status: str = "") -> None:
        """output_item.done, once."""
        if self.closed:
            return
        self.closed = True
        if status and "status" in self.item:
            self.item["status"] = status
        self._emit("response.output_item.done", output_index=self.index, item=self.item)

    def say(self, kind: str, **members: Any) -> None:
        """An event about this item."""
        self._emit(f"response.{kind}", item_id=self.item["id"], output_index=self.index, **members)


class MessageItem(Item):
    """A message: texts and refusals, one after the other or interleaved."""

    def __init__(self, item: dict[str, Any], index: int, emit: Emit, said: Any) -> None:
        super().__init__(item, index, emit)
        self.said = said
        """What the vendor called the message, if it was this form's: parts of the same one stand together."""
        self._open: dict[int, tuple[str, list[str]]] = {}

    def begin(self, kind: str, extra: dict[str, Any]) -> int:
        """A content part begins: its place."""
        at = len(self.item["content"])
        piece: dict[str, Any] = {"type": "refusal", "refusal": ""}
        if kind == "text":
            piece = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        piece.update({name: value for name, value in extra.items() if name not in piece})
        self.item["content"].append(piece)
        self._open[at] = (kind, [])
        self.say("content_part.added", content_index=at, part=piece)
        return at

    def insert(self, piece: Any) -> None:
        """A content part of a kind nobody knows, whole."""
        at = len(self.item["content"])
        self.item["content"].append(piece)
        self.say("content_part.added", content_index=at, part=piece)
        self.say("content_part.done", content_index=at, part=piece)

    def grow(self, at: int, words: str, told: list[Any]) -> None:
        """More text, or more of a refusal."""
        kind, pieces = self._open[at]
        pieces.append(words)
        if kind == "refusal":
            self.say("refusal.delta", content_index=at, delta=words)
            return
        self.item["content"][at]["logprobs"] += told
        self.say("output_text.delta", content_index=at, delta=words, logprobs=told)

    def cite(self, at: int, citation: parts_pb2.Citation) -> None:
        """An annotation, where the form has one for it."""
        made = annotation(citation)
        if made is None or self._open.get(at, ("",))[0] != "text":
            return
        known = self.item["content"][at]["annotations"]
        known.append(made)
        self.say("output_text.annotation.added", content_index=at, annotation_index=len(known) - 1, annotation=made)

    def end(self, at: int) -> None:
        """A content part is whole."""
        kind, pieces = self._open.pop(at)
        piece = self.item["content"][at]
        words = "".join(pieces)
        if kind == "refusal":
            piece["refusal"] = words
            self.say("refusal.done", content_index=at, refusal=words)
        else:
            piece["text"] = words
            self.say("output_text.done", content_index=at, text=words, logprobs=piece["logprobs"])
        self.say("content_part.done", content_index=at, part=piece)

    def done(self, status: str = "") -> None:
        """Ends what is open first."""
        for at in list(self._open):
            self.end(at)
        super().done(status or "completed")

    @property
    def idle(self) -> bool:
        """Whether no part of it is open."""
        return not self._open


class ReasoningItem(Item):
    """Thoughts: as a summary where the client asked for one, else plain; signatures travel encrypted."""

    def __init__(self, item: dict[str, Any], index: int, emit: Emit, part: parts_pb2.Part, as_summary: bool) -> None:
        super().__init__(item, index, emit)
        self._part = parts_pb2.Part()
        self._part.CopyFrom(part)
        self._as_summary = as_summary
        self._text: list[str] = []
        self._summary: list[list[str]] = []
        self._extra: dict[str, Any] = {}

    def start(self) -> None:
        """What the part brought with it."""
        thinking = self._part.thinking
        text, summary = thinking.text, list(thinking.summary)
        thinking.text = ""
        del thinking.summary[:]
        for at, words in enumerate(summary):
            self.summarise(at, words)
        self.think(text)

    def think(self, words: str) -> None:
        """More plain thoughts."""
        if not words:
            return
        first = not self._text
        self._text.append(words)
        if self._as_summary:
            self.summarise(0, words)
            return
        if first:
            self.item["content"] = [{"type": "reasoning_text", "text": ""}]
            self.say("content_part.added", content_index=0, part=self.item["content"][0])
        self.say("reasoning_text.delta", content_index=0, delta=words)

    def summarise(self, at: int, words: str) -> None:
        """More of a summary's part."""
        at = self._summary_part(at)
        self._summary[at].append(words)
        if words:
            self.say("reasoning_summary_text.delta", summary_index=at, delta=words)

    def _summary_part(self, wanted: int) -> int:
        """The part at a place; one that is not there yet begins, and those before it are whole."""
        while len(self._summary) <= min(wanted, len(self._summary)):
            if self._summary:
                self._summary_done(len(self._summary) - 1)
            self._summary.append([])
            piece = {"type": "summary_text", "text": ""}
            self.item["summary"].append(piece)
            self.say("reasoning_summary_part.added", summary_index=len(self._summary) - 1, part=piece)
        return len(self._summary) - 1

    def _summary_done(self, at: int) -> None:
        piece = self.item["summary"][at]
        piece["text"] = "".join(self._summary[at])
        self.say("reasoning_summary_text.done", summary_index=at, text=piece["text"])
        self.say("reasoning_summary_part.done", summary_index=at, part=piece)

    def sign(self, signature: bytes) -> None:
        """The signature, or more of it."""
        self._part.thinking.signature += signature

    def encrypt(self, encrypted: bytes) -> None:
        """The encrypted thoughts."""
        self._part.thinking.encrypted = encrypted

    def extend(self, extra: dict[str, Any]) -> None:
        """What the vendor said in this form without a field for it."""
        self._extra.update(extra)

    def done(self, status: str = "") -> None:
        """Ends what is open; the encrypted content is made of what was signed."""
        if self.closed:
            return
        thinking = self._part.thinking
        if self._summary:
            self._summary_done(len(self._summary) - 1)
        if self._text and not self._as_summary:
            piece = self.item["content"][0]
            piece["text"] = "".join(self._text)
            self.say("reasoning_text.done", content_index=0, text=piece["text"])
            self.say("content_part.done", content_index=0, part=piece)
        thinking.text = "".join(self._text)
        if not (self._as_summary and self._text):
            thinking.summary.extend(piece["text"] for piece in self.item["summary"])
        self.item.update({name: value for name, value in self._extra.items() if name not in self.item})
        genuine = thinking.signed_by == carry.SIGNER and not thinking.signature
        if genuine and thinking.encrypted:
            self.item["encrypted_content"] = thinking.encrypted.decode("utf-8", "replace")
        elif not (genuine and thinking.id) or self._part.thought_signature:
            self.item["encrypted_content"] = carry.of_thinking(self._part)
        super().done()


class CallItem(Item):
    """A call of one of the client's tools.

    wrapped: the client's tool is free-form, the vendor's call is not: its input stands in an object
    of one member, and is told when that is whole.
    """

    def __init__(self, item: dict[str, Any], index: int, emit: Emit, free: bool, wrapped: bool = False) -> None:
        super().__init__(item, index, emit)
        self._member = "input" if free else "arguments"
        self._kind = "custom_tool_call_input" if free else "function_call_arguments"
        self._wrapped = wrapped
        self._pieces: list[str] = []

    def grow(self, words: str) -> None:
        """More arguments, or more of the free-form input."""
        if words:
            self._pieces.append(words)
            if not self._wrapped:
                self.say(f"{self._kind}.delta", delta=words)

    def done(self, status: str = "") -> None:
        """The arguments as a whole: an object also where the vendor said nothing."""
        if self.closed:
            return
        if self._wrapped:
            self._wrapped = False
            words, self._pieces = unwrapped("".join(self._pieces)), []
            self.grow(words)
        if not self._pieces and self._member == "arguments":
            self.grow("{}")
        self.item[self._member] = "".join(self._pieces)
        self.say(f"{self._kind}.done", **{self._member: self.item[self._member]})
        super().done(status or "completed")


def unwrapped(words: str) -> str:
    """The text in an object of one member; the words themselves where they are no such object."""
    try:
        loaded = orjson.loads(words)
    except orjson.JSONDecodeError:
        return words
    inner = list(loaded.values()) if isinstance(loaded, dict) else []
    return inner[0] if len(inner) == 1 and isinstance(inner[0], str) else words


class VendorItem(Item):
    """An item of this form that only the vendor understands: told as it came."""

    DELTAS: ClassVar[Mapping[str, str]] = {
        "code_interpreter_call": "code_interpreter_call_code",
        "mcp_call": "mcp_call_arguments",
    }
    MEMBERS: ClassVar[Mapping[str, str]] = {"code_interpreter_call": "code", "mcp_call": "arguments"}

    def __init__(self, item: dict[str, Any], index: int, emit: Emit) -> None:
        super().__init__(item, index, emit)
        self._pieces: list[str] = []

    def grow(self, words: str) -> None:
        """More code or arguments."""
        name = self.DELTAS.get(self.item["type"])
        if name:
            self._pieces.append(words)
            self.say(f"{name}.delta", delta=words)

    def progress(self, status: str) -> None:
        """What the vendor tells of its work."""
        self.say(f"{self.item['type']}.{status}")

    def replace(self, item: dict[str, Any]) -> None:
        """The item as the vendor ended it."""
        self.item = {**item, "id": self.item["id"], "type": self.item["type"]}

    def done(self, status: str = "") -> None:
        """The code or arguments as a whole first."""
        if self.closed:
            return
        name = self.DELTAS.get(self.item["type"])
        if name and self._pieces:
            member = self.MEMBERS[self.item["type"]]
            self.say(f"{name}.done", **{member: "".join(self._pieces)})
        if self.item.get("status") == "in_progress":
            self.item["status"] = "completed"
        super().done()


def call_item(part: parts_pb2.Part, made_id: str, free: bool) -> dict[str, Any]:
    """The item of a call that begins."""
    call = part.tool_call
    item: dict[str, Any] = {"id": call.item_id or made_id, "type": "function_call", "status": "in_progress"}
    if free:
        item = {"id": call.item_id or made_id, "type": "custom_tool_call"}
    item.update(call_id=call.id, name=call.name, **{"input" if free else "arguments": ""})
    if call.namespace:
        item["namespace"] = call.namespace
    if call.asynchronous:
        item["async"] = True
    caller = orjson.loads(call.caller_json) if call.caller_json else None
    if isinstance(caller, dict) and caller.get("type") in CALLERS:
        item["caller"] = caller
    return {**own(part.extensions), **item}


def picture_item(part: parts_pb2.Part, made_id: str) -> dict[str, Any]:
    """A picture the model made, as an image_generation_call."""
    media = part.image.media
    item: dict[str, Any] = {
        "id": made_id,
        "type": "image_generation_call",
        "status": "completed",
        "output_format": media.mime_type.partition("/")[2] or "png",
        **{name: value for name, value in own(part.extensions).items() if name != "message"},
    }
    item["result"] = media.base64 or None
    if media.WhichOneof("source") == "data":
        item["result"] = base64.b64encode(media.data).decode()
    return item

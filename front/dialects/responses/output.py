"""Canonical parts as output items of the Responses form: one machine for whole answers and for streams."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from front.dialects.responses import carry as carry
from front.dialects.responses.items_out import (
    CallItem,
    Emit,
    Item,
    MessageItem,
    ReasoningItem,
    VendorItem,
    call_item,
    logprobs,
    own,
    picture_item,
)
from front.dialects.responses.parts import FORM

_CARRIED = frozenset({"server_tool_call", "server_tool_result", "code", "code_outcome", "opaque", "compaction"})
"""Parts of other forms that go back to their vendor with the next turn, and that this form cannot show."""


class Output:
    """The items so far. Parts are told by their number; what they bring and how they grow becomes events."""

    def __init__(self, chat: chat_pb2.ChatRequest, tail: str, emit: Emit) -> None:
        self.items: list[Item] = []
        self._emit = emit
        self._tail = tail
        self._as_summary = chat.reasoning.summary not in ("", "none") or "generate_summary" in own(
            chat.reasoning.extensions
        )
        self._free = {tool.custom.name for tool in chat.tools if tool.HasField("custom")}
        """Free-form tools: vendors that have none call them with an object."""
        self._parts: dict[int, tuple[Item, int]] = {}
        """Part -> its item, and its place in a message."""
        self._signatures: dict[int, bytes] = {}
        self._kinds: dict[int, tuple[str, str]] = {}
        """Part -> its kind and call id, where a signature on it would have to be carried."""
        self._message: MessageItem | None = None

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The items as an answer shows them."""
        return [item.item for item in self.items]

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._tail}{len(self.items):02x}"

    def _add(self, item: Item) -> Item:
        self.items.append(item)
        item.add()
        return item

    # -- parts --------------------------------------------------------------------------------

    def begin(self, number: int, part: parts_pb2.Part) -> None:
        """A part begins, with all that is known of it."""
        kind = part.WhichOneof("kind") or ""
        if kind == "opaque" and "message" in own(part.extensions) and self._message is not None:
            self._message.insert(orjson.loads(part.opaque.json))
            return
        if kind not in ("text", "refusal", "audio"):
            self._leave_message()
        if kind in ("text", "refusal"):
            self._begin_content(number, kind, part)
        elif kind == "audio":
            self._begin_content(number, "text", parts_pb2.Part())
            self.speak(number, part.audio.transcript, [])
        elif kind == "thinking":
            self._begin_thinking(number, part)
        elif kind == "tool_call":
            wrapped = not part.tool_call.free_form and part.tool_call.name in self._free
            free = part.tool_call.free_form or wrapped
            item = call_item(part, self._id("ctc" if free else "fc"), free)
            call = CallItem(item, len(self.items), self._emit, free, wrapped)
            self._parts[number] = self._add(call), 0
            call.grow(part.tool_call.arguments)
        elif kind == "image":
            self._parts[number] = self._add(self._whole_item(picture_item(part, self._id("ig")))), 0
        elif kind in _CARRIED:
            self._begin_vendors(number, kind, part)
        if kind in ("text", "tool_call", "image"):
            self._kinds[number] = kind, part.tool_call.id if kind == "tool_call" else ""
            if part.thought_signature:
                self._signatures[number] = part.thought_signature

    def _whole_item(self, item: dict[str, Any]) -> Item:
        return Item(item, len(self.items), self._emit)

    def _begin_content(self, number: int, kind: str, part: parts_pb2.Part) -> None:
        extra = own(part.extensions)
        said = extra.pop("message", None)
        message = self._message
        if message is not None and message.said != said:
            self._leave_message()
            message = None
        if message is None:
            head = {name: value for name, value in (said or {}).items() if name != "status"}
            item: dict[str, Any] = {"id": self._id("msg"), "type": "message", "status": "in_progress"}
            item.update(role="assistant", content=[], **head)
            message = self._message = MessageItem(item, len(self.items), self._emit, said)
            self._add(message)
        at = message.begin(kind, extra)
        self._parts[number] = message, at
        words = part.text.text if kind == "text" else part.refusal.text
        if words or part.text.logprobs.json:
            message.grow(at, words, logprobs(part.text.logprobs))
        for citation in part.text.citations:
            message.cite(at, citation)

    def _begin_thinking(self, number: int, part: parts_pb2.Part) -> None:
        item = {"id": part.thinking.id or self._id("rs"), "type": "reasoning", "summary": []}
        made = ReasoningItem(item, len(self.items), self._emit, part, self._as_summary)
        made.extend(own(part.extensions))
        self._parts[number] = self._add(made), 0
        made.start()

    def _begin_vendors(self, number: int, kind: str, part: parts_pb2.Part) -> None:
        """Items of this form as they are; others are carried."""
        if kind == "opaque" and part.opaque.dialect == FORM:
            item = orjson.loads(part.opaque.json)
            item = item if isinstance(item, dict) else {"type": part.opaque.kind}
            item.setdefault("id", self._id("item"))
            self._parts[number] = self._add(self._whole_item(item)), 0
        elif kind == "server_tool_call" and part.server_tool_call.dialect == FORM:
            item = own(part.extensions)
            item = {"id": self._id("item"), "type": f"{part.server_tool_call.kind}_call", **item}
            self._parts[number] = self._add(VendorItem(item, len(self.items), self._emit)), 0
        elif kind == "compaction" and part.compaction.encrypted and FORM in part.extensions.by_dialect:
            item = {"id": part.compaction.id or self._id("cmp"), "type": "compaction", **own(part.extensions)}
            item["encrypted_content"] = part.compaction.encrypted.decode("utf-8", "replace")
            self._parts[number] = self._add(self._whole_item(item)), 0
        elif not (kind == "server_tool_result" and part.server_tool_result.dialect == FORM):
            self._carry(carry.carry(part))

    def _carry(self, content: str) -> None:
        item = {"id": self._id("rs"), "type": "reasoning", "summary": [], "encrypted_content": content}
        self._add(self._whole_item(item)).done()

    # -- growth -------------------------------------------------------------------------------

    def speak(self, number: int, words: str, told: list[Any]) -> None:
        """More text, or more of a refusal."""
        item, at = self._parts.get(number, (None, 0))
        if isinstance(item, MessageItem) and (words or told):
            item.grow(at, words, told)

    def cite(self, number: int, citation: parts_pb2.Citation) -> None:
        """A citation."""
        item, at = self._parts.get(number, (None, 0))
        if isinstance(item, MessageItem):
            item.cite(at, citation)

    def grow(self, number: int, kind: str, delta: chat_pb2.PartDelta) -> None:
        """Whatever else grows."""
        item, _ = self._parts.get(number, (None, 0))
        if kind == "signature" and not isinstance(item, ReasoningItem):
            self._signatures[number] = self._signatures.get(number, b"") + delta.signature
        elif isinstance(item, ReasoningItem):
            if kind == "thinking":
                item.think(delta.thinking)
            elif kind == "summary":
                item.summarise(delta.summary_index, delta.summary)
            elif kind == "signature":
                item.sign(delta.signature)
            elif kind == "encrypted":
                item.encrypt(delta.encrypted)
            item.extend(own(delta.extensions))
        elif isinstance(item, CallItem | VendorItem) and kind == "arguments":
            item.grow(delta.arguments)
        elif isinstance(item, VendorItem) and (extra := own(delta.extensions)):
            item.replace(extra)

    def progress(self, number: int, status: str) -> None:
        """A server tool's progress."""
        item, _ = self._parts.get(number, (None, 0))
        if isinstance(item, VendorItem):
            item.progress(status)

    # -- ends ---------------------------------------------------------------------------------

    def end(self, number: int) -> None:
        """A part is whole. A message stays open: more of it may come, and its status is not known yet."""
        item, at = self._parts.pop(number, (None, 0))
        if isinstance(item, MessageItem):
            item.end(at)
            if item is not self._message and item.idle:
                item.done()
        elif item is not None:
            item.done()
        kind, call_id = self._kinds.pop(number, ("", ""))
        if (signature := self._signatures.pop(number, b"")) and kind:
            self._leave_message()
            self._carry(carry.of_signature(kind, call_id, signature))

    def _leave_message(self) -> None:
        """No more content for the open message; where a part of it is still open, it ends with that part."""
        if self._message is not None and self._message.idle:
            self._message.done()
        self._message = None

    def close(self, status: str) -> None:
        """Ends all that is open; status: of the message that is open."""
        for number in list(self._parts):
            item, _ = self._parts[number]
            if isinstance(item, MessageItem) and item is self._message:
                continue
            self.end(number)
        if self._message is not None:
            self._message.done(status)
            self._message = None

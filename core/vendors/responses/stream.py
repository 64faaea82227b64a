"""Streams of the Responses form, as canonical events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.responses import decode, decode_items
from core.vendors.responses import usage as usages
from core.vendors.responses.faults import fault_of
from core.vendors.responses.names import DIALECT, SERVER_CALLS
from core.vendors.responses.open_items import OpenItem, delta_event, ended, started
from core.vendors.shared.sse import Events
from core.vendors.shared.values import text, whole

ITEMS_LIMIT = 4096
"""Items one answer may hold."""
OPENERS = frozenset({"response.created", "response.queued", "response.in_progress"})
"""Events before anything is answered: what follows may still be a failure that another channel can mend."""


class ResponsesDecoder:
    """Implements ChatDecoder. Holds no text: only how much of each piece was told."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._events = Events(call.house.event_limit)
        self._items: dict[object, OpenItem] = {}
        self._parts = 0
        self._first: dict[str, Any] | None = None
        self._started = False
        self._calls = False
        self._audio: int | None = None
        self.usage: usage_pb2.Usage | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._read(self._events.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where no event ended the response."""
        out = self._read(self._events.end())
        if not self.finished:
            raise BadAnswer("the stream was cut")
        return out

    def _read(self, whole_events: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for data in whole_events:
            if self.finished:
                break
            if data.strip() and data.strip() != b"[DONE]":
                self._event(data, out)
        return out

    def _event(self, data: bytes, out: list[ChatEvent]) -> None:
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise BadAnswer("an event of the stream is not JSON") from None
        if not isinstance(event, dict):
            raise BadAnswer("an event of the stream is not an object")
        kind = text(event.get("type"))
        response = event.get("response")
        response = response if isinstance(response, dict) else {}
        if kind == "error" or kind == "response.failed" or (not kind and event.get("error")):
            self.finished = True
            self._take_usage(response)
            out.append(ChatEvent(fault=fault_of(event, self._call.secret)))
            return
        if kind in OPENERS:
            self._first = self._first or response
            return
        if not self._started:
            self._start(self._first or response, out)
        if kind in ("response.completed", "response.incomplete", "response.cancelled"):
            self._done(response, out)
            return
        handler = self._HANDLERS.get(kind)
        if handler is not None:
            handler(self, event, out)
        elif not self._progress(kind, event, out):
            out.append(ChatEvent(opaque=parts_pb2.Opaque(dialect=DIALECT, kind=kind, json=data)))

    def _start(self, response: dict[str, Any], out: list[ChatEvent]) -> None:
        self._started = True
        begun = chat_pb2.StreamStarted(
            id=text(response.get("id")),
            model=self._call.asked,
            created=whole(response.get("created_at")) or self._call.created,
            service_tier=text(response.get("service_tier")),
        )
        out.append(ChatEvent(started=begun))

    def _take_usage(self, response: dict[str, Any]) -> None:
        usage = usages.of_response(response)
        if usage is not None:
            self.usage = usage

    # -- items --------------------------------------------------------------------------------

    def _number(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _item(self, event: dict[str, Any]) -> OpenItem | None:
        """The item an event is about: by output_index, else by its id."""
        index = event.get("output_index")
        if isinstance(index, int):
            return self._items.get(index)
        wanted = text(event.get("item_id"))
        return next((item for item in self._items.values() if wanted and item.id == wanted), None)

    def _added(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            return
        if len(self._items) >= ITEMS_LIMIT:
            raise BadAnswer("there are too many items")
        index = event.get("output_index")
        key: object = index if isinstance(index, int) else ("nth", len(self._items))
        if key in self._items:
            return
        opened = self._items[key] = OpenItem(item, self._number)
        kind = opened.kind
        if kind in ("function_call", "custom_tool_call"):
            self._calls = True
            made_id = f"call_{text((self._first or {}).get('id'))[-24:]}_{len(self._items) - 1}"
            opened.begin(decode_items.tool_call(item, made_id, whole=False), out)
            opened.grow("arguments", decode_items.call_text(item), out)
        elif kind == "reasoning":
            opened.begin(decode_items.reasoning({"id": item.get("id"), "type": kind}), out)
        elif kind in SERVER_CALLS and kind != "image_generation_call":
            opened.begin(decode_items.server_call(item), out)

    def _item_done(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        item = event.get("item")
        if not isinstance(item, dict):
            return
        if self._item({**event, "item_id": item.get("id")}) is None:
            self._added(event, out)
        opened = self._item({**event, "item_id": item.get("id")})
        if opened is None or opened.done:
            return
        opened.done = True
        opened.close(item, out)

    # -- pieces of items ----------------------------------------------------------------------

    def _part_added(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        opened, piece = self._item(event), event.get("part")
        if opened is not None and opened.kind == "message" and isinstance(piece, dict):
            opened.piece(whole(event.get("content_index")), piece, out)

    def _part_done(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        opened, piece = self._item(event), event.get("part")
        if opened is not None and opened.kind == "message" and isinstance(piece, dict):
            opened.piece_done(whole(event.get("content_index")), piece, out)

    def _text(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        if (opened := self._item(event)) is not None:
            opened.say(whole(event.get("content_index")), "text", text(event.get("delta")), event.get("logprobs"), out)

    def _refusal(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        if (opened := self._item(event)) is not None:
            opened.say(whole(event.get("content_index")), "refusal", text(event.get("delta")), None, out)

    def _annotation(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        opened, annotation = self._item(event), event.get("annotation")
        if opened is not None and isinstance(annotation, dict):
            opened.cite(whole(event.get("content_index")), annotation, out)

    def _summary(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        if (opened := self._item(event)) is not None:
            opened.summarise(whole(event.get("summary_index")), text(event.get("delta")), out)

    def _summary_done(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        if (opened := self._item(event)) is not None:
            opened.summary_whole(whole(event.get("summary_index")), text(event.get("text")), out)

    def _thought(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        if (opened := self._item(event)) is not None and opened.kind == "reasoning":
            opened.grow("thinking", text(event.get("delta")), out)

    def _arguments(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        if (opened := self._item(event)) is not None:
            opened.grow("arguments", text(event.get("delta")), out)

    def _arguments_done(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        if (opened := self._item(event)) is not None:
            told = text(event.get("arguments")) or text(event.get("input")) or text(event.get("code"))
            opened.grow("arguments", told[opened.told :], out)

    def _ignored(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        """What other events tell as well."""

    def _sound(self, event: dict[str, Any], out: list[ChatEvent]) -> None:
        """Audio belongs to no item: one part of its own."""
        if self._audio is None:
            self._audio = self._number()
            out.append(started(self._audio, parts_pb2.Part(audio=parts_pb2.AudioPart())))
        kind = "transcript" if "transcript" in text(event.get("type")) else "audio_base64"
        if said := text(event.get("delta")):
            out.append(delta_event(self._audio, **{kind: said}))

    def _progress(self, kind: str, event: dict[str, Any], out: list[ChatEvent]) -> bool:
        """Whether it is the progress of a server tool: response.<item>.<status>."""
        pieces = kind.split(".")
        opened = self._item(event)
        if len(pieces) != 3 or opened is None or pieces[1] != opened.kind or opened.index is None:
            return False
        out.append(ChatEvent(tool_progress=chat_pb2.ServerToolProgress(index=opened.index, status=pieces[2])))
        return True

    # -- end ----------------------------------------------------------------------------------

    def _done(self, response: dict[str, Any], out: list[ChatEvent]) -> None:
        """Items that were only told at the end, usage, why it ended."""
        self.finished = True
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            known = self._items.get(index)
            if known is None or not known.done:
                self._item_done({"output_index": index, "item": item}, out)
        for opened in self._items.values():
            if not opened.done:
                opened.done = True
                opened.close({}, out)
        if self._audio is not None:
            out.append(ended(self._audio))
        self._take_usage(response)
        finish, word = decode.finish_of(response, self._calls)
        finished = chat_pb2.ChoiceFinished(finish=finish, vendor_finish=word)
        if extra := decode.unknown(response):
            finished.extensions.by_dialect[DIALECT] = orjson.dumps(extra)
        out.append(ChatEvent(finished=finished))
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage, final=True)))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))

    _HANDLERS: ClassVar[dict[str, Callable[[ResponsesDecoder, dict[str, Any], list[ChatEvent]], None]]] = {
        "response.output_item.added": _added,
        "response.output_item.done": _item_done,
        "response.content_part.added": _part_added,
        "response.content_part.done": _part_done,
        "response.output_text.delta": _text,
        "response.output_text.done": _ignored,
        "response.output_text.annotation.added": _annotation,
        "response.refusal.delta": _refusal,
        "response.refusal.done": _ignored,
        "response.reasoning_summary_part.added": _ignored,
        "response.reasoning_summary_part.done": _ignored,
        "response.reasoning_summary_text.delta": _summary,
        "response.reasoning_summary_text.done": _summary_done,
        "response.reasoning_text.delta": _thought,
        "response.reasoning_text.done": _ignored,
        "response.function_call_arguments.delta": _arguments,
        "response.function_call_arguments.done": _arguments_done,
        "response.custom_tool_call_input.delta": _arguments,
        "response.custom_tool_call_input.done": _arguments_done,
        "response.code_interpreter_call_code.delta": _arguments,
        "response.code_interpreter_call_code.done": _arguments_done,
        "response.mcp_call_arguments.delta": _arguments,
        "response.mcp_call_arguments.done": _arguments_done,
        "response.audio.delta": _sound,
        "response.audio.done": _ignored,
        "response.audio.transcript.delta": _sound,
        "response.audio.transcript.done": _ignored,
    }

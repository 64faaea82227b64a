"""A Gemini stream relayed in its own form: bytes in, server-sent events out, usage read on the way."""

from __future__ import annotations

import re

import orjson
from isthmus.v1 import usage_pb2

from core.vendors.gemini import refusal
from core.vendors.gemini import usage as usages
from core.vendors.gemini.chunks import Elements
from core.vendors.interface import BadAnswer, Call
from core.vendors.shared.relay import BLANK, BlockRelay, data, json, unescaped

_STRING = rb'"((?:[^"\\]++|\\.)*+)"'
_TEXT = re.compile(rb'"(?:text|code)"[ \t]*:[ \t]*' + _STRING)
_MODEL = re.compile(rb'("modelVersion"[ \t]*:[ \t]*)' + _STRING)
_FINISH = re.compile(rb'"finishReason"[ \t]*:[ \t]*"')
_USAGE = re.compile(rb'"usageMetadata"[ \t]*:[ \t]*\{')
_SPACE = b" \t\r\n\xef\xbb\xbf"


class GeminiRelay(BlockRelay):
    """Implements NativeRelay. What an event holds is looked at only where a fixed word shows the need.

    The form has no end mark: the stream is whole where a finish reason came (or the
    prompt was blocked) before the body ended. A vendor that answers with a JSON array
    is passed on as events, too; the client's framing is its dialect's work.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._usage_event: bytes | None = None
        self._searches = 0
        self._model = b"\\1" + orjson.dumps(call.asked).replace(b"\\", b"\\\\")
        self._rename = call.asked != call.sent
        self._finish_seen = False
        self._elements: Elements | None = None
        self._begun = False

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's latest, read when asked for; None while it told none."""
        if self._usage_event is not None:
            parsed = json(self._usage_event)
            self._usage = (usages.of_answer(parsed) if parsed is not None else None) or self._usage
            self._usage_event = None
        if self._usage is not None and self._searches:
            self._usage.tool_calls["google_search"] = self._searches
        return self._usage

    @usage.setter
    def usage(self, usage: usage_pb2.Usage | None) -> None:
        self._usage_event, self._usage = None, usage

    def feed(self, chunk: bytes) -> bytes:
        """Whole events that may be passed on now. Raises BadAnswer where one is too long."""
        if not self._begun:
            self._rest += chunk
            start = self._rest.lstrip(_SPACE)
            if not start:
                return b""
            self._begun = True
            chunk = bytes(self._rest)
            self._rest.clear()
            if start.startswith((b"[", b"{")):
                self._elements = Elements(self._call.house.event_limit)
        if self._elements is None:
            return super().feed(chunk)
        if self._over():
            return b""
        return self._events(self._elements.feed(chunk))

    def end(self) -> bytes:
        """What is left. Raises BadAnswer where the stream was cut."""
        if self._elements is not None and self._elements.open() and not self._over():
            raise BadAnswer("the stream ended inside an element")
        return super().end()

    def _events(self, elements: list[bytes]) -> bytes:
        """Elements of an array as events; no string of JSON holds a line's end."""
        lines = [b"data: " + b" ".join(element.splitlines()) + b"\n\n" for element in elements]
        return self._block(b"".join(lines)) if lines else b""

    def _tail(self) -> bytes | None:
        return b"" if self._finish_seen else None

    def _block(self, block: bytes) -> bytes:
        """One or more whole events."""
        if b'"error"' in block:
            block = self._until_fault(block)
        if b'"usageMetadata"' in block or b'"webSearchQueries"' in block:
            self._keep_usage(block)
        if not self._finish_seen and (_FINISH.search(block) or b'"blockReason"' in block):
            self._finish_seen = True
        text = b"".join(_TEXT.findall(block))
        if text:
            self.delivered.add(unescaped(text))
        if b'"functionCall"' in block:
            self._count_calls(block)
        if self._rename and b'"modelVersion"' in block:
            block = _MODEL.sub(self._model, block)
        return block

    def _each(self, block: bytes) -> list[bytes]:
        """The events of a block."""
        events: list[bytes] = []
        at = 0
        for blank in BLANK.finditer(block):
            events.append(block[at : blank.end()])
            at = blank.end()
        return [*events, block[at:]] if at < len(block) else events

    def _until_fault(self, block: bytes) -> bytes:
        """The events before an error, or all."""
        out: list[bytes] = []
        for event in self._each(block):
            parsed = (json(data(event)) or json(event.strip())) if b'"error"' in event else None
            error = parsed.get("error") if parsed is not None else None
            if error:
                self.fault = refusal.fault(error, self._call.secret)
                break
            out.append(event)
        return b"".join(out)

    def _keep_usage(self, block: bytes) -> None:
        """Keeps the event whose usage is the latest; counts searches."""
        for event in self._each(block):
            if _USAGE.search(event):
                self._usage_event = data(event)
            if b'"webSearchQueries"' in event and (parsed := json(data(event))) is not None:
                self._searches = max(self._searches, usages.searches(parsed))

    def _count_calls(self, block: bytes) -> None:
        for event in self._each(block):
            parsed = json(data(event)) if b'"functionCall"' in event else None
            for candidate in (parsed or {}).get("candidates") or ():
                content = candidate.get("content") if isinstance(candidate, dict) else None
                for part in (content.get("parts") or ()) if isinstance(content, dict) else ():
                    call = part.get("functionCall") if isinstance(part, dict) else None
                    if isinstance(call, dict):
                        self.delivered.add(str(call.get("name") or "") + orjson.dumps(call.get("args")).decode())

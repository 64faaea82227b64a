"""A stream relayed in its own form: bytes in, bytes out, usage read on the way."""

from __future__ import annotations

import re

import orjson
from isthmus.v1 import usage_pb2

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.openai import usage as usages
from core.vendors.shared import refusal, scan, told
from core.vendors.shared.relay import BLANK, BlockRelay, data, json, unescaped

_STRING = rb'"((?:[^"\\]++|\\.)*+)"'
_CONTENT = re.compile(rb'content"[ ]?:[ ]?' + _STRING)
"""content and reasoning_content: a pattern that begins with letters alone is found many times faster than a choice."""
_RARER = tuple(
    (b'"%b"' % name, re.compile(b'"%b"[ ]?:[ ]?' % name + _STRING))
    for name in (b"arguments", b"refusal", b"transcript", b"input")
)
_REASONING = re.compile(rb'"reasoning"[ ]?:[ ]?' + _STRING)
_MODEL = re.compile(rb'("model"[ \t]*:[ \t]*)' + _STRING)
_FINISH = re.compile(rb'"finish_reason"[ \t]*:[ \t]*"')
_NO_CHOICES = re.compile(rb'"choices"[ \t]*:[ \t]*(?:\[[ \t]*\]|null)')
_USAGE = re.compile(rb'"usage"[ \t]*:[ \t]*\{')


class OpenAIRelay(BlockRelay):
    """Implements NativeRelay. What an event holds is looked at only where a fixed word shows the need.

    The words cannot be met inside a JSON string, where their quotes would be escaped.
    """

    said = _CONTENT
    """Where the words of an answer are."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._usage_event: bytes | None = None
        self._model = b"\\1" + orjson.dumps(call.asked).replace(b"\\", b"\\\\")
        self._rename = call.asked != call.sent
        self._told_model = self._asked_model = b""
        """The member that names the model as this vendor writes it, and as the client is told."""
        self._finish_seen = False

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's latest, read when asked for; None while it told none."""
        if self._usage_event is not None:
            parsed = json(self._usage_event)
            self._usage = (usages.of_answer(parsed) if parsed is not None else None) or self._usage
            self._usage_event = None
        return self._usage

    @usage.setter
    def usage(self, usage: usage_pb2.Usage | None) -> None:
        self._usage_event, self._usage = None, usage

    def _is_whole(self, left: bytes) -> bool:
        return b"[DONE]" in left or super()._is_whole(left)

    def _tail(self) -> bytes | None:
        return b"data: [DONE]\n\n" if self._finish_seen else None

    def _block(self, block: bytes) -> bytes:
        """One or more whole events."""
        if b"[DONE]" in block and _is_done(block):
            self.finished = True
        if self._rename and (renamed := self._renamed_at_once(block)) is not None:
            block, rename = renamed, False
        else:
            rename = self._rename
        if rename or b'"error"' in block or b'"base_resp"' in block:
            block = self._each(block, 0, rename)
        elif (told := _USAGE.search(block)) is not None:
            # Events before the first that tells usage are passed on as they are ("usage":null is nothing).
            block = self._each(block, _event_start(block, told.start()), rename)
        if not self._finish_seen and b'"finish_reason"' in block and _FINISH.search(block):
            self._finish_seen = True
        found = self.said.findall(block)
        for word, pattern in _RARER:
            if word in block:
                found += pattern.findall(block)
        if b'"reasoning"' in block and b'"reasoning_content"' not in block:
            found += _REASONING.findall(block)
        text = b"".join(found)
        if text:
            self.delivered.add(unescaped(text))
        return block

    def _renamed_at_once(self, block: bytes) -> bytes | None:
        """The block with every model's name as the client asked for it; None where events tell it in different ways."""
        if not self._told_model:
            told = _MODEL.search(block)
            if told is None:
                return None
            self._told_model, self._asked_model = told[0], told.expand(self._model)
        if block.count(b'"model"') != block.count(self._told_model):
            return None
        return block.replace(self._told_model, self._asked_model)

    def _each(self, block: bytes, start: int, rename: bool) -> bytes:
        """Event by event from start on, where one of them may need more than passing on."""
        out: list[bytes] = [block[:start]] if start else []
        at = start
        for blank in BLANK.finditer(block, start):
            event = block[at : blank.end()]
            at = blank.end()
            if (b'"error"' in event or b'"base_resp"' in event) and self._is_fault(event):
                break
            if b'"usage"' in event and self._takes_usage(event):
                continue
            out.append(self._renamed(event) if rename else event)
        else:
            out.append(block[at:])
        return b"".join(out)

    def _takes_usage(self, event: bytes) -> bool:
        """Keeps the event whose usage is the latest; whether it is one the client did not ask for."""
        if not _USAGE.search(event):
            return False
        parsed = data(event)
        self._usage_event = parsed
        return not self._call.include_usage and _NO_CHOICES.search(event) is not None

    def _is_fault(self, event: bytes) -> bool:
        parsed = json(data(event))
        error = told.error_of(parsed) if parsed is not None else None
        if not error:
            return False
        self.fault = refusal.fault(error, self._call.secret)
        return True

    def _renamed(self, event: bytes) -> bytes:
        """The event with the model's name as the client asked for it."""
        if event.count(b'"model"') == 1:
            return _MODEL.sub(self._model, event, count=1)
        at = event.find(b"{")
        if at < 0 or b'"model"' not in event:
            return event
        try:
            end = scan.value_end(event, at)
            body = scan.change(event[at:end], {"model": orjson.dumps(self._call.asked)}, set(), {})
        except InvalidRequest:
            return event
        return event[:at] + body + event[end:]


def _is_done(block: bytes) -> bool:
    """Whether [DONE] is told on a line of its own, not in somebody's words."""
    at = block.find(b"[DONE]")
    while at >= 0:
        line = block[max(block.rfind(b"\n", 0, at), block.rfind(b"\r", 0, at)) + 1 : at]
        if line.rstrip(b" \t") == b"data:":
            return True
        at = block.find(b"[DONE]", at + 1)
    return False


def _event_start(block: bytes, at: int) -> int:
    """Where the event that holds a place begins."""
    plain, crlf = block.rfind(b"\n\n", 0, at), block.rfind(b"\n\r\n", 0, at)
    return max(plain + 2 if plain >= 0 else 0, crlf + 3 if crlf >= 0 else 0)

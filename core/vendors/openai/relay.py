"""A stream relayed in its own form: bytes in, bytes out, usage read on the way."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import common_pb2, usage_pb2

from core.errors import InvalidRequest
from core.pricing.count import Delivered
from core.vendors.interface import BadAnswer, Call, DeliveredText
from core.vendors.openai import refusal, scan
from core.vendors.openai import usage as usages
from core.vendors.openai.sse import EVENT_LIMIT

_STRING = rb'"((?:[^"\\]++|\\.)*+)"'
_TEXT = re.compile(rb'"(?:content|reasoning_content|arguments|refusal|transcript|input)"[ ]?:[ ]?' + _STRING)
_REASONING = re.compile(rb'"reasoning"[ ]?:[ ]?' + _STRING)
_MODEL = re.compile(rb'("model"[ \t]*:[ \t]*)' + _STRING)
_FINISH = re.compile(rb'"finish_reason"[ \t]*:[ \t]*"')
_NO_CHOICES = re.compile(rb'"choices"[ \t]*:[ \t]*(?:\[[ \t]*\]|null)')
_DONE = re.compile(rb"(?:^|[\r\n])data:[ \t]*\[DONE\]")
_USAGE = re.compile(rb'"usage"[ \t]*:[ \t]*\{')
_BLANK = re.compile(rb"\n\r?\n")


class OpenAIRelay:
    """Implements NativeRelay. What an event holds is looked at only where a fixed word shows the need.

    The words cannot be met inside a JSON string, where their quotes would be escaped.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._rest = bytearray()
        self._usage_event: bytes | None = None
        self._usage: usage_pb2.Usage | None = None
        self._model = b"\\1" + orjson.dumps(call.asked).replace(b"\\", b"\\\\")
        self._rename = call.asked != call.sent
        self._finish_seen = False
        self.finished = False
        self.fault: common_pb2.Fault | None = None
        self.delivered: DeliveredText = Delivered(call.asked)

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's latest, read when asked for; None while it told none."""
        if self._usage_event is not None:
            parsed = _json(self._usage_event)
            self._usage = (usages.of_answer(parsed) if parsed is not None else None) or self._usage
            self._usage_event = None
        return self._usage

    @usage.setter
    def usage(self, usage: usage_pb2.Usage | None) -> None:
        self._usage_event, self._usage = None, usage

    def feed(self, chunk: bytes) -> bytes:
        """Whole events that may be passed on now. Raises BadAnswer where one is too long."""
        if self._over():
            return b""
        rest = self._rest
        if rest:
            start = max(0, len(rest) - 3)
            rest += chunk
            cut = _last_end(rest, start)
            if cut < 0:
                if len(rest) > EVENT_LIMIT:
                    raise BadAnswer("an event of the stream is too long")
                return b""
            block = bytes(rest[:cut])
            del rest[:cut]
        else:
            cut = _last_end(chunk, 0)
            if cut < 0:
                rest += chunk
                return b""
            block = chunk if cut == len(chunk) else chunk[:cut]
            rest += chunk[cut:]
        return self._block(block)

    def end(self) -> bytes:
        """What is left, and the missing end mark. Raises BadAnswer where the stream was cut."""
        if self._over():
            return b""
        left, self._rest = bytes(self._rest), bytearray()
        out = b""
        if left.strip():
            if b"[DONE]" not in left and _json(_data(left)) is None:
                raise BadAnswer("the stream ended inside an event")
            out = self._block(left.rstrip(b"\r\n") + b"\n\n")
        if self._over():
            return out
        if not self._finish_seen:
            raise BadAnswer("the stream was cut")
        self.finished = True
        return out + b"data: [DONE]\n\n"

    def _over(self) -> bool:
        return self.finished or self.fault is not None

    def _block(self, block: bytes) -> bytes:
        """One or more whole events."""
        special = self._rename or b'"error"' in block or b'"usage"' in block or b'"timings"' in block
        if b"[DONE]" in block and _DONE.search(block):
            self.finished = True
        if special:
            block = self._each(block)
        if not self._finish_seen and b'"finish_reason"' in block and _FINISH.search(block):
            self._finish_seen = True
        found = _TEXT.findall(block)
        if b'"reasoning"' in block and b'"reasoning_content"' not in block:
            found += _REASONING.findall(block)
        text = b"".join(found)
        if text:
            self.delivered.add(_unescaped(text))
        return block

    def _each(self, block: bytes) -> bytes:
        """Event by event, where one of them may need more than passing on."""
        out: list[bytes] = []
        at = 0
        for blank in _BLANK.finditer(block):
            event = block[at : blank.end()]
            at = blank.end()
            if b'"error"' in event and self._is_fault(event):
                out.append(self._told())
                break
            if b'"usage"' in event and self._takes_usage(event):
                continue
            out.append(self._renamed(event) if self._rename else event)
        else:
            out.append(block[at:])
        return b"".join(out)

    def _takes_usage(self, event: bytes) -> bool:
        """Keeps the event whose usage is the latest; whether it is one the client did not ask for."""
        if not _USAGE.search(event):
            return False
        parsed = _data(event)
        self._usage_event = parsed
        return not self._call.include_usage and _NO_CHOICES.search(event) is not None

    def _is_fault(self, event: bytes) -> bool:
        parsed = _json(_data(event))
        error = parsed.get("error") if parsed is not None else None
        if not error:
            return False
        self.fault = refusal.fault(error, self._call.secret)
        return True

    def _told(self) -> bytes:
        """The fault in OpenAI's form, masked."""
        assert self.fault is not None
        error = {
            "message": self.fault.message,
            "type": "upstream_error",
            "param": self.fault.param or None,
            "code": self.fault.vendor_code or None,
        }
        return b"data: " + orjson.dumps({"error": error}) + b"\n\n"

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


def _last_end(data: bytes | bytearray, start: int) -> int:
    """After the last blank line from start on; -1 where there is none."""
    plain = data.rfind(b"\n\n", start)
    crlf = data.rfind(b"\n\r\n", start)
    if plain < 0 and crlf < 0:
        return -1
    return max(plain + 2 if plain >= 0 else -1, crlf + 3 if crlf >= 0 else -1)


def _data(event: bytes) -> bytes:
    """The data lines of one event, joined."""
    lines = [line[5:] for line in event.splitlines() if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def _json(data: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _unescaped(text: bytes) -> str:
    """The text of JSON string contents; counting needs no more than an approximation of broken ones."""
    if b"\\" in text:
        try:
            return str(orjson.loads(b'"' + text + b'"'))
        except orjson.JSONDecodeError:
            pass
    return text.decode("utf-8", "replace")

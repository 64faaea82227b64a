"""What relays of native streams share: whole events out of bytes in any split, and looks into them."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import common_pb2, usage_pb2

from core.pricing.count import Delivered
from core.vendors.interface import BadAnswer, Call, DeliveredText

BLANK = re.compile(rb"\n\r?\n")
"""Between two events."""


class BlockRelay:
    """Implements NativeRelay but for what events mean: _block() is given one or more whole events.

    Keeps at most one unfinished event. An error of the vendor's sets fault and is left out of what is passed on.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._rest = bytearray()
        self._usage: usage_pb2.Usage | None = None
        self.finished = False
        self.fault: common_pb2.Fault | None = None
        self.delivered: DeliveredText = Delivered(call.sent)

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's latest; None while it told none."""
        return self._usage

    @usage.setter
    def usage(self, usage: usage_pb2.Usage | None) -> None:
        self._usage = usage

    def feed(self, chunk: bytes) -> bytes:
        """Whole events that may be passed on now. Raises BadAnswer where one is too long, or cut."""
        if self._over():
            return b""
        rest = self._rest
        if rest:
            start = max(0, len(rest) - 3)
            rest += chunk
            cut = last_end(rest, start)
            if cut < 0:
                if len(rest) > self._call.house.event_limit:
                    raise BadAnswer("an event of the stream is too long")
                return b""
            block = bytes(rest[:cut])
            del rest[:cut]
        else:
            cut = last_end(chunk, 0)
            if cut < 0:
                rest += chunk
                return b""
            block = chunk if cut == len(chunk) else chunk[:cut]
            rest += chunk[cut:]
        check(block)
        return self._block(block)

    def end(self) -> bytes:
        """What is left, and the missing end mark. Raises BadAnswer where the stream was cut."""
        if self._over():
            return b""
        left, self._rest = bytes(self._rest), bytearray()
        out = b""
        if left.strip():
            if not self._is_whole(left):
                raise BadAnswer("the stream ended inside an event")
            out = self._block(left.rstrip(b"\r\n") + b"\n\n")
        if self._over():
            return out
        tail = self._tail()
        if tail is None:
            raise BadAnswer("the stream was cut")
        self.finished = True
        return out + tail

    def _over(self) -> bool:
        return self.finished or self.fault is not None

    def _is_whole(self, left: bytes) -> bool:
        """Whether an event without its blank line is whole all the same."""
        return json(data(left)) is not None

    def _block(self, block: bytes) -> bytes:
        """One or more whole events: what of them is passed on."""
        raise NotImplementedError

    def _tail(self) -> bytes | None:
        """The end mark for a stream that was told whole but for it; None: it was cut."""
        raise NotImplementedError


def check(block: bytes) -> None:
    """Raises BadAnswer where an event is not JSON, nor a mark such as [DONE].

    Events that end with a brace or [DONE] are taken for whole: what breaks streams are cuts. The others are read.
    """
    if b"\r" not in block:
        if block.endswith(b"}\n\n") and block.find(b"\n\n") == len(block) - 2:
            return
        if block.count(b"}\n\n") + block.count(b"[DONE]\n\n") == block.count(b"\n\n"):
            return
    elif block.count(b"}\r\n\r\n") + block.count(b"[DONE]\r\n\r\n") == block.count(b"\n\r\n") + block.count(b"\n\n"):
        return
    for event in BLANK.split(block):
        told = data(event).strip()
        if told and not told.startswith(b"[") and json(told) is None:
            raise BadAnswer("an event of the stream is not JSON")


def last_end(block: bytes | bytearray, start: int) -> int:
    """After the last blank line from start on; -1 where there is none."""
    if block.endswith(b"\n\n"):
        return len(block)
    plain = block.rfind(b"\n\n", start)
    crlf = block.rfind(b"\n\r\n", start)
    if plain < 0 and crlf < 0:
        return -1
    return max(plain + 2 if plain >= 0 else -1, crlf + 3 if crlf >= 0 else -1)


def data(event: bytes) -> bytes:
    """The data lines of one event, joined."""
    lines = [line[5:] for line in event.splitlines() if line.startswith(b"data:")]
    return lines[0] if len(lines) == 1 else b"\n".join(lines)


def json(text: bytes) -> dict[str, Any] | None:
    """The object, or None where it is none."""
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def unescaped(text: bytes) -> str:
    """The text of JSON string contents; counting needs no more than an approximation of broken ones."""
    if b"\\" in text:
        try:
            return str(orjson.loads(b'"' + text + b'"'))
        except orjson.JSONDecodeError:
            pass
    return text.decode("utf-8", "replace")

"""The messages of an AWS event stream out of bytes in any split; botocore reads and checks them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import orjson

from core.vendors.interface import BadAnswer


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: its event's name, or its exception's, and the JSON it holds."""

    kind: str
    failed: bool
    payload: dict[str, Any]
    size: int
    """Bytes of the whole message."""


class Frames:
    """Messages that became whole. What was whole before damage is given first."""

    def __init__(self) -> None:
        from botocore.eventstream import EventStreamBuffer

        self._buffer = EventStreamBuffer()
        self._sum = 0
        self._broken = ""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Raises BadAnswer where the stream was found damaged before."""
        from botocore.eventstream import ParserError

        if self._broken:
            raise BadAnswer(self._broken)
        self._sum += len(chunk)
        self._buffer.add_data(chunk)
        whole: list[Frame] = []
        try:
            for message in self._buffer:
                self._sum -= message.prelude.total_length
                whole.append(_frame(message.headers, message.payload, message.prelude.total_length))
        except (ParserError, BadAnswer, KeyError, ValueError, struct.error):
            self._broken = "a message of the event stream is damaged"
        return whole

    def end(self) -> None:
        """Raises BadAnswer where the stream is damaged, or cut inside a message."""
        if self._broken:
            raise BadAnswer(self._broken)
        if self._sum:
            raise BadAnswer("the stream ended inside a message")


def _frame(headers: dict[str, Any], payload: bytes, size: int) -> Frame:
    """Raises BadAnswer where the payload is no JSON object."""
    try:
        parsed = orjson.loads(payload or b"{}")
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise BadAnswer("a message of the event stream is not a JSON object")
    kind = headers.get(":message-type")
    if kind == "error":
        said = {"message": str(headers.get(":error-message") or "")}
        return Frame(str(headers.get(":error-code") or "error"), True, said, size)
    if kind == "exception":
        return Frame(str(headers.get(":exception-type") or "exception"), True, parsed, size)
    return Frame(str(headers.get(":event-type") or ""), False, parsed, size)

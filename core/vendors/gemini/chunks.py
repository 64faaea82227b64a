"""The objects of a Gemini stream out of bytes in any split: server-sent events, or the elements of one JSON array."""

from __future__ import annotations

import re

from core.vendors.interface import BadAnswer
from core.vendors.shared.sse import Lines

_FIELDS = (b":", b"event:", b"id:", b"retry:")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}]', re.DOTALL)
_SPACE = b" \t\r\n\xef\xbb\xbf"


class Elements:
    """The objects of a JSON array (or objects one after the other) that became whole."""

    def __init__(self, limit: int) -> None:
        """limit: bytes an unfinished object may hold."""
        self._limit = limit
        self._held = bytearray()
        self._at = 0
        self._depth = 0
        self._start = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Objects that end in chunk. Raises BadAnswer where one is too long."""
        self._held += chunk
        if len(self._held) > self._limit:
            raise BadAnswer("an element of the stream is too long")
        if self._at and self._held[self._at : self._at + 1] == b'"' and b'"' not in chunk:
            return []
        whole: list[bytes] = []
        held = bytes(self._held)
        for token in _TOKEN.finditer(held, self._at):
            mark = token[0]
            if mark == b'"':
                # A string whose end has not come.
                self._at = token.start()
                break
            self._at = token.end()
            if mark == b"{":
                if self._depth == 0:
                    self._start = token.start()
                self._depth += 1
            elif mark == b"}":
                self._depth -= 1
                if self._depth < 0:
                    raise BadAnswer("the stream is not a JSON array")
                if self._depth == 0:
                    whole.append(held[self._start : self._at])
        cut = self._start if self._depth else self._at
        del self._held[:cut]
        self._at -= cut
        self._start = 0
        return whole

    def open(self) -> bool:
        """Whether an object has begun and not ended."""
        return self._depth > 0


class Chunks:
    """The stream's objects as JSON bytes, whatever its framing."""

    def __init__(self, limit: int) -> None:
        """limit: bytes an unfinished object may hold."""
        self._limit = limit
        self._elements: Elements | None = None
        self._lines: Lines | None = None
        self._first = bytearray()
        self._data: list[bytes] = []
        self._bare: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Objects that became whole. Raises BadAnswer where one is too long."""
        if self._elements is None and self._lines is None:
            self._first += chunk
            begun = self._first.lstrip(_SPACE)
            if not begun:
                return []
            chunk = bytes(self._first)
            self._first.clear()
            if begun.startswith((b"[", b"{")):
                self._elements = Elements(self._limit)
            else:
                self._lines = Lines(self._limit)
        if self._elements is not None:
            return self._elements.feed(chunk)
        assert self._lines is not None
        if not (self._data or self._bare) and (single := self._lines.single(chunk)) is not None:
            return [single]
        return self._take(self._lines.feed(chunk))

    def end(self) -> list[bytes]:
        """What has no end mark of its own. Raises BadAnswer where an element is cut."""
        if self._elements is not None and self._elements.open():
            raise BadAnswer("the stream ended inside an element")
        return self._take([self._lines.rest(), b""]) if self._lines is not None else []

    def _take(self, lines: list[bytes]) -> list[bytes]:
        """Data of events; an error told without "data:" in front of its lines counts as one."""
        whole: list[bytes] = []
        for line in lines:
            if not line:
                found = self._data or self._bare
                if found:
                    whole.append(b"\n".join(found))
                self._data, self._bare, self._size = [], [], 0
                continue
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line.startswith(_FIELDS):
                self._bare.append(line)
            self._size += len(line)
            if self._size > self._limit:
                raise BadAnswer("an event of the stream is too long")
        return whole

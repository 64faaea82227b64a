"""Server-sent events out of bytes in any split."""

from __future__ import annotations

from core.vendors.interface import BadAnswer


class Lines:
    """Lines that became whole. LF, CR LF and lone CR end a line; a byte order mark is skipped."""

    def __init__(self, limit: int) -> None:
        """limit: bytes an unfinished line may hold."""
        self._limit = limit
        self._rest = bytearray()
        self._skip_lf = False
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in chunk. Raises BadAnswer where one is too long."""
        if self._skip_lf and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skip_lf = False
        if b"\n" not in chunk and b"\r" not in chunk:
            self._rest += chunk
            if len(self._rest) > self._limit:
                raise BadAnswer("a line of the stream is too long")
            return []
        data = bytes(self._rest) + chunk if self._rest else chunk
        self._skip_lf = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        rest = lines.pop()
        if rest or self._rest:
            self._rest = bytearray(rest)
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        return lines

    def single(self, chunk: bytes) -> bytes | None:
        """The data of a chunk that is one event of one line, where no line waits: so most streams come. Else None."""
        if self._rest or self._first or self._skip_lf or not chunk.startswith(b"data:") or len(chunk) > self._limit:
            return None
        size = len(chunk)
        if chunk.find(b"\n") == size - 2 and chunk.endswith(b"\n\n") and b"\r" not in chunk:
            return chunk[5:-2].removeprefix(b" ")
        if chunk.find(b"\r") == size - 4 and chunk.endswith(b"\r\n\r\n") and chunk.find(b"\n") == size - 3:
            return chunk[5:-4].removeprefix(b" ")
        return None

    def rest(self) -> bytes:
        """The line without an end."""
        rest, self._rest = bytes(self._rest), bytearray()
        return rest


class Events:
    """The data of events that became whole; comments, names and ids are left out."""

    def __init__(self, limit: int) -> None:
        """limit: bytes an unfinished line or event may hold."""
        self._limit = limit
        self._lines = Lines(limit)
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Data of whole events. Raises BadAnswer where one is too long."""
        if not self._data and (single := self._lines.single(chunk)) is not None:
            return [single]
        return self._take(self._lines.feed(chunk))

    def end(self) -> list[bytes]:
        """An event whose blank line never came, where its data line is there."""
        return self._take([self._lines.rest(), b""])

    def _take(self, lines: list[bytes]) -> list[bytes]:
        whole: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    whole.append(b"\n".join(self._data))
                    self._data = []
                    self._size = 0
            elif line.startswith(b"data:"):
                value = line[5:].removeprefix(b" ")
                self._data.append(value)
                self._size += len(value)
                if self._size > self._limit:
                    raise BadAnswer("an event of the stream is too long")
        return whole

"""Undoing Content-Encoding, in bounded steps, so that a small answer cannot become a large one unseen."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from core.upstream.interface import ProtocolBroken

STEP = 1 << 18
"""Most bytes that come out of one step."""


class Inflater:
    """gzip and deflate (with and without zlib's header), several gzip members too."""

    def __init__(self, name: str) -> None:
        self._gzip = name in ("gzip", "x-gzip")
        if not self._gzip and name != "deflate":
            raise ProtocolBroken("The answer has a compression that was not offered.", "body")
        self._stream = zlib.decompressobj(31 if self._gzip else 15)
        self._started = False
        self._open = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out, in pieces of at most STEP bytes. Raises ProtocolBroken."""
        while data:
            if self._stream.eof:
                if not self._gzip:
                    return
                self._stream = zlib.decompressobj(31)
            self._open = True
            try:
                out = self._stream.decompress(data, STEP)
            except zlib.error:
                if self._gzip or self._started:
                    raise ProtocolBroken("The answer's compression is damaged.", "body") from None
                self._started = True
                self._stream = zlib.decompressobj(-15)
                continue
            self._started = True
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if out:
                yield out

    def end(self) -> None:
        """Raises ProtocolBroken where the compressed data was cut."""
        if self._open and not self._stream.eof:
            raise ProtocolBroken("The answer's compressed data is cut.", "body")


def inflater_of(encoding: str) -> Inflater | None:
    """For a Content-Encoding header; None where nothing is to undo. Raises ProtocolBroken."""
    name = encoding.strip().lower()
    return None if name in ("", "identity") else Inflater(name)

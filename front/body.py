"""Reading a request's body under limits: bytes, time, body bytes in flight; unpacking gzip and deflate."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from sanic import Request

from front.errors import FrontError


def too_large(limit: int) -> FrontError:
    """413 with the limit in words."""
    return FrontError(
        413,
        f"The request body is larger than {limit} bytes.",
        code="request_too_large",
        reason="TOO_LARGE",
    )


UNPACK_PIECE = 1 << 20
"""Bytes unpacked between two turns of the event loop."""


@dataclass(slots=True)
class Gauge:
    """Body bytes held by all requests of a worker."""

    limit: int
    held: int = 0

    def take(self, count: int) -> None:
        """Raises FrontError 503 where there is no room."""
        if self.held + count > self.limit:
            raise FrontError(
                503,
                "Too many request bodies at once; try again later.",
                code="overloaded",
                reason="OVERLOADED",
                retry_after_ms=1000,
            )
        self.held += count

    def give(self, count: int) -> None:
        """Frees bytes."""
        self.held -= count


async def read_body(request: Request, limit: int, seconds: float, gauge: Gauge) -> tuple[bytes, int]:
    """The body, unpacked, and the bytes to give back to the gauge. Raises FrontError 400, 408, 413, 415, 503."""
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise too_large(limit)
    taken = 0
    pieces: list[bytes] = []
    try:
        stream: Any = request.stream
        if stream is not None:
            # What came with the head needs no timer, and small bodies mostly did.
            here = declared is not None and declared.isdecimal() and int(declared) <= len(stream.recv_buffer)
            async with nullcontext() if here else asyncio.timeout(seconds):
                while (piece := await stream.read()) is not None:
                    gauge.take(len(piece))
                    taken += len(piece)
                    if taken > limit:
                        raise too_large(limit)
                    pieces.append(piece)
            _listen(stream)
        raw = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        encoding = request.headers.get("content-encoding", "").strip().lower()
        if encoding and encoding != "identity":
            raw, more = await unpack(raw, encoding, limit, gauge)
            taken += more
    except TimeoutError as error:
        gauge.give(taken)
        raise FrontError(
            408, f"The request body did not arrive within {seconds:.0f} s.", code="request_timeout"
        ) from error
    except BaseException:
        gauge.give(taken)
        raise
    return raw, taken


def _listen(stream: Any) -> None:
    """Reads on: Sanic stops at a full buffer until it is asked for more, and a client's end would go unseen."""
    transport = stream.protocol.transport
    if transport is not None and not transport.is_closing():
        transport.resume_reading()


async def unpack(raw: bytes, encoding: str, limit: int, gauge: Gauge) -> tuple[bytes, int]:
    """A gzip or deflate body, at most limit bytes, and what was taken of the gauge. Raises FrontError 400, 413, 415.

    Unpacks piece by piece, so that a bomb neither stops the event loop nor passes by the gauge.
    """
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise FrontError(415, f"Content-Encoding {encoding[:20]} is not supported.", code="unsupported_encoding")
    taken = 0
    pieces: list[bytes] = []
    rest = raw
    try:
        while rest:
            machine = zlib.decompressobj(47 if "gzip" in encoding else 15)
            while not machine.eof:
                piece = machine.decompress(rest, UNPACK_PIECE)
                rest = machine.unconsumed_tail
                if not piece and not rest and not machine.eof:
                    raise FrontError(400, "The request body cannot be unpacked: it is cut.")
                gauge.take(len(piece))
                taken += len(piece)
                if taken > limit:
                    raise too_large(limit)
                pieces.append(piece)
                await asyncio.sleep(0)
            rest = machine.unused_data
    except zlib.error as error:
        gauge.give(taken)
        raise FrontError(400, "The request body cannot be unpacked.") from error
    except BaseException:
        gauge.give(taken)
        raise
    return b"".join(pieces), taken

"""One HTTP/1.1 connection to a vendor: an asyncio protocol around httptools' parser."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools

from core.upstream.interface import ConnectionBroken, ProtocolBroken, TimedOut, Timeouts, UpstreamFailure

HEAD_LIMIT = 64 << 10
"""Bytes of a head, of a line, or of chunk framing without content."""
MAX_HEADERS = 256
HIGH_WATER = 64 << 10
"""Unread bytes of a body above which the socket is no longer read."""
ONE_WRITE = 64 << 10
"""Bodies up to this size leave together with their head."""


class Reply:
    """An answer as it arrives; outlives its connection's interest in it."""

    __slots__ = ("buffered", "chunks", "ended", "error", "headers", "status", "touched")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.chunks: deque[bytes] = deque()
        self.buffered = 0
        self.ended = False
        self.touched = False
        self.error: UpstreamFailure | None = None


class Connection(asyncio.Protocol):
    """Carries one exchange at a time; on_free is called when it can carry the next."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_free: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._on_free = on_free
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._reply: Reply | None = None
        self._no_body = False
        self._head_done = False
        self._delimited = False
        self._complete = False
        self._keep = False
        self._overhead = 0
        self._head_bytes = 0
        self._head: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._limit = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._phase = "first_byte"
        self.closed = False
        self.idle_since = 0.0
        self.reused = False
        self.on_close: Callable[[Connection], None] | None = None

    # -- the exchange --------------------------------------------------------

    def begin(self, head: bytes, body: bytes, no_body: bool) -> Reply:
        """Sends a request; the answer comes into the reply. no_body: the answer to HEAD."""
        reply = self._reply = Reply()
        self._no_body = no_body
        self._head_done = self._delimited = self._complete = self._keep = False
        self._overhead = self._head_bytes = 0
        self._head = []
        self._phase = "first_byte"
        if self.closed:
            self._fail(ConnectionBroken("The connection was closed.", "write"))
        elif len(body) <= ONE_WRITE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return reply

    async def head(self, reply: Reply, timeouts: Timeouts) -> None:
        """Waits for the head. Raises UpstreamFailure."""
        while not reply.status:
            if reply.error is not None:
                raise reply.error
            await self._wait(timeouts.first_byte)

    async def chunk(self, reply: Reply, timeouts: Timeouts) -> bytes:
        """The next bytes of the body; b"" at its end. Raises UpstreamFailure."""
        while not reply.chunks:
            if reply.error is not None:
                raise reply.error
            if reply.ended:
                return b""
            await self._wait(timeouts.idle)
        data = reply.chunks.popleft()
        reply.buffered -= len(data)
        if self._paused and reply is self._reply and reply.buffered < HIGH_WATER:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def _wait(self, seconds: float) -> None:
        """Until something has happened, or the phase took too long."""
        waiter = self._waiter = self._loop.create_future()
        if seconds > 0:
            self._arm(self._loop.time() + seconds)
        try:
            await waiter
        finally:
            # When this runs, the next exchange may wait here already.
            if self._waiter is waiter:
                self._waiter = None
                self._limit = 0.0

    def _arm(self, limit: float) -> None:
        """Sets the one timer. It is not moved when a wait ends: it looks at the limit when it fires."""
        self._limit = limit
        if self._timer is not None:
            if self._timer.when() <= limit:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(limit, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._limit:
            if self._loop.time() + 0.001 < self._limit:
                self._timer = self._loop.call_at(self._limit, self._tick)
            else:
                self._fail(TimedOut("The vendor was silent for too long.", self._phase))

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, error: UpstreamFailure) -> None:
        """Ends the exchange with an error, and the connection with it."""
        reply, self._reply = self._reply, None
        if reply is not None and not reply.ended and reply.error is None:
            reply.error = error
        self._wake()
        self.abort()

    def abort(self) -> None:
        """Closes at once."""
        if not self.closed:
            self.closed = True
            if self._transport is not None:
                self._transport.abort()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self.on_close is not None:
                self.on_close(self)
        reply, self._reply = self._reply, None
        if reply is not None and not reply.ended and reply.error is None:
            reply.error = ConnectionBroken("The exchange was ended.", self._phase)
            self._wake()

    # -- asyncio's side ------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Takes the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; what came in one read becomes one chunk."""
        reply = self._reply
        if reply is None:
            self.abort()  # nothing was asked: whatever this is, no later answer may be mixed up with it
            return
        reply.touched = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if not self._complete:
                self._flush(reply)
                self._fail(ProtocolBroken("The vendor's answer is not valid HTTP.", self._phase))
                return
            self._keep = False  # bytes after the answer: it counts, the connection is not used again
        if self._parts:
            self._overhead = 0
        else:
            self._overhead += len(data)
        self._flush(reply)
        if self._complete:
            self._done(reply)
        elif self._overhead > HEAD_LIMIT or self._head_bytes > HEAD_LIMIT:
            self._fail(ProtocolBroken("A line or the head of the vendor's answer is too long.", self._phase))
        else:
            if reply.buffered >= HIGH_WATER and not self._paused:
                self._paused = True
                self._transport.pause_reading()
            self._wake()

    def _flush(self, reply: Reply) -> None:
        """Makes one chunk of the pieces of one read."""
        parts = self._parts
        if parts:
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            self._parts = []
            reply.chunks.append(data)
            reply.buffered += len(data)

    def _done(self, reply: Reply) -> None:
        """The answer is whole; the connection may be used again."""
        reply.ended = True
        self._reply = None
        self._wake()
        self._waiter = None
        self._limit = 0.0
        if not self._keep or self._transport.is_closing() or self._transport.get_write_buffer_size():
            self.abort()
            return
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._on_free(self)

    def eof_received(self) -> bool:
        """The vendor sends no more; the transport closes itself."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of a body without a length, or of the exchange."""
        reply = self._reply
        if reply is not None:
            if exc is None and self._head_done and not self._delimited and not self._no_body:
                reply.ended = True
                self._reply = None
                self._wake()
            else:
                self._fail(
                    ConnectionBroken("The vendor closed the connection before its answer was whole.", self._phase)
                )
        self.abort()

    # -- httptools' side -----------------------------------------------------

    def on_message_begin(self) -> None:
        """A status line begins; after a whole answer it is junk."""
        if self._complete:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gathers the head, within limits; trailers are counted and left aside."""
        self._head_bytes += len(name) + len(value) + 4
        if self._complete or self._head_done:
            return
        if len(self._head) < MAX_HEADERS:
            self._head.append((name, value))
        else:
            self._head_bytes = HEAD_LIMIT + 1

    def on_headers_complete(self) -> None:
        """The head is here; those of 1xx are dropped."""
        status = self._parser.get_status_code()
        reply = self._reply
        if reply is None or self._complete or self._head_bytes > HEAD_LIMIT:
            return
        if status < 200:
            self._head = []
            return
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._head:
            name = raw_name.decode("latin-1").lower()
            value = raw_value.decode("latin-1").strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._head = []
        self._head_done = True
        self._delimited = "content-length" in headers or "chunked" in headers.get("transfer-encoding", "").lower()
        self._phase = "body"
        reply.headers = headers
        reply.status = status
        if self._no_body:
            # The parser would wait for the body a HEAD answer only speaks of.
            self._complete = True

    def on_body(self, body: bytes) -> None:
        """Gathers."""
        if not self._complete:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was a 1xx."""
        if self._head_done and not self._complete:
            self._complete = True
            self._keep = self._parser.should_keep_alive()

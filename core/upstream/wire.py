"""Our own HTTP/1.1 client: pooled connections, nothing that a vendor does not need."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping

from core.upstream.connection import Connection, Reply
from core.upstream.encoding import inflater_of
from core.upstream.interface import (
    AnswerTooLarge,
    ConnectFailed,
    ConnectionBroken,
    TimedOut,
    Timeouts,
    UpstreamAnswer,
    UpstreamRequest,
)
from core.upstream.target import Target, head_of, parse_url

Key = tuple[str, str, int]


class WireAnswer:
    """An answer whose head has arrived; see UpstreamAnswer."""

    __slots__ = ("_connection", "_no_body", "_plain", "_reply", "_timeouts", "headers", "status")

    def __init__(self, connection: Connection, reply: Reply, timeouts: Timeouts, no_body: bool) -> None:
        self._connection = connection
        self._reply = reply
        self._timeouts = timeouts
        self._no_body = no_body
        self.status = reply.status
        self.headers: Mapping[str, str] = reply.headers
        self._plain = no_body or "content-encoding" not in reply.headers

    async def read(self, limit: int) -> bytes:
        """The whole body, decompressed, at most limit bytes. Raises UpstreamFailure."""
        parts: list[bytes] = []
        total = 0
        if self._plain:
            # The common case, without a generator in between.
            connection, reply, timeouts = self._connection, self._reply, self._timeouts
            try:
                while data := await connection.chunk(reply, timeouts):
                    total += len(data)
                    if total > limit:
                        raise AnswerTooLarge(f"The vendor's answer is larger than {limit} bytes.", "body")
                    parts.append(data)
            finally:
                self._end()
            return parts[0] if len(parts) == 1 else b"".join(parts)
        async for chunk in self.chunks():
            total += len(chunk)
            if total > limit:
                await self.aclose()
                raise AnswerTooLarge(f"The vendor's answer is larger than {limit} bytes.", "body")
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, decompressed. Leaving early closes the connection."""
        connection, reply, timeouts = self._connection, self._reply, self._timeouts
        try:
            inflater = None if self._no_body else inflater_of(self.headers.get("content-encoding", ""))
            while data := await connection.chunk(reply, timeouts):
                if inflater is None:
                    yield data
                else:
                    for piece in inflater.feed(data):
                        yield piece
            if inflater is not None:
                inflater.end()
        finally:
            self._end()

    def _end(self) -> None:
        """Closes the connection where the body is not at its end."""
        if not self._reply.ended and self._reply.error is None:
            self._connection.abort()

    async def aclose(self) -> None:
        """Ends the exchange."""
        self._end()
        self._reply.chunks.clear()

    def __del__(self) -> None:
        self._end()


def trusting() -> ssl.SSLContext:
    """TLS settings that take any certificate: only where the operator says so."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


class WireUpstream:
    """A pool of connections per scheme, host and port; for one event loop."""

    def __init__(
        self,
        *,
        idle_seconds: float = 90.0,
        max_per_host: int = 0,
        max_idle: int = 0,
        max_idle_per_host: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Limits of 0 are none."""
        self._idle_seconds = idle_seconds
        self._max_per_host = max_per_host
        self._max_idle = max_idle
        self._max_idle_per_host = max_idle_per_host
        self._tls = tls
        self._idle: dict[Key, list[Connection]] = {}
        self._open: dict[Connection, Key] = {}
        self._busy: dict[Connection, asyncio.Semaphore | None] = {}
        self._slots: dict[Key, asyncio.Semaphore] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Sends and waits for the head. Raises UpstreamFailure."""
        target = parse_url(request.url)
        head = head_of(request, target)
        no_body = request.method.upper() == "HEAD"
        key = (target.scheme, target.host, target.port)
        fresh = False
        while True:
            connection = await self._connection(key, target, request.timeouts, fresh)
            reply = connection.begin(head, request.body, no_body)
            try:
                await connection.head(reply, request.timeouts)
            except ConnectionBroken:
                # A kept connection may have been closed while our request was on its way to it.
                if not connection.reused or reply.touched:
                    raise
                fresh = True
            except BaseException:
                connection.abort()
                raise
            else:
                return WireAnswer(connection, reply, request.timeouts, no_body)

    async def aclose(self) -> None:
        """Closes every connection."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()

    # -- the pool ------------------------------------------------------------

    async def _connection(self, key: Key, target: Target, timeouts: Timeouts, fresh: bool) -> Connection:
        """A kept connection, or a new one."""
        if self._closed:
            raise ConnectFailed("The client is closed.", "connect")
        slot = None
        try:
            if self._max_per_host:
                wanted = self._slots.setdefault(key, asyncio.Semaphore(self._max_per_host))
                async with asyncio.timeout(timeouts.connect or None):
                    await wanted.acquire()
                slot = wanted
            connection = None if fresh else self._take(key)
            if connection is None:
                async with asyncio.timeout(timeouts.connect or None):
                    connection = await self._connect(key, target)
        except BaseException as error:  # noqa: BLE001 - always raised again
            if slot is not None:
                slot.release()
            raise self._told(error) from None
        self._busy[connection] = slot
        return connection

    @staticmethod
    def _told(error: BaseException) -> BaseException:
        """What went wrong before there was a connection, without its address."""
        if isinstance(error, TimeoutError):
            return TimedOut("No connection to the vendor in time.", "connect")
        if isinstance(error, ssl.SSLError | ssl.CertificateError):
            return ConnectFailed("The vendor's TLS handshake failed.", "connect")
        if isinstance(error, socket.gaierror):
            return ConnectFailed("The vendor's host name is not known.", "connect")
        if isinstance(error, ConnectionRefusedError):
            return ConnectFailed("The vendor refused the connection.", "connect")
        if isinstance(error, OSError | UnicodeError):
            return ConnectFailed("The vendor could not be connected.", "connect")
        return error

    async def _connect(self, key: Key, target: Target) -> Connection:
        """Opens a connection."""
        loop = asyncio.get_running_loop()
        tls = self._context() if target.scheme == "https" else None
        _, connection = await loop.create_connection(
            lambda: Connection(loop, self._free),
            target.host,
            target.port,
            ssl=tls,
            server_hostname=target.host if tls is not None else None,
        )
        self._open[connection] = key
        connection.on_close = self._gone
        if connection.closed:
            self._open.pop(connection)
        return connection

    def _context(self) -> ssl.SSLContext:
        """The TLS settings, made on first use: reading the certificates takes 20 ms."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _take(self, key: Key) -> Connection | None:
        """The connection used last, if one is kept."""
        kept = self._idle.get(key)
        oldest = asyncio.get_running_loop().time() - self._idle_seconds
        while kept:
            connection = kept.pop()
            if not connection.closed and connection.idle_since >= oldest:
                connection.reused = True
                return connection
            connection.abort()
        return None

    def _free(self, connection: Connection) -> None:
        """Keeps a connection whose exchange is over."""
        key = self._open.get(connection)
        if key is None or self._closed:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._unused(connection)
        kept = self._idle.setdefault(key, [])
        if self._max_idle_per_host and len(kept) >= self._max_idle_per_host:
            # The one used longest ago goes: its vendor is the first to close it.
            kept[0].abort()
            kept = self._idle.setdefault(key, [])
        kept.append(connection)
        # Idle connections are among the open ones: only where those are many need they be counted.
        if 0 < self._max_idle < len(self._open) and sum(map(len, self._idle.values())) > self._max_idle:
            min((held[0] for held in self._idle.values() if held), key=lambda each: each.idle_since).abort()
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def _unused(self, connection: Connection) -> None:
        """The connection's exchange is over: somebody else may have its place."""
        slot = self._busy.pop(connection, None)
        if slot is not None:
            slot.release()

    def _gone(self, connection: Connection) -> None:
        """Forgets a closed connection."""
        self._unused(connection)
        key = self._open.pop(connection, None)
        if key is None:
            return
        kept = self._idle.get(key)
        if kept is not None and connection in kept:
            kept.remove(connection)
        if not kept:
            self._idle.pop(key, None)

    def _sweep(self) -> None:
        """Closes what was idle for too long; comes again while anything is kept."""
        self._sweeper = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._idle_seconds
        for kept in list(self._idle.values()):
            for connection in list(kept):
                if connection.idle_since <= oldest:
                    connection.abort()
        if any(self._idle.values()):
            self._sweeper = loop.call_later(max(self._idle_seconds / 2, 0.05), self._sweep)

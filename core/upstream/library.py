"""The same interface by a library (pyreqwest), for what our own client does not do: proxies."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from core.upstream.encoding import inflater_of
from core.upstream.interface import (
    AnswerTooLarge,
    ConnectFailed,
    ConnectionBroken,
    ProtocolBroken,
    TimedOut,
    Timeouts,
    UpstreamAnswer,
    UpstreamFailure,
    UpstreamRequest,
)
from core.upstream.target import checked, parse_url

MAX_CLIENTS = 64
"""Proxies whose connections are kept; the one used longest ago goes first."""
READ_AHEAD = 0
"""Bytes of a body the library waits for before it shows the head: first events must not wait."""


class LibraryAnswer:
    """An answer whose head has arrived; see UpstreamAnswer."""

    def __init__(self, exchange: Any, response: Any, timeouts: Timeouts, no_body: bool) -> None:
        self._exchange = exchange
        self._response = response
        self._timeouts = timeouts
        self._no_body = no_body
        self.status = int(response.status)
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.headers: Mapping[str, str] = headers

    async def read(self, limit: int) -> bytes:
        """The whole body, decompressed, at most limit bytes. Raises UpstreamFailure."""
        parts: list[bytes] = []
        total = 0
        async for chunk in self.chunks():
            total += len(chunk)
            if total > limit:
                await self.aclose()
                raise AnswerTooLarge(f"The vendor's answer is larger than {limit} bytes.", "body")
            parts.append(chunk)
        return b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, decompressed."""
        try:
            inflater = None if self._no_body else inflater_of(self.headers.get("content-encoding", ""))
            while (data := await self._next()) is not None:
                if inflater is None:
                    yield data
                else:
                    for piece in inflater.feed(data):
                        yield piece
            if inflater is not None:
                inflater.end()
        finally:
            await self.aclose()

    async def _next(self) -> bytes | None:
        """What arrived; None at the end."""
        if self._exchange is None:
            return None
        try:
            async with asyncio.timeout(self._timeouts.idle or None):
                data = await self._response.body_reader.read_chunk()
        except Exception as error:  # noqa: BLE001 - the library raises many kinds, all become ours
            raise failure_of(error, "body") from None
        return None if data is None else bytes(data)

    async def aclose(self) -> None:
        """Ends the exchange."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.__aexit__(None, None, None)


class LibraryUpstream:
    """One client of the library per proxy address."""

    def __init__(self, *, idle_seconds: float = 90.0, max_idle_per_host: int = 0, tls_insecure: bool = False) -> None:
        self._idle_seconds = idle_seconds
        self._max_idle_per_host = max_idle_per_host
        self._tls_insecure = tls_insecure
        self._clients: OrderedDict[tuple[str, float], Any] = OrderedDict()
        self._closed = False

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Sends and waits for the head. Raises UpstreamFailure."""
        if self._closed:
            raise ConnectFailed("The client is closed.", "connect")
        parse_url(request.url)
        headers = checked(request.headers)
        timeouts = request.timeouts
        try:
            client = await self._client(request.proxy, timeouts.connect)
            builder = client.request(request.method.upper(), request.url)
            builder = builder.headers([*headers, ("Accept-Encoding", "gzip, deflate")])
            if request.body:
                builder = builder.body_bytes(request.body)
            exchange = builder.streamed_read_buffer_limit(READ_AHEAD).build_streamed()
            response = await self._head(exchange, timeouts.first_byte)
        except UpstreamFailure:
            raise
        except Exception as error:  # noqa: BLE001 - the library raises many kinds, all become ours
            raise failure_of(error, "first_byte") from None
        return LibraryAnswer(exchange, response, timeouts, request.method.upper() == "HEAD")

    @staticmethod
    async def _head(exchange: Any, seconds: float) -> Any:
        """Waits for the head; an exchange that is cut short is ended, so that its connection closes."""
        entering = asyncio.ensure_future(exchange.__aenter__())
        try:
            async with asyncio.timeout(seconds or None):
                return await asyncio.shield(entering)
        except BaseException as error:
            entering.cancel()
            with contextlib.suppress(BaseException):
                await exchange.__aexit__(type(error), error, None)
            raise

    async def _client(self, proxy: str, connect: float) -> Any:
        """The library's client for a proxy; the library is imported here, on first use."""
        key = (proxy, connect)
        client = self._clients.get(key)
        if client is not None:
            self._clients.move_to_end(key)
            return client
        from pyreqwest.client import ClientBuilder
        from pyreqwest.proxy import ProxyBuilder

        builder = ClientBuilder().http1_only().follow_redirects(False).gzip(False).deflate(False)
        builder = builder.brotli(False).zstd(False)
        builder = builder.pool_idle_timeout(timedelta(seconds=self._idle_seconds))
        if self._max_idle_per_host:
            builder = builder.pool_max_idle_per_host(self._max_idle_per_host)
        if self._tls_insecure:
            builder = builder.danger_accept_invalid_certs(True)
        if connect:
            builder = builder.connect_timeout(timedelta(seconds=connect))
        if proxy:
            try:
                scheme = urlsplit(proxy).scheme
                if scheme not in ("http", "https", "socks5", "socks5h"):
                    raise ValueError
                builder = builder.proxy(ProxyBuilder.all(proxy))
            except ValueError:
                raise ConnectFailed("The proxy's address is not valid.", "connect") from None
        else:
            builder = builder.no_proxy()
        client = builder.build()
        await client.__aenter__()
        self._clients[key] = client
        if len(self._clients) > MAX_CLIENTS:
            _, oldest = self._clients.popitem(last=False)
            await oldest.close()
        return client

    async def aclose(self) -> None:
        """Closes every client."""
        self._closed = True
        while self._clients:
            _, client = self._clients.popitem()
            await client.close()


def failure_of(error: Exception, phase: str) -> UpstreamFailure:
    """The library's error as ours, without its text, which shows addresses."""
    from pyreqwest import exceptions

    if isinstance(error, exceptions.ConnectTimeoutError):
        return TimedOut("No connection to the vendor in time.", "connect")
    if isinstance(error, TimeoutError):
        return TimedOut("The vendor was silent for too long.", phase)
    text = repr(getattr(error, "details", "")) + str(error)
    if "before message completed" in text or "IncompleteMessage" in text:
        return ConnectionBroken("The vendor closed the connection before its answer was whole.", phase)
    if isinstance(error, exceptions.ConnectError):
        return ConnectFailed("No connection by the proxy could be made.", "connect")
    if any(word in text for word in ("invalid HTTP", "invalid chunk", "Parse", "too large", "Invalid")):
        return ProtocolBroken("The vendor's answer is not valid HTTP.", phase)
    if isinstance(error, exceptions.RequestError | ConnectionError):
        return ConnectionBroken("The vendor closed the connection before its answer was whole.", phase)
    return ProtocolBroken("The exchange with the vendor failed.", phase)

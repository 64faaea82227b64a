"""The same interface for vendors that answer by websocket: messages come as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from core.upstream.interface import (
    AnswerTooLarge,
    ConnectFailed,
    ConnectionBroken,
    ProtocolBroken,
    TimedOut,
    UpstreamAnswer,
    UpstreamRequest,
)
from core.upstream.target import checked
from core.upstream.wire import trusting

MESSAGE_LIMIT = 16 << 20
"""Bytes of one message."""
QUEUE = 16
"""Messages that wait for their reader; then the socket is no longer read."""
CLOSE_SECONDS = 1.0
"""How long the vendor may take to say goodbye."""
HTTP_ONLY = frozenset({"content-type", "accept"})
"""Headers of a request with a body, which a handshake is not."""


class WebsocketAnswer:
    """The messages of an open websocket, as server-sent events; see UpstreamAnswer."""

    status = 200

    def __init__(self, socket: Any, request: UpstreamRequest) -> None:
        self._socket = socket
        self._request = request
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream"}

    async def read(self, limit: int) -> bytes:
        """Every message up to the last, at most limit bytes. Raises UpstreamFailure."""
        parts: list[bytes] = []
        total = 0
        try:
            async for chunk in self.chunks():
                total += len(chunk)
                if total > limit:
                    raise AnswerTooLarge(f"The vendor's answer is larger than {limit} bytes.", "body")
                parts.append(chunk)
        finally:
            await self.aclose()
        return b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """A message a chunk, until the last or until the vendor closes. Raises UpstreamFailure."""
        from websockets.exceptions import ConnectionClosedOK, WebSocketException

        limits = self._request.timeouts
        seconds, phase = limits.first_byte, "first_byte"
        while True:
            try:
                async with asyncio.timeout(seconds or None):
                    message = await self._socket.recv(decode=False)
            except TimeoutError:
                raise TimedOut("The vendor sent nothing for too long.", phase) from None
            except ConnectionClosedOK:
                return
            except (WebSocketException, OSError):
                raise ConnectionBroken("The vendor closed the websocket.", "body") from None
            yield b"".join(b"data: %b\n" % line for line in message.splitlines()) + b"\n"
            if self._request.last is not None and self._request.last(message):
                return
            seconds, phase = limits.idle, "body"

    async def aclose(self) -> None:
        """Says goodbye, and closes."""
        await self._socket.close()


class _Refused:
    """A handshake that was answered otherwise."""

    def __init__(self, response: Any) -> None:
        self.status = int(response.status_code)
        headers: dict[str, str] = {}
        for name, value in response.headers.raw_items():
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.headers: Mapping[str, str] = headers
        self._body = bytes(response.body or b"")

    async def read(self, limit: int) -> bytes:
        """The body, which came with the head."""
        return self._body[:limit]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body."""
        yield self._body

    async def aclose(self) -> None:
        """Nothing is open."""


class WebsocketUpstream:
    """One websocket a request; nothing is kept between two."""

    def __init__(self, *, tls_insecure: bool = False) -> None:
        self._tls = trusting() if tls_insecure else None

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Opens, sends the first message. A handshake that is refused is an answer. Raises UpstreamFailure."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus, WebSocketException

        class Straight(connect):
            """Does not follow redirects: the key's signature is for one address."""

            def process_redirect(self, exc: Exception) -> Exception | str:
                return exc

        headers = [pair for pair in checked(request.headers) if pair[0].lower() not in HTTP_ONLY]
        options: dict[str, Any] = {}
        if self._tls is not None and request.url.startswith("wss://"):
            options["ssl"] = self._tls
        try:
            socket = await Straight(
                request.url,
                additional_headers=headers,
                user_agent_header=None,
                compression=None,
                proxy=request.proxy or None,
                open_timeout=request.timeouts.connect or None,
                close_timeout=CLOSE_SECONDS,
                max_size=MESSAGE_LIMIT,
                max_queue=QUEUE,
                **options,
            )
        except InvalidStatus as refused:
            return _Refused(refused.response)
        except TimeoutError:
            raise TimedOut("The vendor's websocket did not open in time.", "connect") from None
        except (OSError, ValueError):
            raise ConnectFailed("The vendor cannot be reached.", "connect") from None
        except WebSocketException:
            raise ProtocolBroken("The vendor did not open a websocket.", "first_byte") from None
        try:
            await socket.send(request.body.decode())
        except BaseException as error:
            await socket.close()
            if isinstance(error, WebSocketException | OSError):
                raise ConnectionBroken("The vendor closed the websocket.", "write") from None
            raise
        return WebsocketAnswer(socket, request)

    async def aclose(self) -> None:
        """Nothing is kept."""

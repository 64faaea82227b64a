"""The HTTP connection of a local vendor: an asyncio protocol over httptools; the Sandbox's and the bench's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

import httptools


class Connection(asyncio.Protocol):
    """One connection; httptools calls the on_ methods. A vendor adds on_message_complete, which answers.

    A vendor that wants headers adds on_header: where there is none, httptools does not call it.
    """

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.body = bytearray()
        self.task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def transport(self) -> asyncio.Transport:
        """Where answers are written."""
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        # uvloop's transports are no asyncio.Transport by inheritance.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what still answers."""
        self._writable.set()
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    async def write(self, data: bytes) -> None:
        """Writes once the client has caught up."""
        await self._writable.wait()
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; what it cannot read ends the connection."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Forgets the request before."""
        self.url = b""
        self.body = bytearray()

    def on_url(self, url: bytes) -> None:
        """The path, maybe in pieces."""
        self.url += url

    def on_body(self, body: bytes) -> None:
        """The body, maybe in pieces."""
        self.body += body


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked HTTP body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


async def listen(connection: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    """Starts a server; port 0 takes a free one. Close it with server.close()."""
    return await asyncio.get_running_loop().create_server(connection, host, port, backlog=4096)


def run(connection: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
    """Serves until interrupted, on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop

    async def serve() -> None:
        async with await listen(connection, host, port) as server:
            await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve())

"""The sandbox's HTTP server: an asyncio protocol over httptools, one request of a connection at a time."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httptools

from front.sandbox import routes
from front.sandbox.controls import Controls, parse
from front.sandbox.forms import Reply, dump

MAX_BODY_BYTES = 64 * 1024 * 1024
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class Connection(asyncio.Protocol):
    """One connection; httptools calls the on_ methods."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._url = b""
        self._body = bytearray()
        self._headers: dict[str, str] = {}
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        # uvloop's transports are no asyncio.Transport by inheritance.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what still answers."""
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; what it cannot read ends the connection."""
        assert self._transport is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Forgets the request before."""
        self._url = b""
        self._body = bytearray()
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        """The path, maybe in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """The body, maybe in pieces."""
        assert self._transport is not None
        self._body += body
        if len(self._body) > MAX_BODY_BYTES:
            self._transport.abort()

    def on_message_complete(self) -> None:
        """Answers: at once where nothing has to be waited for."""
        parts = urlsplit(self._url.decode("latin-1"))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        method = self._parser.get_method().decode()
        reply = _reply(method, parts.path, query, self._headers, bytes(self._body))
        self._task = asyncio.ensure_future(self._send(reply))

    async def _send(self, reply: Reply) -> None:
        """Writes the reply with the faults that were asked for."""
        assert self._transport is not None
        controls = reply.controls
        if controls.first_byte_ms:
            await asyncio.sleep(controls.first_byte_ms / 1000)
        if controls.reset:
            self._transport.abort()
            return
        if reply.events is None or controls.html or controls.gzip_garbage or controls.endless_line:
            await self._send_whole(reply)
            return
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {controls.content_type or reply.content_type}\r\n"
        self._transport.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        events = reply.events
        if controls.error_in_stream:
            events = [*events[: len(events) // 2], reply.error_event]
        if controls.broken_json:
            events = [*events[: len(events) // 2], b'data: {"broken": \n\n', *events[len(events) // 2 :]]
        quick = not (controls.delay_ms or controls.cut_after or controls.one_byte or controls.chunks)
        for number, event in enumerate([b"".join(events)] if quick else events, 1):
            await self._write_event(event, controls)
            if number == controls.cut_after:
                # A moment, so that what was written leaves before the reset.
                await asyncio.sleep(0.01)
                self._transport.abort()
                return
        self._transport.write(b"0\r\n\r\n")

    async def _write_event(self, event: bytes, controls: Controls) -> None:
        """One event, whole or byte by byte, and the pause after it."""
        assert self._transport is not None
        for piece in [event[at : at + 1] for at in range(len(event))] if controls.one_byte else [event]:
            await self._writable.wait()
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if controls.one_byte:
                await asyncio.sleep(0)
        await asyncio.sleep(controls.delay_ms / 1000)

    async def _send_whole(self, reply: Reply) -> None:
        """A reply with a length, or one of the broken kinds."""
        assert self._transport is not None
        controls = reply.controls
        content_type = controls.content_type or reply.content_type
        body, extra = dump(reply.body), ""
        if reply.events is not None:
            content_type = controls.content_type or "text/event-stream"
        if controls.html:
            content_type, body = "text/html", b"<html><body><h1>502 Bad Gateway</h1></body></html>"
        elif controls.gzip_garbage:
            extra, body = "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00this is not gzip"
        elif controls.broken_json:
            body = body[: len(body) // 2]
        if controls.retry_after:
            extra += f"Retry-After: {controls.retry_after}\r\n"
        head = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\nContent-Type: {content_type}\r\n"
        if controls.endless_line:
            self._transport.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            while True:
                await self._writable.wait()
                self._transport.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await asyncio.sleep(0)
        self._transport.write(f"{head}{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _reply(method: str, path: str, query: dict[str, str], headers: dict[str, str], raw: bytes) -> Reply:
    """The route's reply, or an error in the route's form."""
    key = headers.get("x-api-key") or headers.get("x-goog-api-key") or query.get("key")
    key = key or headers.get("authorization", "").removeprefix("Bearer ")
    order = headers.get("x-sandbox", "")
    try:
        if key.startswith("sk-bad"):
            return routes.error(path, 401, "The sandbox does not know this key.")
        body: Any = json.loads(raw) if raw else {}
        if not isinstance(body, dict):
            raise TypeError("the body must be a JSON object")
        reply = routes.route(method, path, query, body, order)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        return routes.error(path, 400, f"The request cannot be read: {error}")
    if reply.controls == Controls() and order:
        reply.controls = parse("", order)[0]
    if reply.controls.status:
        failed = routes.error(path, reply.controls.status, "The sandbox was told to fail.")
        failed.controls = reply.controls
        return failed
    return reply


async def serve(host: str, port: int) -> asyncio.Server:
    """Starts the sandbox; port 0 takes a free one. Close it with server.close()."""
    return await asyncio.get_running_loop().create_server(Connection, host, port, backlog=2048)

"""The sandbox's HTTP server: reads requests, has them answered, and writes the answers with the faults asked for."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

import orjson

from front.sandbox import connection, routes
from front.sandbox.connection import LAST_CHUNK, chunk
from front.sandbox.controls import NONE, parse
from front.sandbox.forms import Form, Refused, Reply, Request, dump, middle

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_HEAD_BYTES = 256 * 1024
"""Of all headers; a gateway that sends more is broken."""
REASONS = {status.value: status.phrase for status in HTTPStatus}
CUT_PAUSE_SECONDS = 0.01
"""So that what was written leaves before the reset."""


class Connection(connection.Connection):
    """One connection of the Sandbox."""

    def __init__(self) -> None:
        super().__init__()
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._too_large = False

    def on_message_begin(self) -> None:
        """Forgets the request before."""
        super().on_message_begin()
        self._headers, self._head_bytes, self._too_large = {}, 0, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.transport.abort()
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Lets a client go on that waits before it sends its body."""
        if self._headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """The body, maybe in pieces; of one that is too large, nothing is kept."""
        if self._too_large or len(self.body) + len(body) > MAX_BODY_BYTES:
            self._too_large, self.body = True, bytearray()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answers: at once where nothing has to be waited for."""
        path, _, query = self.url.decode("latin-1").partition("?")
        request = Request(
            self.parser.get_method().decode(),
            unquote(path) if "%" in path else path,
            {name: values[-1] for name, values in parse_qs(query).items()} if query else {},
            self._headers,
        )
        reply = reply_to(request, bytes(self.body), too_large=self._too_large)
        keep = bool(self.parser.should_keep_alive())
        if reply.controls is NONE and (self.task is None or self.task.done()):
            self.transport.write(_plain(reply))
            if not keep:
                self.transport.close()
            return
        self.task = asyncio.ensure_future(self._send(reply, self.task, keep=keep))

    async def _send(self, reply: Reply, before: asyncio.Task[None] | None, *, keep: bool) -> None:
        """Writes the reply with the faults that were asked for, once the answer before has left."""
        if before is not None:
            await before
        controls = reply.controls
        if controls.first_byte_ms:
            await asyncio.sleep(controls.first_byte_ms / 1000)
        if controls.hang:
            # Until the client goes away: connection_lost cancels.
            await asyncio.Event().wait()
        if controls.reset:
            self.transport.abort()
        elif controls.endless_line:
            await self._send_endless(reply)
        elif reply.events is None or controls.html or controls.gzip_garbage:
            await self._send_whole(reply)
        else:
            await self._send_events(reply, reply.events)
        if not keep:
            self.transport.close()

    async def _send_events(self, reply: Reply, events: list[bytes]) -> None:
        """A stream: in one write, or event by event where pieces or faults were asked for."""
        controls, half = reply.controls, middle(events)
        if controls.error_in_stream:
            events = [*events[:half], reply.error_event]
        if controls.broken_json:
            events = [*events[:half], reply.broken_event, *events[half:]]
        await self.write(_stream_head(reply))
        apart = controls.delay_ms or controls.cut_after or controls.one_byte or controls.chunks
        for sent, event in enumerate(events if apart else [b"".join(events)], 1):
            for piece in _bytes(event) if controls.one_byte else (event,):
                await self.write(chunk(piece))
                if controls.one_byte:
                    await asyncio.sleep(0)
            if sent == controls.cut_after:
                await self._cut()
                return
            await asyncio.sleep(controls.delay_ms / 1000)
        await self.write(LAST_CHUNK)

    async def _send_whole(self, reply: Reply) -> None:
        """A reply with a length, or one of the broken kinds; one that is cut ends in the middle of its body."""
        controls = reply.controls
        body, extra, content_type = b"", "", reply.content_type
        if controls.html:
            content_type, body = "text/html", b"<html><body><h1>502 Bad Gateway</h1></body></html>"
        elif controls.gzip_garbage:
            extra, body = "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00this is not gzip"
        else:
            body = reply.raw
        if controls.broken_json:
            body = body[: len(body) // 2]
        if controls.retry_after:
            extra += f"Retry-After: {controls.retry_after}\r\n"
        await self.write(_head(reply, controls.content_type or content_type, len(body), extra))
        for piece in _bytes(body) if controls.one_byte else (body[: len(body) // 2] if controls.cut_after else body,):
            await self.write(piece)
            if controls.one_byte:
                await asyncio.sleep(0)
        if controls.cut_after:
            await self._cut()

    async def _send_endless(self, reply: Reply) -> None:
        """A line without end, until the client goes away."""
        await self.write(_stream_head(reply))
        while True:
            await self.write(chunk(b"x" * 65536))
            await asyncio.sleep(0)

    async def _cut(self) -> None:
        """Ends the connection in the middle of an answer."""
        await asyncio.sleep(CUT_PAUSE_SECONDS)
        self.transport.abort()


def _head(reply: Reply, content_type: str, length: int, extra: str = "") -> bytes:
    """Status line and headers of a reply with a length."""
    status = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\nContent-Type: {content_type}\r\n"
    return f"{status}{reply.headers}{extra}Content-Length: {length}\r\n\r\n".encode()


def _stream_head(reply: Reply) -> bytes:
    """Status line and headers of a reply in chunks."""
    content_type = reply.controls.content_type or reply.content_type
    return (
        f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\nContent-Type: {content_type}\r\n"
        f"{reply.headers}Transfer-Encoding: chunked\r\n\r\n"
    ).encode()


def _plain(reply: Reply) -> bytes:
    """A reply nobody asked faults of, in one write."""
    if reply.events is not None:
        return _stream_head(reply) + chunk(b"".join(reply.events)) + LAST_CHUNK
    return _head(reply, reply.content_type, len(reply.raw)) + reply.raw


def _bytes(data: bytes) -> list[bytes]:
    """Every byte apart."""
    return [data[at : at + 1] for at in range(len(data))]


def reply_to(request: Request, raw: bytes, *, too_large: bool = False) -> Reply:
    """The reply in the form of the request's vendor, or an error in it."""
    form = routes.form(request)
    try:
        reply = _reply(form, request, raw, too_large=too_large)
        reply.raw = dump(reply.body)
    except Refused as refused:
        reply = form.error(request, refused)
    except RecursionError:
        reply = form.error(request, Refused("The request is nested too deeply."))
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        reply = form.error(request, Refused(f"The request cannot be read: {error}"))
    reply.raw = reply.raw or dump(reply.body)
    return reply


def _reply(form: Form, request: Request, raw: bytes, *, too_large: bool) -> Reply:
    """The reply of a request that can be answered. Raises Refused, or what reading nonsense raises."""
    if too_large:
        raise Refused("The request is too large.", 413)
    if request.key.startswith("sk-bad"):
        raise Refused("The sandbox does not know this key.", 401, code="invalid_api_key")
    body = orjson.loads(raw) if raw else {}
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    request.body = body
    reply = form.serve(request)
    if reply.controls is NONE and request.order:
        reply.controls = parse("", request.order)[0]
    controls = reply.controls
    if controls.status:
        told = Refused("The sandbox was told to fail.", controls.status, retry_after=controls.retry_after)
        reply = form.error(request, told)
        reply.controls = controls
    return reply


async def serve(host: str, port: int) -> asyncio.Server:
    """Starts the sandbox; port 0 takes a free one. Close it with server.close()."""
    return await connection.listen(Connection, host, port)

"""Websockets as answers: messages become events, refused handshakes answers, and every failure has its phase."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve

from core.upstream.interface import (
    AnswerTooLarge,
    ConnectFailed,
    ConnectionBroken,
    ProtocolBroken,
    TimedOut,
    Timeouts,
    UpstreamFailure,
    UpstreamRequest,
)
from core.upstream.websocket import WebsocketUpstream

Handler = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def house(handler: Handler) -> AsyncIterator[str]:
    """A websocket server for the time of the block; its address."""
    async with serve(handler, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/chat"


def asked(url: str, last: bytes = b"last", **limits: float) -> UpstreamRequest:
    headers = (("Content-Type", "application/json"), ("X-One", "1"))
    timeouts = Timeouts(connect=10, first_byte=limits.get("first_byte", 10), idle=limits.get("idle", 10))
    return UpstreamRequest("POST", url, headers, b'{"q":1}', timeouts, last=lambda message: message == last)


async def test_messages_are_events_up_to_the_last() -> None:
    heard: list[object] = []

    async def answer(socket: ServerConnection) -> None:
        assert socket.request is not None
        heard.append((socket.request.headers.get("X-One"), socket.request.headers.get("Content-Type")))
        heard.append(await socket.recv())
        for message in ('{"a":1}', b"two\nlines", "last", "never"):
            await socket.send(message)
        await socket.wait_closed()
        heard.append("closed")

    async with house(answer) as url:
        got = await WebsocketUpstream().send(asked(url))
        assert (got.status, got.headers["content-type"]) == (200, "text/event-stream")
        body = await got.read(1 << 20)
        await got.aclose()
    assert body == b'data: {"a":1}\n\ndata: two\ndata: lines\n\ndata: last\n\n'
    assert heard == [("1", None), '{"q":1}', "closed"]


async def test_a_refused_handshake_is_an_answer() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nX-Why: key\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        got = await WebsocketUpstream().send(asked(f"ws://127.0.0.1:{port}/"))
        assert (got.status, got.headers["x-why"], await got.read(100)) == (401, "key", b"{}")
        assert [chunk async for chunk in got.chunks()] == [b"{}"]
        await got.aclose()


async def test_redirects_are_not_followed() -> None:
    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await WebsocketUpstream().send(asked(f"ws://127.0.0.1:{port}/"))).status == 302


async def test_nobody_there() -> None:
    with pytest.raises(ConnectFailed) as failure:
        await WebsocketUpstream().send(asked("ws://127.0.0.1:9/"))
    assert failure.value.phase == "connect"
    assert "127.0.0.1" not in str(failure.value)


async def test_what_is_no_websocket() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProtocolBroken):
            await WebsocketUpstream().send(asked(f"ws://127.0.0.1:{port}/"))


async def _failure(handler: Handler, limit: int = 1 << 20, **limits: float) -> UpstreamFailure:
    async with house(handler) as url:
        got = await WebsocketUpstream().send(asked(url, **limits))
        with pytest.raises(UpstreamFailure) as failure:
            await got.read(limit)
    return failure.value


async def test_silence_ends() -> None:
    async def silent(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async def one(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("one")
        await socket.wait_closed()

    first, later = await _failure(silent, first_byte=0.2), await _failure(one, idle=0.2)
    assert isinstance(first, TimedOut)
    assert isinstance(later, TimedOut)
    assert (first.phase, later.phase) == ("first_byte", "body")


async def test_a_connection_that_breaks() -> None:
    async def breaks(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("one")
        socket.transport.abort()

    assert isinstance(await _failure(breaks), ConnectionBroken)


async def test_too_much() -> None:
    async def much(socket: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            while True:
                await socket.send("x" * 1000)

    assert isinstance(await _failure(much, limit=5000), AnswerTooLarge)


async def test_a_vendor_that_closes_before_the_last_is_an_end() -> None:
    async def closes(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send("one")

    async with house(closes) as url:
        got = await WebsocketUpstream().send(asked(url))
        assert await got.read(100) == b"data: one\n\n"

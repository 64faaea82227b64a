"""Requests by a proxy: forward, CONNECT and SOCKS 5, with credentials."""

from __future__ import annotations

import asyncio
import base64
import socket
from contextlib import suppress
from typing import Any

import pytest

from core.settings import CoreSettings
from core.upstream.interface import ConnectFailed, Timeouts, UpstreamFailure, UpstreamRequest
from core.upstream.pool import open_upstream

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LIMITS = Timeouts(2, 2, 2)


async def listen(serve: Any) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_forward_proxy_gets_the_whole_address_and_the_credentials() -> None:
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    server, port = await listen(proxy)
    upstream = open_upstream(CoreSettings())
    answer = await upstream.send(
        UpstreamRequest("GET", "http://vendor.invalid/v1", [], b"", LIMITS, f"http://me:secret@127.0.0.1:{port}")
    )
    assert await answer.read(9) == b"ok"
    assert seen[0].startswith(b"GET http://vendor.invalid/v1 HTTP/1.1\r\n")
    assert base64.b64encode(b"me:secret") in seen[0]
    await upstream.aclose()
    server.close()


async def test_a_tunnel_is_asked_for_https_and_its_refusal_told_without_credentials() -> None:
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server, port = await listen(proxy)
    upstream = open_upstream(CoreSettings())
    with pytest.raises(UpstreamFailure) as caught:
        await upstream.send(
            UpstreamRequest("GET", "https://vendor.invalid/", [], b"", LIMITS, f"http://me:secret@127.0.0.1:{port}")
        )
    assert seen[0].startswith(b"CONNECT vendor.invalid:443 ")
    assert "secret" not in str(caught.value)
    assert "vendor" not in str(caught.value)
    await upstream.aclose()
    server.close()


async def test_socks5() -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            _, methods = await reader.readexactly(2)
            await reader.readexactly(methods)
            writer.write(b"\x05\x00")
            request = await reader.readexactly(4)
            size = 4 if request[3] == 1 else (await reader.readexactly(1))[0]
            await reader.readexactly(size + 2)
            writer.write(b"\x05\x00\x00\x01" + socket.inet_aton("127.0.0.1") + b"\x00\x50")
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await writer.drain()
        writer.close()

    server, port = await listen(proxy)
    upstream = open_upstream(CoreSettings())
    answer = await upstream.send(
        UpstreamRequest("GET", "http://127.0.0.1:9/", [], b"", LIMITS, f"socks5://127.0.0.1:{port}")
    )
    assert await answer.read(9) == b"ok"
    await upstream.aclose()
    server.close()


async def test_a_proxy_that_is_not_there_or_not_valid() -> None:
    upstream = open_upstream(CoreSettings())
    for proxy in ("http://me:secret@127.0.0.1:1", "ftp://me:secret@x", "socks5://"):
        with pytest.raises(ConnectFailed) as caught:
            await upstream.send(UpstreamRequest("GET", "http://127.0.0.1:9/", [], b"", LIMITS, proxy))
        assert "secret" not in str(caught.value)
    await upstream.aclose()

"""Both HTTP clients against a server that breaks in every way we know."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.upstream.interface import (
    AnswerTooLarge,
    ConnectFailed,
    ConnectionBroken,
    ProtocolBroken,
    TimedOut,
    Timeouts,
    Upstream,
    UpstreamFailure,
    UpstreamRequest,
)
from core.upstream.library import LibraryUpstream
from core.upstream.wire import WireUpstream, trusting

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request of each connection with what the test says."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = self.plain
        self.connections = 0
        self.requests: list[bytes] = []
        self.closed = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def plain(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-a: 2\r\n\r\nok")

    def raw(self, *pieces: bytes, close: bool = False) -> None:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                writer.close()

        self.behaviour = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                body = b""
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        body = await reader.readexactly(int(line[15:]))
                self.requests.append(head + body)
                await self.behaviour(reader, writer)
        self.closed.set()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Any]:
    faults = Server()
    listener = await asyncio.start_server(faults.serve, "127.0.0.1", 0)
    faults.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1/x?q=1"  # type: ignore[attr-defined]
    yield faults
    listener.close()
    for writer in faults.writers:
        writer.transport.abort()


@pytest.fixture(params=["wire", "library"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Upstream]:
    made: Upstream = WireUpstream() if request.param == "wire" else LibraryUpstream()
    yield made
    await made.aclose()


@pytest.fixture
async def wire() -> AsyncIterator[WireUpstream]:
    made = WireUpstream()
    yield made
    await made.aclose()


FAST = Timeouts(connect=2.0, first_byte=0.2, idle=0.2)


def ask(server: Any, method: str = "POST", timeouts: Timeouts = Timeouts(2, 2, 2), **more: Any) -> UpstreamRequest:
    headers = more.pop("headers", [("Content-Type", "application/json"), ("Authorization", "Bearer secret-key")])
    return UpstreamRequest(method, server.url, headers, more.pop("body", b'{"a":1}'), timeouts, **more)


async def exchange(client: Upstream, request: UpstreamRequest, limit: int = 1 << 20) -> tuple[int, bytes]:
    answer = await client.send(request)
    try:
        return answer.status, await answer.read(limit)
    finally:
        await answer.aclose()


async def test_says_what_was_asked_and_keeps_the_connection(client: Upstream, server: Any) -> None:
    answer = await client.send(ask(server, headers=[("X-Own", "v"), ("Expect", "100-continue"), ("Host", "evil")]))
    assert answer.status == 200
    assert answer.headers["x-a"] == "1, 2"
    assert await answer.read(10) == b"ok"
    await answer.aclose()
    await answer.aclose()
    assert await exchange(client, ask(server)) == (200, b"ok")
    sent = server.requests[0].lower()
    assert sent.startswith(b"post /v1/x?q=1 http/1.1\r\n")
    assert sent.endswith(b'\r\n\r\n{"a":1}')
    assert b"x-own: v\r\n" in sent
    assert b"expect" not in sent
    assert b"evil" not in sent
    assert server.connections == 1


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_undoes_compression(client: Upstream, server: Any, coding: str) -> None:
    body = b"abc" * 1000
    packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    server.raw(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding.encode(), len(packed)),
        packed,
    )
    assert await exchange(client, ask(server)) == (200, body)


async def test_a_decompression_bomb_is_stopped(client: Upstream, server: Any) -> None:
    packed = gzip.compress(bytes(50 << 20))
    server.raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed), packed)
    with pytest.raises(AnswerTooLarge):
        await exchange(client, ask(server), 1 << 20)


BROKEN = {
    "nothing": ([], ConnectionBroken),
    "half a head": ([b"HTTP/1.1 200 OK\r\nContent-"], ConnectionBroken),
    "not http": ([b"SSH-2.0-OpenSSH_9\r\n\r\n"], UpstreamFailure),
    "cut body": ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], ConnectionBroken),
    "cut chunks": ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"], UpstreamFailure),
    "bad chunks": (
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabcde\r\n"],
        UpstreamFailure,
    ),
    "gzip garbage": (
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\ngarbage"],
        ProtocolBroken,
    ),
    "cut gzip": (
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"a" * 99)[:-9]],
        ProtocolBroken,
    ),
    "unknown coding": (
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx"],
        ProtocolBroken,
    ),
    "endless line": ([b"HTTP/1.1 200 OK\r\nX: " + b"a" * 600_000], UpstreamFailure),
    "huge head": ([b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 120_000 + b"\r\n"], UpstreamFailure),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_answers_are_told_without_addresses(client: Upstream, server: Any, name: str) -> None:
    pieces, kind = BROKEN[name]
    server.raw(*pieces, close=True)
    with pytest.raises(kind) as caught:
        await exchange(client, ask(server))
    assert "127.0.0.1" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_refused(client: Upstream) -> None:
    with pytest.raises(ConnectFailed) as caught:
        await client.send(UpstreamRequest("GET", "http://127.0.0.1:1/x", []))
    assert caught.value.phase == "connect"
    assert "127" not in str(caught.value)


async def test_an_html_error_is_an_answer(client: Upstream, server: Any) -> None:
    server.raw(b"HTTP/1.0 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>no</html>", close=True)
    assert await exchange(client, ask(server)) == (502, b"<html>no</html>")


async def test_redirects_are_not_followed(client: Upstream, server: Any) -> None:
    server.raw(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    assert (await exchange(client, ask(server)))[0] == 302


async def test_one_byte_pieces_trailers_and_interim_answers(client: Upstream, server: Any) -> None:
    whole = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n"
    )
    server.raw(*(whole[i : i + 1] for i in range(len(whole))))
    for _ in range(2):
        answer = await client.send(ask(server))
        assert "link" not in answer.headers
        assert await answer.read(10) == b"abcde"
    assert server.connections == 1


@pytest.mark.parametrize("head", [b"204 No Content\r\n", b"304 Not Modified\r\nContent-Length: 5\r\n"])
async def test_answers_without_body(client: Upstream, server: Any, head: bytes) -> None:
    server.raw(b"HTTP/1.1 " + head + b"\r\n")
    assert await exchange(client, ask(server, "GET", body=b"")) == (int(head[:3]), b"")


async def test_head(client: Upstream, server: Any) -> None:
    server.raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n")
    assert await exchange(client, ask(server, "HEAD", body=b"")) == (200, b"")


async def test_a_slow_first_byte_times_out(wire: WireUpstream, server: Any) -> None:
    server.raw()
    with pytest.raises(TimedOut) as caught:
        await wire.send(ask(server, timeouts=FAST))
    assert caught.value.phase == "first_byte"
    await asyncio.wait_for(server.closed.wait(), 2)
    assert len(server.requests) == 1


async def test_silence_inside_a_body_times_out(client: Upstream, server: Any) -> None:
    server.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    answer = await client.send(ask(server, timeouts=FAST))
    chunks = answer.chunks()
    assert await anext(chunks) == b"abc"
    with pytest.raises(TimedOut) as caught:
        await anext(chunks)
    assert caught.value.phase == "body"
    await asyncio.wait_for(server.closed.wait(), 2)


async def test_cancelling_closes_the_connection(wire: WireUpstream, server: Any) -> None:
    arrived = asyncio.Event()

    async def silent(*_: Any) -> None:
        arrived.set()

    server.behaviour = silent
    task = asyncio.create_task(wire.send(ask(server)))
    await asyncio.wait_for(arrived.wait(), 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.closed.wait(), 2)


async def test_closing_an_answer_early_closes_the_connection(client: Upstream, server: Any) -> None:
    server.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nabc")
    answer = await client.send(ask(server))
    await answer.aclose()
    await asyncio.wait_for(server.closed.wait(), 2)


async def test_the_server_is_held_while_nobody_reads(client: Upstream, server: Any) -> None:
    total, sent, held = 64 << 20, 0, asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(bytes(1 << 20))
            try:
                await asyncio.wait_for(asyncio.shield(task := asyncio.ensure_future(writer.drain())), 0.3)
            except TimeoutError:
                held.set()
                await task
            sent += 1 << 20

    server.behaviour = flood
    answer = await client.send(ask(server, timeouts=Timeouts(5, 5, 5)))
    await asyncio.wait_for(held.wait(), 10)
    assert sent < total // 2
    received = 0
    async for chunk in answer.chunks():
        received += len(chunk)
    assert received == total


async def test_a_connection_closed_while_idle_is_replaced(client: Upstream, server: Any) -> None:
    assert await exchange(client, ask(server)) == (200, b"ok")
    server.writers[0].close()
    await asyncio.wait_for(server.closed.wait(), 2)
    assert await exchange(client, ask(server)) == (200, b"ok")
    assert server.connections == 2


async def test_a_header_that_breaks_its_line_is_refused(client: Upstream, server: Any) -> None:
    with pytest.raises(UpstreamFailure):
        await client.send(ask(server, headers=[("X", "a\r\nY: b")]))
    assert server.requests == []


async def test_resent_once_on_a_fresh_connection_only(wire: WireUpstream, server: Any) -> None:
    await exchange(wire, ask(server))
    server.raw(close=True)  # closes after the request was read, before any byte of an answer
    with pytest.raises(ConnectionBroken):
        await wire.send(ask(server))
    assert len(server.requests) == 3
    assert server.connections == 2


async def test_not_resent_after_a_byte(wire: WireUpstream, server: Any) -> None:
    await exchange(wire, ask(server))
    server.raw(b"H", close=True)
    with pytest.raises(UpstreamFailure):
        await wire.send(ask(server))
    assert len(server.requests) == 2


async def test_junk_after_an_answer_is_not_the_next_answer(wire: WireUpstream, server: Any) -> None:
    server.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    for _ in range(2):
        assert await exchange(wire, ask(server)) == (200, b"ok")
    assert server.connections == 2


async def test_one_read_is_one_chunk(wire: WireUpstream, server: Any) -> None:
    events = b"".join(b"5\r\nabcd\n\r\n" for _ in range(100))
    server.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + events + b"0\r\n\r\n")
    answer = await wire.send(ask(server))
    assert [chunk async for chunk in answer.chunks()] == [b"abcd\n" * 100]


async def test_idle_connections_expire(server: Any) -> None:
    wire = WireUpstream(idle_seconds=0.05)
    await exchange(wire, ask(server))
    await asyncio.wait_for(server.closed.wait(), 2)
    await wire.aclose()


async def test_no_more_connections_than_allowed(server: Any) -> None:
    wire = WireUpstream(max_per_host=2)
    answers = await asyncio.gather(*(exchange(wire, ask(server)) for _ in range(20)))
    assert answers == [(200, b"ok")] * 20
    assert server.connections == 2
    await wire.aclose()


@pytest.mark.parametrize("limit", ["max_idle_per_host", "max_idle"])
async def test_no_more_idle_connections_than_allowed(server: Any, limit: str) -> None:
    """RELAY_MAX_IDLE_CONNS_PER_HOST and RELAY_MAX_IDLE_CONNS: those used longest ago are closed."""
    arrived, gate = asyncio.Semaphore(0), asyncio.Event()

    async def held(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.release()
        await gate.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server.behaviour = held
    options: dict[str, Any] = {limit: 2}
    wire = WireUpstream(**options)
    running = [asyncio.ensure_future(exchange(wire, ask(server, timeouts=Timeouts(20, 20, 20)))) for _ in range(5)]
    for _ in range(5):
        await arrived.acquire()
    gate.set()
    assert await asyncio.gather(*running) == [(200, b"ok")] * 5
    assert sum(len(kept) for kept in wire._idle.values()) == 2
    for _ in range(3):
        await exchange(wire, ask(server))
    assert server.connections == 5, "what is kept is used"
    await wire.aclose()


@pytest.mark.parametrize("kind", ["wire", "library"])
async def test_certificates_count_unless_told_otherwise(kind: str, tmp_path: Path) -> None:
    """TLS_INSECURE_SKIP_VERIFY: a certificate nobody vouches for is refused, and taken where the operator says so."""
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=self_signed(tmp_path))
    server.url = f"https://localhost:{listener.sockets[0].getsockname()[1]}/v1/x"  # type: ignore[attr-defined]
    strict: Upstream = WireUpstream() if kind == "wire" else LibraryUpstream()
    lax: Upstream = WireUpstream(tls=trusting()) if kind == "wire" else LibraryUpstream(tls_insecure=True)
    request = ask(server, timeouts=Timeouts(20, 20, 20))
    with pytest.raises(ConnectFailed):
        await exchange(strict, request)
    assert await exchange(lax, request) == (200, b"ok")
    await strict.aclose()
    await lax.aclose()
    listener.close()
    for writer in server.writers:
        writer.transport.abort()


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context

"""Puts load on a server, and holds its answers to be whole.

wrk counts what comes back by status and bytes alone, so every run of it begins with requests of
our own, read to the last word, and its bytes an answer must be no fewer than theirs.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httptools
import uvloop
from isthmus.client import Client

from bench import figures, reading
from bench.figures import Figures
from bench.processes import Server

CHECKED = 8
"""Requests, all at once, that are read to the end before wrk's."""
PATIENCE_SECONDS = 120.0
"""The longest that one answer may take."""
GRPC_CALLERS = 16
DATE_BYTES = 16
"""What heads may differ by from answer to answer."""


@dataclass(frozen=True)
class Ask:
    """A request, and what its answer must hold."""

    path: str
    body: dict[str, Any]
    form: str = "openai"
    """The answer's form, as bench.reading names it."""
    expected: str = ""
    streamed: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    def raw(self, server: Server) -> bytes:
        """As HTTP/1.1 bytes."""
        body = json.dumps(self.body).encode()
        headers = {
            "Host": "127.0.0.1",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **server.headers,
            **self.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Exchange(asyncio.Protocol):
    """One request on a connection of its own; httptools calls the on_ methods."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._parser = httptools.HttpResponseParser(self)
        self._head_bytes = 0
        self._began = time.monotonic()
        self._transport: asyncio.Transport | None = None
        self.status = 0
        self.pieces: list[bytes] = []
        self.first = 0.0
        """When the first bytes of the body came."""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        """Reads."""
        if not self.status:
            self._head_bytes = data.find(b"\r\n\r\n") + 4
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        """The status."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A piece."""
        if not self.first:
            self.first = time.monotonic()
            if not self.begun.done():
                self.begun.set_result(None)
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        """The end."""
        if not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """An end before the end."""
        for future in (self.done, self.begun):
            if not future.done():
                after = f"{len(self.body)} bytes and {time.monotonic() - self._began:.1f} s"
                future.set_exception(reading.Incomplete(f"cut after {after} ({exc!r}): {self.body[-200:]!r}"))
                future.exception()

    def close(self) -> None:
        """Hangs up."""
        assert self._transport is not None
        self._transport.abort()

    @property
    def body(self) -> bytes:
        """What has come."""
        return b"".join(self.pieces)

    @property
    def size(self) -> int:
        """Bytes of head and body, without the framing of chunks."""
        return self._head_bytes + len(self.body)


async def begin(server: Server, sent: bytes) -> Exchange:
    """A connection with a request on its way."""
    loop = asyncio.get_running_loop()
    _, exchange = await loop.create_connection(lambda: Exchange(sent), "127.0.0.1", server.port)
    return exchange


async def whole(server: Server, ask: Ask, sent: bytes) -> Exchange:
    """One request to the end of its answer. Raises Incomplete."""
    exchange = await begin(server, sent)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await exchange.done
    finally:
        exchange.close()
    if exchange.status != 200:
        raise reading.Incomplete(f"status {exchange.status}: {exchange.body[:300]!r}")
    reading.check(ask.form, ask.streamed, exchange.body, ask.expected)
    return exchange


def checked(server: Server, ask: Ask) -> int:
    """Asks a few times at once, reads every answer to the end, and tells the size of one."""

    async def run() -> int:
        sent = ask.raw(server)
        found = await asyncio.gather(*(whole(server, ask, sent) for _ in range(CHECKED)))
        return min(exchange.size for exchange in found)

    return uvloop.run(run())


def _script(ask: Ask, server: Server, path: Path) -> Path:
    """A wrk script that posts the request, and tells of requests, microseconds, bytes and errors."""
    body = json.dumps(ask.body)
    headers = {"Content-Type": "application/json", **server.headers, **ask.headers}
    lines = [
        'wrk.method = "POST"',
        f"wrk.body = [==[{body}]==]",
        *(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()),
        "done = function(summary, latency, requests)",
        "  local errors = summary.errors",
        '  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,',
        "    latency:percentile(50), latency:percentile(99), summary.bytes,",
        "    errors.status + errors.connect + errors.read + errors.write + errors.timeout))",
        "end",
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def wrk(server: Server, ask: Ask, seconds: float, connections: int, folder: Path) -> Figures:
    """One run of wrk. Raises Incomplete where an answer was an error, or they are too short."""
    size = checked(server, ask)
    script = _script(ask, server, folder / "post.lua")
    before = server.cpu_seconds()
    ran = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s", "-s", str(script),
         server.base + ask.path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    used = server.cpu_seconds() - before
    match = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", ran.stdout)
    if not match:
        raise reading.Incomplete(f"wrk: {ran.stdout} {ran.stderr}")
    requests, duration, p50, p99, received, errors = map(int, match.groups())
    if not errors and not requests and seconds < PATIENCE_SECONDS / 2:
        # None of the answers was whole within the time.
        return wrk(server, ask, seconds * 4, connections, folder)
    if errors or not requests:
        raise reading.Incomplete(f"{errors} errors of {requests} requests at {server.base}{ask.path}")
    if received / requests < size - DATE_BYTES:
        raise reading.Incomplete(f"{received / requests:.0f} bytes an answer, where {size} were read before")
    spans = {"p50_ms": p50 / 1000, "p99_ms": p99 / 1000}
    return {**figures.made(requests, duration / 1e6, used, [0.0], server.rss_mb()), **spans}


def streams(server: Server, ask: Ask, count: int) -> Figures:
    """Opens many streams at once, and reads all of them to their ends: p50 and p99 are of whole streams."""

    async def one(sent: bytes) -> float:
        started = time.monotonic()
        await whole(server, ask, sent)
        return (time.monotonic() - started) * 1000

    async def run() -> list[float]:
        sent = ask.raw(server)
        return await asyncio.gather(*(one(sent) for _ in range(count)))

    before, started = server.cpu_seconds(), time.monotonic()
    spans = uvloop.run(run())
    seconds = time.monotonic() - started
    return figures.made(count, seconds, server.cpu_seconds() - before, spans, server.rss_mb())


def idle(server: Server, ask: Ask, count: int, seconds: float) -> Figures:
    """Opens many streams that hardly speak, and holds them.

    requests_per_s is streams opened a second, p50 and p99 the time to the first event, CPU that
    of a stream from its opening to the end of the hold, memory that while all are open.
    """

    async def run() -> Figures:
        sent = ask.raw(server)
        before, started = server.cpu_seconds(), time.monotonic()
        exchanges = await asyncio.gather(*(begin(server, sent) for _ in range(count)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(exchange.begun for exchange in exchanges))
        opened = time.monotonic() - started
        await asyncio.sleep(seconds)
        used, rss = server.cpu_seconds() - before, server.rss_mb()
        for exchange in exchanges:
            if exchange.done.done():
                raise reading.Incomplete(f"a stream ended: {exchange.body[-200:]!r}")
            if exchange.status != 200 or exchange.body.count(ask.expected.encode()) < 2:
                raise reading.Incomplete(f"status {exchange.status}: {exchange.body[-200:]!r}")
        for exchange in exchanges:
            exchange.close()
        spans = [(exchange.first - started) * 1000 for exchange in exchanges]
        return figures.made(count, opened, used, spans, rss)

    return uvloop.run(run())


def grpc(server: Server, model: str, expected: str, streamed: bool, seconds: float) -> Figures:
    """Generate or StreamGenerate over the wire, some at once, every text compared."""
    spans: list[float] = []

    async def told(client: Client) -> str:
        if not streamed:
            return (await client.generate(model, "x" * 800)).text
        stream = client.stream(model, "x" * 800)
        async for _ in stream:
            pass
        return stream.text

    async def one(client: Client, until: float) -> None:
        while time.monotonic() < until:
            started = time.monotonic()
            text = await told(client)
            if text != expected:
                raise reading.Incomplete(f"{len(text)} characters of {len(expected)}")
            spans.append((time.monotonic() - started) * 1000)

    async def run() -> None:
        async with Client(server.grpc, server.headers["Authorization"].removeprefix("Bearer ")) as client:
            until = time.monotonic() + seconds
            await asyncio.gather(*(one(client, until) for _ in range(GRPC_CALLERS)))

    before, started = server.cpu_seconds(), time.monotonic()
    asyncio.run(run())
    span = time.monotonic() - started
    return figures.made(len(spans), span, server.cpu_seconds() - before, spans, server.rss_mb())

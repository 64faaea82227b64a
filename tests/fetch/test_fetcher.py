"""The fetcher against servers that lie, lead elsewhere, never end, and names that change what they mean."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from core.errors import Overloaded
from core.fetch.fetcher import AT_ONCE, Budget, Fetched, Fetcher, Room
from core.fetch.rules import Refused, Rules
from core.fetch.sniff import sniff

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
MB = 1 << 20
LOCAL = Rules(networks=(ipaddress.ip_network("127.0.0.2/32"),), private=True)
"""Loopback is allowed, so that a server of the test may be asked; one address of it is not."""
Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers by path; remembers heads."""

    def __init__(self) -> None:
        self.paths: dict[str, Behaviour] = {}
        self.heads: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.asked = asyncio.Semaphore(0)
        """One for each request that came."""

    def says(self, path: str, *pieces: bytes) -> None:
        async def behave(writer: asyncio.StreamWriter) -> None:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()

        self.paths[path] = behave

    def holds(self, path: str, body: bytes, head: str = "") -> None:
        self.says(path, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode(), body)

    def leads(self, path: str, target: str, status: int = 302) -> None:
        self.says(path, f"HTTP/1.1 {status} Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            self.asked.release()
            await self.paths[head.split(" ")[1]](writer)
        writer.close()

    def url(self, path: str, host: str = "files.example") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    listener.close()
    for writer in made.writers:
        writer.transport.abort()


class Names:
    """A resolver whose answers change from one look-up to the next; the last one stays."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("no such name")
        answers = self.answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def fetcher(names: Names | None = None, limit: int = MB, seconds: float = 20.0, room: int = 64 * MB) -> Fetcher:
    return Fetcher(limit, seconds, room, names or Names(files_example=[["127.0.0.1"]]))


async def fetch(made: Fetcher, url: str, rules: Rules = LOCAL, most: int = 64 * MB) -> Fetched:
    budget = Budget(made.room, most)
    try:
        return await made.fetch(url, rules, budget)
    finally:
        budget.close()
        assert made.room.held == 0


async def test_a_file(server: Server) -> None:
    server.holds("/a.png?x=1", PNG, "Content-Type: text/html\r\n")
    found = await fetch(fetcher(), server.url("/a.png?x=1"))
    assert found == Fetched(PNG, "image/png")
    head = server.heads[0]
    assert f"\r\nHost: files.example:{server.port}\r\n" in head
    assert "authorization" not in head.lower()
    assert "cookie" not in head.lower()
    assert "\r\nAccept-Encoding: identity\r\n" in head


async def test_rebinding_one_look_up_is_judged_and_connected(server: Server) -> None:
    """A name that is public when it is judged and the machine's own when it is connected: it is not looked up twice."""
    server.holds("/a", PNG)
    names = Names(files_example=[["127.0.0.1"], ["127.0.0.2"]])
    assert (await fetch(fetcher(names), server.url("/a"))).data == PNG
    assert names.asked == ["files.example"]
    # Asked again it is judged anew.
    with pytest.raises(Refused, match="not allowed"):
        await fetch(fetcher(names), server.url("/a"))
    assert len(server.heads) == 1


async def test_one_forbidden_address_among_several_refuses_the_name(server: Server) -> None:
    names = Names(files_example=[["127.0.0.1", "127.0.0.2"]])
    with pytest.raises(Refused):
        await fetch(fetcher(names), server.url("/a"))
    assert not server.heads


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1"])
async def test_a_name_of_a_private_address_is_refused_before_anything_is_connected(
    server: Server, address: str
) -> None:
    rules = Rules(ports=())
    with pytest.raises(Refused, match="host"):
        await fetch(fetcher(Names(files_example=[[address]])), server.url("/a"), rules)
    assert not server.heads


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.2:{port}/b", "//127.0.0.2:{port}/b", "http://2130706434:{port}/b", "http://0x7f.0.0.2:{port}/b",
     "http://[::ffff:127.0.0.2]:{port}/b", "http://inner.example:{port}/b", "file:///etc/passwd",
     "http://metadata.google.internal/x", "http://user:secret@files.example:{port}/b"],
)  # fmt: skip
@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_judged_like_the_first(server: Server, target: str, status: int) -> None:
    server.leads("/a", target.format(port=server.port), status)
    server.holds("/b", PNG)
    names = Names(files_example=[["127.0.0.1"]], inner_example=[["127.0.0.2"]])
    with pytest.raises(Refused):
        await fetch(fetcher(names), server.url("/a"))
    assert len(server.heads) == 1


async def test_redirects_are_followed_few_times(server: Server) -> None:
    server.leads("/1", "/2")
    server.leads("/2", server.url("/3"), 308)
    server.leads("/3", "b", 303)
    server.holds("/b", PNG)
    assert (await fetch(fetcher(), server.url("/1"))).data == PNG
    server.leads("/0", "/1")
    with pytest.raises(Refused, match="redirected more than 3 times"):
        await fetch(fetcher(), server.url("/0"))
    server.leads("/loop", "/loop")
    with pytest.raises(Refused, match="redirected"):
        await fetch(fetcher(), server.url("/loop"))


async def test_a_length_over_the_limit_is_not_read(server: Server) -> None:
    server.says("/a", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    with pytest.raises(Refused, match="larger than 1 MB"):
        await fetch(fetcher(), server.url("/a"))


@pytest.mark.parametrize("head", ["", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n"])
async def test_an_endless_body_ends_at_the_limit(server: Server, head: str) -> None:
    """Without a length, in chunks, and as compressed members that hold nothing."""
    sent = 0

    async def behave(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        piece = gzip.compress(b"") * 3000 if "gzip" in head else b"x" * 60_000
        if "chunked" in head:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        while True:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    server.paths["/a"] = behave
    with pytest.raises(Refused, match="larger than 1 MB"):
        await fetch(fetcher(), server.url("/a"))
    assert sent < 32 * MB


async def test_a_slow_body_is_given_up(server: Server) -> None:
    """A byte now and then is not silence; the whole has a limit."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    server.paths["/a"] = behave
    with pytest.raises(Refused, match=r"did not arrive within 0\.3 s"):
        await fetch(fetcher(seconds=0.3), server.url("/a"))


async def test_a_silent_server_and_a_slow_look_up_are_given_up(server: Server) -> None:
    async def behave(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def slowly(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return ["127.0.0.1"]

    server.paths["/a"] = behave
    with pytest.raises(Refused, match="did not arrive"):
        await fetch(fetcher(seconds=0.3), server.url("/a"))
    with pytest.raises(Refused, match="did not arrive"):
        await fetch(Fetcher(MB, 0.3, MB, slowly), server.url("/a"))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_is_stopped_at_the_limit(server: Server, coding: str) -> None:
    packed = gzip.compress(bytes(50 * MB)) if coding == "gzip" else zlib.compress(bytes(50 * MB))
    server.holds("/a", packed, f"Content-Encoding: {coding}\r\n")
    with pytest.raises(Refused, match="larger than 1 MB"):
        await fetch(fetcher(), server.url("/a"))
    server.holds("/b", gzip.compress(PNG), "Content-Encoding: gzip\r\n")
    assert (await fetch(fetcher(), server.url("/b"))).data == PNG


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 206 Partial\r\nContent-Length: 1\r\n\r\nx", "answered 206"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "empty"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", "broke off"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "broke off"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000 + b"\r\n", "broke off"),
        (b"", "broke off"),
    ],
)
async def test_answers_that_are_no_file(server: Server, answer: bytes, why: str) -> None:
    server.says("/a", answer)
    with pytest.raises(Refused, match=why):
        await fetch(fetcher(), server.url("/a"))


async def test_nobody_there_and_no_such_name() -> None:
    with pytest.raises(Refused, match="could not be connected"):
        await fetch(fetcher(), "http://files.example:1/a")
    with pytest.raises(Refused, match="not known"):
        await fetch(fetcher(), "http://nowhere.example/a")


async def test_budgets_of_requests_and_of_the_worker(server: Server) -> None:
    server.holds("/a", bytes(MB // 2))
    made = fetcher(room=MB)
    with pytest.raises(Refused, match="the request is too large"):
        await fetch(made, server.url("/a"), most=MB // 4)
    first = Budget(made.room, MB)
    await made.fetch(server.url("/a"), LOCAL, first)
    second = Budget(made.room, MB)
    await made.fetch(server.url("/a"), LOCAL, second)
    with pytest.raises(Overloaded):
        await made.fetch(server.url("/a"), LOCAL, Budget(made.room, MB))
    first.close()
    first.close()
    second.close()
    assert 0 <= made.room.held < MB // 2


async def test_a_cancelled_fetch_closes_its_connection(server: Server) -> None:
    gone = asyncio.Event()

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nx")
        await writer.drain()
        with suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        gone.set()

    server.paths["/a"] = behave
    task = asyncio.ensure_future(fetch(fetcher(), server.url("/a")))
    await server.asked.acquire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(gone.wait(), 20)


async def test_no_more_at_once_than_there_are_places(server: Server) -> None:
    most = now = 0
    go = asyncio.Event()

    async def behave(writer: asyncio.StreamWriter) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await go.wait()
        now -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
        await writer.drain()

    server.paths["/a"] = behave
    made = fetcher()
    budget = Budget(Room(MB), MB)
    tasks = [asyncio.ensure_future(made.fetch(server.url("/a"), LOCAL, budget)) for _ in range(AT_ONCE + 10)]
    for _ in range(AT_ONCE):
        await server.asked.acquire()
    go.set()
    await asyncio.gather(*tasks)
    assert most == AT_ONCE


@pytest.mark.parametrize(
    ("data", "path", "told", "mime"),
    [
        (PNG, "/a.jpg", "text/html", "image/png"),
        (b"\xff\xd8\xff\xe0", "", "", "image/jpeg"),
        (b"GIF89a..", "", "", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "", "", "audio/wav"),
        (b"\x00\x00\x00\x20ftypisom", "", "", "video/mp4"),
        (b"\x00\x00\x00\x20ftypavif", "", "", "image/avif"),
        (b"%PDF-1.7\n", "", "", "application/pdf"),
        (b"PK\x03\x04....", "/report.docx?x=1", "",
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"PK\x03\x04....", "/x", "image/png", "application/zip"),
        (b"<html><body>", "/a.png", "image/png", "text/plain"),
        (b"a,b\n1,2", "/a.csv", "", "text/csv"),
        ("Grüße".encode(), "/x", "text/markdown; charset=utf-8", "text/markdown"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "/a.svg", "image/svg+xml", "text/plain"),
        (b"\x7fELF\x02\x01\x01\x00", "/a.png", "image/png", ""),
        (b"\x00" * 100, "", "image/png", ""),
        ("Grüße".encode("latin-1"), "/a.txt", "text/plain", ""),
    ],
)  # fmt: skip
def test_bytes_say_what_they_are(data: bytes, path: str, told: str, mime: str) -> None:
    assert sniff(data, path, told) == mime

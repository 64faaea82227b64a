"""Clients that mean harm, or are merely slow: the answer is clear, the time and the memory are bounded."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.integration.house import House, children, forget_peak, house, http, memory, until

HEAD_SECONDS = 1.0
BODY_SECONDS = 1.5
IDLE_SECONDS = 1.5
MOST_MB = 4
LEEWAY = 5.0
"""Seconds a busy machine may be late by."""
CHAT = "/v1/chat/completions"
BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}).encode()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with one worker and small limits."""
    environ = {
        "MAX_REQUEST_BODY_MB": str(MOST_MB),
        "ISTHMUS_HEADER_SECONDS": str(HEAD_SECONDS),
        "ISTHMUS_BODY_SECONDS": str(BODY_SECONDS),
        "ISTHMUS_KEEP_ALIVE_SECONDS": str(IDLE_SECONDS),
        "ISTHMUS_BODIES_IN_FLIGHT_MB": "6",
    }
    with house(tmp_path_factory.mktemp("small"), environ=environ) as made:
        made.add_channel()
        yield made
        # Whatever was sent: nothing is held, and only what was answered was charged.
        made.money()
        settled = made.rows("SELECT sum(settled) FROM purses p JOIN tokens t ON t.purse_id = p.id")[0][0]
        assert settled == made.rows("SELECT sum(quota) FROM logs WHERE type = 2")[0][0] > 0
        assert made.rows("SELECT count(*) FROM logs WHERE type <> 2 AND quota <> 0") == [(0,)]


@pytest.fixture
def secret(small: House) -> Iterator[str]:
    """A key; whatever a test does with it, the gateway is well afterwards."""
    _, made = small.add_key()
    yield made
    http_ok(small, made)


@pytest.fixture
def bounded(small: House) -> Iterator[None]:
    """The worker's memory stays below its base and 48 MB."""
    worker = children(small.gateway.pid)[0]
    forget_peak(worker)
    base = memory(worker)
    yield
    assert children(small.gateway.pid) == [worker]
    assert memory(worker, peak=True) - base < 48 << 20


def http_ok(small: House, secret: str) -> None:
    """The gateway is well."""
    assert small.chat(secret).status == 200


def connect(small: House) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", small.port), 10)
    raw.settimeout(20)
    return raw


def head(secret: str, *lines: str, path: str = CHAT) -> bytes:
    given = "".join(f"{line}\r\n" for line in lines)
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\n{given}\r\n"
    ).encode()


def told(raw: socket.socket) -> bytes:
    """All that comes until the gateway closes."""
    out = b""
    with contextlib.suppress(ConnectionError):
        while data := raw.recv(65536):
            out += data
    return out


def refused(answer: bytes, status: int) -> None:
    """An answer in OpenAI's envelope with the request's id in head and text, on a connection that is closed."""
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(f"HTTP/1.1 {status} ".encode()), answer[:300]
    headers = dict(line.lower().split(b": ", 1) for line in top.split(b"\r\n")[1:])
    assert headers[b"connection"] == b"close"
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert headers[b"x-request-id"].decode() in error["message"]


def drip(raw: socket.socket, piece: bytes, seconds: float) -> float:
    """Sends a piece every 50 ms until the gateway answers or hangs up; after how long that was."""
    began = time.monotonic()
    raw.setblocking(False)
    try:
        while time.monotonic() - began < seconds:
            with contextlib.suppress(BlockingIOError):
                raw.recv(1, socket.MSG_PEEK)
                return time.monotonic() - began
            raw.send(piece)
            time.sleep(0.05)
    except ConnectionError:
        return time.monotonic() - began
    finally:
        raw.settimeout(20)
    raise AssertionError(f"still there after {seconds} s")


# -- bodies ----------------------------------------------------------------------------------------


def test_the_key_is_checked_before_the_body_is_sent(small: House) -> None:
    """401 comes although no byte of the body ever does; the same with Expect: 100-continue."""
    with connect(small) as raw:
        raw.sendall(head("sk-wrong", "Content-Length: 1000000"))
        refused(told(raw), 401)
    with connect(small) as raw:
        raw.sendall(head("sk-wrong", "Content-Length: 1000000", "Expect: 100-continue"))
        refused(told(raw).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"), 401)


def test_200_mb_declared_are_refused_unread(small: House, secret: str, bounded: None) -> None:
    with connect(small) as raw:
        raw.sendall(head(secret, f"Content-Length: {200 << 20}") + b"x" * 1000)
        refused(told(raw), 413)


def test_200_mb_in_chunks_are_refused_at_the_limit(small: House, secret: str, bounded: None) -> None:
    piece = memoryview(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    sent = 0
    with connect(small) as raw:
        raw.sendall(head(secret, "Transfer-Encoding: chunked"))
        raw.setblocking(False)
        answer = b""
        deadline = time.monotonic() + 20
        while sent < 200 << 20 and time.monotonic() < deadline:
            try:
                sent += raw.send(piece[sent % len(piece) :])
            except BlockingIOError:
                time.sleep(0.005)
            except ConnectionError:
                break
            with contextlib.suppress(BlockingIOError, ConnectionError):
                answer += raw.recv(65536)
                break
        assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 32 << 20


def test_a_chunked_body_that_never_ends(small: House, secret: str, bounded: None) -> None:
    with connect(small) as raw:
        raw.sendall(head(secret, "Transfer-Encoding: chunked"))
        assert drip(raw, b"1\r\n \r\n", BODY_SECONDS + LEEWAY) >= BODY_SECONDS * 0.8
        refused(told(raw), 408)


def test_a_refused_body_may_not_go_on_for_ever(small: House, bounded: None) -> None:
    """After a 401 the body is read on, so that the client can read the answer; but not longer than a while."""
    with connect(small) as raw:
        raw.sendall(head("sk-wrong", "Content-Length: 1000000"))
        answer = raw.recv(65536)
        assert answer.startswith(b"HTTP/1.1 401 ")
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < IDLE_SECONDS * 2 + LEEWAY:
                raw.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < IDLE_SECONDS * 2 + LEEWAY


def test_gzip_bomb(small: House, secret: str, bounded: None) -> None:
    """256 MB of zeros in 256 kB."""
    bomb = gzip.compress(b"\0" * (256 << 20), 9)
    reply = http("POST", small.base + CHAT, bomb, {"Authorization": f"Bearer {secret}", "Content-Encoding": "gzip"})
    assert reply.status == 413
    assert reply.headers["x-request-id"] in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(BODY), "gzip", 200),
        (gzip.compress(BODY)[:-4], "gzip", 400),
        (gzip.compress(BODY)[:20], "gzip", 400),
        (BODY, "gzip", 400),
        (BODY, "br", 415),
        (BODY, "gzip, gzip", 415),
        (BODY, "identity", 200),
    ],
    ids=["gzip", "cut", "cut early", "not gzip", "br", "twice", "identity"],
)
def test_packed_bodies(small: House, secret: str, body: bytes, encoding: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {secret}", "Content-Encoding": encoding}
    assert http("POST", small.base + CHAT, body, headers).status == status


def test_too_many_bodies_at_once(small: House, secret: str) -> None:
    """Bodies that wait for their end count: past 6 MB in all the next gets 503, and room comes back."""
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            raw = stack.enter_context(connect(small))
            raw.sendall(head(secret, f"Content-Length: {3 << 20}") + b" " * ((3 << 20) - 10))
        # Time for them to be read; else it is one of them that is turned away.
        time.sleep(0.3)
        assert full(small, secret) == 503
    until(lambda: full(small, secret) == 200, "room did not come back", 10)


def full(small: House, secret: str) -> int:
    """The status of a request with a body of 1 MB."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "user": "x" * (1 << 20)}
    reply = http("POST", small.base + CHAT, body, {"Authorization": f"Bearer {secret}"})
    return reply.status


# -- heads -----------------------------------------------------------------------------------------


def test_slow_heads_have_a_time_of_their_own(small: House, secret: str, bounded: None) -> None:
    """Two hundred clients that send a byte now and then do not keep others out, and are sent away."""
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(connect(small)) for _ in range(200)]
        for raw in crowd:
            raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nX-Slow: ")
        http_ok(small, secret)
        took = drip(crowd[0], b"a", HEAD_SECONDS + LEEWAY)
        assert took >= HEAD_SECONDS * 0.5
        refused(told(crowd[0]), 408)
        for raw in crowd[1:]:
            assert told(raw).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "lines",
    [
        ["X-Long: " + "a" * 100_000],
        [f"X-{number}: a" for number in range(20_000)],
        ["X-Endless: " + "a" * 5_000_000],
        ["Cookie: " + "a=b; " * 20_000],
    ],
    ids=["long", "many", "endless", "cookies"],
)
def test_header_bombs(small: House, secret: str, bounded: None, lines: list[str]) -> None:
    with connect(small) as raw:
        with contextlib.suppress(ConnectionError):
            raw.sendall(head(secret, *lines, f"Content-Length: {len(BODY)}"))
        answer = told(raw)
        # A client that writes on may see a reset before it reads.
        assert not answer or answer.startswith(b"HTTP/1.1 413 ")


def test_long_heads_below_the_limit_are_fine(small: House, secret: str) -> None:
    """30 kB of the 32 kB that are allowed."""
    assert http(
        "POST", small.base + CHAT, BODY, {"Authorization": f"Bearer {secret}", "X-Long": "a" * 30_000}
    ).status == 200  # fmt: skip


def test_a_long_address(small: House, secret: str) -> None:
    reply = http("GET", small.base + "/v1/models?x=" + "a" * 20_000, headers={"Authorization": f"Bearer {secret}"})
    assert reply.status == 200
    reply = http("GET", small.base + "/v1/models/" + "a" * 20_000, headers={"Authorization": f"Bearer {secret}"})
    assert reply.status == 404
    assert len(reply.body) < 2000


BROKEN = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n",
    "no version": b"GET /v1/models\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunks": (
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "negative length": b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    "length in words": b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: five\r\n\r\n",
    "header without colon": b"GET /v1/models HTTP/1.1\r\nnonsense\r\n\r\n",
    "address in UTF-8": "GET /v1/mödels HTTP/1.1\r\n\r\n".encode(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_requests(small: House, secret: str, name: str) -> None:
    """400 and the end of the connection; never 200, never a worker's death."""
    with connect(small) as raw:
        raw.sendall(BROKEN[name])
        refused(told(raw), 400)


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"f" * 100, b"0\r\nX-Trailer: a\r\n\r\n"],
    ids=["not hexadecimal", "negative", "endless size", "trailer"],
)
def test_broken_chunks(small: House, secret: str, chunks: bytes) -> None:
    with connect(small) as raw:
        raw.sendall(head(secret, "Transfer-Encoding: chunked") + chunks)
        refused(told(raw), 400)


def test_pipelined_requests_are_answered_in_order(small: House, secret: str) -> None:
    """Three in one write: each has its own answer, in order; a refusal before the body ends the connection."""
    one = head(secret, f"Content-Length: {len(BODY)}") + BODY
    last = head(secret, f"Content-Length: {len(BODY)}", "Connection: close") + BODY
    with connect(small) as raw:
        raw.sendall(one + b"GET /v1/models/gpt-4o HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                    + secret.encode() + b"\r\n\r\n" + last)  # fmt: skip
        answers = told(raw).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * 3
    assert b'"chat.completion"' in answers[0]
    assert b'"id":"gpt-4o"' in answers[1]
    assert b'"chat.completion"' in answers[2]
    bad = head("sk-wrong", f"Content-Length: {len(BODY)}") + BODY
    with connect(small) as raw:
        raw.sendall(bad + one)
        refused(told(raw), 401)

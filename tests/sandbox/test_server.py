"""The Sandbox's server with clients that are odd, hostile or many."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from front.sandbox.server import MAX_BODY_BYTES
from tests.integration.house import http
from tests.sandbox.raw import exchange

CHAT = "/v1/chat/completions"


def chat(text: str) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).encode()


def post(body: bytes, extra: str = "") -> bytes:
    return f"POST {CHAT} HTTP/1.1\r\nHost: s\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def speak(sandbox: str, *writes: bytes, until: bytes = b"") -> bytes:
    """What comes back for these writes, until the server closes, or these bytes came as often as there were writes."""
    address = urlsplit(sandbox)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        for data in writes:
            connection.sendall(data)
        seen = b""
        while not until or seen.count(until) < len(writes):
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                break
            if not data:
                break
            seen += data
        return seen


def test_pipelined_requests_are_answered_in_their_order(sandbox: str) -> None:
    slow, quick = chat("slow [[sandbox first_byte_ms=150]]"), chat("quick")
    seen = speak(sandbox, post(slow) + post(quick), post(quick, "Connection: close\r\n"))
    assert seen.count(b"HTTP/1.1 200 OK") == 3
    assert seen.index(b"heard: slow") < seen.index(b"heard: quick")


def test_a_request_byte_by_byte(sandbox: str) -> None:
    data = post(chat("drop by drop"), "Connection: close\r\n")
    assert b"heard: drop by drop" in speak(sandbox, *(data[at : at + 1] for at in range(len(data))))


def test_connections_are_kept_or_closed_as_asked(sandbox: str) -> None:
    seen = speak(sandbox, post(chat("one")), post(chat("two")), until=b"HTTP/1.1 200")
    assert seen.count(b"HTTP/1.1 200 OK") == 2
    assert b"heard: last" in speak(sandbox, post(chat("last [[sandbox delay_ms=1]]"), "Connection: close\r\n"))


def test_expect_continue(sandbox: str) -> None:
    seen = speak(sandbox, post(chat("Hi"), "Expect: 100-continue\r\nConnection: close\r\n"))
    assert seen.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_no_http_ends_the_connection(sandbox: str, data: bytes) -> None:
    assert b"200" not in speak(sandbox, data)
    assert http("GET", sandbox + "/").status == 200


def test_headers_without_end(sandbox: str) -> None:
    assert speak(sandbox, b"GET / HTTP/1.1\r\n", *([b"X-A: " + b"x" * 60_000 + b"\r\n"] * 5), b"\r\n") == b""


def test_a_body_that_is_too_large_is_told(sandbox: str) -> None:
    seen = exchange(sandbox, CHAT, b" " * (MAX_BODY_BYTES + 1), {})
    assert (seen.status, seen.json()["error"]["type"]) == (413, "invalid_request_error")


@pytest.mark.parametrize("path", ["//[", "/%ff%00", "/v1/models/%2e%2e?key=%zz", "/v1beta/", "/v1/messages/x", "*"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_odd_paths(sandbox: str, path: str, method: str) -> None:
    seen = exchange(sandbox, path, b"", {"x-api-key": "k", "anthropic-version": "1"}, method=method)
    assert seen.end == "complete"
    assert seen.status in (200, 400, 401, 403, 404)
    assert seen.json()


@pytest.mark.parametrize("depth", [100, 300, 900, 1100, 100_000])
@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
def test_deep_values(sandbox: str, path: str, depth: int) -> None:
    body = chat("Hi")[:-1] + b', "input": "Hi", "metadata": ' + b"[" * depth + b"]" * depth + b"}"
    seen = exchange(sandbox, path, body, {})
    assert seen.end == "complete"
    assert seen.status == (200 if depth == 100 else seen.status)
    assert seen.status in (200, 400)


@pytest.mark.parametrize("text", ["🙂 é", "\\ud800", "\\u0000", "\\n\\r data: x"])
def test_odd_letters(sandbox: str, text: str) -> None:
    body = b'{"model": "m", "messages": [{"role": "user", "content": "%b"}]}' % text.encode()
    seen = exchange(sandbox, CHAT, body, {})
    assert (seen.end, seen.status) == ("complete", 400 if text == "\\ud800" else 200)


def test_orders_of_a_request_without_a_body(sandbox: str) -> None:
    assert exchange(sandbox, "/v1/models", b"", {"x-sandbox": "status=503"}, method="GET").status == 503
    assert exchange(sandbox, "/v1/models", b"", {"x-sandbox": "status=x"}, method="GET").status == 400

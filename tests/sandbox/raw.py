"""A client that sees what an HTTP library hides: writes, how a connection ended, and when the first byte came."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Seen:
    """An answer as it came. end: "complete", "cut" (in the middle), "none" (no byte at all), "open" (still waiting)."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    end: str = ""
    first_byte: float = 0.0
    seconds: float = 0.0

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[bytes]:
        """The data of each server-sent event."""
        blocks = [block for block in self.body.split(b"\n\n") if block]
        return [block.rpartition(b"data: ")[2] for block in blocks]


def exchange(
    base: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    wait: float = 30.0,
    most: int = 1 << 22,
    method: str = "POST",
) -> Seen:
    """One request on a connection of its own, read until it ends, `most` bytes came, or none came for `wait` seconds."""
    address = urlsplit(base)
    lines = [f"{method} {path} HTTP/1.1", "Host: sandbox", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection((address.hostname, address.port), timeout=wait) as connection:
        began = time.monotonic()
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        raw, seen = b"", Seen()
        while True:
            try:
                data = connection.recv(65536)
            except TimeoutError:
                seen.end = "open"
                break
            except ConnectionResetError:
                data = b""
            if not data:
                seen.end = "cut" if raw else "none"
                break
            seen.first_byte = seen.first_byte or time.monotonic() - began
            raw += data
            if len(raw) >= most or _complete(raw):
                seen.end = "open" if len(raw) >= most else "complete"
                break
        seen.seconds = time.monotonic() - began
    _read(raw, seen)
    return seen


def _complete(raw: bytes) -> bool:
    """Whether the answer is whole."""
    seen = Seen()
    head, found, rest = raw.partition(b"\r\n\r\n")
    if not found:
        return False
    _head(head, seen)
    if "content-length" in seen.headers:
        return len(rest) >= int(seen.headers["content-length"])
    return raw.endswith(b"\r\n0\r\n\r\n")


def _head(head: bytes, seen: Seen) -> None:
    first, *lines = head.decode().split("\r\n")
    seen.status = int(first.split()[1])
    seen.headers = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}


def _read(raw: bytes, seen: Seen) -> None:
    """Takes the answer apart; the last chunk may be a piece of one."""
    if not raw:
        return
    head, _, rest = raw.partition(b"\r\n\r\n")
    _head(head, seen)
    if "content-length" in seen.headers:
        seen.body = rest
        return
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        if length:
            seen.chunks.append(rest[:length])
        rest = rest[length + 2 :]
    seen.body = b"".join(seen.chunks)

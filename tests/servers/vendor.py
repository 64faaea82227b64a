"""A vendor over raw sockets that does as the channel's key says, and remembers: a thread for each connection."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@dataclass
class Asked:
    """One request: the connection it came on, and what the vendor saw of it."""

    connection: socket.socket
    key: str
    body: dict[str, Any]
    headers: dict[str, str]
    sent: int = 0
    """Bytes of the answer that the kernel has taken."""
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the gateway has closed the connection."""
    raw: bytes = b""
    """The body as it came."""
    method: str = "POST"
    path: str = ""
    """With its query."""

    def send(self, data: bytes) -> None:
        """Writes, as fast as it is read."""
        view = memoryview(data)
        while view:
            count = self.connection.send(view[: 64 << 10])
            self.sent += count
            view = view[count:]

    def head(self, kind: str = "application/json", status: str = "200 OK", extra: str = "") -> None:
        """A head without a length: the body is chunked, or ends with the connection."""
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{extra}\r\n".encode())

    def whole(self, body: bytes, kind: str = "application/json", status: str = "200 OK", extra: str = "") -> None:
        """A whole answer with its length."""
        self.head(kind, status, f"Content-Length: {len(body)}\r\n{extra}")
        self.send(body)

    def stream(self) -> None:
        """The head of a chunked event stream."""
        self.head("text/event-stream", extra="Transfer-Encoding: chunked\r\n")

    def chunk(self, data: bytes) -> None:
        """One chunk of it; b"" ends it."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def reset(self) -> None:
        """Ends the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def watch(self, seconds: float = 20.0) -> None:
        """Waits until the gateway closes the connection."""
        self.connection.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            try:
                if not self.connection.recv(1):
                    self.gone.set()
            except ConnectionError:
                self.gone.set()


def event(text: str = "", **fields: Any) -> bytes:
    """One event of OpenAI's stream: a piece of text, or what fields say."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": fields.pop("finish", None)}
    choices = fields.pop("choices", [choice])
    made = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + json.dumps(made).encode() + b"\n\n"


END = event(finish="stop") + event(choices=[], usage=USAGE) + b"data: [DONE]\n\n"


def answer(text: str = "fine", usage: Any = USAGE) -> bytes:
    """OpenAI's whole answer."""
    message = {"role": "assistant", "content": text}
    made = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return json.dumps({**made, "choices": choices, **({"usage": usage} if usage else {})}).encode()


def good(asked: Asked) -> None:
    """What a vendor that is well answers."""
    if not asked.body.get("stream"):
        asked.whole(answer())
        return
    asked.stream()
    asked.chunk(event("fine") + END)
    asked.chunk(b"")


Behaviour = Callable[[Asked], None]
KEY_HEADERS = ("authorization", "x-api-key", "x-goog-api-key")


class Vendor:
    """Listens on 127.0.0.1; behaviours by the key a channel has, `good` for others."""

    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        self.asked: list[Asked] = []
        self.counts: Counter[str] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def last(self, key: str) -> Asked:
        """The newest request that came with a key."""
        return next(asked for asked in reversed(self.asked) if asked.key == key)

    def wait(self, key: str, seconds: float = 20.0) -> Asked:
        """The first request with a key, once it is here."""
        deadline = time.monotonic() + seconds
        while not self.counts[key]:
            assert time.monotonic() < deadline, f"nothing came with the key {key}"
            time.sleep(0.01)
        return self.last(key)

    def close(self) -> None:
        """Ends the listener and every connection."""
        self._listener.close()
        for asked in self.asked:
            with contextlib.suppress(OSError):
                asked.connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    if not (data := connection.recv(65536)):
                        return
                    rest += data
                head, _, rest = rest.partition(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, path, _ = first.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                length = int(headers.get("content-length", "0"))
                while len(rest) < length:
                    rest += connection.recv(1 << 20)
                body, rest = rest[:length], rest[length:]
                sent = next((headers[name] for name in KEY_HEADERS if name in headers), "")
                key = sent.removeprefix("Bearer ")
                asked = Asked(connection, key, json.loads(body or b"{}"), headers, raw=body, method=method, path=path)
                self.asked.append(asked)
                self.counts[key] += 1
                self.behaviours.get(key, good)(asked)
                if asked.gone.is_set() or connection.fileno() < 0:
                    return


@contextlib.contextmanager
def vendor() -> Iterator[Vendor]:
    """A vendor for the time of the block."""
    made = Vendor()
    try:
        yield made
    finally:
        made.close()

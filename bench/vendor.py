"""A mock vendor fast enough to measure a gateway with: `python -m bench.vendor --port P`.

An asyncio protocol over httptools that answers with bytes made at start. The
model's name chooses the answer:

    bench-30k    a JSON answer of 30 kB
    bench-burst  100 server-sent events in one write (where the request streams)
    bench-split  100 events, each written apart, a turn of the event loop between them
    bench-paced  100 events, 10 ms apart
    bench-idle   an event every 5 s, for ever
    others       a JSON answer of 1 kB; where they stream: as bench-burst

/v1/embeddings answers one vector of 256 numbers. Other paths get the small answer, so
that a probe finds the server up. Requests of one connection are answered one at a time;
pipelining is not served.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any, cast

import httptools

EVENTS = 100
PACE_SECONDS = 0.01
IDLE_SECONDS = 5.0

_MODEL = re.compile(rb'"model"\s*:\s*"([^"]{1,128})"')
_STREAM = re.compile(rb'"stream"\s*:\s*true')


def _usage() -> dict[str, int]:
    """The tokens every answer tells."""
    return {"prompt_tokens": 200, "completion_tokens": EVENTS, "total_tokens": 200 + EVENTS}


def _json_reply(body: bytes) -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _completion(size: int) -> bytes:
    """A chat completion whose body has about size bytes."""
    answer: dict[str, Any] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ""},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _usage(),
    }
    room = size - len(json.dumps(answer))
    answer["choices"][0]["message"]["content"] = ("word " * (room // 5 + 1))[:room]
    return _json_reply(json.dumps(answer).encode())


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    """One server-sent event of a chat stream."""
    chunk: dict[str, Any] = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "bench",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    if finish:
        chunk["usage"] = _usage()
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    """One chunk of a chunked HTTP body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


SMALL = _completion(1000)
LARGE = _completion(30_000)
EMBEDDING = _json_reply(
    json.dumps(
        {
            "object": "list",
            "model": "bench",
            "data": [{"object": "embedding", "index": 0, "embedding": [n / 256 for n in range(256)]}],
            "usage": {"prompt_tokens": 200, "total_tokens": 200},
        }
    ).encode()
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
BODY_EVENTS = [_event({"role": "assistant", "content": "word "})] + [_event({"content": "word "})] * (EVENTS - 1)
LAST_EVENTS = _event({}, "stop") + b"data: [DONE]\n\n"
STREAM_END = b"0\r\n\r\n"
BURST = STREAM_HEAD + _chunk(b"".join(BODY_EVENTS) + LAST_EVENTS) + STREAM_END


class Vendor(asyncio.Protocol):
    """One connection; httptools calls the on_ methods."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        # uvloop's transports are no asyncio.Transport by inheritance.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what still streams."""
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; what it cannot read ends the connection."""
        assert self._transport is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Forgets the request before."""
        self._url = b""
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        """The path, maybe in pieces."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """The body, maybe in pieces."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answers."""
        assert self._transport is not None
        if self._url.startswith(b"/v1/embeddings"):
            self._transport.write(EMBEDDING)
            return
        found = _MODEL.search(self._body)
        model = found[1] if found else b""
        if not _STREAM.search(self._body):
            self._transport.write(LARGE if model == b"bench-30k" else SMALL)
        elif model == b"bench-split":
            self._task = asyncio.ensure_future(self._stream(0.0))
        elif model == b"bench-paced":
            self._task = asyncio.ensure_future(self._stream(PACE_SECONDS))
        elif model == b"bench-idle":
            self._task = asyncio.ensure_future(self._stream(IDLE_SECONDS, endless=True))
        else:
            self._transport.write(BURST)

    async def _stream(self, pause: float, *, endless: bool = False) -> None:
        """Writes the events apart."""
        assert self._transport is not None
        write = self._transport.write
        write(STREAM_HEAD)
        pieces = [_chunk(event) for event in BODY_EVENTS]
        while True:
            for piece in pieces:
                write(piece)
                await asyncio.sleep(pause)
            if not endless:
                break
        write(_chunk(LAST_EVENTS) + STREAM_END)


async def serve(host: str, port: int) -> asyncio.Server:
    """Starts the vendor; port 0 takes a free one."""
    return await asyncio.get_running_loop().create_server(Vendor, host, port, backlog=4096)


async def _run(host: str, port: int) -> None:
    """Serves until cancelled."""
    server = await serve(host, port)
    async with server:
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until interrupted, on uvloop where it is installed."""
    parser = argparse.ArgumentParser(prog="python -m bench.vendor", description="A fast mock vendor.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3200)
    arguments = parser.parse_args(argv)
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_run(arguments.host, arguments.port))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

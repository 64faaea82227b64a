"""A mock vendor fast enough to measure a gateway with: `python -m bench.vendor --port P`.

The Sandbox's connection, without its headers, that answers with bytes made at start. The
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
from typing import Any

from front.sandbox.connection import LAST_CHUNK, Connection, chunk, run

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
BURST = STREAM_HEAD + chunk(b"".join(BODY_EVENTS) + LAST_EVENTS) + LAST_CHUNK


class Vendor(Connection):
    """One connection."""

    def on_message_complete(self) -> None:
        """Answers."""
        if self.url.startswith(b"/v1/embeddings"):
            self.transport.write(EMBEDDING)
            return
        found = _MODEL.search(self.body)
        model = found[1] if found else b""
        if not _STREAM.search(self.body):
            self.transport.write(LARGE if model == b"bench-30k" else SMALL)
        elif model == b"bench-split":
            self.task = asyncio.ensure_future(self._stream(0.0))
        elif model == b"bench-paced":
            self.task = asyncio.ensure_future(self._stream(PACE_SECONDS))
        elif model == b"bench-idle":
            self.task = asyncio.ensure_future(self._stream(IDLE_SECONDS, endless=True))
        else:
            self.transport.write(BURST)

    async def _stream(self, pause: float, *, endless: bool = False) -> None:
        """Writes the events apart."""
        write = self.transport.write
        write(STREAM_HEAD)
        pieces = [chunk(event) for event in BODY_EVENTS]
        while True:
            for piece in pieces:
                write(piece)
                await asyncio.sleep(pause)
            if not endless:
                break
        write(chunk(LAST_EVENTS) + LAST_CHUNK)


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until interrupted, on uvloop where it is installed."""
    parser = argparse.ArgumentParser(prog="python -m bench.vendor", description="A fast mock vendor.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3200)
    arguments = parser.parse_args(argv)
    run(Vendor, arguments.host, arguments.port)


if __name__ == "__main__":
    main()

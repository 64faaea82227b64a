"""A mock vendor fast enough to measure a gateway with: `python -m bench.vendor --port P`.

The Sandbox's connection, without its headers, that answers with bytes made at start, in the
form that the path asks for: /v1/messages is Anthropic's, .../models/M:generateContent and
:streamGenerateContent are Gemini's, /v1/embeddings is OpenAI's vector, all else OpenAI's chat
(so that a probe finds the server up). The end of the model's name chooses the answer:

    -30k    an answer of 30 kB
    -split  100 server-sent events, each written apart, a turn of the event loop between them
    -paced  100 events, 10 ms apart
    -long   10,000 events, a hundred in each write
    -idle   an event at once and then every 5 s, for ever
    -fault  an error, status 500
    -cut    50 events, and the connection ends
    others  an answer of 1 kB; where the request streams: 100 events in one write

Requests of one connection are answered one at a time; pipelining is not served.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from bench import answers
from bench.answers import Answers
from front.sandbox.connection import Connection, run

PACE_SECONDS = 0.01
IDLE_SECONDS = 5.0

_MODEL = re.compile(rb'"model"\s*:\s*"([^"]{1,128})"')
_STREAM = re.compile(rb'"stream"\s*:\s*true')


class Clock:
    """Ticks for all paced streams at once, so that 600 of them cost one timer."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] | None = None

    async def tick(self) -> None:
        """Until the next tick."""
        if self._next is None or self._next.done():
            loop = asyncio.get_running_loop()
            made = self._next = loop.create_future()
            loop.call_later(PACE_SECONDS, made.set_result, None)
        await asyncio.shield(self._next)


async def _turn() -> None:
    await asyncio.sleep(0)


class Vendor(Connection):
    """One connection."""

    clock = Clock()

    def on_message_complete(self) -> None:
        """Answers."""
        url = self.url
        if url.startswith(b"/v1/embeddings"):
            self.transport.write(answers.EMBEDDING)
            return
        if b":streamGenerateContent" in url or b":generateContent" in url:
            form, streams = answers.GEMINI, b":stream" in url
            model = url.rpartition(b":")[0]
        else:
            form = answers.ANTHROPIC if url.startswith(b"/v1/messages") else answers.OPENAI
            found = _MODEL.search(self.body)
            model = found[1] if found else b""
            streams = _STREAM.search(self.body) is not None
        kind = model.rpartition(b"-")[2]
        if kind == b"fault":
            self.transport.write(answers.FAULT)
        elif not streams:
            self.transport.write(form.large if kind == b"30k" else form.small)
        elif (made := _STREAMS.get(kind)) is not None:
            self.task = asyncio.ensure_future(self._stream(made(self, form)))
        else:
            self.transport.write(form.burst)

    async def _stream(self, pieces: AsyncIterator[bytes]) -> None:
        """Writes pieces apart."""
        write = self.transport.write
        write(answers.STREAM_HEAD)
        async for piece in pieces:
            await self._writable.wait()
            write(piece)


async def _spaced(form: Answers, pause: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    for piece in form.events:
        yield piece
        await pause()
    yield form.last


async def _long(form: Answers) -> AsyncIterator[bytes]:
    first, event = form.events[0], form.events[1]
    yield first + event * (answers.EVENTS - 1)
    for _ in range(answers.LONG_EVENTS // answers.EVENTS - 1):
        await _turn()
        yield event * answers.EVENTS
    yield form.last


async def _idle(form: Answers) -> AsyncIterator[bytes]:
    yield form.events[0]
    while True:
        await asyncio.sleep(IDLE_SECONDS)
        yield form.events[1]


async def _cut(connection: Vendor, form: Answers) -> AsyncIterator[bytes]:
    for piece in form.events[: answers.EVENTS // 2]:
        yield piece
    await _turn()
    connection.transport.close()


_STREAMS: dict[bytes, Callable[[Vendor, Answers], AsyncIterator[bytes]]] = {
    b"split": lambda connection, form: _spaced(form, _turn),
    b"paced": lambda connection, form: _spaced(form, connection.clock.tick),
    b"long": lambda connection, form: _long(form),
    b"idle": lambda connection, form: _idle(form),
    b"cut": _cut,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until interrupted, on uvloop where it is installed."""
    parser = argparse.ArgumentParser(prog="python -m bench.vendor", description="A fast mock vendor.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3200)
    arguments = parser.parse_args(argv)
    run(Vendor, arguments.host, arguments.port)


if __name__ == "__main__":
    main()

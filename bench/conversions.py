"""What one event of a stream costs in processor time, in process: only what is pure, no socket, no ledger.

`python -m bench.conversions` prints the figures; a request is an event here, requests_per_s events
a second of processor time, p50 and p99 those of passes over a whole stream, an event (the median pass is the figure). Each event
is a read of its own, as vendors send them.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from isthmus.v1 import chat_pb2

from bench import answers, figures, reading
from bench.answers import Answers
from bench.figures import Figures
from bench.processes import rss_mb
from core.state.types import Channel, ChannelKey
from core.vendors.interface import Call, ChatForm
from core.vendors.registry import vendor
from front.dialects.anthropic import stream as anthropic_stream
from front.dialects.interface import StreamRenderer
from front.dialects.openai import render as openai_render

PASS_SECONDS = 0.5
_CHUNK = re.compile(rb"[0-9a-f]+\r\n")
MODEL = "bench"


def _call(number: int) -> Call:
    """An attempt at a vendor by its number."""
    groups = frozenset(("default",))
    channel = Channel(1, number, "bench", (ChannelKey(0, "x"),), "http://127.0.0.1", frozenset((MODEL,)), groups, 0, 1)
    return Call(channel=channel, secret="x", asked=MODEL, sent=MODEL, stream=True)


def _form(number: int) -> ChatForm:
    found = vendor(number)
    assert found is not None
    return found.chat[0]


def _events(form: Answers) -> list[bytes]:
    """A stream's bytes, one event a piece."""
    data = [_CHUNK.sub(b"", piece, count=1)[:-2] for piece in form.events]
    last = _CHUNK.sub(b"", form.last, count=1).removesuffix(b"\r\n0\r\n\r\n")
    return [event for event in re.split(rb"(?<=\n\n)|(?<=\n\r\n)", b"".join(data) + last) if event]


def _openai_renderer() -> StreamRenderer:
    return openai_render.StreamRenderer(MODEL, chat_pb2.ChatRequest(), "bench", 1_700_000_000)


def _anthropic_renderer() -> StreamRenderer:
    return anthropic_stream.StreamRenderer(MODEL, "bench")


@dataclass(frozen=True)
class Conversion:
    """A vendor's stream on its way to a client."""

    number: int
    """The vendor's."""
    stream: Answers
    renderer: Callable[[], StreamRenderer]
    form: str
    """The client's."""
    relayed: bool = False

    def run(self, events: Iterable[bytes]) -> bytes:
        """The whole stream as the client gets it."""
        call, form, renderer = _call(self.number), _form(self.number), self.renderer()
        out: list[bytes] = []
        if self.relayed:
            relay = form.relay(call)
            out += [renderer.native(relay.feed(event)) for event in events]
            return b"".join([*out, renderer.native(relay.end())])
        decoder = form.decoder(call)
        for event in events:
            out += [renderer.render(made) for made in decoder.feed(event)]
        return b"".join([*out, *(renderer.render(made) for made in decoder.end())])


CONVERSIONS = {
    "event_relayed": Conversion(1, answers.OPENAI, _openai_renderer, "openai", relayed=True),
    "event_translated": Conversion(1, answers.OPENAI, _anthropic_renderer, "anthropic"),
    "event_translated_anthropic": Conversion(14, answers.ANTHROPIC, _openai_renderer, "openai"),
    "event_translated_gemini": Conversion(24, answers.GEMINI, _openai_renderer, "openai"),
}


def measure(name: str, seconds: float = PASS_SECONDS) -> Figures:
    """The figures of one conversion. Raises Incomplete where it is not right."""
    conversion = CONVERSIONS[name]
    events = _events(conversion.stream)
    reading.check(conversion.form, True, conversion.run(events), answers.STREAM_TEXT)
    spans: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.process_time()
        conversion.run(events)
        spans.append((time.process_time() - started) / len(events) * 1000)
    # The median pass counts: others share the machine.
    used = statistics.median(spans) / 1000 * len(events)
    return figures.made(len(events), used, used, spans, rss_mb(os.getpid()))


def main() -> None:
    """Prints a line per conversion."""
    for name in CONVERSIONS:
        found = measure(name, 2.0)
        print(f"{name:<30}{found['cpu_us_per_request']:8.2f} us an event")


if __name__ == "__main__":
    main()

"""`make soak`: mixed dialects, streams and faults for a time; memory flat, nothing left over, every purse closes.

`python -m bench.soak [--seconds S]` (60 unless told) warms a worker up, then keeps it busy: small
and large answers in OpenAI's and Anthropic's dialects over every vendor, streams relayed and
translated, streams of 10,000 events, clients that hang up, vendors that fail and cut. Each answer
is read to its last word. Ends with 1 where memory has grown by more than --limit MB from warm-up to
end (or over long streams alone), where a connection was left open, where a purse stayed open, or
where an answer was wrong. Writes bench/results/soak.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench import answers, cases, figures, loads, processes, reading
from bench.processes import Cores, Server
from bench.run import gateway
from tests.integration.house import House

CALLERS = 16
SAMPLE_SECONDS = 0.5
WARM_UP_PART, LONG_PART = 0.3, 0.3
"""Of the time: before memory counts, and for long streams alone."""
LIMIT_MB = 10.0
SETTLE_SECONDS = 20.0
LONG_TEXT = answers.WORD * answers.LONG_EVENTS
ESTABLISHED = "01"
"""In /proc/net/tcp."""
SOAK = figures.RESULTS / "soak.json"

WHOLE = (
    cases.RELAY_1K,
    cases.RELAY_30K,
    cases.EMBED,
    cases.BURST,
    cases.SPLIT,
    cases.ANTHROPIC_OPENAI,
    cases.messages("openai-burst", answers.STREAM_TEXT, streamed=True),
    cases.messages("gemini-split", answers.STREAM_TEXT, streamed=True),
    cases.messages("anthropic-1k", answers.SMALL_TEXT),
    cases.chat("anthropic-burst", answers.STREAM_TEXT, streamed=True),
    cases.chat("gemini-1k", answers.SMALL_TEXT),
    cases.chat("gemini-burst", answers.STREAM_TEXT, streamed=True),
)
"""Asked for over and over; each answer must be whole."""
LONG = (
    cases.chat("bench-long", LONG_TEXT, streamed=True),
    cases.messages("openai-long", LONG_TEXT, streamed=True),
    cases.chat("gemini-long", LONG_TEXT, streamed=True),
)
LEFT = (cases.PACED, cases.chat("gemini-paced", "", streamed=True))
"""Streams that clients leave in the middle."""
FAULTS = (
    cases.chat("bench-fault", ""),
    cases.messages("openai-fault", ""),
    cases.chat("bench-cut", "", streamed=True),
    cases.chat("gemini-cut", "", streamed=True),
)
"""The vendor fails; the client must be told so."""


@dataclass
class Tally:
    """What was done, and what was wrong."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def _leave(server: Server, ask: loads.Ask) -> None:
    """Hangs up after the first events."""
    exchange = await loads.begin(server, ask.raw(server))
    try:
        async with asyncio.timeout(loads.PATIENCE_SECONDS):
            await exchange.begun
        await asyncio.sleep(0.05)
    finally:
        exchange.close()


async def _fail(server: Server, ask: loads.Ask) -> None:
    """Raises Incomplete where the client was not told that the vendor failed."""
    exchange = await loads.begin(server, ask.raw(server))
    try:
        async with asyncio.timeout(loads.PATIENCE_SECONDS):
            await exchange.done
    finally:
        exchange.close()
    told = exchange.status >= 500 if not ask.streamed else b'"error"' in exchange.body
    if not told:
        raise reading.Incomplete(f"{ask.body['model']}: status {exchange.status}: {exchange.body[-200:]!r}")


async def _whole(server: Server, ask: loads.Ask) -> None:
    await loads.whole(server, ask, ask.raw(server))


Act = tuple[str, Callable[[Server, loads.Ask], Awaitable[None]], Sequence[loads.Ask], int]
MIXED: Sequence[Act] = (
    ("answers", _whole, WHOLE, 30),
    ("long streams", _whole, LONG, 1),
    ("streams left by the client", _leave, LEFT, 2),
    ("vendor faults", _fail, FAULTS, 2),
)
"""What, how, which, and how often of 35 times."""
ALL_LONG: Sequence[Act] = (("long streams", _whole, LONG, 1),)


async def _busy(server: Server, acts: Sequence[Act], callers: int, until: float, tally: Tally) -> None:
    """Callers that act at random, by a seed, until a time."""

    async def one(number: int) -> None:
        chance = random.Random(number)
        weights = [act[3] for act in acts]
        while time.monotonic() < until:
            name, work, asks, _ = chance.choices(acts, weights)[0]
            ask = chance.choice(asks)
            try:
                await work(server, ask)
            except (reading.Incomplete, OSError, TimeoutError) as error:
                tally.wrong.append(f"{name}, {ask.path} {ask.body['model']}: {error!r}"[:400])
            tally.done[name] += 1

    await asyncio.gather(*(one(number) for number in range(callers)))


async def _sampled(worker: int, work: Awaitable[None]) -> list[float]:
    """Memory of the worker while the work goes on."""
    samples: list[float] = []
    task = asyncio.ensure_future(work)
    while not task.done():
        samples.append(processes.rss_mb(worker))
        await asyncio.wait([task], timeout=SAMPLE_SECONDS)
    await task
    return samples


def _sockets(port: int, *, remote: bool = False) -> int:
    """Established TCP sockets of this machine whose own port (or the other end's) is this one."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ends = ((line.split()[2 if remote else 1], line.split()[3]) for line in lines)
    return sum(1 for end, state in ends if state == ESTABLISHED and int(end.rpartition(":")[2], 16) == port)


def _level(samples: Sequence[float], *, end: bool) -> float:
    """Memory at the beginning or at the end: the median of a fifth of the samples."""
    some = max(1, len(samples) // 5)
    return statistics.median(samples[-some:] if end else samples[:some])


async def _soak(server: Server, seconds: float, tally: Tally) -> dict[str, float]:
    worker = server.worker()
    started = time.monotonic()
    mixed_ends = started + seconds * (1 - LONG_PART)
    await _busy(server, MIXED, CALLERS, started + seconds * WARM_UP_PART, tally)
    mixed = await _sampled(worker, _busy(server, MIXED, CALLERS, mixed_ends, tally))
    long = await _sampled(worker, _busy(server, ALL_LONG, 4, started + seconds, tally))
    if server.worker() != worker:
        tally.wrong.append("the worker died on the way")
    return {
        "rss_start_mb": _level(mixed, end=False),
        "rss_end_mb": _level(long, end=True),
        "rss_peak_mb": max(*mixed, *long),
        "rss_growth_mb": round(_level(mixed, end=True) - _level(mixed, end=False), 2),
        "rss_growth_long_mb": round(_level(long, end=True) - _level(long, end=False), 2),
    }


def _settled(made: House, vendor: str) -> Iterator[str]:
    """What is left over: looks again until nothing is, or for a while."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (left := _sockets(made.port)) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        yield f"{left} connections of clients are left open"
    pooled = _sockets(int(vendor.rpartition(":")[2]), remote=True)
    if pooled > CALLERS:
        yield f"{pooled} connections to the vendor are left open; {CALLERS} callers need no more than one each"
    try:
        purses = made.money()
    except AssertionError as error:
        yield f"purses: {error}"
        return
    for number, granted, available, settled, debt in purses:
        if granted + debt != available + settled:
            yield f"purse {number}: granted {granted}, available {available}, settled {settled}, debt {debt}"


def soak(seconds: float) -> tuple[dict[str, Any], list[str]]:
    """The figures, and all that was wrong."""
    cores, tally = Cores.here(), Tally()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-soak-")))
        stack.enter_context(processes.on_core(cores.load))
        vendor, _ = stack.enter_context(processes.module("bench.vendor"))
        with processes.on_core(cores.measured):
            server, made = stack.enter_context(gateway(vendor, folder / "data"))
        for ask in itertools.chain(WHOLE, LONG):
            loads.checked(server, ask)
        found: dict[str, Any] = uvloop.run(_soak(server, seconds, tally))
        wrong = tally.wrong + list(_settled(made, vendor))
    found["seconds"] = seconds
    found["done"] = dict(tally.done)
    found["wrong"] = len(wrong)
    return found, wrong


def main() -> int:
    """Soaks, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Watches memory under mixed load.")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--limit", type=float, default=LIMIT_MB, help="MB that memory may grow by")
    arguments = parser.parse_args()
    try:
        found, wrong = soak(arguments.seconds)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    for name in ("rss_growth_mb", "rss_growth_long_mb"):
        if found[name] > arguments.limit:
            wrong.append(f"{name} is {found[name]}, more than {arguments.limit:g}")
    figures.write(SOAK, {"soak": found})
    for name, value in found.items():
        print(f"{name:<20} {value}")
    for why in wrong[:20]:
        print(f"WRONG: {why}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

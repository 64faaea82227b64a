"""`python -m tests.soak --minutes 10`: mixed dialects, streams, faults and hang-ups against a real gateway.

Afterwards memory must be flat, no task and no connection left over, every purse closed, and what
the log charged must be what the purses settled. The suite runs one minute (test_soak.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.upstream.interface import Timeouts, UpstreamFailure, UpstreamRequest
from core.upstream.wire import WireUpstream
from tests.integration.house import House, children, house, memory, until

CLIENTS = 12
MODELS = {"soak-openai": 1, "soak-claude": 14, "soak-gemini": 24}
"""Model -> type of the channel that serves it: one of each wire form."""
LONG = "chunks=4000"
"""A long stream, for which more tokens are asked."""
FAULTS = (
    "status=500", "status=429 retry_after=1", "cut_after=3", "reset", "html", "broken_json", "gzip_garbage",
    "first_byte_ms=30", "error_in_stream", "no_usage", "one_byte", "chunks=40 delay_ms=2", LONG,
)  # fmt: skip
FAULTY, HANGS_UP = 0.3, 0.1
"""Shares of requests with a fault of the vendor's, and of streams that the client leaves in the middle."""
GROWTH_MOST = 12.0
"""MB that a worker may hold more in the last quarter than in the second: allocators are not exact."""


@dataclass
class Outcome:
    """What a soak saw. memory: MB of the largest worker, a sample a second."""

    seconds: float
    answers: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """MB of the last quarter's median over the second's."""
        quarter = max(1, len(self.memory) // 4)
        return statistics.median(self.memory[-quarter:]) - statistics.median(self.memory[quarter : 2 * quarter])


def asked(model: str, dialect: str, streamed: bool, text: str) -> tuple[str, dict[str, Any], list[tuple[str, str]]]:
    """Path, body and headers of a question in a dialect."""
    chat = [{"role": "user", "content": text}]
    if dialect == "openai":
        return "/v1/chat/completions", {"model": model, "messages": chat, "stream": streamed}, []
    if dialect == "responses":
        return "/v1/responses", {"model": model, "input": text, "stream": streamed}, []
    if dialect == "anthropic":
        body = {"model": model, "max_tokens": 10_000, "messages": chat, "stream": streamed}
        return "/v1/messages", body, [("anthropic-version", "2023-06-01")]
    action = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return f"/v1beta/models/{model}:{action}", {"contents": [{"role": "user", "parts": [{"text": text}]}]}, []


class Client:
    """One caller among many: asks, reads to the end or leaves, asks again."""

    def __init__(self, made: House, keys: list[str], seed: int, outcome: Outcome) -> None:
        self._made, self._keys, self._outcome = made, keys, outcome
        self._random = random.Random(seed)
        self._http = WireUpstream()

    async def run(self, until_time: float) -> None:
        """Asks until the time is over."""
        try:
            while time.monotonic() < until_time:
                await self._one()
        finally:
            await self._http.aclose()

    async def _one(self) -> None:
        draw = self._random
        streamed = draw.random() < 0.6
        orders = draw.choice(FAULTS) if draw.random() < FAULTY else f"chunks={draw.randrange(1, 60)}"
        tokens = 8000 if orders == LONG else draw.randrange(1, 300)
        text = f"[[sandbox {orders} tokens={tokens}]] question {draw.randrange(1000)}"
        dialect = draw.choice(("openai", "responses", "anthropic", "gemini"))
        path, body, headers = asked(draw.choice(list(MODELS)), dialect, streamed, text)
        sent = [("Content-Type", "application/json"), ("Authorization", f"Bearer {draw.choice(self._keys)}"), *headers]
        request = UpstreamRequest("POST", self._made.base + path, sent, json.dumps(body).encode(), Timeouts(5, 60, 60))
        leaves = streamed and draw.random() < HANGS_UP
        try:
            answer = await self._http.send(request)
            async for _ in answer.chunks():
                if leaves:
                    break
            await answer.aclose()
            kind = "left" if leaves else f"{answer.status // 100}xx"
        except UpstreamFailure as failure:
            kind = f"failed: {failure.phase}"
        self._outcome.answers[kind] += 1


async def load(made: House, keys: list[str], seconds: float, seed: int) -> Outcome:
    """All clients at once, and a look at the workers' memory every second."""
    outcome = Outcome(seconds)
    workers = children(made.gateway.pid)
    ends = time.monotonic() + seconds

    async def watch() -> None:
        while time.monotonic() < ends:
            outcome.memory.append(max(memory(pid) for pid in workers) / (1 << 20))
            await asyncio.sleep(1)

    clients = [Client(made, keys, seed + number, outcome).run(ends) for number in range(CLIENTS)]
    await asyncio.gather(watch(), *clients)
    return outcome


def states(made: House, log: Path) -> list[dict[str, Any]]:
    """What each worker says of itself when asked by SIGUSR1: tasks, requests, connections to vendors."""
    before = len(told(log))
    workers = [pid for pid in children(made.gateway.pid) if pid != made.gateway.pid]
    for pid in workers:
        os.kill(pid, signal.SIGUSR1)
    until(lambda: len(told(log)) >= before + len(workers), "the workers do not tell their state")
    return told(log)[before:]


def told(log: Path) -> list[dict[str, Any]]:
    """The lines of the log in which workers told their state."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("message") == "state"]


def soak(seconds: float, seed: int, folder: Path, workers: int = 2) -> Outcome:
    """Runs the load and holds the gateway to what must be true afterwards. Raises AssertionError."""
    log = folder / "log"
    with house(folder / "data", workers=workers, log=log, level="WARNING") as made:
        made.option("ModelRatio", json.dumps(dict.fromkeys(MODELS, 1)))
        made.option("RetryTimes", "1")
        for model, kind in MODELS.items():
            made.add_channel(type=kind, models=model)
        keys = [made.add_key(remain_quota=200_000_000)[1] for _ in range(3)]
        member = made.add_member("soaker", 500_000_000)
        keys.append(made.add_key(member, unlimited_quota=True)[1])
        quiet = states(made, log)
        outcome = asyncio.run(load(made, keys, seconds, seed))
        made.money()
        check_money(made)
        until(lambda: all(state["requests"] == 0 for state in states(made, log)), "requests were left over")
        after = states(made, log)
        most = max(state["tasks"] for state in quiet) + 2
        assert all(state["tasks"] <= most for state in after), (quiet, after)
        assert outcome.growth < GROWTH_MOST, (outcome.growth, outcome.memory)
    return outcome


def check_money(made: House) -> None:
    """Purses add up, and the log charged what the purses settled."""
    purses = made.rows("SELECT id, kind, granted, debt, available, leased, settled FROM purses")
    for purse in purses:
        _, _, granted, debt, available, leased, settled = purse
        assert granted + debt == available + leased + settled, purse
        assert min(granted, debt, available, leased, settled) >= 0, purse
    wallets = sum(purse[6] for purse in purses if purse[1] == 1)
    charged = made.rows("SELECT coalesce(sum(quota), 0) FROM logs WHERE type = 2")[0][0]
    assert charged == wallets, (charged, wallets)
    twice = made.rows("SELECT request_id FROM logs WHERE type = 2 GROUP BY request_id, entry HAVING count(*) > 1")
    assert not twice, twice


def main() -> int:
    """Soaks and tells."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="isthmus-soak-") as folder:
        outcome = soak(arguments.minutes * 60, arguments.seed, Path(folder))
    print(f"{sum(outcome.answers.values())} requests in {outcome.seconds:.0f} s: {dict(outcome.answers)}")
    print(f"memory of the largest worker: {outcome.memory[0]:.0f} MB at first, {outcome.memory[-1]:.0f} MB at last,")
    print(f"{outcome.growth:+.1f} MB from the second quarter to the last")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""SIGKILL under load: what a client finished receiving is billed once, nothing twice, every purse closes."""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core.ledger.statistics import KEPT
from tests.integration.house import House, children, house, run, serve, until
from tests.servers.databases import SERVERS, dsn_of

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20"))
"""Rounds of killing; CRASH_ROUNDS=200 for the long form."""
CLIENTS = 8
BACK_SECONDS = 60.0
"""Within this somebody must answer again; how fast a worker is back is measured in test_process.py."""
SECRETS = {"SESSION_SECRET": "one for both nodes", "CRYPTO_SECRET": "and another for both"}


def slay(pids: Sequence[int]) -> None:
    """SIGKILL; one that has died meanwhile is dead."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Load:
    """Clients that ask until told to stop; they keep the ids of answers they received whole."""

    def __init__(self, ports: Sequence[int], secret: str, halves: list[bytes] | None = None) -> None:
        self.ports = ports
        self.secret = secret
        self.halves = halves
        """What was received of answers that did not come whole, where somebody asks."""
        self.finished: list[str] = []
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join(30)

    def goes_on(self, more: int, seed: int) -> None:
        """Waits until so many more answers have finished."""
        goal = len(self.finished) + more
        until(lambda: len(self.finished) >= goal, f"seed {seed}: no answers", BACK_SECONDS)

    def _ask(self, number: int) -> None:
        stream = number % 2 == 0
        body = json.dumps({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]})
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        while not self.done.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[number // 2 % len(self.ports)], timeout=20)
            try:
                connection.request("POST", "/v1/chat/completions", body, headers)
                answer = connection.getresponse()
                raw = answer.read()
                whole = raw.rstrip().endswith(b"data: [DONE]") if stream else raw.endswith(b"}")
                if answer.status == 200 and whole:
                    self.finished.append(answer.headers["X-Request-Id"])
                elif answer.status == 200 and self.halves is not None:
                    self.halves.append(raw)
            except http.client.IncompleteRead as half:
                if self.halves is not None:
                    self.halves.append(half.partial)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            finally:
                connection.close()


def recovered(made: House) -> bool:
    """Whether every journal in the folder has a living owner: dead workers' ones have been replayed."""
    return len(list((made.data / "journal").glob("*.journal"))) == made.workers


def billed_once(made: House, finished: list[str], seed: int) -> None:
    """Of a gateway that has stopped: each finished answer has one line, none has two, and every purse closes."""
    billed = collections.Counter(row[0] for row in made.rows("SELECT request_id FROM logs WHERE type = 2"))
    missing = set(finished) - billed.keys()
    assert not missing, f"seed {seed}: {len(missing)} answers are in no log"
    assert set(billed.values()) == {1}, f"seed {seed}: billed twice"
    assert len(set(finished)) == len(finished)
    for row in made.rows("SELECT id, granted, available, leased, settled, debt FROM purses"):
        purse, granted, available, leased, settled, debt = row
        assert leased == 0, f"seed {seed}: purse {purse} has {leased} leased after the stop"
        assert granted + debt == available + settled, f"seed {seed}: purse {purse} does not close"
    charged = made.rows("SELECT sum(quota) FROM logs WHERE type = 2")[0][0]
    for kind in ("users", "tokens"):
        settled = made.rows(f"SELECT sum(p.settled) FROM purses p JOIN {kind} o ON o.purse_id = p.id")[0][0]
        assert settled == charged, f"seed {seed}: the purses of {kind} differ from the log"
    lines = tuple(made.rows("SELECT count(*), sum(quota), sum(prompt_tokens) FROM logs WHERE type = 2")[0])
    cuts = made.rows("SELECT cut, sum(requests), sum(quota), sum(prompt_tokens) FROM usage_sums GROUP BY cut")
    assert {cut: tuple(sums) for cut, *sums in cuts} == dict.fromkeys(KEPT, lines), f"seed {seed}: statistics differ"


def test_kill_loses_nothing_and_bills_nothing_twice(tmp_path: Path) -> None:
    """One worker, or all of them, in turn, at random moments."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    with house(tmp_path, workers=2) as made:
        made.add_channel()
        _, secret = made.add_key(remain_quota=50_000_000)
        with Load([made.port], secret) as load:
            for turn in range(ROUNDS):
                time.sleep(rng.uniform(0.05, 0.4))
                victims = children(made.gateway.pid)
                slay(victims if turn % 2 else rng.sample(victims, min(1, len(victims))))
                load.goes_on(1, seed)
        assert len(load.finished) > ROUNDS
        until(lambda: recovered(made), "journals of dead workers are left", BACK_SECONDS)
    billed_once(made, load.finished, seed)
    status = run("ledger", "status", "--data", str(tmp_path))
    assert status.returncode == 0, status.stderr
    assert "PROBLEM" not in status.stdout
    assert "records set aside: 0" in status.stdout


def test_the_whole_gateway_is_killed_and_started_again(tmp_path: Path) -> None:
    """Supervisor and workers at once, three times; the next start recovers what they left."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    finished: list[str] = []
    with house(tmp_path, workers=2) as made:
        made.add_channel()
        _, secret = made.add_key(remain_quota=50_000_000)
        with contextlib.ExitStack() as stack:
            now = made
            for _ in range(3):
                with Load([now.port], secret) as load:
                    load.goes_on(20, seed)
                    time.sleep(rng.uniform(0.0, 0.3))
                    slay([now.gateway.pid, *children(now.gateway.pid)])
                finished += load.finished
                now.gateway.wait(5)
                now = stack.enter_context(serve(tmp_path, workers=2))
            until(lambda: recovered(now), "journals of dead workers are left", BACK_SECONDS)
    billed_once(made, finished, seed)


# -- two nodes on one database --------------------------------------------------------------------


@pytest.fixture(scope="module", params=list(SERVERS))
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, House]]:
    """Two gateways of one worker each, with folders of their own, on one PostgreSQL, and on one MariaDB."""
    with dsn_of(request.param) as dsn, contextlib.ExitStack() as stack:
        environ = {**SECRETS, "SQL_DSN": dsn}
        first = stack.enter_context(house(tmp_path_factory.mktemp("a"), environ={**environ, "NODE_NAME": "a"}))
        second = stack.enter_context(serve(tmp_path_factory.mktemp("b"), environ={**environ, "NODE_NAME": "b"}))
        # What is changed at one node, the other learns by polling.
        first.workers = 2
        first.add_channel()
        first.workers = 1
        yield first, second


def test_two_nodes_are_killed_in_turn(nodes: tuple[House, House]) -> None:
    """The workers of one node, then of the other: the ledger they share stays right."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    first, second = nodes
    _, secret = first.add_key(remain_quota=50_000_000)
    with Load([first.port, second.port], secret) as load:
        for turn in range(ROUNDS // 4):
            time.sleep(rng.uniform(0.05, 0.4))
            slay(children(nodes[turn % 2].gateway.pid))
            load.goes_on(1, seed)
    until(lambda: all(map(recovered, nodes)), "journals of dead workers are left", BACK_SECONDS)
    first.money()
    billed_once(first, load.finished, seed)


# -- more callers than money ----------------------------------------------------------------------

CALLERS = 200
CALLS = 50
MAX_TOKENS = 16
"""So that a reserve is a few times the cost, not the whole of the money."""


def crowd(ports: Sequence[int], secret: str, enough: int) -> list[int]:
    """Everybody asks at once, and again while refused, until enough were served; the statuses of all answers."""
    statuses: list[int] = []
    served = threading.Semaphore(0)
    start, done = threading.Barrier(CALLERS), threading.Event()
    body = json.dumps({"model": "gpt-4o", "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": "Hello"}]})
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def ask(number: int) -> None:
        start.wait(30)
        while True:
            last = done.is_set()
            connection = http.client.HTTPConnection("127.0.0.1", ports[number % len(ports)], timeout=60)
            try:
                connection.request("POST", "/v1/chat/completions", body, headers)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
            finally:
                connection.close()
            if answer.status == 200:
                served.release()
            # Once enough were served, everybody tries once more.
            if last:
                return
            done.wait(0.3)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(enough):
            assert served.acquire(timeout=60), f"fewer than {enough} were served"
    finally:
        done.set()
        for thread in threads:
            thread.join(90)
    return statuses


def never_overdrawn(made: House, ports: Sequence[int]) -> None:
    """200 callers on a key with money for 50 calls."""
    _, secret = made.add_key()
    once = made.line(made.chat(secret, max_tokens=MAX_TOKENS).headers["x-request-id"])
    cost, reserve = once["quota"], once["receipt"]["reserved"]
    granted = CALLS * cost
    assert reserve < granted / 4
    key_id, secret = made.add_key(remain_quota=granted)
    least = CALLS - -(-reserve // cost)
    statuses = collections.Counter(crowd(ports, secret, least))
    assert set(statuses) == {200, 403}
    assert least <= statuses[200] <= CALLS
    made.money()
    token = made.token(key_id)
    assert token["used_quota"] == statuses[200] * cost <= granted
    assert token["remain_quota"] == granted - token["used_quota"]


def test_concurrent_requests_never_overdraw(gateway: House) -> None:
    never_overdrawn(gateway, [gateway.port])


def test_two_nodes_never_overdraw(nodes: tuple[House, House]) -> None:
    first, second = nodes
    never_overdrawn(first, [first.port, second.port])

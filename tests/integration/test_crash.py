"""SIGKILL of workers under load: what a client finished receiving is billed once, nothing twice, every purse closes."""

from __future__ import annotations

import collections
import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.integration.house import House, house

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "6"))
"""Rounds of killing; CRASH_ROUNDS=20 for the long form."""
CLIENTS = 8


def workers(gateway: House) -> list[int]:
    """The worker processes of a gateway."""
    printed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(gateway.gateway.pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(pid) for pid in printed.split()]


class Load:
    """Clients that ask until told to stop; they keep the ids of answers they received whole."""

    def __init__(self, gateway: House, secret: str) -> None:
        self.port = int(gateway.base.rsplit(":", 1)[1])
        self.secret = secret
        self.finished: list[str] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def _ask(self, number: int) -> None:
        body = json.dumps(
            {"model": "gpt-4o", "stream": number % 2 == 0, "messages": [{"role": "user", "content": "Hello"}]}
        )
        while not self.stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.request(
                    "POST",
                    "/v1/chat/completions",
                    body,
                    {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"},
                )
                answer = connection.getresponse()
                raw = answer.read()
                whole = raw.rstrip().endswith(b"data: [DONE]") if number % 2 == 0 else raw.endswith(b"}")
                if answer.status == 200 and whole:
                    self.finished.append(answer.headers["X-Request-Id"])
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            finally:
                connection.close()


@pytest.mark.parametrize("everything", [False, True], ids=["one worker", "all"])
def test_kill_loses_nothing_and_bills_nothing_twice(tmp_path: Path, everything: bool) -> None:
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    with house(tmp_path, workers=2) as made:
        made.add_channel()
        _, secret = made.add_key(remain_quota=50_000_000)
        load = Load(made, secret)
        for thread in load.threads:
            thread.start()
        for _ in range(ROUNDS):
            time.sleep(rng.uniform(0.2, 0.8))
            victims = workers(made)
            for pid in victims if everything else victims[:1]:
                os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 5
            before = len(load.finished)
            while len(load.finished) <= before:
                assert time.monotonic() < deadline, f"seed {seed}: no answer within 5 s of a kill"
                time.sleep(0.02)
        load.stop.set()
        for thread in load.threads:
            thread.join(30)
        assert len(load.finished) > ROUNDS
        billed = collect(made)
        missing = set(load.finished) - billed.keys()
        assert not missing, f"seed {seed}: {len(missing)} answers are in no log"
        assert set(billed.values()) == {1}, f"seed {seed}: billed twice"
    status = subprocess.run(
        [os.sys.executable, "-m", "front.command.main", "ledger", "status", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert status.returncode == 0, status.stderr
    close_purses(tmp_path)


def collect(made: House) -> collections.Counter[str]:
    """request id -> lines in the log, once every journal is flushed and every orphan recovered."""
    deadline = time.monotonic() + 20
    last = -1
    while True:
        billed: collections.Counter[str] = collections.Counter()
        page = 1
        while True:
            items = made.manage("GET", f"/api/log/?p={page}&page_size=100&type=2")["items"]
            billed.update(item["request_id"] for item in items)
            if len(items) < 100:
                break
            page += 1
        if len(billed) == last or time.monotonic() > deadline:
            return billed
        last = len(billed)
        time.sleep(2.5)


def close_purses(data: Path) -> None:
    """After a graceful stop nothing is leased, and granted = available + settled."""
    import sqlite3

    with sqlite3.connect(data / "isthmus.db") as database:
        rows = database.execute("SELECT id, granted, available, leased, settled, debt FROM purses").fetchall()
    assert rows
    for purse, granted, available, leased, settled, debt in rows:
        assert leased == 0, f"purse {purse} has {leased} leased after the stop"
        assert granted + debt == available + settled, f"purse {purse} does not close"

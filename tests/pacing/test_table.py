"""Meters and places that workers share: exact over processes, fixed in size, nothing left of a worker that was killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pacing import table
from core.pacing.demand import REQUESTS, TOKENS, Demands, Meter, Place, Refused, subject, tightest
from core.pacing.table import SIZE, Table


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(table, "time", made)
    return made


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Table]:
    made = Table(tmp_path / "pacing", 0)
    yield made
    asyncio.run(made.close())


def take(where: Table, *meters: Meter, places: tuple[Place, ...] = ()) -> Any:
    return asyncio.run(where.take(Demands(meters, places), "r"))


def requests(limit: int, name: str = "a") -> Meter:
    return Meter(subject(name), REQUESTS, limit, 1)


def tokens(limit: int, cost: float, name: str = "t") -> Meter:
    return Meter(subject(name), TOKENS, limit, cost)


def test_a_minute_holds_the_limit_and_fills_again_evenly(shared: Table, clock: Clock) -> None:
    meter = requests(6)
    assert [take(shared, meter)[0].remaining for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    with pytest.raises(Refused) as refused:
        take(shared, meter)
    assert 10_000 <= refused.value.wait_ms <= 10_002, "a sixth of a minute"
    clock.now += 9.9
    with pytest.raises(Refused):
        take(shared, meter)
    clock.now += 0.11
    assert take(shared, meter)[0].remaining == 0
    assert take(shared, requests(6, "another"))[0].remaining == 5
    clock.now += 60
    assert take(shared, meter)[0].remaining == 5


def test_tokens_are_reserved_and_corrected(shared: Table, clock: Clock) -> None:
    meter = tokens(1000, 600)
    take(shared, meter)
    with pytest.raises(Refused):
        take(shared, meter)
    shared.correct(meter, 50 - 600)
    assert take(shared, meter)[0].remaining == 350
    shared.correct(meter, 5000)
    with pytest.raises(Refused) as refused:
        take(shared, tokens(1000, 1))
    assert refused.value.wait_ms == pytest.approx((650 + 5000 + 1 - 1000) * 60, abs=2)
    shared.correct(meter, -1_000_000)
    assert take(shared, tokens(1000, 1))[0].remaining == 999, "no more than nothing is ever free"


def test_one_above_the_limit_goes_alone(shared: Table, clock: Clock) -> None:
    big = tokens(100, 250)
    take(shared, big)
    with pytest.raises(Refused) as refused:
        take(shared, tokens(100, 1))
    assert refused.value.wait_ms == pytest.approx(151 * 600, abs=2)
    clock.now += 149
    with pytest.raises(Refused):
        take(shared, big)
    clock.now += 2
    take(shared, big)


def test_all_or_none(shared: Table, clock: Clock) -> None:
    full, free = requests(1, "full"), requests(10, "free")
    take(shared, full)
    place = Place(subject("p"), 1)
    for _ in range(3):
        with pytest.raises(Refused):
            take(shared, free, full, places=(place,))
    assert take(shared, free, places=(place,))[0].remaining == 9
    with pytest.raises(Refused) as refused:
        take(shared, free, places=(place,))
    assert refused.value.kind == "concurrent requests"
    shared.leave(Demands((), (place,)), "r")
    assert tightest(take(shared, free, requests(100, "wide"), places=(place,)))[0].remaining == 8


@given(st.integers(1, 50), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60)), min_size=1, max_size=40))
def test_never_more_than_burst_and_rate(limit: int, steps: list[tuple[float, int]]) -> None:
    """Over any stretch of time: at most the limit at once and the limit a minute beside (and one that is larger)."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(table, "time", clock)
        where, went, waits = Table(Path(folder) / "p", 0), [], []
        for pause, cost in steps:
            clock.now += pause
            try:
                take(where, tokens(limit, cost))
                went.append((clock.now, cost))
            except Refused as refused:
                waits.append(refused.wait_ms)
        asyncio.run(where.close())
    assert all(wait > 0 for wait in waits)
    for first in range(len(went)):
        for last in range(first, len(went)):
            span = went[last][0] - went[first][0]
            # The last may be larger than the limit, when all before it was over.
            sums = sum(cost for _, cost in went[first:last]) + min(went[last][1], limit)
            largest = max(cost for _, cost in went[first : last + 1])
            assert sums <= limit + max(0, largest - limit) + limit * span / 60 + 1e-3


def _hammer(path: Path, slot: int, queue: Any) -> None:
    where, got = Table(path, slot), 0
    for _ in range(400):
        try:
            asyncio.run(where.take(Demands((Meter(subject("shared"), REQUESTS, 500, 1, 86400.0),), ()), "r"))
            got += 1
        except Refused:
            pass
    queue.put(got)


def test_workers_share_a_limit_exactly(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    workers = [context.Process(target=_hammer, args=(tmp_path / "pacing", slot, queue)) for slot in range(3)]
    for worker in workers:
        worker.start()
    got = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(30)
    # A unit comes back every 172.8 s: at most one while this ran.
    assert 500 <= sum(got) <= 501, got


def _occupy(path: Path, slot: int, queue: Any) -> None:
    where = Table(path, slot)
    for _ in range(3):
        asyncio.run(where.take(Demands((), (Place(subject("p"), 5),)), "r"))
    queue.put(True)
    time.sleep(120)


def test_a_killed_worker_holds_no_place_once_it_is_back(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    worker = context.Process(target=_occupy, args=(tmp_path / "pacing", 1, queue))
    worker.start()
    assert queue.get(timeout=60)
    mine = Table(tmp_path / "pacing", 0)
    place = (Place(subject("p"), 5),)
    take(mine, places=place)
    take(mine, places=place)
    with pytest.raises(Refused):
        take(mine, places=place)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(30)
    back = Table(tmp_path / "pacing", 1)
    for _ in range(3):
        take(back, places=place)
    with pytest.raises(Refused):
        take(mine, places=place)
    for each in (mine, back):
        asyncio.run(each.close())


def test_memory_is_fixed_whatever_is_counted(shared: Table, clock: Clock, tmp_path: Path) -> None:
    """pains: a rate limiter whose memory grows with its limit (N 6732). Fixed bytes, entries expire."""
    for number in range(60_000):
        shared.correct(requests(1_000_000, f"key {number}"), 1)
    assert (tmp_path / "pacing").stat().st_size == SIZE < 1 << 20
    # Those that are in use are not pushed out by those that are nearly empty.
    busy = requests(10, "busy")
    for _ in range(10):
        take(shared, busy)
    for number in range(60_000):
        shared.correct(requests(1_000_000, f"other {number}"), 1)
    with pytest.raises(Refused):
        take(shared, busy)


def test_what_another_clock_wrote_is_not_believed(shared: Table, clock: Clock) -> None:
    meter = requests(1)
    clock.now += 10 * 365 * 86400
    take(shared, meter)
    clock.now -= 10 * 365 * 86400
    assert take(shared, meter)[0].remaining == 0

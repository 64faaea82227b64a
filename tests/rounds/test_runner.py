"""System tasks: one of a type at a time, progress, abort, workers that are gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.rounds.runner import Progress, Runner
from core.rounds.schedule import Chore, Schedule
from core.settings import CoreSettings
from core.store.database import Database
from core.store.models import SystemTask
from core.store.system_tasks import GONE, KEPT, SystemTasks
from tests.node import eventually


@pytest.fixture
async def tasks(tmp_path: Path) -> AsyncIterator[SystemTasks]:
    database = await Database.open(CoreSettings(data=tmp_path))
    await database.migrate()
    yield SystemTasks(database)
    await database.close()


async def ended(tasks: SystemTasks, task_id: str) -> SystemTask:
    async def look() -> SystemTask | None:
        row = await tasks.get(task_id)
        return row if row.status != "running" else None

    return await eventually(look)


async def test_a_round_runs_to_its_end_with_progress(tasks: SystemTasks) -> None:
    runner = Runner(tasks, "a")

    async def work(progress: Progress) -> dict[str, Any]:
        progress.tell(total=2, done=1)
        return {"tested": 2}

    task, new = await runner.start("t", work, {"why": "test"})
    assert new
    row = await ended(tasks, task.task_id)
    assert (row.status, row.result, row.state, row.payload) == (
        "succeeded", '{"tested": 2}', '{"total": 2, "done": 1}', '{"why": "test"}',
    )  # fmt: skip
    assert await tasks.last_state("t") == {"total": 2, "done": 1}
    await runner.close()


async def test_one_of_a_type_at_a_time_in_the_cluster(tasks: SystemTasks) -> None:
    one, two, go = Runner(tasks, "a"), Runner(tasks, "b"), asyncio.Event()
    ran = []

    async def work(progress: Progress) -> dict[str, Any]:
        ran.append(1)
        await go.wait()
        return {}

    begun = await asyncio.gather(*(runner.start("t", work) for runner in (one, two) * 3))
    assert sorted(new for _, new in begun) == [False] * 5 + [True]
    assert len({task.task_id for task, _ in begun}) == 1
    assert (await one.start("other", work))[1], "another type runs beside it"
    go.set()
    await ended(tasks, begun[0][0].task_id)
    assert len(ran) == 2
    assert (await two.start("t", work))[1], "afterwards the next may begin"
    for runner in (one, two):
        await runner.close()


async def test_an_abort_from_another_worker_ends_the_work(tasks: SystemTasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.rounds.runner.NOTE_SECONDS", 0.01)
    here, elsewhere, stopped = Runner(tasks, "a"), Runner(tasks, "b"), asyncio.Event()

    async def work(progress: Progress) -> dict[str, Any]:
        try:
            while True:
                progress.tell(at=time.time())
                await asyncio.sleep(0.01)
        finally:
            stopped.set()

    task, _ = await here.start("t", work)
    found = await elsewhere.abort("t")
    assert found is not None
    assert (found.task_id, found.status, found.error) == (task.task_id, "failed", "aborted")
    async with asyncio.timeout(20):
        await stopped.wait()
    assert await elsewhere.abort("t") is None
    await here.close()


async def test_work_that_fails_and_workers_that_stop_are_told(tasks: SystemTasks) -> None:
    runner = Runner(tasks, "a")

    async def broken(progress: Progress) -> dict[str, Any]:
        raise RuntimeError("secret text")

    async def endless(progress: Progress) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    task, _ = await runner.start("t", broken)
    row = await ended(tasks, task.task_id)
    assert (row.status, row.error) == ("failed", "RuntimeError")
    task, _ = await runner.start("t", endless)
    await runner.close()
    row = await tasks.get(task.task_id)
    assert (row.status, row.error) == ("failed", "the worker was stopped")


async def test_a_task_whose_worker_is_gone_is_taken_for_dead(
    tasks: SystemTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.system_tasks.HOLD_SECONDS", -1)
    dead, _ = await tasks.begin("t", "gone", {})
    assert await tasks.current("t") is None
    monkeypatch.undo()
    new, fresh = await tasks.begin("t", "here", {})
    assert fresh
    assert (await tasks.get(dead.task_id)).error == GONE
    assert not await tasks.note(dead.task_id, "gone", {"done": 9}), "and its note says so to it, should it wake"
    assert await tasks.note(new.task_id, "here", {})
    assert not await tasks.note(new.task_id, "another", {})


async def test_ended_tasks_are_forgotten(tasks: SystemTasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.system_tasks.KEPT", 3)
    for _ in range(6):
        task, _ = await tasks.begin("t", "a", {})
        await tasks.end(task.task_id, {})
    assert KEPT > 3
    assert len(await tasks.list()) == 4


async def test_rounds_come_when_they_are_due_once_for_all_workers(tasks: SystemTasks) -> None:
    ran, go = [], asyncio.Event()

    async def work(progress: Progress) -> dict[str, Any]:
        ran.append(1)
        await go.wait()
        return {}

    every = [0.0]
    chore = Chore("t", lambda: every[0], work)
    runners = [Runner(tasks, name) for name in "ab"]
    schedules = [Schedule(tasks, runner, [chore]) for runner in runners]
    now = time.time()
    assert not await schedules[0].look(chore, now + 1000), "it is off"
    every[0] = 60
    assert not await schedules[0].look(chore, now + 1), "the first comes an interval after the start"
    due = [await schedule.look(chore, now + 61) for schedule in schedules]
    assert due == [True, False]
    every[0] = 30
    go.set()
    task = await tasks.newest("t")
    assert task is not None
    await ended(tasks, task.task_id)
    assert await schedules[1].look(chore, now + 92), "a shorter interval counts at once"
    task = await tasks.newest("t")
    assert task is not None
    await ended(tasks, task.task_id)
    for runner in runners:
        await runner.close()
    assert len(ran) == 2

"""Old lines go: in steps, by age, and not while somebody ended it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.rounds import log_cleanup
from core.rounds.runner import Progress
from core.store.logs import Asked
from core.store.models import Log, PerfMetric
from tests.node import Home, eventually, home

DAY = 86_400


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


async def lines(here: Home, ages: list[int]) -> None:
    """Lines so many days old."""
    now = int(time.time())
    rows = [{"created_at": now - age * DAY, "user_id": 1, "type": 2} for age in ages]
    await here.node.database.write(lambda: Log.insert_many(rows).execute())


async def left(here: Home) -> int:
    return (await here.node.store.logs.list(Asked({"type": 2}))).total


async def test_lines_go_by_age_once_an_option_says_so(here: Home) -> None:
    await lines(here, [0, 1, 29, 31, 90])
    measure = {"slot": "x", "bucket_ts": int(time.time()) - 8 * DAY, "model_name": "m"}
    await here.node.database.write(lambda: PerfMetric.insert(**measure).execute())
    chore = log_cleanup.chore(here.node.services)
    assert chore.every() == 0
    await here.options(isthmus__log_retention_days="30")
    assert chore.every() == 3600
    progress = Progress()
    assert await chore.work(progress) == {"deleted_count": 2}
    assert progress.state == {"total": 2, "processed": 2, "progress": 100}
    assert await left(here) == 3
    await here.options(isthmus__log_retention_days="0", perf_metrics_setting__retention_days="7")
    assert await chore.work(Progress()) == {"deleted_measures": 1}
    assert await left(here) == 3


async def test_it_is_ended_between_steps(here: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    await lines(here, [2] * 20)
    monkeypatch.setattr("core.store.logs.DELETE_STEP", 1)
    monkeypatch.setattr(log_cleanup, "PAUSE", 0.05)
    before = int(time.time()) - DAY
    task, new = await log_cleanup.begin(here.node.services, before)
    assert new
    again, new = await log_cleanup.begin(here.node.services, before)
    assert (again.task_id, new) == (task.task_id, False), "one at a time"

    async def some() -> bool:
        return await left(here) < 20

    await eventually(some)
    ended = await here.node.services.rounds.abort(log_cleanup.KIND)
    assert ended is not None
    assert (ended.status, ended.error) == ("failed", "aborted")
    await asyncio.sleep(0.2)
    rest = await left(here)
    assert 0 < rest < 20
    await asyncio.sleep(0.2)
    assert await left(here) == rest, "what was ended deletes no more"
    with pytest.raises(InvalidRequest):
        await log_cleanup.begin(here.node.services, int(time.time()) + 60)

"""When rounds come by themselves: each worker looks now and then, the one that begins it first runs it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.rounds.runner import Runner, Work
from core.store.system_tasks import SystemTasks

logger = logging.getLogger("isthmus.rounds")

TICK_SECONDS = 10.0
"""Between two looks, give or take a fifth, so that workers do not look in step."""


@dataclass(frozen=True, slots=True)
class Chore:
    """A kind of round. every tells the seconds between beginnings, as the options stand now; 0: it is off."""

    kind: str
    every: Callable[[], float]
    work: Work


class Schedule:
    """Begins rounds that are due. One a worker."""

    def __init__(self, tasks: SystemTasks, runner: Runner, chores: Sequence[Chore], tick: float = TICK_SECONDS) -> None:
        self._tasks = tasks
        self._runner = runner
        self._chores = chores
        self._tick = tick
        self._started = time.time()
        self._due: dict[str, tuple[float, float]] = {}
        """Kind -> seconds between rounds, and when the next one is due."""
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begins to look."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._tick * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            for chore in self._chores:
                try:
                    await self.look(chore, time.time())
                except Exception:
                    # The database may be away for a while: the next look comes soon.
                    logger.exception("could not look for a round that is due", extra={"kind": chore.kind})

    async def look(self, chore: Chore, now: float) -> bool:
        """Begins a round where one is due; whether it did. The database is asked only when this worker thinks so."""
        every = chore.every()
        if every <= 0:
            self._due.pop(chore.kind, None)
            return False
        known, due = self._due.get(chore.kind, (0.0, 0.0))
        if known == every and now < due:
            return False
        newest = await self._tasks.newest(chore.kind)
        due = (newest.created_at if newest is not None else self._started) + every
        if now < due:
            self._due[chore.kind] = every, due
            return False
        _, new = await self._runner.start(chore.kind, chore.work, {"automatic": True}, after=int(now - every) + 1)
        self._due[chore.kind] = every, now + every
        return new

    async def close(self) -> None:
        """Ends the looking; what runs is the runner's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

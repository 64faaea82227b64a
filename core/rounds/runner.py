"""Runs a system task to its end: one of a type in the cluster, with progress, abortable, held while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.store.models import SystemTask
from core.store.system_tasks import HOLD_SECONDS, SystemTasks

logger = logging.getLogger("isthmus.rounds")

NOTE_SECONDS = 1.0
"""How often progress is written, at most."""
HEARTBEAT_SECONDS = HOLD_SECONDS / 4
ABORTED, STOPPED = "aborted", "the worker was stopped"
CLOSE_SECONDS = 5.0


@dataclass(slots=True)
class Progress:
    """What a piece of work says of itself while it runs; it changes state in place."""

    state: dict[str, Any] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, **figures: Any) -> None:
        """Where it is now."""
        self.state.update(figures)
        self.changed.set()


Work = Callable[[Progress], Awaitable[Mapping[str, Any]]]
"""Does the work; returns its result. It is cancelled where the task is aborted."""


class Runner:
    """One a worker. owner names the worker in the cluster."""

    def __init__(self, tasks: SystemTasks, owner: str) -> None:
        self._tasks = tasks
        self._owner = owner
        self._running: dict[str, asyncio.Task[None]] = {}

    async def start(
        self, kind: str, work: Work, payload: Mapping[str, Any] | None = None, after: int = 0
    ) -> tuple[SystemTask, bool]:
        """Begins the work behind the request, unless one of its type is under way: that one, and False."""
        task, new = await self._tasks.begin(kind, self._owner, payload or {}, after)
        if new:
            chore = asyncio.get_running_loop().create_task(self._run(task.task_id, work))
            self._running[task.task_id] = chore
            chore.add_done_callback(lambda _: self._running.pop(task.task_id, None))
        return task, new

    async def abort(self, kind: str) -> SystemTask | None:
        """Ends the task of a type that is under way, wherever it runs; None: there is none.

        Its worker learns so at its next note, a second or so later.
        """
        task = await self._tasks.current(kind)
        if task is None or not await self._tasks.end(task.task_id, None, ABORTED):
            return None
        if (chore := self._running.get(task.task_id)) is not None:
            chore.cancel()
        return await self._tasks.get(task.task_id)

    async def _run(self, task_id: str, work: Work) -> None:
        progress = Progress()

        async def done() -> Mapping[str, Any]:
            return await work(progress)

        doing = asyncio.get_running_loop().create_task(done())
        try:
            while not doing.done():
                await self._wait(doing, progress)
                if not doing.done() and not await self._tasks.note(task_id, self._owner, progress.state):
                    logger.info("a task was taken away", extra={"task": task_id})
                    return
            await self._tasks.note(task_id, self._owner, progress.state)
            await self._tasks.end(task_id, doing.result())
        except asyncio.CancelledError:
            await self._tasks.end(task_id, None, STOPPED)
            raise
        except Exception as error:
            logger.exception("a task failed", extra={"task": task_id})
            try:
                await self._tasks.end(task_id, None, type(error).__name__)
            except Exception:
                # It will be found held by nobody, and be ended then.
                logger.exception("could not end a task", extra={"task": task_id})
        finally:
            doing.cancel()
            await asyncio.wait([doing])

    @staticmethod
    async def _wait(doing: asyncio.Task[Any], progress: Progress) -> None:
        """Until the work is done, or a second after it told something, or it is time for a heartbeat."""
        told = asyncio.get_running_loop().create_task(progress.changed.wait())
        try:
            await asyncio.wait([doing, told], timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done() and told.done():
                await asyncio.wait([doing], timeout=NOTE_SECONDS)
        finally:
            told.cancel()
        progress.changed.clear()

    async def close(self) -> None:
        """Ends what runs here; it is told as failed."""
        running = dict(self._running)
        for chore in running.values():
            chore.cancel()
        if running:
            await asyncio.wait(running.values(), timeout=CLOSE_SECONDS)
        for task_id in running:
            # One that was cancelled before its first step has told nobody.
            await self._tasks.end(task_id, None, STOPPED)

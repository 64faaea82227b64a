"""System tasks: work behind requests, one of a type at a time in the whole cluster, with its progress.

A task is held by one worker until locked_until, and every note of progress holds it longer. Who finds
one whose holder is gone ends it as failed; a holder that lost its task learns so at its next note, and stops.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from core.errors import RecordNotFound
from core.store.database import Database
from core.store.models import SystemTask

RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"
HOLD_SECONDS = 60
"""How long a task is its worker's without a note."""
KEPT = 200
"""Ended tasks of a type that are kept."""
TASK_LOCK = 0x7461736B
"""PostgreSQL's advisory lock of who begins one ("task")."""
ERROR_MOST = 2_000
STATE_MOST = 1 << 20
"""Characters of a task's state and result."""
GONE = "the worker that ran it is gone"


class SystemTasks:
    """Times are Unix seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, kind: str, owner: str, payload: Mapping[str, Any], after: int = 0) -> tuple[SystemTask, bool]:
        """A new task held by owner, or the one under way, and whether it is new.

        after: one that began at this time or later counts as under way, too (rounds that several workers want).
        """
        now = int(time.time())

        def run() -> tuple[SystemTask, bool]:
            self._alone()
            found = SystemTask.select().where(SystemTask.active_key == kind).first()
            if found is not None and found.locked_until > now:
                return found, False
            if found is not None:
                self._end(found.task_id, FAILED, "", GONE, now)
            if after:
                newer = SystemTask.select().where(SystemTask.type == kind, SystemTask.created_at >= after)
                if (known := newer.order_by(SystemTask.id.desc()).first()) is not None:
                    return known, False
            self._forget(kind)
            made = SystemTask.create(
                task_id="systask_" + secrets.token_hex(12), type=kind, status=RUNNING, active_key=kind,
                payload=json.dumps(payload), locked_by=owner[:191], locked_until=now + HOLD_SECONDS, created_at=now,
                updated_at=now,
            )  # fmt: skip
            return made, True

        return await self._database.write(run)

    def _alone(self) -> None:
        """One beginner at a time; SQLite's writers are alone anyway."""
        if self._database.kind == "postgres":
            self._database.execute("SELECT pg_advisory_xact_lock(?)", (TASK_LOCK,))
        elif self._database.kind == "mysql":
            self._database.execute("SELECT name FROM locks WHERE name = 'task' FOR UPDATE")

    @staticmethod
    def _forget(kind: str) -> None:
        ended = SystemTask.select(SystemTask.id).where(SystemTask.type == kind, SystemTask.active_key.is_null())
        old = [row.id for row in ended.order_by(SystemTask.id.desc()).offset(KEPT).limit(KEPT)]
        if old:
            SystemTask.delete().where(SystemTask.id.in_(old)).execute()

    @staticmethod
    def _end(task_id: str, status: str, result: str, error: str, now: int) -> int:
        columns = {"status": status, "active_key": None, "error": error[:ERROR_MOST], "updated_at": now}
        if result:
            columns["result"] = result[:STATE_MOST]
        mine = (SystemTask.task_id == task_id) & (SystemTask.status == RUNNING)
        return int(SystemTask.update(**columns).where(mine).execute())

    async def note(self, task_id: str, owner: str, state: Mapping[str, Any]) -> bool:
        """How far it is; holds it longer. False: it is not the owner's any more (ended, aborted, taken for dead)."""
        now = int(time.time())
        told = json.dumps(state)

        def run() -> bool:
            mine = (SystemTask.task_id == task_id) & (SystemTask.status == RUNNING) & (SystemTask.locked_by == owner)
            columns = {"state": told[:STATE_MOST], "locked_until": now + HOLD_SECONDS, "updated_at": now}
            return bool(SystemTask.update(**columns).where(mine).execute())

        return await self._database.write(run)

    async def end(self, task_id: str, result: Mapping[str, Any] | None, error: str = "") -> bool:
        """Ends a task that is under way: succeeded with its result, or failed with an error. False: it had ended."""
        now = int(time.time())
        told = json.dumps(result) if result is not None else ""
        status = FAILED if error else SUCCEEDED
        return bool(await self._database.write(lambda: self._end(task_id, status, told, error, now)))

    async def get(self, task_id: str) -> SystemTask:
        """By its id. Raises RecordNotFound."""
        row = await self._database.read(lambda: SystemTask.select().where(SystemTask.task_id == task_id).first())
        if row is None:
            raise RecordNotFound("There is no such task.")
        return row

    async def current(self, kind: str) -> SystemTask | None:
        """The task of a type that is under way; of any type where none is named, the newest."""
        now = int(time.time())
        query = SystemTask.locked_until > now
        query &= (SystemTask.active_key == kind) if kind else SystemTask.active_key.is_null(False)
        return await self._database.read(
            lambda: SystemTask.select().where(query).order_by(SystemTask.id.desc()).first()
        )

    async def newest(self, kind: str) -> SystemTask | None:
        """The last that began, whether it has ended or not."""
        return await self._database.read(
            lambda: SystemTask.select().where(SystemTask.type == kind).order_by(SystemTask.id.desc()).first()
        )

    async def last_state(self, kind: str) -> dict[str, Any]:
        """What the last one that succeeded said of itself; empty where there is none."""
        ended = (SystemTask.type == kind) & (SystemTask.status == SUCCEEDED)
        row = await self._database.read(lambda: SystemTask.select().where(ended).order_by(SystemTask.id.desc()).first())
        try:
            found = json.loads(row.state) if row is not None else {}
        except ValueError:
            found = {}
        return found if isinstance(found, dict) else {}

    async def list(self, limit: int = 20) -> list[SystemTask]:
        """The last ones, of every type."""
        return await self._database.read(
            lambda: list(SystemTask.select().order_by(SystemTask.id.desc()).limit(min(limit, 100)))
        )

"""Old lines of the log go behind requests, in steps that other writers get between; by age, where options say so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from core.errors import InvalidRequest
from core.rounds.runner import Progress, Work
from core.rounds.schedule import Chore
from core.services.context import Services
from core.store.models import SystemTask

KIND = "log_cleanup"
DAY = 86_400
RETENTION_KIND, RETENTION_SECONDS = "log_retention", 3600
"""The chore that looks for what is too old, and how often."""
PAUSE = 0.02
"""Seconds between two steps."""


def _work(services: Services, before: int) -> Work:
    async def work(progress: Progress) -> Mapping[str, Any]:
        total = await services.store.logs.count_before(before)
        deleted = 0
        progress.tell(total=total, processed=0, progress=0)
        while count := await services.store.logs.delete_step(before):
            deleted += count
            progress.tell(processed=deleted, progress=min(100, deleted * 100 // max(total, 1)))
            await asyncio.sleep(PAUSE)
        return {"deleted_count": deleted}

    return work


async def begin(services: Services, before: int) -> tuple[SystemTask, bool]:
    """Deletes lines of before a time behind the request; the task, and whether it is new. Raises InvalidRequest."""
    if not 0 < before <= time.time():
        raise InvalidRequest("Before which time (Unix seconds, not to come)?", param="target_timestamp")
    return await services.rounds.start(KIND, _work(services, before), {"target_timestamp": before})


def chore(services: Services) -> Chore:
    """Hourly, where isthmus.log_retention_days or perf_metrics_setting.retention_days is set."""

    def days(name: str) -> int:
        return int(services.state.snapshot.options.raw[name] or 0)

    def kept() -> tuple[int, int]:
        return days("isthmus.log_retention_days"), days("perf_metrics_setting.retention_days")

    async def work(progress: Progress) -> Mapping[str, Any]:
        lines, measures = kept()
        found: dict[str, Any] = {}
        now = int(time.time())
        if measures:
            found["deleted_measures"] = await services.store.statistics.forget_performance(now - measures * DAY)
        if lines:
            found |= await _work(services, now - lines * DAY)(progress)
        return found

    return Chore(RETENTION_KIND, lambda: RETENTION_SECONDS if any(kept()) else 0, work)

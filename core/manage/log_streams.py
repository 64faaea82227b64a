"""Lines of the log that are told as a stream: all that a filter finds, or those that are just being written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from isthmus.v1 import admin_pb2

from core.manage import fields, logs
from core.services.context import Services
from core.state.types import Principal
from core.store.logs import Asked
from core.store.models import Log

PAGE = 500
EXPORTS_MOST, TAILS_MOST = 4, 64
"""Streams of a kind at once in one worker."""
TAIL_SECONDS = 600
"""How long one watches; clients that want more come again."""
POLL_SECONDS, SILENCE_SECONDS, CHECK_SECONDS = 1.0, 10.0, 30.0
"""Between two looks; between two signs of life; between two looks whether the caller may still watch."""
LATE_SECONDS = 15
"""How much later than others, by its time, a line may appear: flushes of several nodes end in any order."""
BURST_MOST = 200
"""Lines of one look; of more, the newest."""

Reader = Callable[[], Awaitable[Principal]]
"""Who reads, looked up anew. Raises where he may not, or no longer."""


async def export(
    services: Services, principal: Principal, request: admin_pb2.ExportLogsRequest
) -> AsyncIterator[admin_pb2.ExportLogsResponse]:
    """Every line, newest first; pages are read as the reader takes them. Raises InvalidRequest, RateLimited."""
    which = logs.asked(principal, request.filter)
    left = request.limit or None
    with services.places.taken("export", EXPORTS_MOST):
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            rows = await services.store.logs.page(which, size)
            response = admin_pb2.ExportLogsResponse(logs=[logs.entry(principal, row) for row in rows])
            yield response
            if len(rows) < size:
                return
            which = replace(which, before=(rows[-1].created_at, rows[-1].id))
            left = left - len(rows) if left is not None else None


async def tail(
    services: Services, reader: Reader, request: admin_pb2.TailLogsRequest
) -> AsyncIterator[admin_pb2.TailLogsResponse]:
    """Lines from now on, oldest first. Ends by itself; raises what the reader raises once he may not read any more."""
    principal = await reader()
    which = logs.asked(principal, request.filter)
    seconds = fields.whole(request.seconds or TAIL_SECONDS, "seconds", 1, TAIL_SECONDS)
    began = checked = told = time.monotonic()
    floor = int(time.time())
    seen: dict[int, int] = {}
    with services.places.taken("tail", TAILS_MOST):
        seen.update((row.id, row.created_at) for row in await _look(services, which, floor, seen))
        yield admin_pb2.TailLogsResponse()
        while time.monotonic() - began < seconds and not services.stopping():
            await asyncio.sleep(POLL_SECONDS)
            now = time.monotonic()
            if now - checked >= CHECK_SECONDS:
                checked = now
                principal = await reader()
            rows = await _look(services, which, max(floor, int(time.time()) - LATE_SECONDS), seen)
            if rows or now - told >= SILENCE_SECONDS:
                told = now
                yield admin_pb2.TailLogsResponse(logs=[logs.entry(principal, row) for row in rows])
            seen.update((row.id, row.created_at) for row in rows)
            oldest = int(time.time()) - 4 * LATE_SECONDS
            seen = {line: at for line, at in seen.items() if at >= oldest}


async def _look(services: Services, which: Asked, since: int, seen: dict[int, int]) -> list[Log]:
    asked = replace(which, since=since, until=0, before=None)
    return list(await services.store.logs.since(asked, seen.__contains__, BURST_MOST))

"""Nodes and their workers: each worker reports itself now and then; how the ledger stands."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import random
import resource
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

from isthmus.v1 import system_pb2

from core.ledger.status import status
from core.pipeline.overload import Machine
from core.services.context import Services
from core.version import VERSION

logger = logging.getLogger("isthmus.instances")

REPORT_SECONDS = 30
STALE_SECONDS = 90
"""A worker that was silent for so long counts as gone."""
FORGET_SECONDS = 7 * 86_400
"""Reports this old are deleted."""
PAGE = os.sysconf("SC_PAGE_SIZE")


def memory() -> int:
    """Bytes of this process in memory."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return peak()


def peak() -> int:
    """The most bytes this process had in memory."""
    told = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return told if sys.platform == "darwin" else told << 10


def in_container() -> bool:
    """Whether this process runs in a container, as far as files tell."""
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()


def node_name(services: Services) -> str:
    """What the node is called."""
    return (services.settings.node or socket.gethostname())[:64]


class Reporter:
    """Writes this worker's row; one a worker."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._machine = Machine(services.settings.data)
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begins to report."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            try:
                await self.report()
            except Exception:
                # The database may be away for a while; what matters is told by others.
                logger.exception("could not report this worker")
            await asyncio.sleep(REPORT_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - no secret

    async def report(self) -> None:
        """Once."""
        services = self._services
        disk = shutil.disk_usage(services.settings.data)
        info = {
            "named": bool(services.settings.node),
            "host": socket.gethostname(),
            "master": services.settings.node_type == "master",
            "version": VERSION,
            "system": platform.system().lower(),
            "machine": platform.machine(),
            "used": {name: round(value, 1) for name, value in self._machine.look().items()},
            "disk": [disk.total, disk.free],
            "pid": os.getpid(),
            "memory": memory(),
            "running": services.running(),
            "journal_lag": services.ledger.lag(),
        }
        await services.store.instances.report(
            node_name(services), services.settings.slot, services.started, json.dumps(info), FORGET_SECONDS
        )

    async def close(self) -> None:
        """Ends the reporting, and takes this worker's row away."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._services.store.instances.leave(node_name(self._services), self._services.settings.slot)


async def instances(services: Services) -> system_pb2.ListInstancesResponse:
    """Every node that reported of late, and the ledger."""
    response = system_pb2.ListInstancesResponse(stale_seconds=STALE_SECONDS)
    now = int(time.time())
    nodes: dict[str, system_pb2.Instance] = {}
    for row in await services.store.instances.all():
        info: dict[str, Any] = json.loads(row.info or "{}")
        node = nodes.get(row.node)
        if node is None:
            total, free = info.get("disk", (0, 0))
            node = nodes[row.node] = response.instances.add(
                node=row.node,
                named=info.get("named", False),
                host=info.get("host", ""),
                master=info.get("master", False),
                version=info.get("version", ""),
                system=info.get("system", ""),
                machine=info.get("machine", ""),
                used=info.get("used", {}),
                disk_total=total,
                disk_free=free,
            )
        node.workers.add(
            slot=row.slot,
            pid=info.get("pid", 0),
            started_at=row.started_at,
            seen_at=row.last_seen_at,
            memory=info.get("memory", 0),
            running=info.get("running", 0),
            journal_lag=info.get("journal_lag", 0),
            online=row.last_seen_at >= now - STALE_SECONDS,
        )
    found = await status(services.store.database)
    ledger = response.ledger
    ledger.purses, ledger.available, ledger.leased = found.purses, found.available, found.leased
    ledger.settled, ledger.set_aside = found.settled, found.set_aside
    for each in found.journals:
        ledger.journals.add(
            node=each.node,
            slot=each.slot,
            state=each.state,
            seen_at=each.seen_ms // 1000,
            leases=each.leases,
            leased=each.leased,
            problem=each.problem,
        )
    return response

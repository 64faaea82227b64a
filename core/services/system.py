"""SystemService: tasks behind requests, nodes, processes, status pages."""

from __future__ import annotations

import asyncio
import gc
import shutil
from typing import Any

from isthmus.v1 import system_pb2, system_pb2_grpc

from core.errors import RecordNotFound
from core.link.call import CallInfo, guarded_unary
from core.manage import fields, instances
from core.manage.audit import acting
from core.rounds import log_cleanup
from core.services.context import Services
from core.services.routing import round_of
from core.state.types import ROLE_ROOT

# ruff: noqa: N802 - the proto's names

LIST_DEFAULT, LIST_MOST = 20, 100


class SystemServicer(system_pb2_grpc.SystemServiceServicer):
    """Thin: the work is in core/rounds and core/manage."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def StartLogCleanup(self, request: system_pb2.StartLogCleanupRequest, info: CallInfo, context: Any) -> Any:
        """Deletes old lines, behind the call."""
        async with acting(self._services, info, ROLE_ROOT, "log.cleanup", before=request.before):
            task, new = await log_cleanup.begin(self._services, request.before)
            return system_pb2.StartLogCleanupResponse(task=round_of(task), started=new)

    @guarded_unary
    async def ListTasks(self, request: system_pb2.ListTasksRequest, info: CallInfo, context: Any) -> Any:
        """The newest tasks."""
        await self._services.account(info, ROLE_ROOT)
        limit = min(request.limit or LIST_DEFAULT, LIST_MOST)
        rows = await self._services.store.system_tasks.list(limit)
        return system_pb2.ListTasksResponse(tasks=[round_of(row) for row in rows])

    @guarded_unary
    async def GetTask(self, request: system_pb2.GetTaskRequest, info: CallInfo, context: Any) -> Any:
        """One."""
        await self._services.account(info, ROLE_ROOT)
        tasks = self._services.store.system_tasks
        if request.task_id:
            return system_pb2.GetTaskResponse(task=round_of(await tasks.get(fields.text(request.task_id, "task_id"))))
        row = await tasks.current(fields.text(request.type, "type"))
        return system_pb2.GetTaskResponse(task=round_of(row) if row is not None else None)

    @guarded_unary
    async def AbortTask(self, request: system_pb2.AbortTaskRequest, info: CallInfo, context: Any) -> Any:
        """Ends one."""
        async with acting(self._services, info, ROLE_ROOT, "task.abort", task_id=request.task_id[:64]):
            row = await self._services.store.system_tasks.get(fields.text(request.task_id, "task_id"))
            ended = await self._services.rounds.abort(row.type) if row.active_key else None
            if ended is None or ended.task_id != row.task_id:
                raise RecordNotFound("The task has ended already.")
            return system_pb2.AbortTaskResponse(task=round_of(ended))

    @guarded_unary
    async def ListInstances(self, request: system_pb2.ListInstancesRequest, info: CallInfo, context: Any) -> Any:
        """Nodes and the ledger."""
        await self._services.account(info, ROLE_ROOT)
        return await instances.instances(self._services)

    @guarded_unary
    async def GetRuntime(self, request: system_pb2.GetRuntimeRequest, info: CallInfo, context: Any) -> Any:
        """The process that answers."""
        await self._services.account(info, ROLE_ROOT)
        disk = shutil.disk_usage(self._services.settings.data)
        return system_pb2.GetRuntimeResponse(
            memory=instances.memory(),
            memory_peak=instances.peak(),
            collections=sum(int(generation["collections"]) for generation in gc.get_stats()),
            tasks=len(asyncio.all_tasks()),
            running=self._services.running(),
            disk_total=disk.total,
            disk_free=disk.free,
            journal_lag=self._services.ledger.lag(),
            worker=f"{instances.node_name(self._services)}/{self._services.settings.slot}",
            container=instances.in_container(),
        )

    @guarded_unary
    async def CollectGarbage(self, request: system_pb2.CollectGarbageRequest, info: CallInfo, context: Any) -> Any:
        """Collects what nothing reaches; the event loop stands still meanwhile."""
        async with acting(self._services, info, ROLE_ROOT, "performance.gc"):
            return system_pb2.CollectGarbageResponse(collected=gc.collect())

    @guarded_unary
    async def GetUptime(self, request: system_pb2.GetUptimeRequest, info: CallInfo, context: Any) -> Any:
        """Status pages."""
        return await self._services.uptime.told(self._services.state.snapshot.options.raw)

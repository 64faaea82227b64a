"""RoutingService: channels at work, for administrators."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import routing_pb2, routing_pb2_grpc

from core.errors import RecordNotFound
from core.link.call import CallInfo, guarded_unary
from core.manage import affinity, explain, fields
from core.manage.audit import acting
from core.rounds import channel_tests
from core.services.context import Services
from core.state.types import ROLE_ADMIN, ROLE_ROOT
from core.store.models import SystemTask

# ruff: noqa: N802 - the proto's names


class RoutingServicer(routing_pb2_grpc.RoutingServiceServicer):
    """Thin: the work is in core/rounds and core/manage."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def TestChannels(self, request: routing_pb2.TestChannelsRequest, info: CallInfo, context: Any) -> Any:
        """A round of tests."""
        async with acting(self._services, info, ROLE_ADMIN, "channel.test_all"):
            task, new = await channel_tests.begin(self._services)
            return routing_pb2.TestChannelsResponse(round=round_of(task), started=new)

    @guarded_unary
    async def GetRound(self, request: routing_pb2.GetRoundRequest, info: CallInfo, context: Any) -> Any:
        """How far a round is."""
        await self._services.account(info, ROLE_ADMIN)
        tasks = self._services.store.system_tasks
        if request.task_id:
            task: SystemTask | None = await tasks.get(fields.text(request.task_id, "task_id", 64))
        else:
            task = await tasks.newest(fields.text(request.type, "type", 32))
        if task is None:
            raise RecordNotFound("There was no such round yet.")
        return routing_pb2.GetRoundResponse(round=round_of(task))

    @guarded_unary
    async def AbortRound(self, request: routing_pb2.AbortRoundRequest, info: CallInfo, context: Any) -> Any:
        """Ends a round."""
        kind = fields.text(request.type, "type", 32)
        async with acting(self._services, info, ROLE_ADMIN, "channel.abort_round", type=kind):
            task = await self._services.rounds.abort(kind)
            if task is None:
                raise RecordNotFound("No such round is under way.")
            return routing_pb2.AbortRoundResponse(round=round_of(task))

    @guarded_unary
    async def GetAffinity(self, request: routing_pb2.GetAffinityRequest, info: CallInfo, context: Any) -> Any:
        """What is remembered of conversations."""
        await self._services.account(info, ROLE_ROOT)
        return affinity.told(self._services)

    @guarded_unary
    async def ClearAffinity(self, request: routing_pb2.ClearAffinityRequest, info: CallInfo, context: Any) -> Any:
        """Forgets conversations."""
        async with acting(self._services, info, ROLE_ROOT, "channel.clear_affinity", rule=request.rule_name[:64]):
            return routing_pb2.ClearAffinityResponse(deleted=await affinity.clear(self._services, request))

    @guarded_unary
    async def GetCacheUse(self, request: routing_pb2.GetCacheUseRequest, info: CallInfo, context: Any) -> Any:
        """What caches held of a conversation."""
        await self._services.account(info, ROLE_ADMIN)
        return affinity.cache_use(self._services, request)

    @guarded_unary
    async def Explain(self, request: routing_pb2.ExplainRequest, info: CallInfo, context: Any) -> Any:
        """A dry run."""
        await self._services.account(info, ROLE_ADMIN)
        return await explain.explain(self._services, request)


def round_of(task: SystemTask) -> routing_pb2.Round:
    """A task as it is told."""
    return routing_pb2.Round(
        task_id=task.task_id,
        type=task.type,
        status=task.status,
        state_json=task.state,
        result_json=task.result,
        error=task.error,
        worker=task.locked_by,
        created_at=task.created_at,
        updated_at=task.updated_at,
        payload_json=task.payload,
    )

"""RoutingService: channels at work, for administrators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from isthmus.v1 import routing_pb2, routing_pb2_grpc

from core.errors import InvalidRequest, RecordNotFound
from core.link.call import CallInfo, guarded_stream, guarded_unary
from core.manage import affinity, explain, fields
from core.manage.audit import acting
from core.pipeline.ollama import OllamaServer
from core.rounds import channel_tests, model_updates
from core.services.context import Services
from core.state.snapshot import channel_of
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

    @guarded_unary
    async def GetRetries(self, request: routing_pb2.GetRetriesRequest, info: CallInfo, context: Any) -> Any:
        """Tries after the first."""
        await self._services.account(info, ROLE_ADMIN)
        return routing_pb2.GetRetriesResponse(retry_times=self._services.state.snapshot.options.retry_times)

    # -- what vendors have --------------------------------------------------------------------

    @guarded_unary
    async def DetectModels(self, request: routing_pb2.DetectModelsRequest, info: CallInfo, context: Any) -> Any:
        """Proposals for one channel."""
        async with acting(self._services, info, ROLE_ADMIN, "channel.detect_models", id=request.id):
            found = await model_updates.detect(self._services, request.id)
            return routing_pb2.DetectModelsResponse(updates=_updates(found))

    @guarded_unary
    async def DetectAllModels(self, request: routing_pb2.DetectAllModelsRequest, info: CallInfo, context: Any) -> Any:
        """Proposals for all."""
        async with acting(self._services, info, ROLE_ADMIN, "channel.detect_all_models"):
            task, new = await model_updates.begin(self._services)
            return routing_pb2.DetectAllModelsResponse(round=round_of(task), started=new)

    @guarded_unary
    async def ApplyModels(self, request: routing_pb2.ApplyModelsRequest, info: CallInfo, context: Any) -> Any:
        """Does what was proposed."""
        lists = (request.add_models, request.remove_models, request.ignore_models)
        async with acting(self._services, info, ROLE_ADMIN, "channel.apply_models", id=request.id):
            if not any(lists) or any(len(names) > model_updates.MODELS_MOST for names in lists):
                raise InvalidRequest(f"1 to {model_updates.MODELS_MOST} models are wanted.", param="add_models")
            found = await model_updates.apply(self._services, request.id, *lists)
            return routing_pb2.ApplyModelsResponse(updates=_updates(found))

    @guarded_unary
    async def ApplyAllModels(self, request: routing_pb2.ApplyAllModelsRequest, info: CallInfo, context: Any) -> Any:
        """Does all that is proposed."""
        async with acting(self._services, info, ROLE_ADMIN, "channel.apply_all_models"):
            done, failed = await model_updates.apply_all(self._services)
            return routing_pb2.ApplyAllModelsResponse(results=map(_updates, done), failed_ids=failed)

    async def _ollama(self, channel_id: int) -> OllamaServer:
        return OllamaServer(self._services.inquirer, channel_of(await self._services.store.channels.get(channel_id)))

    @guarded_stream
    async def PullModel(
        self, request: routing_pb2.PullModelRequest, info: CallInfo, context: Any
    ) -> AsyncIterator[routing_pb2.PullModelResponse]:
        """A model is fetched."""
        model = fields.text(request.model_name, "model_name", model_updates.NAME_MOST)
        async with acting(self._services, info, ROLE_ADMIN, "channel.pull_model", id=request.channel_id, model=model):
            if not model:
                raise InvalidRequest("A model must be named.", param="model_name")
            server = await self._ollama(request.channel_id)
            async with aclosing(server.pull(model)) as lines:
                async for line in lines:
                    yield routing_pb2.PullModelResponse(progress_json=line)

    @guarded_unary
    async def DeleteModel(self, request: routing_pb2.DeleteModelRequest, info: CallInfo, context: Any) -> Any:
        """A model goes."""
        model = fields.text(request.model_name, "model_name", model_updates.NAME_MOST)
        async with acting(self._services, info, ROLE_ADMIN, "channel.delete_model", id=request.channel_id, model=model):
            if not model:
                raise InvalidRequest("A model must be named.", param="model_name")
            await (await self._ollama(request.channel_id)).delete(model)
            return routing_pb2.DeleteModelResponse()

    @guarded_unary
    async def GetServerVersion(self, request: routing_pb2.GetServerVersionRequest, info: CallInfo, context: Any) -> Any:
        """Which version."""
        await self._services.account(info, ROLE_ADMIN)
        version = await (await self._ollama(request.channel_id)).version()
        return routing_pb2.GetServerVersionResponse(version=version)


def _updates(found: model_updates.Found) -> routing_pb2.ModelUpdates:
    return routing_pb2.ModelUpdates(
        channel_id=found.channel_id,
        channel_name=found.name,
        add_models=found.add,
        remove_models=found.remove,
        last_check_at=found.checked_at,
        added_models=found.added,
        removed_models=found.removed,
        ignored_models=found.ignored,
        models=found.models,
        settings_json=found.settings,
    )


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

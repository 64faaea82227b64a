"""ModerationService: whether texts and pictures are harmful."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import common_pb2, moderation_pb2, moderation_pb2_grpc

from core.errors import InvalidRequest
from core.link.call import CallInfo, guarded_unary
from core.pipeline.exchange import Task
from core.pipeline.relay import Relay


class ModerationServicer(moderation_pb2_grpc.ModerationServiceServicer):
    """Moderate, over the pipeline."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.settings = relay.settings

    @guarded_unary
    async def Moderate(  # noqa: N802 - the proto's name
        self, request: moderation_pb2.ModerateRequest, info: CallInfo, context: Any
    ) -> moderation_pb2.ModerateResponse:
        """Judges every input."""
        if not request.moderation.inputs or not all(item.parts for item in request.moderation.inputs):
            raise InvalidRequest("At least one input is needed, and something in each.", param="input")
        native = request.native if request.HasField("native") else None
        task = Task(common_pb2.OPERATION_MODERATION, request.moderation, native)
        answer = await self._relay.whole(info, request.envelope, task)
        response: moderation_pb2.ModerateResponse = (
            answer.canonical if answer.canonical is not None else moderation_pb2.ModerateResponse()
        )
        if answer.native is not None:
            response.native.form = request.native.form
            response.native.body = answer.native
        response.receipt.CopyFrom(answer.receipt)
        return response

"""EmbeddingService: vectors for inputs."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

from core.errors import InvalidRequest
from core.link.call import CallInfo, guarded_unary
from core.pipeline.exchange import Task
from core.pipeline.relay import Relay
from core.services.sent import native_of


class EmbeddingServicer(embedding_pb2_grpc.EmbeddingServiceServicer):
    """Embed, over the pipeline."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.settings = relay.settings

    @guarded_unary
    async def Embed(  # noqa: N802 - the proto's name
        self, request: embedding_pb2.EmbedRequest, info: CallInfo, context: Any
    ) -> embedding_pb2.EmbedResponse:
        """Embeds every input."""
        if not request.embedding.inputs:
            raise InvalidRequest("At least one input is needed.", param="input")
        native = native_of(request, info)
        task = Task(common_pb2.OPERATION_EMBEDDING, request.embedding, native)
        answer = await self._relay.whole(info, request.envelope, task)
        response: embedding_pb2.EmbedResponse = (
            answer.canonical if answer.canonical is not None else embedding_pb2.EmbedResponse()
        )
        if answer.native is not None:
            response.native.form = request.native.form
            response.native.body = answer.native
        response.receipt.CopyFrom(answer.receipt)
        return response

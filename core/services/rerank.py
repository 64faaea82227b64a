"""RerankService: documents ordered by relevance."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import common_pb2, rerank_pb2, rerank_pb2_grpc

from core.errors import InvalidRequest
from core.link.call import CallInfo, guarded_unary
from core.pipeline.exchange import Task
from core.pipeline.relay import Relay
from core.services.sent import native_of


class RerankServicer(rerank_pb2_grpc.RerankServiceServicer):
    """Rerank, over the pipeline."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.settings = relay.settings

    @guarded_unary
    async def Rerank(  # noqa: N802 - the proto's name
        self, request: rerank_pb2.RerankRequest, info: CallInfo, context: Any
    ) -> rerank_pb2.RerankResponse:
        """Orders the documents."""
        if not request.query:
            raise InvalidRequest("A query is needed.", param="query")
        if not request.documents:
            raise InvalidRequest("At least one document is needed.", param="documents")
        native = native_of(request, info)
        answer = await self._relay.whole(info, request.envelope, Task(common_pb2.OPERATION_RERANK, request, native))
        response: rerank_pb2.RerankResponse = (
            answer.canonical if answer.canonical is not None else rerank_pb2.RerankResponse()
        )
        if answer.native is not None:
            response.native.form = request.native.form
            response.native.body = answer.native
        response.receipt.CopyFrom(answer.receipt)
        return response

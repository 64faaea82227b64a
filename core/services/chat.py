"""ChatService: conversation turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from isthmus.v1 import chat_pb2, chat_pb2_grpc, common_pb2

from core.link.call import CallInfo, guarded_stream, guarded_unary
from core.pipeline.count import count
from core.pipeline.exchange import Task
from core.pipeline.relay import Relay
from core.pipeline.stream import stream
from core.services.limits import check_chat
from core.services.sent import native_of


def _task(
    request: chat_pb2.GenerateRequest | chat_pb2.StreamGenerateRequest | chat_pb2.CountTokensRequest, info: CallInfo
) -> Task:
    """What the request asks for; a native part that is absent is None."""
    options = request.chat.stream_options
    compacts = request.envelope.operation == common_pb2.OPERATION_COMPACTION and isinstance(
        request, chat_pb2.GenerateRequest
    )
    return Task(
        operation=common_pb2.OPERATION_COMPACTION if compacts else common_pb2.OPERATION_CHAT,
        canonical=request.chat,
        native=native_of(request, info),
        include_usage=options.include_usage,
    )


def _envelope(request: Any, *, stream: bool) -> common_pb2.Envelope:
    """The envelope, saying what the method called is; a received message is never changed."""
    if request.envelope.stream == stream:
        found: common_pb2.Envelope = request.envelope
        return found
    envelope = common_pb2.Envelope()
    envelope.CopyFrom(request.envelope)
    envelope.stream = stream
    return envelope


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    """Generate and StreamGenerate, over the pipeline."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.settings = relay.settings

    @guarded_unary
    async def Generate(  # noqa: N802 - the proto's name
        self, request: chat_pb2.GenerateRequest, info: CallInfo, context: Any
    ) -> chat_pb2.GenerateResponse:
        """One whole answer."""
        check_chat(request.chat)
        answer = await self._relay.whole(info, _envelope(request, stream=False), _task(request, info))
        response = answer_message(answer.native, request.native.form)
        if answer.canonical is not None:
            response.chat.CopyFrom(answer.canonical)
        response.receipt.CopyFrom(answer.receipt)
        return response

    @guarded_unary
    async def CountTokens(  # noqa: N802 - the proto's name
        self, request: chat_pb2.CountTokensRequest, info: CallInfo, context: Any
    ) -> chat_pb2.CountTokensResponse:
        """The tokens of a turn's input."""
        check_chat(request.chat)
        return await count(self._relay, info, _envelope(request, stream=False), _task(request, info))

    @guarded_stream
    async def StreamGenerate(  # noqa: N802 - the proto's name
        self, request: chat_pb2.StreamGenerateRequest, info: CallInfo, context: Any
    ) -> AsyncIterator[chat_pb2.StreamGenerateResponse]:
        """The answer as it comes."""
        check_chat(request.chat)
        messages = stream(self._relay, info, _envelope(request, stream=True), _task(request, info))
        del request
        try:
            async for message in messages:
                yield message
        finally:
            await messages.aclose()  # type: ignore[attr-defined]


def answer_message(native: bytes | None, form: str) -> chat_pb2.GenerateResponse:
    """A response that carries native bytes where there are any."""
    response = chat_pb2.GenerateResponse()
    if native is not None:
        response.native.form = form
        response.native.body = native
    return response

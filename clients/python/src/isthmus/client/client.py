"""The asynchronous client."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import grpc

from isthmus.client.answers import ChatAnswer, ChatStream
from isthmus.client.errors import ApiError
from isthmus.client.messages import user
from isthmus.v1 import (
    access_pb2_grpc,
    admin_pb2_grpc,
    billing_pb2,
    billing_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    chat_pb2,
    chat_pb2_grpc,
    common_pb2,
    embedding_pb2,
    embedding_pb2_grpc,
    rerank_pb2,
    rerank_pb2_grpc,
)

_T = TypeVar("_T")
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message in either direction."""
MAX_PAUSE_SECONDS = 10.0
"""A retry that would have to wait longer is not made."""


class Client:
    """Calls a gateway: `async with Client("127.0.0.1:50051", "sk-...") as client: ...`.

    address: gRPC target. key: an API key (or access token), sent with every call.
    deadline: seconds per call, of a stream in all; None: none. secure: TLS; credentials:
    for TLS other than with the system's roots. channel: any grpc.aio-like channel instead
    of an own connection; it is not closed with the client. retries: how often a call is
    repeated where that is safe: reads that met UNAVAILABLE, and others only where it is
    certain that nothing was billed. Every call raises ApiError.

    chat, embedding, reranking, catalog, billing, access and admin are the generated stubs;
    calls through them need `metadata=client.metadata` and raise grpc.aio.AioRpcError.
    """

    def __init__(
        self,
        address: str = "",
        key: str = "",
        *,
        deadline: float | None = 600.0,
        secure: bool = False,
        credentials: grpc.ChannelCredentials | None = None,
        channel: Any = None,
        retries: int = 2,
    ) -> None:
        if channel is None and not address:
            raise ValueError("Give an address or a channel.")
        self._owned = channel is None
        self._channel = _open(address, secure, credentials) if channel is None else channel
        self._deadline = deadline
        self._retries = retries
        self.metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {key}"),) if key else ()
        self.chat = cast("chat_pb2_grpc.ChatServiceAsyncStub", chat_pb2_grpc.ChatServiceStub(self._channel))
        self.embedding = cast(
            "embedding_pb2_grpc.EmbeddingServiceAsyncStub",
            embedding_pb2_grpc.EmbeddingServiceStub(self._channel),
        )
        self.reranking = cast(
            "rerank_pb2_grpc.RerankServiceAsyncStub", rerank_pb2_grpc.RerankServiceStub(self._channel)
        )
        self.catalog = cast(
            "catalog_pb2_grpc.CatalogServiceAsyncStub", catalog_pb2_grpc.CatalogServiceStub(self._channel)
        )
        self.billing = cast(
            "billing_pb2_grpc.BillingServiceAsyncStub", billing_pb2_grpc.BillingServiceStub(self._channel)
        )
        self.access = cast("access_pb2_grpc.AccessServiceAsyncStub", access_pb2_grpc.AccessServiceStub(self._channel))
        self.admin = cast("admin_pb2_grpc.AdminServiceAsyncStub", admin_pb2_grpc.AdminServiceStub(self._channel))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection, if it is the client's own."""
        if self._owned:
            await self._channel.close()

    async def generate(
        self,
        model: str,
        messages: str | Sequence[chat_pb2.Message],
        *,
        group: str = "",
        deadline: float | None = None,
        **options: Any,
    ) -> ChatAnswer:
        """One whole answer. options are fields of ChatRequest: max_output_tokens, tools, sampling, ..."""
        chat, envelope = _question(model, messages, options, stream=False, group=group)
        request = chat_pb2.GenerateRequest(envelope=envelope, chat=chat)
        raw = await self._call(self.chat.Generate, request, deadline=deadline)
        return ChatAnswer(raw)

    def stream(
        self,
        model: str,
        messages: str | Sequence[chat_pb2.Message],
        *,
        group: str = "",
        deadline: float | None = None,
        **options: Any,
    ) -> ChatStream:
        """The answer as it comes; see ChatStream. Retried only before the first message, if unbilled."""
        chat, envelope = _question(model, messages, options, stream=True, group=group)
        request = chat_pb2.StreamGenerateRequest(envelope=envelope, chat=chat)

        async def events(into: ChatStream) -> AsyncIterator[chat_pb2.ChatEvent]:
            attempt = 0
            while True:
                call: Any = self.chat.StreamGenerate(request, metadata=self.metadata, timeout=self._seconds(deadline))
                begun = False
                try:
                    async for message in call:
                        begun = True
                        if message.HasField("receipt"):
                            into.receipt.CopyFrom(message.receipt)
                        for event in message.events:
                            yield event
                    return
                except grpc.aio.AioRpcError as error:
                    failure = ApiError.of(error)
                    if begun or not failure.unbilled or not await self._pause(failure, attempt):
                        raise failure from error
                finally:
                    call.cancel()
                attempt += 1

        return ChatStream(events)

    async def embed(
        self,
        model: str,
        inputs: str | Sequence[str],
        *,
        dimensions: int | None = None,
        group: str = "",
        deadline: float | None = None,
    ) -> embedding_pb2.EmbedResponse:
        """Vectors, one per input, in the inputs' order."""
        texts = [inputs] if isinstance(inputs, str) else inputs
        embedding = embedding_pb2.Embedding(
            inputs=[embedding_pb2.EmbeddingInput(text=text) for text in texts],
            dimensions=dimensions,
            single=isinstance(inputs, str),
        )
        envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_EMBEDDING, model=model, group=group)
        request = embedding_pb2.EmbedRequest(envelope=envelope, embedding=embedding)
        return await self._call(self.embedding.Embed, request, deadline=deadline)

    async def rerank(
        self,
        model: str,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int = 0,
        group: str = "",
        deadline: float | None = None,
    ) -> rerank_pb2.RerankResponse:
        """The documents by relevance, best first; top_n 0: all."""
        request = rerank_pb2.RerankRequest(
            envelope=common_pb2.Envelope(operation=common_pb2.OPERATION_RERANK, model=model, group=group),
            query=query,
            documents=[rerank_pb2.RerankDocument(text=text) for text in documents],
            top_n=top_n,
        )
        return await self._call(self.reranking.Rerank, request, deadline=deadline)

    async def models(self) -> list[catalog_pb2.Model]:
        """The models the key may use."""
        answer = await self._call(self.catalog.ListModels, catalog_pb2.ListModelsRequest(), reads=True)
        return list(answer.models)

    async def balance(self) -> billing_pb2.GetBalanceResponse:
        """What the key and its account hold, in quota units."""
        return await self._call(self.billing.GetBalance, billing_pb2.GetBalanceRequest(), reads=True)

    async def receipts(self, request_id: str) -> list[billing_pb2.Receipt]:
        """All receipts of a request, by entry number."""
        request = billing_pb2.GetReceiptRequest(request_id=request_id)
        answer = await self._call(self.billing.GetReceipt, request, reads=True)
        return list(answer.receipts)

    async def receipt(self, request_id: str) -> billing_pb2.Receipt:
        """The first receipt of a request. Raises ApiError (NOT_FOUND) where there is none (yet)."""
        found = await self.receipts(request_id)
        if not found:
            raise ApiError(
                "The request has no receipt.",
                code=grpc.StatusCode.NOT_FOUND,
                reason="RECORD_NOT_FOUND",
                http_status=404,
                request_id=request_id,
                from_server=True,
            )
        return found[0]

    def _seconds(self, deadline: float | None) -> float | None:
        """The call's own deadline, else the client's."""
        return self._deadline if deadline is None else deadline

    async def _call(
        self,
        method: Callable[..., Awaitable[_T]],
        request: Any,
        *,
        deadline: float | None = None,
        reads: bool = False,
    ) -> _T:
        """One unary call with its retries; reads: it may always be repeated."""
        attempt = 0
        while True:
            try:
                return await method(request, metadata=self.metadata, timeout=self._seconds(deadline))
            except grpc.aio.AioRpcError as error:
                failure = ApiError.of(error)
                again = failure.unbilled or (reads and failure.code is grpc.StatusCode.UNAVAILABLE)
                if not again or not await self._pause(failure, attempt):
                    raise failure from error
            attempt += 1

    async def _pause(self, failure: ApiError, attempt: int) -> bool:
        """Waits before a retry; False: there is none left, or the gateway asks for too long a wait."""
        if attempt >= self._retries:
            return False
        pause = 0.1 * 2**attempt * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        if failure.retry_after is not None:
            pause = max(pause, failure.retry_after)
        if pause > MAX_PAUSE_SECONDS:
            return False
        await asyncio.sleep(pause)
        return True


def _open(address: str, secure: bool, credentials: grpc.ChannelCredentials | None) -> Any:
    """A channel of the client's own."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        # gRPC's own retries know nothing of bills.
        ("grpc.enable_retries", 0),
    ]
    if secure or credentials is not None:
        return grpc.aio.secure_channel(address, credentials or grpc.ssl_channel_credentials(), options=options)
    return grpc.aio.insecure_channel(address, options=options)


def _question(
    model: str,
    messages: str | Sequence[chat_pb2.Message],
    options: dict[str, Any],
    *,
    stream: bool,
    group: str,
) -> tuple[chat_pb2.ChatRequest, common_pb2.Envelope]:
    """The canonical request and what routing reads of it."""
    asked = [user(messages)] if isinstance(messages, str) else messages
    chat = chat_pb2.ChatRequest(messages=asked, **options)
    envelope = common_pb2.Envelope(
        operation=common_pb2.OPERATION_CHAT,
        model=model,
        stream=stream,
        max_output_tokens=chat.max_output_tokens,
        candidates=chat.candidates,
        group=group,
    )
    return chat, envelope

"""The relay routes: key before body, body under limits, parse, call, pass on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import orjson
from isthmus.v1 import (
    access_pb2,
    access_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    chat_pb2,
    chat_pb2_grpc,
    common_pb2,
    embedding_pb2,
    embedding_pb2_grpc,
)
from sanic import Request
from sanic.response import HTTPResponse

from front import call
from front.body import Gauge, read_body
from front.dialects import openai_chat, openai_embeddings, openai_errors, openai_render
from front.dialects.strict import load_object
from front.errors import FrontError, from_fault, from_rpc
from front.settings import FrontSettings

JSON = "application/json"
CHECK_KEY = access_pb2.CheckKeyRequest()
PING = b": ping\n\n"
Handler = Callable[..., Awaitable[HTTPResponse | None]]


class Relay:
    """The stubs and limits that relay routes share; one a worker."""

    def __init__(self, channel: Any, settings: FrontSettings) -> None:
        self.settings = settings
        self.access = access_pb2_grpc.AccessServiceStub(channel)
        self.chat = chat_pb2_grpc.ChatServiceStub(channel)
        self.embedding = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.gauge = Gauge(settings.bodies_in_flight_mb << 20)

    # -- shared -------------------------------------------------------------------------------

    async def guarded(self, request: Request, work: Callable[[str], Awaitable[HTTPResponse | None]]) -> Any:
        """Runs a route; every refusal becomes OpenAI's envelope."""
        request_id = request.ctx.request_id
        try:
            return await work(request_id)
        except FrontError as error:
            return refusal(error, request_id)
        except grpc.aio.AioRpcError as error:
            return refusal(from_rpc(error), request_id)

    async def body(self, request: Request, metadata: list[tuple[str, str]]) -> tuple[bytes, int]:
        """The body, once the key is known to be good."""
        await self.access.CheckKey(CHECK_KEY, metadata=metadata)
        kind = request.headers.get("content-type", JSON)
        if "json" not in kind.lower():
            raise FrontError(400, "Content-Type must be application/json.", code="unsupported_media_type")
        return await read_body(request, self.settings.max_body_mb << 20, self.settings.body_seconds, self.gauge)

    # -- routes -------------------------------------------------------------------------------

    async def chat_completions(self, request: Request) -> Any:
        """POST /v1/chat/completions."""

        async def work(request_id: str) -> HTTPResponse | None:
            metadata = call.metadata(request, self.settings, request_id, call.find_key(request))
            raw, taken = await self.body(request, metadata)
            try:
                source = load_object(raw, self.settings.max_depth)
                envelope, chat = openai_chat.parse(source, raw, self.settings.max_messages)
                envelope.client_request_id = call.client_id(request)
                native = common_pb2.Native(form=openai_chat.FORM, body=raw)
                del raw, source
                # The gauge counts these bytes until the answer ends: they are held that long for retries.
                if envelope.stream:
                    return await self._stream(request, metadata, envelope, chat, native)
                asked = chat_pb2.GenerateRequest(envelope=envelope, chat=chat, native=native)
                answer = await self.chat.Generate(asked, metadata=metadata)
            finally:
                self.gauge.give(taken)
            content = answer.native.body if answer.HasField("native") else openai_render.whole(answer.chat)
            return reply(content, request_id)

        return await self.guarded(request, work)

    async def embeddings(self, request: Request) -> Any:
        """POST /v1/embeddings."""

        async def work(request_id: str) -> HTTPResponse | None:
            metadata = call.metadata(request, self.settings, request_id, call.find_key(request))
            raw, taken = await self.body(request, metadata)
            try:
                envelope, embedding = openai_embeddings.parse(load_object(raw, self.settings.max_depth))
                envelope.client_request_id = call.client_id(request)
                native = common_pb2.Native(form=openai_embeddings.FORM, body=raw)
                asked = embedding_pb2.EmbedRequest(envelope=envelope, embedding=embedding, native=native)
                answer = await self.embedding.Embed(asked, metadata=metadata)
            finally:
                self.gauge.give(taken)
            if answer.HasField("native"):
                return reply(answer.native.body, request_id)
            data = [
                {"object": "embedding", "index": vector.index, "embedding": list(vector.values)}
                for vector in answer.vectors
            ]
            body = {
                "object": "list",
                "data": data,
                "model": answer.model,
                "usage": {
                    "prompt_tokens": answer.usage.input_tokens,
                    "total_tokens": answer.usage.input_tokens,
                },
            }
            return reply(orjson.dumps(body), request_id)

        return await self.guarded(request, work)

    async def models(self, request: Request) -> Any:
        """GET /v1/models."""

        async def work(request_id: str) -> HTTPResponse:
            metadata = call.metadata(request, self.settings, request_id, call.find_key(request))
            found = await self.catalog.ListModels(catalog_pb2.ListModelsRequest(), metadata=metadata)
            data = [model_object(model) for model in found.models]
            return reply(orjson.dumps({"object": "list", "data": data, "success": True}), request_id)

        return await self.guarded(request, work)

    async def model(self, request: Request, name: str) -> Any:
        """GET /v1/models/:model."""

        async def work(request_id: str) -> HTTPResponse:
            metadata = call.metadata(request, self.settings, request_id, call.find_key(request))
            found = await self.catalog.GetModel(catalog_pb2.GetModelRequest(name=name), metadata=metadata)
            return reply(orjson.dumps(model_object(found.model)), request_id)

        return await self.guarded(request, work)

    # -- streams ------------------------------------------------------------------------------

    async def _stream(
        self,
        request: Request,
        metadata: list[tuple[str, str]],
        envelope: common_pb2.Envelope,
        chat: chat_pb2.ChatRequest,
        native: common_pb2.Native,
    ) -> HTTPResponse | None:
        """Passes messages on as they come; the status is known before the first byte leaves."""
        request_id = request.ctx.request_id
        renderer = openai_render.StreamRenderer(envelope.model, chat.stream_options.include_usage, int(time.time()))
        asked = chat_pb2.StreamGenerateRequest(envelope=envelope, chat=chat, native=native)
        messages = self.chat.StreamGenerate(asked, metadata=metadata)
        try:
            message = await messages.read()
            headers = call.stamp({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}, request_id)
            response: Any = await request.respond(content_type="text/event-stream; charset=utf-8", headers=headers)
            try:
                while message is not grpc.aio.EOF:
                    out = self._bytes(message, renderer, request_id)
                    if out:
                        await response.send(out)
                    message = await self._next(messages, response)
            except grpc.aio.AioRpcError as error:
                await response.send(openai_errors.event(from_rpc(error), request_id))
            await response.eof()
        finally:
            messages.cancel()
        return None

    async def _next(self, messages: Any, response: Any) -> Any:
        """The next message; a comment is sent for each stretch of silence."""
        if not self.settings.ping_seconds:
            return await messages.read()
        task = asyncio.ensure_future(messages.read())
        try:
            while not (await asyncio.wait([task], timeout=self.settings.ping_seconds))[0]:
                await response.send(PING)
        except BaseException:
            task.cancel()
            raise
        return task.result()

    @staticmethod
    def _bytes(
        message: chat_pb2.StreamGenerateResponse, renderer: openai_render.StreamRenderer, request_id: str
    ) -> bytes:
        out = [message.native] if message.native else []
        for event in message.events:
            if event.HasField("fault"):
                out.append(openai_errors.event(from_fault(event.fault), request_id))
            elif event.HasField("ended"):
                out.append(renderer.end())
            else:
                out.append(renderer.render(event))
        return b"".join(out)


def model_object(model: catalog_pb2.Model) -> dict[str, Any]:
    """OpenAI's model object, with New API's list of endpoint types."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
        "supported_endpoint_types": list(model.endpoints),
    }


def reply(content: bytes, request_id: str) -> HTTPResponse:
    """200 with JSON bytes."""
    return HTTPResponse(content, 200, call.stamp({}, request_id), JSON)


def refusal(error: FrontError, request_id: str) -> HTTPResponse:
    """An error in OpenAI's envelope."""
    headers = call.stamp({}, request_id)
    if error.retry_after_ms:
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    if error.status in (401, 413, 408):
        # The body may not have been read: the connection cannot be used again.
        headers["Connection"] = "close"
    return HTTPResponse(openai_errors.body(error, request_id), error.status, headers, JSON)

"""The Responses routes whose answers live on: made, followed, shown, listed, deleted, cancelled."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import orjson
from isthmus.v1 import chat_pb2, common_pb2, responses_pb2, responses_pb2_grpc
from sanic import Request
from sanic.response import HTTPResponse

from front import call
from front.body import too_large
from front.dialects.interface import Ask
from front.dialects.responses import kept, render
from front.dialects.responses.dialect import OpenAIResponses
from front.errors import FrontError, bad
from front.relay import Handler, Metadata, Relay, native_of, query_of, refusal, reply

INPUT_MOST = 8 << 20
"""Bytes of a request whose answer is kept (core/pipeline/kept.py has the same limit)."""


class KeptResponses:
    """Handlers over core's ResponsesService; one a worker."""

    def __init__(self, relay: Relay, channel: Any) -> None:
        self._relay = relay
        self._stub = responses_pb2_grpc.ResponsesServiceStub(channel)
        self._dialect = OpenAIResponses()

    # -- made ---------------------------------------------------------------------------------

    def create(self, dialect: OpenAIResponses) -> Handler:
        """POST /v1/responses: a turn, and what it follows where that is kept here."""
        return self._relay.handler(dialect, self._create)

    async def _create(self, request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse | None:
        source = ask.source
        wanted = self._relay.keeps_responses and source.get("store") is not False and len(ask.raw) <= INPUT_MOST
        given = orjson.dumps(source.get("input")) if wanted else b""
        previous = await self._follow(ask, metadata)
        envelope, chat = self._dialect.parse(ask)
        envelope.client_request_id = call.client_id(request)
        native = native_of(self._dialect.form, ask)
        note = _Note(f"resp_{request.ctx.request_id}", previous, given) if wanted else None
        now = int(time.time())
        if envelope.stream:
            renderer = self._dialect.stream(envelope, chat, request.ctx.request_id, now)
            assert isinstance(renderer, render.StreamRenderer)
            if note is not None:
                renderer.keep(note.id, previous, given)
                # Held by the renderer alone, until it knows that a vendor keeps the answer.
                given = note.given = b""
            asked = chat_pb2.StreamGenerateRequest(envelope=envelope, chat=chat, native=native)
            messages = self._relay.chats.StreamGenerate(asked, metadata=metadata)
            del envelope, chat, native, asked
            ask.raw, ask.source = b"", {}

            async def done() -> None:
                if note is None:
                    return
                note.given, made = renderer.kept()
                if made:
                    await self._keep(note, made, metadata)

            await self._relay.stream(request, messages, renderer, done, self._dialect.form)
            return None
        answer = await self._relay.chats.Generate(
            chat_pb2.GenerateRequest(envelope=envelope, chat=chat, native=native), metadata=metadata
        )
        if answer.HasField("native"):
            return reply(answer.native.body, request, answer.receipt, self._dialect.form)
        content = render.whole(answer.chat, chat, now, note.id if note is not None else "", previous)
        if note is not None:
            await self._keep(note, content, metadata)
        return reply(content, request, answer.receipt, self._dialect.form)

    def compact(self) -> Handler:
        """POST /v1/responses/compact: a conversation made shorter, by vendors that do it."""
        return self._relay.handler(self._dialect, self._compact)

    async def _compact(self, request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse:
        if ask.source.get("stream"):
            raise bad("A compaction is not streamed.", "stream")
        await self._follow(ask, metadata)
        native = native_of(self._dialect.form, ask)
        envelope, chat = self._dialect.parse(ask)
        envelope.operation, envelope.path = common_pb2.OPERATION_COMPACTION, request.path
        envelope.client_request_id = call.client_id(request)
        answer = await self._relay.chats.Generate(
            chat_pb2.GenerateRequest(envelope=envelope, chat=chat, native=native), metadata=metadata
        )
        return reply(answer.native.body, request, answer.receipt, self._dialect.form)

    async def _follow(self, ask: Ask, metadata: Metadata) -> str:
        """Puts what is kept before the input; the id it was kept under, "" where it is not. Raises FrontError."""
        previous = ask.source.get("previous_response_id")
        if not isinstance(previous, str) or not previous:
            return ""
        try:
            found = await self._stub.GetResponse(
                responses_pb2.GetResponseRequest(id=previous, history=True), metadata=metadata
            )
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return ""  # a vendor may know it
            raise
        if not found.turns:
            return ""
        kept.continued(ask.source, found.turns)
        ask.raw = orjson.dumps(ask.source)
        limit = self._relay.settings.max_body_mb << 20
        if len(ask.raw) > limit:
            raise too_large(limit)
        return previous

    async def _keep(self, note: _Note, content: bytes, metadata: Metadata) -> None:
        turn = responses_pb2.KeptTurn(id=note.id, input_json=note.given, response_json=content)
        await self._stub.KeepResponse(
            responses_pb2.KeepResponseRequest(turn=turn, previous_id=note.previous), metadata=metadata
        )

    # -- asked about --------------------------------------------------------------------------

    def show(self) -> Handler:
        """GET /v1/responses/{id}."""

        async def work(request: Request, metadata: Metadata, response_id: str) -> bytes:
            query = query_of(request)
            if query.get("stream", "false").lower() != "false":
                told = "Kept answers are not streamed again."
                raise FrontError(400, told, param="stream", code="unsupported_feature")
            asked = responses_pb2.GetResponseRequest(id=response_id, query=_passed(request))
            found = await self._stub.GetResponse(asked, metadata=metadata)
            return bytes(found.turns[-1].response_json if found.turns else found.native)

        return self._about(work)

    def delete(self) -> Handler:
        """DELETE /v1/responses/{id}."""

        async def work(request: Request, metadata: Metadata, response_id: str) -> bytes:
            asked = responses_pb2.DeleteResponseRequest(id=response_id)
            found = await self._stub.DeleteResponse(asked, metadata=metadata)
            return found.native or kept.deleted(response_id)

        return self._about(work)

    def cancel(self) -> Handler:
        """POST /v1/responses/{id}/cancel."""

        async def work(request: Request, metadata: Metadata, response_id: str) -> bytes:
            asked = responses_pb2.CancelResponseRequest(id=response_id)
            native: bytes = (await self._stub.CancelResponse(asked, metadata=metadata)).native
            return native

        return self._about(work)

    def input_items(self) -> Handler:
        """GET /v1/responses/{id}/input_items."""

        async def work(request: Request, metadata: Metadata, response_id: str) -> bytes:
            asked = responses_pb2.ListInputItemsRequest(id=response_id, query=_passed(request))
            found = await self._stub.ListInputItems(asked, metadata=metadata)
            return kept.input_items(list(found.turns), query_of(request)) if found.turns else found.native

        return self._about(work)

    def _about(self, work: Callable[[Request, Metadata, str], Awaitable[bytes]]) -> Handler:
        async def handler(request: Request, response_id: str) -> HTTPResponse:
            try:
                return reply(await work(request, self._relay.caller(request), response_id), request)
            except (FrontError, grpc.aio.AioRpcError) as error:
                return refusal(error, request, self._dialect)

        return handler


class _Note:
    """What is kept of a turn besides its answer."""

    __slots__ = ("given", "id", "previous")

    def __init__(self, response_id: str, previous: str, given: bytes) -> None:
        self.id, self.previous, self.given = response_id, previous, given


def _passed(request: Request) -> str:
    """The query for a vendor, without the key."""
    if not request.query_string:
        return ""
    pairs = [pair for pair in str(request.query_string).split("&") if pair and pair.partition("=")[0] != "key"]
    text = "&".join(pairs)
    return text if text.isascii() and text.isprintable() and len(text) <= 2048 else ""

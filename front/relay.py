"""The relay routes, whatever the dialect: key before body, body under limits, parse, call, pass on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import grpc
from isthmus.v1 import (
    access_pb2,
    access_pb2_grpc,
    billing_pb2,
    catalog_pb2,
    catalog_pb2_grpc,
    chat_pb2,
    chat_pb2_grpc,
    common_pb2,
    embedding_pb2,
    embedding_pb2_grpc,
    moderation_pb2,
    moderation_pb2_grpc,
    rerank_pb2_grpc,
)
from sanic import Request
from sanic.response import HTTPResponse

from front import call
from front.body import Gauge, read_body
from front.connection import end_after
from front.dialects.interface import (
    Ask,
    ChatDialect,
    CountDialect,
    EmbeddingDialect,
    ErrorForm,
    ModelsDialect,
    ModerationDialect,
    RerankDialect,
    ShowDialect,
    StreamRenderer,
)
from front.dialects.strict import check_names, load_object, take
from front.errors import FrontError, bad, from_fault, from_rpc
from front.known import KnownKeys
from front.pace import limit_headers
from front.settings import FrontSettings
from front.silence import Silence

JSON = "application/json"
CHECK_KEY = access_pb2.CheckKeyRequest()
DROPPED_HEADER_MOST = 1024
"""Characters of X-Isthmus-Dropped; the receipt has the whole list."""
Handler = Callable[..., Awaitable[HTTPResponse | None]]
Metadata = list[tuple[str, str]]
Who = Callable[[Request], Awaitable[Metadata]]
Dialect = TypeVar("Dialect", ChatDialect, CountDialect, EmbeddingDialect, RerankDialect, ModerationDialect, ShowDialect)


class Relay:
    """The stubs and limits that relay routes share; one a worker. Methods that take a dialect give a handler."""

    def __init__(self, channel: Any, settings: FrontSettings) -> None:
        self.settings = settings
        self._access = access_pb2_grpc.AccessServiceStub(channel)
        self.chats = chat_pb2_grpc.ChatServiceStub(channel)
        self._embedding = embedding_pb2_grpc.EmbeddingServiceStub(channel)
        self._rerank = rerank_pb2_grpc.RerankServiceStub(channel)
        self._moderation = moderation_pb2_grpc.ModerationServiceStub(channel)
        self._catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self._gauge = Gauge(settings.bodies_in_flight_mb << 20)
        self._known = KnownKeys()
        self._ping_seconds = settings.ping_seconds
        self._client_headers: tuple[str, ...] = ()
        """Headers that affinity rules read."""
        """As core told it last, with a key."""
        self.keeps_responses = False
        """As core told it last: whether answers of the Responses dialect are kept."""

    # -- routes -------------------------------------------------------------------------------

    def chat(self, dialect: ChatDialect, who: Who | None = None) -> Handler:
        """A conversation turn, whole or streamed as the envelope says. who: as handler() says."""

        async def work(request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse | None:
            envelope, chat = dialect.parse(ask)
            envelope.client_request_id = call.client_id(request)
            native = native_of(dialect.form, ask)
            if envelope.stream:
                renderer = dialect.stream(envelope, chat, request.ctx.request_id, int(time.time()))
                messages = self.chats.StreamGenerate(
                    chat_pb2.StreamGenerateRequest(envelope=envelope, chat=chat, native=native), metadata=metadata
                )
                # Core lets go of a large request once the vendor has it; nothing here may keep it longer.
                del envelope, chat, native
                ask.raw, ask.source = b"", {}
                await self.stream(request, messages, renderer, form=dialect.form)
                return None
            answer = await self.chats.Generate(
                chat_pb2.GenerateRequest(envelope=envelope, chat=chat, native=native), metadata=metadata
            )
            if answer.HasField("native"):
                return reply(answer.native.body, request, answer.receipt, dialect.form)
            content = dialect.render(answer.chat, chat, int(time.time()))
            return reply(content, request, answer.receipt, dialect.form)

        return self.handler(dialect, work, who)

    def count(self, dialect: CountDialect) -> Handler:
        """The tokens of a turn's input."""

        async def work(request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse:
            envelope, chat = dialect.parse(ask)
            envelope.client_request_id = call.client_id(request)
            asked = chat_pb2.CountTokensRequest(envelope=envelope, chat=chat, native=native_of(dialect.form, ask))
            return reply(dialect.counted(await self.chats.CountTokens(asked, metadata=metadata)), request)

        return self.handler(dialect, work)

    def embed(self, dialect: EmbeddingDialect) -> Handler:
        """Vectors for inputs."""

        async def work(request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse:
            envelope, embedding = dialect.parse(ask)
            envelope.client_request_id = call.client_id(request)
            native = native_of(dialect.form, ask)
            asked = embedding_pb2.EmbedRequest(envelope=envelope, embedding=embedding, native=native)
            answer = await self._embedding.Embed(asked, metadata=metadata)
            content = answer.native.body if answer.HasField("native") else dialect.render(answer, embedding)
            return reply(content, request, answer.receipt, dialect.form)

        return self.handler(dialect, work)

    def rerank(self, dialect: RerankDialect) -> Handler:
        """Documents ordered by relevance."""

        async def work(request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse:
            asked = dialect.parse(ask)
            asked.envelope.client_request_id = call.client_id(request)
            asked.native.CopyFrom(native_of(dialect.form, ask))
            answer = await self._rerank.Rerank(asked, metadata=metadata)
            content = answer.native.body if answer.HasField("native") else dialect.render(answer, asked)
            return reply(content, request, answer.receipt, dialect.form)

        return self.handler(dialect, work)

    def moderate(self, dialect: ModerationDialect) -> Handler:
        """Inputs judged."""

        async def work(request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse:
            envelope, moderation = dialect.parse(ask)
            envelope.client_request_id = call.client_id(request)
            native = native_of(dialect.form, ask)
            asked = moderation_pb2.ModerateRequest(envelope=envelope, moderation=moderation, native=native)
            answer = await self._moderation.Moderate(asked, metadata=metadata)
            content = answer.native.body if answer.HasField("native") else dialect.render(answer, moderation)
            return reply(content, request, answer.receipt, dialect.form)

        return self.handler(dialect, work)

    def models(self, choose: Callable[[Request], ModelsDialect]) -> Handler:
        """The models the caller may use, in the form `choose` finds in the request."""

        async def handler(request: Request) -> HTTPResponse:
            dialect = choose(request)
            try:
                found = await self._catalog.ListModels(catalog_pb2.ListModelsRequest(), metadata=self.caller(request))
                return reply(dialect.models(list(found.models), query_of(request)), request)
            except (FrontError, grpc.aio.AioRpcError) as error:
                return refusal(error, request, dialect)

        return handler

    def model(self, choose: Callable[[Request], ModelsDialect]) -> Handler:
        """One model by name."""

        async def handler(request: Request, name: str) -> HTTPResponse:
            dialect = choose(request)
            try:
                asked = catalog_pb2.GetModelRequest(name=name)
                found = await self._catalog.GetModel(asked, metadata=self.caller(request))
                return reply(dialect.model(found.model), request)
            except (FrontError, grpc.aio.AioRpcError) as error:
                return refusal(error, request, dialect)

        return handler

    def show(self, dialect: ShowDialect) -> Handler:
        """One model, named in a body."""

        async def work(request: Request, metadata: Metadata, ask: Ask) -> HTTPResponse:
            name = take(ask.source, "model", str) or take(ask.source, "name", str)
            if not name:
                raise bad("model is required.", "model")
            found = await self._catalog.GetModel(catalog_pb2.GetModelRequest(name=name), metadata=metadata)
            return reply(dialect.model(found.model), request)

        return self.handler(dialect, work)

    def told(self, content: bytes) -> Handler:
        """The same answer to everybody."""

        async def handler(request: Request) -> HTTPResponse:
            return reply(content, request)

        return handler

    async def _by_key(self, request: Request) -> Metadata:
        """The metadata of a key's holder, let in. Raises AioRpcError."""
        key = call.find_key(request)
        metadata = call.metadata(request, self.settings, request.ctx.request_id, key)
        caller = (key, call.client_address(request, self.settings))
        if caller not in self._known:
            checked = await self._access.CheckKey(CHECK_KEY, metadata=metadata)
            self._ping_seconds = checked.ping_seconds or self.settings.ping_seconds
            self.keeps_responses = checked.keeps_responses
            self._client_headers = tuple(checked.client_headers)
            self._known.add(caller)
        if self._client_headers:
            metadata.append(call.client_headers(request, self._client_headers))
        return metadata

    # -- shared -------------------------------------------------------------------------------

    def caller(self, request: Request) -> Metadata:
        """The metadata of calls for whoever asks."""
        return call.metadata(request, self.settings, request.ctx.request_id, call.find_key(request))

    def handler(
        self,
        dialect: Dialect,
        work: Callable[[Request, Metadata, Ask], Awaitable[HTTPResponse | None]],
        who: Who | None = None,
    ) -> Handler:
        """Checks the key, reads the body, runs the work; every refusal is told in the dialect's envelope.

        who: lets callers in that have no key, and gives their metadata.
        """
        settings = self.settings
        wanted = dialect.headers

        async def handler(request: Request, **names: str) -> HTTPResponse | None:
            taken = 0
            try:
                metadata = await (self._by_key if who is None else who)(request)
                headers = request.headers
                sent = headers.get("content-type", JSON).lower()
                if "json" not in sent and not getattr(dialect, "any_content_type", False):
                    raise FrontError(400, "Content-Type must be application/json.", code="unsupported_media_type")
                # The gauge counts the body until the answer ends: it is held that long for retries.
                raw, taken = await read_body(request, settings.max_body_mb << 20, settings.body_seconds, self._gauge)
                ask = Ask(
                    raw=raw,
                    source=load_object(raw, settings.max_depth),
                    path=request.path,
                    max_messages=settings.max_messages,
                    names=names,
                    query=query_of(request),
                    headers={name: headers[name] for name in wanted if name in headers} if wanted else {},
                )
                check_names(raw, ask.source)
                del raw
                return await work(request, metadata, ask)
            except (FrontError, grpc.aio.AioRpcError) as error:
                return refusal(error, request, dialect)
            finally:
                self._gauge.give(taken)

        return handler

    # -- streams ------------------------------------------------------------------------------

    async def stream(
        self,
        request: Request,
        messages: Any,
        renderer: StreamRenderer,
        done: Callable[[], Awaitable[None]] | None = None,
        form: str = "",
    ) -> None:
        """Passes messages on as they come; the status is known before the first byte leaves.

        done: what is to happen once the answer is whole, before its end is told. form: the dialect's, for headers.
        """
        try:
            message = await messages.read()
            headers = call.stamp({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}, request.ctx.request_id)
            if message.dropped:
                headers["X-Isthmus-Dropped"] = dropped_text(message.dropped)
            if message.limits:
                headers.update(limit_headers(form, message.limits))
            response: Any = await request.respond(content_type=renderer.content_type, headers=headers)
            silence = Silence(self._ping_seconds, renderer.ping, response.send)
            try:
                while message is not grpc.aio.EOF:
                    out = _bytes(message, renderer)
                    if out:
                        await response.send(out)
                        silence.heard()
                    message = await messages.read()
                last = renderer.close()
            except grpc.aio.AioRpcError as error:
                last = renderer.fault(from_rpc(error)) + renderer.close()
            finally:
                silence.stop()
            if last:
                await response.send(last)
            if done is not None:
                await done()
            await response.eof()
        finally:
            messages.cancel()


def _bytes(message: chat_pb2.StreamGenerateResponse, renderer: StreamRenderer) -> bytes:
    """What a message is on the wire."""
    out = [renderer.native(message.native)] if message.native else []
    out.extend(
        renderer.fault(from_fault(event.fault)) if event.HasField("fault") else renderer.render(event)
        for event in message.events
    )
    return out[0] if len(out) == 1 else b"".join(out)


def native_of(form: str, ask: Ask) -> common_pb2.Native:
    """The client's own bytes, with the headers of its form and the query without its key."""
    native = common_pb2.Native(form=form, body=ask.raw)
    for name, value in ask.headers.items():
        native.headers.add(name=name, value=value)
    if ask.query:
        native.query = urlencode(ask.query, quote_via=quote)
    return native


def query_of(request: Request) -> dict[str, str]:
    """The last value of each query parameter, the key left out."""
    if not request.query_string:
        return {}
    return {name: str(values[-1]) for name, values in request.args.items() if values and name != "key"}


def dropped_text(dropped: Any) -> str:
    """The names as a header's value: printable ASCII, bounded."""
    listed = ", ".join(name for name in dropped if name.isascii() and name.isprintable())
    return listed if len(listed) <= DROPPED_HEADER_MOST else listed[:DROPPED_HEADER_MOST] + "..."


def reply(content: bytes, request: Request, receipt: billing_pb2.Receipt | None = None, form: str = "") -> HTTPResponse:
    """200 with JSON bytes, and what the receipt tells in headers."""
    headers = call.stamp({}, request.ctx.request_id)
    if receipt is not None:
        if receipt.dropped:
            headers["X-Isthmus-Dropped"] = dropped_text(receipt.dropped)
        if receipt.limits:
            headers.update(limit_headers(form, receipt.limits))
    return Reply(content, headers)


class Reply(HTTPResponse):
    """200 with JSON bytes and headers that are our own: they need no look for line breaks."""

    def __init__(self, content: bytes, headers: dict[str, str]) -> None:
        super().__init__(None, 200, None, JSON)
        self.body = content
        self._own = headers

    @property
    def processed_headers(self) -> Any:
        """What goes out: the names and values as bytes."""
        out = [(b"content-type", b"application/json")]
        out += [(name.encode(), value.encode()) for name, value in self._own.items()]
        # What Sanic has set: length and connection.
        out += [(name.encode(), str(value).encode()) for name, value in self.headers.items()]
        return out


def refusal(problem: FrontError | grpc.aio.AioRpcError, request: Request, form: ErrorForm) -> HTTPResponse:
    """An error in a dialect's envelope."""
    error = from_rpc(problem) if isinstance(problem, grpc.aio.AioRpcError) else problem
    request_id = request.ctx.request_id
    headers = call.stamp({}, request_id)
    if error.retry_after_ms:
        headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
    if error.limits:
        headers.update(limit_headers(getattr(form, "form", ""), error.limits))
    if error.status in (401, 408, 413):
        # The body may not have been read: the connection is not used again.
        end_after(request)
    return HTTPResponse(form.error(error, request_id), error.status, headers, JSON)

"""Gemini's dialects as front/relay.py uses them: chat, embeddings, models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import catalog_pb2, chat_pb2, common_pb2, embedding_pb2

from front.dialects.gemini import chat as gemini_chat
from front.dialects.gemini import embeddings as gemini_embeddings
from front.dialects.gemini import errors as gemini_errors
from front.dialects.gemini import parts as gemini_parts
from front.dialects.gemini import render as gemini_render
from front.dialects.gemini import stream as gemini_stream
from front.dialects.interface import Ask, StreamRenderer
from front.errors import FrontError, bad

PAGE, MOST_PAGE = 50, 1000
"""Models a page holds where the client does not say, and at most (the vendor's figures)."""


class GeminiErrors:
    """Implements ErrorForm."""

    def error(self, error: FrontError, request_id: str) -> bytes:
        """Gemini's envelope."""
        return gemini_errors.body(error, request_id)


class GeminiChat(GeminiErrors):
    """Implements ChatDialect: POST /v1beta/models/{model}:generateContent and :streamGenerateContent."""

    form = gemini_parts.FORM
    headers: tuple[str, ...] = ()

    def __init__(self, streamed: bool, sse: bool = True) -> None:
        self._streamed = streamed
        self._sse = sse

    def error(self, error: FrontError, request_id: str) -> bytes:
        """Gemini's envelope; in an array where the stream would have been one."""
        told = super().error(error, request_id)
        return told if self._sse else b"[" + told + b"]"

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        model = model_of(ask)
        return gemini_chat.parse(ask.source, ask.raw, model, ask.path, self._streamed, ask.max_messages)

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        return gemini_render.whole(answer)

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """See the interface."""
        return gemini_stream.StreamRenderer(envelope.model, request_id, self._sse)


class GeminiCount(GeminiErrors):
    """Implements CountDialect: POST /v1beta/models/{model}:countTokens."""

    form = gemini_parts.FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """The contents alone, or a whole request to be counted. Raises FrontError 400."""
        turn = gemini_parts.pick(ask.source, "generateContentRequest", dict)
        source = ask.source if turn is None else turn
        return gemini_chat.parse(source, ask.raw, model_of(ask), ask.path, False, ask.max_messages)

    def counted(self, answer: chat_pb2.CountTokensResponse) -> bytes:
        """The sum."""
        return orjson.dumps({"totalTokens": answer.input_tokens})


class GeminiEmbeddings(GeminiErrors):
    """Implements EmbeddingDialect: POST /v1beta/models/{model}:embedContent and :batchEmbedContents."""

    form = gemini_embeddings.FORM
    headers: tuple[str, ...] = ()

    def __init__(self, batch: bool) -> None:
        self._batch = batch

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
        """See the interface."""
        return gemini_embeddings.parse(ask.source, ask.raw, model_of(ask), ask.path, self._batch)

    def render(self, answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
        """See the interface."""
        return gemini_embeddings.render(answer, asked)


class GeminiModels(GeminiErrors):
    """Implements ModelsDialect."""

    def models(self, found: list[catalog_pb2.Model], query: Mapping[str, str]) -> bytes:
        """A page of the list. Raises FrontError 400."""
        size, token = query.get("pageSize", str(PAGE)), query.get("pageToken", "")
        if not size.isdecimal():
            raise bad("pageSize must be a number.", "pageSize")
        count = min(int(size) or PAGE, MOST_PAGE)
        rest = [model for model in found if not token or model.name > token]
        body: dict[str, Any] = {"models": [_model(model) for model in rest[:count]]}
        if len(rest) > count:
            body["nextPageToken"] = rest[count - 1].name
        return orjson.dumps(body)

    def model(self, found: catalog_pb2.Model) -> bytes:
        """One model."""
        return orjson.dumps(_model(found))


def model_of(ask: Ask) -> str:
    """The model that the path names. Raises FrontError 400."""
    model = ask.names.get("model", "")
    if not model:
        raise bad("The path must name a model.", "model")
    return model


def _model(model: catalog_pb2.Model) -> dict[str, Any]:
    methods = []
    if any(endpoint not in ("embeddings", "jina-rerank") for endpoint in model.endpoints):
        methods += ["generateContent", "streamGenerateContent", "countTokens"]
    if "embeddings" in model.endpoints:
        methods += ["embedContent", "batchEmbedContents"]
    made: dict[str, Any] = {
        "name": f"models/{model.name}",
        "baseModelId": model.name,
        "version": "001",
        "displayName": model.name,
        "description": model.description,
        "supportedGenerationMethods": methods,
    }
    if model.context_tokens:
        made["inputTokenLimit"] = model.context_tokens
    if model.output_tokens:
        made["outputTokenLimit"] = model.output_tokens
    return made

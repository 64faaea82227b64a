"""OpenAI's dialects as front/relay.py uses them: chat, embeddings, models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import catalog_pb2, chat_pb2, common_pb2, embedding_pb2

from front.dialects.interface import Ask, StreamRenderer
from front.dialects.openai import chat as openai_chat
from front.dialects.openai import embeddings as openai_embeddings
from front.dialects.openai import errors as openai_errors
from front.dialects.openai import render as openai_render
from front.errors import FrontError


class OpenAIErrors:
    """Implements ErrorForm."""

    def error(self, error: FrontError, request_id: str) -> bytes:
        """OpenAI's envelope."""
        return openai_errors.body(error, request_id)


class OpenAIChat(OpenAIErrors):
    """Implements ChatDialect: POST /v1/chat/completions."""

    form = openai_chat.FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        return openai_chat.parse(ask.source, ask.raw, ask.max_messages)

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        return openai_render.whole(answer, chat, now)

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """See the interface."""
        return openai_render.StreamRenderer(envelope.model, chat, request_id, now)


class OpenAIEmbeddings(OpenAIErrors):
    """Implements EmbeddingDialect: POST /v1/embeddings."""

    form = openai_embeddings.FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
        """See the interface."""
        return openai_embeddings.parse(ask.source)

    def render(self, answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
        """See the interface."""
        return openai_embeddings.render(answer, asked)


class EngineEmbeddings(OpenAIEmbeddings):
    """Implements EmbeddingDialect: POST /v1/engines/:model/embeddings, where the path may name the model."""

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
        """See the interface. The body's model wins."""
        if not ask.source.get("model"):
            ask.source["model"] = ask.names["model"]
        envelope, found = super().parse(ask)
        envelope.path = ask.path
        return envelope, found


class OpenAIModels(OpenAIErrors):
    """Implements ModelsDialect."""

    def models(self, found: list[catalog_pb2.Model], query: Mapping[str, str]) -> bytes:
        """The whole list; OpenAI's has no pages."""
        return orjson.dumps({"object": "list", "data": [_model(model) for model in found], "success": True})

    def model(self, found: catalog_pb2.Model) -> bytes:
        """One model."""
        return orjson.dumps(_model(found))


def _model(model: catalog_pb2.Model) -> dict[str, Any]:
    """OpenAI's model object, with New API's list of endpoint types."""
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
        "supported_endpoint_types": list(model.endpoints),
    }

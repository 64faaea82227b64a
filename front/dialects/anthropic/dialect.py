"""Anthropic's dialect as front/relay.py uses it: messages, the count of their tokens, models."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from isthmus.v1 import catalog_pb2, chat_pb2, common_pb2

from front.dialects.anthropic import errors as anthropic_errors
from front.dialects.anthropic import messages as anthropic_messages
from front.dialects.anthropic import render as anthropic_render
from front.dialects.anthropic.parts import FORM
from front.dialects.anthropic.stream import StreamRenderer
from front.dialects.interface import Ask
from front.errors import FrontError

MOST_MODELS = 1000
DEFAULT_MODELS = 20
"""Models a page: Anthropic's own figures."""


class AnthropicErrors:
    """Implements ErrorForm."""

    def error(self, error: FrontError, request_id: str) -> bytes:
        """Anthropic's envelope."""
        return anthropic_errors.body(error, request_id)


class AnthropicChat(AnthropicErrors):
    """Implements ChatDialect and CountDialect: POST /v1/messages, POST /v1/messages/count_tokens."""

    form = FORM
    headers: tuple[str, ...] = ("anthropic-version", "anthropic-beta")

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        return anthropic_messages.parse(ask.source, ask.raw, ask.max_messages)

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        return anthropic_render.whole(answer, now, anthropic_render.seals(chat))

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """See the interface."""
        return StreamRenderer(envelope.model, request_id, anthropic_render.seals(chat))

    def counted(self, answer: chat_pb2.CountTokensResponse) -> bytes:
        """{"input_tokens": n}."""
        return orjson.dumps({"input_tokens": answer.input_tokens})


class AnthropicModels(AnthropicErrors):
    """Implements ModelsDialect."""

    def models(self, found: list[catalog_pb2.Model], query: Mapping[str, str]) -> bytes:
        """A page: `limit` models after `after_id`, or before `before_id`."""
        names = [model.name for model in found]
        told = query.get("limit", "")
        limit = min(max(int(told), 1), MOST_MODELS) if told.isdecimal() and len(told) < 9 else DEFAULT_MODELS
        first, end = 0, len(found)
        if query.get("after_id") in names:
            first = names.index(query["after_id"]) + 1
        elif query.get("before_id") in names:
            end = names.index(query["before_id"])
            first = max(0, end - limit)
        page = found[first : min(first + limit, end)]
        more = first > 0 if "before_id" in query else first + len(page) < end
        body = {
            "data": [_model(model) for model in page],
            "has_more": more,
            "first_id": page[0].name if page else None,
            "last_id": page[-1].name if page else None,
        }
        return orjson.dumps(body)

    def model(self, found: catalog_pb2.Model) -> bytes:
        """One model."""
        return orjson.dumps(_model(found))


def _model(model: catalog_pb2.Model) -> dict[str, Any]:
    """Anthropic's model object; what the gateway does not know of a model is null."""
    created = datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "model", "id": model.name, "display_name": model.name, "created_at": created, "lifecycle": "active",
        "line": None, "max_input_tokens": None, "max_tokens": None, "capabilities": None,
        "deprecated_at": None, "retires_at": None,
    }  # fmt: skip

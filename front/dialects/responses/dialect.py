"""OpenAI's Responses dialect as front/relay.py uses it: POST /v1/responses."""

from __future__ import annotations

from isthmus.v1 import chat_pb2, common_pb2

from front.dialects.interface import Ask, StreamRenderer
from front.dialects.openai.dialect import OpenAIErrors
from front.dialects.responses import parse as openai_responses_parse
from front.dialects.responses import render as openai_responses_render
from front.dialects.responses.parts import FORM


class OpenAIResponses(OpenAIErrors):
    """Implements ChatDialect."""

    form = FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        return openai_responses_parse.parse(ask.source, ask.raw, ask.max_messages)

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        return openai_responses_render.whole(answer, chat, now)

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """See the interface."""
        return openai_responses_render.StreamRenderer(envelope.model, chat, request_id, now)

"""OpenAI's retired Edits: an instruction and a text, the edited text back. Every vendor is asked by conversation.

The shape is that of OpenAI's API reference before its retirement in 2024; New API still routes it.
"""

from __future__ import annotations

import orjson
from isthmus.v1 import chat_pb2, common_pb2

from front.dialects.interface import Ask, StreamRenderer
from front.dialects.openai import chat as openai_chat
from front.dialects.openai import render as openai_render
from front.dialects.openai.completions import spoken
from front.dialects.openai.dialect import OpenAIErrors
from front.dialects.strict import take, whole
from front.errors import bad

FORM = "openai.edits"
TASK = "Apply the user's instruction to the text that follows it. Answer with the edited text alone.\n\nInstruction: "


class OpenAIEdits(OpenAIErrors):
    """Implements ChatDialect: POST /v1/edits."""

    form = FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        source = ask.source
        model = take(source, "model", str)
        if not model or not model.strip():
            raise bad("model is required.", "model")
        instruction = take(source, "instruction", str)
        if not instruction:
            raise bad("instruction is required.", "instruction")
        if take(source, "stream", bool):
            raise bad("Edits are not streamed.", "stream")
        chat = chat_pb2.ChatRequest()
        chat.messages.add(role=chat_pb2.ROLE_SYSTEM).parts.add().text.text = TASK + instruction
        chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = take(source, "input", str) or ""
        choices = whole(source, "n", 1, openai_chat.MOST_CHOICES)
        if choices is not None:
            chat.candidates = choices
        openai_chat.sampling(chat, source)
        left = {name: value for name, value in source.items() if value is not None}
        if left:
            chat.extensions.by_dialect[FORM] = orjson.dumps(left)
        envelope = common_pb2.Envelope(
            operation=common_pb2.OPERATION_CHAT, model=model, candidates=choices or 0, path=ask.path
        )
        return envelope, chat

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        choices = [{"text": "".join(map(spoken, choice.parts)), "index": choice.index} for choice in answer.choices]
        body = {
            "object": "edit",
            "created": answer.created or now,
            "choices": choices,
            "usage": openai_render.usage(answer.usage),
        }
        return orjson.dumps(body)

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """Never called: parse() refuses streams."""
        raise AssertionError("edits are not streamed")

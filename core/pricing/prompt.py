"""Input tokens of a request whose vendor told no usage: its texts counted, what surrounds them by fixed figures.

The figures are New API's (spec: 3 for the request, 3 for each message and name, 8 for each tool, 520 a picture).
The reserve is made with estimate.py's upper bound instead; this is what is billed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.v1 import chat_pb2, embedding_pb2, moderation_pb2, parts_pb2, rerank_pb2

from core.pricing.count import text_tokens

REQUEST, MESSAGE, TOOL = 3, 3, 8
MEDIA = {"image": 520, "audio": 256, "video": 8192, "file": 4096}


def prompt_tokens(canonical: Any, model: str) -> int:
    """Input tokens of a chat, embedding, moderation or rerank request."""
    if isinstance(canonical, chat_pb2.ChatRequest):
        return _chat(canonical, model)
    if isinstance(canonical, embedding_pb2.Embedding):
        return sum(_input(each, model) for each in canonical.inputs)
    if isinstance(canonical, moderation_pb2.Moderation):
        return sum(_parts(each.parts, model) for each in canonical.inputs)
    assert isinstance(canonical, rerank_pb2.RerankRequest)
    documents = (document.text or document.fields_json.decode("utf-8", "replace") for document in canonical.documents)
    return sum(text_tokens(model, text) for text in (canonical.query, *documents))


def _chat(chat: chat_pb2.ChatRequest, model: str) -> int:
    total = REQUEST
    for message in chat.messages:
        total += MESSAGE + (MESSAGE + text_tokens(model, message.name) if message.name else 0)
        total += _parts(message.parts, model)
    for tool in chat.tools:
        total += TOOL + text_tokens(model, tool.SerializeToString().decode("utf-8", "ignore"))
    return total


def _input(each: embedding_pb2.EmbeddingInput, model: str) -> int:
    kind = each.WhichOneof("kind")
    if kind == "tokens":
        return len(each.tokens.ids)
    return _parts(each.parts.parts, model) if kind == "parts" else text_tokens(model, each.text)


def _parts(parts: Iterable[parts_pb2.Part], model: str) -> int:
    total = 0
    for part in parts:
        kind = part.WhichOneof("kind")
        if kind in MEDIA:
            total += MEDIA[kind]
        elif kind in ("text", "refusal", "thinking"):
            total += text_tokens(model, getattr(part, kind).text)
        elif kind == "tool_call":
            total += text_tokens(model, part.tool_call.name) + text_tokens(model, part.tool_call.arguments)
        elif kind == "tool_result":
            result = part.tool_result
            total += _parts(result.content, model) + text_tokens(model, result.json.decode("utf-8", "replace"))
        elif kind is not None:
            total += text_tokens(model, part.SerializeToString().decode("utf-8", "ignore"))
    return total

"""Input tokens of a request whose vendor told no usage: its texts counted, what surrounds them by fixed figures.

The figures are New API's (spec: 3 for the request, 3 for each message and name, 8 for each tool, 520 a picture).
The reserve is made with estimate.py's upper bound instead; this is what is billed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.v1 import chat_pb2, embedding_pb2, moderation_pb2, parts_pb2, rerank_pb2

from core.pricing.count import text_tokens
from core.pricing.vocabulary import SCRIPT, count

REQUEST, MESSAGE, TOOL = 3, 3, 8
MEDIA = {"image": 520, "audio": 256, "video": 8192, "file": 4096}


MOST = 1 << 19
"""Characters that are counted; what is longer is taken to be like them: 20 MB would stop the loop for 1.7 s."""


def prompt_tokens(canonical: Any, model: str, most: int = MOST, vocabulary: str = SCRIPT) -> int:
    """Input tokens of a chat, embedding, moderation or rerank request.

    The first `most` characters are counted, what is longer in proportion; by a vocabulary, which is loaded, or by
    script classes.
    """
    texts = _Texts(model, most, vocabulary)
    fixed = 0
    if isinstance(canonical, chat_pb2.ChatRequest):
        fixed = _chat(canonical, texts)
    elif isinstance(canonical, embedding_pb2.Embedding):
        fixed = sum(_input(each, texts) for each in canonical.inputs)
    elif isinstance(canonical, moderation_pb2.Moderation):
        fixed = sum(_parts(each.parts, texts) for each in canonical.inputs)
    else:
        assert isinstance(canonical, rerank_pb2.RerankRequest)
        texts.add(canonical.query)
        for document in canonical.documents:
            texts.add(document.text or document.fields_json.decode("utf-8", "replace"))
    return fixed + texts.tokens()


class _Texts:
    """Texts, counted as far as the budget goes."""

    def __init__(self, model: str, most: int, vocabulary: str) -> None:
        self._model, self._left, self._vocabulary = model, most, vocabulary
        self._tokens = self._seen = self._skipped = 0

    def add(self, text: str) -> None:
        """One text."""
        part = text[: self._left] if len(text) > self._left else text
        if part:
            plain = self._vocabulary == SCRIPT
            self._tokens += text_tokens(self._model, part) if plain else count(self._vocabulary, part)
            self._seen += len(part)
            self._left -= len(part)
        self._skipped += len(text) - len(part)

    def tokens(self) -> int:
        """Of all of them."""
        return self._tokens + (self._skipped * self._tokens // self._seen if self._seen else 0)


def _chat(chat: chat_pb2.ChatRequest, texts: _Texts) -> int:
    """The fixed part; texts are added to texts."""
    fixed = REQUEST
    for message in chat.messages:
        fixed += MESSAGE + (MESSAGE if message.name else 0)
        texts.add(message.name)
        fixed += _parts(message.parts, texts)
    for tool in chat.tools:
        fixed += TOOL
        texts.add(tool.SerializeToString().decode("utf-8", "ignore"))
    return fixed


def _input(each: embedding_pb2.EmbeddingInput, texts: _Texts) -> int:
    kind = each.WhichOneof("kind")
    if kind == "tokens":
        return len(each.tokens.ids)
    if kind == "parts":
        return _parts(each.parts.parts, texts)
    texts.add(each.text)
    return 0


def _parts(parts: Iterable[parts_pb2.Part], texts: _Texts) -> int:
    fixed = 0
    for part in parts:
        kind = part.WhichOneof("kind")
        if kind in MEDIA:
            fixed += MEDIA[kind]
        elif kind in ("text", "refusal", "thinking"):
            texts.add(getattr(part, kind).text)
        elif kind == "tool_call":
            texts.add(part.tool_call.name)
            texts.add(part.tool_call.arguments)
        elif kind == "tool_result":
            result = part.tool_result
            fixed += _parts(result.content, texts)
            texts.add(result.json.decode("utf-8", "replace"))
        elif kind is not None:
            texts.add(part.SerializeToString().decode("utf-8", "ignore"))
    return fixed

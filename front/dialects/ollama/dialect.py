"""Ollama's dialects as front/relay.py uses them: chat, generate, embed, models.

https://docs.ollama.com/api. Clients send a Bearer key where they were given one (OLLAMA_API_KEY); one is needed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import catalog_pb2, chat_pb2, common_pb2, embedding_pb2

from front.dialects.interface import Ask, StreamRenderer
from front.dialects.ollama import parse as ollama_parse
from front.dialects.ollama import render as ollama_render
from front.dialects.ollama.parse import CHAT, EMBED, GENERATE
from front.dialects.openai.embeddings import render_vector
from front.dialects.strict import take, whole
from front.errors import FrontError, bad

VERSION = b'{"version":"0.12.0"}'
"""The version of Ollama whose API this is: clients ask before they use what is new in it."""
MOST_INPUTS = 8192
LEGACY_EMBED = "ollama.embeddings"
CAPABILITIES = {"embeddings": ("embedding",), "openai": ("completion", "tools", "vision", "thinking")}
"""What models may do, by the endpoints they have: the gateway does not know more of them."""


class OllamaErrors:
    """Implements ErrorForm."""

    any_content_type = True
    """curl and many clients of Ollama name none, or a form's."""

    def error(self, error: FrontError, request_id: str) -> bytes:
        """Ollama's envelope."""
        return orjson.dumps({"error": f"{error.message} (request id: {request_id})"})


class OllamaChat(OllamaErrors):
    """Implements ChatDialect: POST /api/chat, and POST /api/generate."""

    headers: tuple[str, ...] = ()

    def __init__(self, generate: bool = False) -> None:
        self.form = GENERATE if generate else CHAT
        self._generate = generate

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        read = ollama_parse.generate if self._generate else ollama_parse.chat
        return read(ask)

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        return ollama_render.whole(answer, now, self._generate)

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """See the interface."""
        return ollama_render.LineRenderer(envelope.model, request_id, now, self._generate)


class OllamaEmbed(OllamaErrors):
    """Implements EmbeddingDialect: POST /api/embed."""

    form = EMBED
    headers: tuple[str, ...] = ()
    given = "input"

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
        """See the interface."""
        source = ask.source
        model = ollama_parse.model_of(source)
        found = embedding_pb2.Embedding()
        value = source.pop(self.given, None)
        found.single = isinstance(value, str)
        inputs = [value] if found.single else value
        if not isinstance(inputs, list) or not inputs or not all(isinstance(item, str) for item in inputs):
            raise bad(f"{self.given} must be a string or an array of strings.", self.given)
        if len(inputs) > MOST_INPUTS:
            raise bad(f"{self.given} has more than {MOST_INPUTS} entries.", self.given)
        for item in inputs:
            found.inputs.add().text = item
        size = whole(source, "dimensions", 1, 1 << 20)
        if size is not None:
            found.dimensions = size
        cut = take(source, "truncate", bool)
        if cut is not None:
            found.truncate = "end" if cut else "none"
        left = {name: value for name, value in source.items() if value is not None}
        if left:
            found.extensions.by_dialect[EMBED] = orjson.dumps(left)
        envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_EMBEDDING, model=model, path=ask.path)
        return envelope, found

    def render(self, answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
        """See the interface."""
        vectors = [render_vector(vector, packed=False) for vector in answer.vectors]
        told = {"model": answer.model, "embeddings": vectors, "prompt_eval_count": answer.usage.input_tokens}
        return orjson.dumps(told)


class OllamaEmbeddings(OllamaEmbed):
    """Implements EmbeddingDialect: POST /api/embeddings, the older route for one prompt."""

    form = LEGACY_EMBED
    given = "prompt"

    def render(self, answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
        """See the interface."""
        vectors = [render_vector(vector, packed=False) for vector in answer.vectors]
        return orjson.dumps({"embedding": vectors[0] if vectors else []})


class OllamaModels(OllamaErrors):
    """Implements ModelsDialect: GET /api/tags; POST /api/show."""

    form = ""
    headers: tuple[str, ...] = ()

    def models(self, found: list[catalog_pb2.Model], query: Mapping[str, str]) -> bytes:
        """The whole list."""
        return orjson.dumps({"models": [_model(model) for model in found]})

    def model(self, found: catalog_pb2.Model) -> bytes:
        """What is known of one model."""
        able = [word for endpoint, words in CAPABILITIES.items() if endpoint in found.endpoints for word in words]
        details = _model(found)["details"]
        modified = ollama_render.stamp(found.created)
        return orjson.dumps(
            {
                "modelfile": "",
                "parameters": "",
                "template": "",
                "details": details,
                "model_info": {},
                "capabilities": able,
                "modified_at": modified,
            }
        )


def _model(model: catalog_pb2.Model) -> dict[str, Any]:
    """A model in the list; sizes and digests are the vendors' business."""
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": ollama_render.stamp(model.created),
        "size": 0,
        "digest": "",
        "details": {
            "parent_model": "",
            "format": "",
            "family": model.owner,
            "families": [model.owner],
            "parameter_size": "",
            "quantization_level": "",
        },
    }

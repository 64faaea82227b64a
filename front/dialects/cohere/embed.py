"""Cohere's embed, version 2: body -> envelope and canonical request, vectors -> body.

https://docs.cohere.com/reference/embed
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2

from front.dialects.cohere.chat import CohereErrors
from front.dialects.interface import Ask
from front.dialects.openai import parts as openai_parts
from front.dialects.openai.embeddings import render_vector
from front.dialects.strict import take, whole
from front.errors import bad

FORM = "cohere.embed"
MOST_INPUTS = 8192
TASKS = {
    "search_query": "query", "search_document": "document", "classification": "classification",
    "clustering": "clustering", "image": "image",
}  # fmt: skip
TRUNCATE = ("NONE", "START", "END")


class CohereEmbed(CohereErrors):
    """Implements EmbeddingDialect: POST /v2/embed."""

    form = FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
        """See the interface."""
        source = ask.source
        model = take(source, "model", str)
        if not model or not model.strip():
            raise bad("model is required.", "model")
        found = embedding_pb2.Embedding()
        _inputs(found, source, ask.raw)
        task = take(source, "input_type", str)
        if task is not None:
            found.task_type = TASKS.get(task, task)
        for kind in take(source, "embedding_types", list) or ():
            if not isinstance(kind, str):
                raise bad("embedding_types must be an array of strings.", "embedding_types")
            found.encodings.append(kind)
        size = whole(source, "output_dimension", 1, 1 << 20)
        if size is not None:
            found.dimensions = size
        cut = take(source, "truncate", str)
        if cut is not None:
            if cut not in TRUNCATE:
                raise bad(f"truncate must be one of {', '.join(TRUNCATE)}.", "truncate")
            found.truncate = cut.lower()
        left = {name: value for name, value in source.items() if value is not None}
        if left:
            found.extensions.by_dialect[FORM] = orjson.dumps(left)
        envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_EMBEDDING, model=model, path=ask.path)
        return envelope, found

    def render(self, answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
        """See the interface. Other vendors give floats, whatever was asked for."""
        by_type: dict[str, list[Any]] = {}
        for vector in answer.vectors:
            kind = "float" if vector.encoding in ("", "base64") else vector.encoding
            numbers = render_vector(vector, packed=False)
            by_type.setdefault(kind, []).append(numbers if kind == "float" else [int(number) for number in numbers])
        meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": answer.usage.input_tokens}}
        texts = [item.text for item in asked.inputs if item.WhichOneof("kind") == "text"]
        told = {"id": answer.id, "embeddings": by_type, "texts": texts, "meta": meta}
        return orjson.dumps({**told, "response_type": "embeddings_by_type"})


def _inputs(found: embedding_pb2.Embedding, source: dict[str, Any], raw: bytes) -> None:
    """Texts, pictures, or both together, in three members."""
    texts = take(source, "texts", list) or []
    images = take(source, "images", list) or []
    mixed = take(source, "inputs", list) or []
    if not texts and not images and not mixed:
        raise bad("texts, images or inputs must hold at least one entry.", "texts")
    if len(texts) + len(images) + len(mixed) > MOST_INPUTS:
        raise bad(f"There are more than {MOST_INPUTS} inputs.", "texts")
    for name, items in (("texts", texts), ("images", images)):
        if not all(isinstance(item, str) for item in items):
            raise bad(f"{name} must be an array of strings.", name)
    for item in texts:
        found.inputs.add().text = item
    for index, item in enumerate(images):
        openai_parts.address(found.inputs.add().parts.parts.add().image.media, item, raw, f"images[{index}]")
    for index, item in enumerate(mixed):
        content = item.get("content") if isinstance(item, dict) else None
        if not isinstance(content, list) or not content:
            raise bad(f"inputs[{index}].content must be an array.", f"inputs[{index}].content")
        parts = found.inputs.add().parts.parts
        for number, piece in enumerate(content):
            openai_parts.part(parts.add(), piece, f"inputs[{index}].content[{number}]", raw)

"""OpenAI embeddings: body -> envelope and canonical request, vectors -> body."""

from __future__ import annotations

import base64
import sys
from array import array
from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2

from front.dialects.strict import take, whole
from front.errors import bad

FORM = "openai.embeddings"
MOST_INPUTS = 8192


def parse(source: dict[str, Any]) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
    """The envelope and the canonical request. Consumes source. Raises FrontError 400."""
    model = take(source, "model", str)
    if not model:
        raise bad("model is required.", "model")
    found = embedding_pb2.Embedding()
    _inputs(found, source.pop("input", None))
    size = whole(source, "dimensions", 1, 1 << 20)
    if size is not None:
        found.dimensions = size
    if encoding := take(source, "encoding_format", str):
        found.encodings.append(encoding)
    found.user = take(source, "user", str) or ""
    unknown = {name: value for name, value in source.items() if value is not None}
    if unknown:
        found.extensions.by_dialect[FORM] = orjson.dumps(unknown)
    envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_EMBEDDING, model=model, path="/v1/embeddings")
    return envelope, found


def _inputs(found: embedding_pb2.Embedding, value: Any) -> None:
    if isinstance(value, str):
        found.single = True
        value = [value]
    if not isinstance(value, list) or not value:
        raise bad("input must be a string, an array of strings, or token ids.", "input")
    if len(value) > MOST_INPUTS:
        raise bad(f"input has more than {MOST_INPUTS} entries.", "input")
    if all(isinstance(item, int) and not isinstance(item, bool) for item in value):
        found.single = True
        value = [value]
    for item in value:
        if isinstance(item, str):
            found.inputs.add().text = item
        elif (
            isinstance(item, list)
            and item
            and all(isinstance(token, int) and not isinstance(token, bool) and 0 <= token < 1 << 32 for token in item)
        ):
            found.inputs.add().tokens.ids.extend(item)
        else:
            raise bad("input must be a string, an array of strings, or token ids.", "input")


def render(answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
    """The vectors in the encoding asked for: numbers, or base64 of little-endian floats."""
    packed = "base64" in asked.encodings
    data = [
        {"object": "embedding", "index": vector.index, "embedding": render_vector(vector, packed)}
        for vector in answer.vectors
    ]
    used = answer.usage.input_tokens
    return orjson.dumps(
        {
            "object": "list",
            "data": data,
            "model": answer.model,
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
    )


def render_vector(vector: embedding_pb2.EmbeddingVector, packed: bool) -> Any:
    """One vector; kept as it came where that is what was asked for."""
    if packed:
        data = vector.packed if vector.encoding == "base64" else _little(array("f", vector.values)).tobytes()
        return base64.b64encode(data).decode()
    if vector.encoding == "base64":
        numbers = array("f")
        numbers.frombytes(vector.packed[: len(vector.packed) // 4 * 4])
        return _little(numbers).tolist()
    return list(vector.values)


def _little(numbers: array[float]) -> array[float]:
    """To or from little-endian."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers

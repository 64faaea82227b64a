"""Cohere's embed form, version 2.

https://docs.cohere.com/reference/embed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.cohere.decode import usage
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.shared import refusal
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.media import address_of
from core.vendors.shared.splice import splice
from core.vendors.shared.values import text
from core.vendors.table import Row

FORM = "cohere.embed"
TASKS = {
    "query": "search_query", "document": "search_document", "classification": "classification",
    "clustering": "clustering", "image": "image",
}  # fmt: skip
"""What an embedding is for: canonical words, and the vendor's. It demands one."""


class CohereEmbed:
    """Implements EmbeddingForm for a row. Without state."""

    name = FORM

    def __init__(self, row: Row) -> None:
        self._row = row

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Everything: it takes data: addresses alone."""
        return True

    def encode(self, request: embedding_pb2.Embedding, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature, InvalidRequest."""
        task = TASKS.get(request.task_type, "search_document")
        body: dict[str, Any] = {"model": call.sent, "input_type": task}
        if any(item.WhichOneof("kind") == "tokens" for item in request.inputs):
            raise UnsupportedFeature("Cohere embeds texts and pictures, no tokens.", param="input")
        if all(item.WhichOneof("kind") != "parts" for item in request.inputs):
            body["texts"] = [item.text for item in request.inputs]
        else:
            body["inputs"] = [{"content": _content(item, call)} for item in request.inputs]
        # Base64 is how floats are told to OpenAI's clients; they are packed for them later.
        asked = ["float" if encoding == "base64" else encoding for encoding in request.encodings]
        body["embedding_types"] = list(dict.fromkeys(asked)) or ["float"]
        if request.HasField("dimensions"):
            body["output_dimension"] = request.dimensions
        if request.truncate:
            body["truncate"] = request.truncate.upper()
        dropped = [name for name in ("title", "user") if getattr(request, name)]
        if request.task_type and request.task_type not in TASKS:
            dropped.append("task_type")
        for dialect, json in request.extensions.by_dialect.items():
            if dialect == FORM:
                body.update({key: value for key, value in orjson.loads(json).items() if key not in body})
            else:
                dropped.append(f"extensions.{dialect}")
        return self._request(orjson.dumps(body), call, tuple(dropped), native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""
        return self._request(native.body, call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            changes = Changes()
            if look("model") != call.sent:
                changes.sets["model"] = call.sent
            return changes

        body = splice(body, call, rules, native=native)
        address = url(self._row, self._row.cohere_embed, call, call.sent)
        return VendorRequest("POST", address, headers(self._row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """Vectors of every type, and usage. Raises BadAnswer."""
        answer = _parse(body)
        response = embedding_pb2.EmbedResponse(model=call.asked, id=text(answer.get("id")))
        for kind, vectors in answer["embeddings"].items():
            for index, vector in enumerate(vectors if isinstance(vectors, list) else ()):
                try:
                    response.vectors.add(index=index, encoding=kind).values.extend(vector)
                except (TypeError, ValueError):
                    raise BadAnswer("a vector is not a list of numbers") from None
        counted = usage(answer.get("meta"))
        if counted is not None:
            response.usage.CopyFrom(counted)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes, which name no model, and usage. Raises BadAnswer."""
        return body, usage(_parse(body).get("meta"))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("embeddings"), dict):
        raise BadAnswer("there are no embeddings by type")
    return answer


def _content(item: embedding_pb2.EmbeddingInput, call: Call) -> list[dict[str, Any]]:
    """Texts and pictures embedded together."""
    if item.WhichOneof("kind") == "text":
        return [{"type": "text", "text": item.text}]
    out: list[dict[str, Any]] = []
    for part in item.parts.parts:
        if part.HasField("text"):
            out.append({"type": "text", "text": part.text.text})
        elif part.HasField("image"):
            address = address_of(part.image.media, "image/png", call, "input")
            out.append({"type": "image_url", "image_url": {"url": address}})
        else:
            raise UnsupportedFeature("Cohere embeds texts and pictures only.", param="input")
    return out

"""Ollama's embed form.

https://docs.ollama.com/api/embed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.ollama.decode import parse, usage
from core.vendors.ollama.relay import renamed
from core.vendors.shared import refusal
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import splice
from core.vendors.table import Row

FORM = "ollama.embed"


class OllamaEmbed:
    """Implements EmbeddingForm for a row. Without state."""

    name = FORM

    def __init__(self, row: Row) -> None:
        self._row = row

    def encode(self, request: embedding_pb2.Embedding, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature."""
        inputs = [_input(item) for item in request.inputs]
        body: dict[str, Any] = {"model": call.sent, "input": inputs[0] if request.single else inputs}
        if request.HasField("dimensions"):
            body["dimensions"] = request.dimensions
        if request.truncate:
            body["truncate"] = request.truncate != "none"
        dropped = [name for name in ("task_type", "title", "user") if getattr(request, name)]
        if any(encoding not in ("float", "base64") for encoding in request.encodings):
            dropped.append("encodings")
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
        address = url(self._row, "/api/embed", call, call.sent)
        return VendorRequest("POST", address, headers(self._row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """Vectors and usage. Raises BadAnswer."""
        found = _parse(body)
        response = embedding_pb2.EmbedResponse(model=call.asked)
        for index, vector in enumerate(found["embeddings"]):
            made = response.vectors.add(index=index, encoding="float")
            try:
                made.values.extend(vector)
            except (TypeError, ValueError):
                raise BadAnswer("a vector is not a list of numbers") from None
        counted = usage(found)
        if counted is not None:
            response.usage.CopyFrom(counted)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises BadAnswer."""
        found = _parse(body)
        return renamed(body, call), usage(found)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _parse(body: bytes) -> dict[str, Any]:
    found = parse(body)
    if not isinstance(found.get("embeddings"), list):
        raise BadAnswer("there are no embeddings")
    return found


def _input(item: embedding_pb2.EmbeddingInput) -> str:
    kind = item.WhichOneof("kind")
    if kind == "tokens" or any(not part.HasField("text") for part in item.parts.parts):
        raise UnsupportedFeature("Ollama embeds texts only.", param="input")
    return "\n".join(part.text.text for part in item.parts.parts) if kind == "parts" else item.text

"""Embeddings on Vertex AI: predict, and embedContent for the models that have no predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.gemini import refusal
from core.vendors.gemini.embed import TASKS
from core.vendors.gemini.usage import of_answer
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.counts import Reader
from core.vendors.shared.splice import splice
from core.vendors.table import Row
from core.vendors.vertex.address import headers, masked, publisher


class VertexPredict:
    """Implements EmbeddingForm for a row. Without state."""

    name = "vertex.predict"
    method = "predict"

    def __init__(self, row: Row) -> None:
        self._row = row

    def encode(self, request: embedding_pb2.Embedding, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature."""
        body, dropped = self._body(request)
        dropped += [name for name in ("encodings", "user") if getattr(request, name)]
        dropped += [f"extensions.{dialect}" for dialect in request.extensions.by_dialect]
        return self._request(orjson.dumps(body), call, tuple(dropped), native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""
        return self._request(native.body, call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            return Changes()

        body = splice(body, call, rules, native=native)
        address = publisher(call, "google", call.sent, self.method)
        return VendorRequest("POST", address, headers(self._row, call), body, dropped)

    def _body(self, request: embedding_pb2.Embedding) -> tuple[dict[str, Any], list[str]]:
        common = {}
        if request.task_type:
            common["task_type"] = TASKS.get(request.task_type, request.task_type.upper())
        if request.title:
            common["title"] = request.title
        body: dict[str, Any] = {"instances": [{"content": _text(item), **common} for item in request.inputs]}
        parameters = _parameters(request)
        if parameters:
            body["parameters"] = parameters
        return body, []

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """Vectors and usage. Raises BadAnswer."""
        response = embedding_pb2.EmbedResponse(model=call.asked)
        answer = _object(body)
        found = answer.get("predictions")
        if not isinstance(found, list):
            raise BadAnswer("there are no predictions")
        for number, item in enumerate(found):
            inner = item.get("embeddings") if isinstance(item, dict) else None
            _vector(response.vectors.add(index=number, encoding="float"), inner)
        usage = _counted(answer)
        if usage is not None:
            response.usage.CopyFrom(usage)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises BadAnswer."""
        answer = _object(body)
        if "predictions" not in answer:
            raise BadAnswer("there are no predictions")
        return body, _counted(answer)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        found = refusal.read(status, headers, body, call.secret)
        return replace(found, message=masked(found.message, call))


class VertexEmbed(VertexPredict):
    """Implements EmbeddingForm for a row, one content a request. Without state."""

    name = "vertex.embed"
    method = "embedContent"

    def _body(self, request: embedding_pb2.Embedding) -> tuple[dict[str, Any], list[str]]:
        if len(request.inputs) != 1:
            raise UnsupportedFeature("This model of Vertex AI embeds one input a request.", param="input")
        config: dict[str, Any] = {}
        if request.task_type:
            config["taskType"] = TASKS.get(request.task_type, request.task_type.upper())
        if request.title:
            config["title"] = request.title
        config.update(_parameters(request))
        body: dict[str, Any] = {"content": {"parts": [{"text": _text(request.inputs[0])}]}}
        if config:
            body["embedContentConfig"] = config
        return body, []

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """The vector and usage. Raises BadAnswer."""
        answer = _object(body)
        response = embedding_pb2.EmbedResponse(model=call.asked)
        _vector(response.vectors.add(encoding="float"), answer.get("embedding"))
        usage = of_answer(answer)
        if usage is not None:
            response.usage.CopyFrom(usage)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises BadAnswer."""
        answer = _object(body)
        if "embedding" not in answer:
            raise BadAnswer("there is no embedding")
        return body, of_answer(answer)


def _parameters(request: embedding_pb2.Embedding) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if request.HasField("dimensions"):
        made["outputDimensionality"] = request.dimensions
    if request.truncate:
        made["autoTruncate"] = request.truncate.lower() != "none"
    return made


def _text(item: embedding_pb2.EmbeddingInput) -> str:
    """An input's text. Raises UnsupportedFeature for token ids and media."""
    kind = item.WhichOneof("kind")
    if kind == "tokens":
        raise UnsupportedFeature("This vendor embeds texts, not token ids.", param="input")
    if kind != "parts":
        return item.text
    texts = [part.text.text for part in item.parts.parts if part.HasField("text")]
    if len(texts) < len(item.parts.parts):
        raise UnsupportedFeature("This vendor embeds texts only.", param="input")
    return "\n".join(texts)


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not an object")
    return answer


def _vector(out: embedding_pb2.EmbeddingVector, found: Any) -> None:
    values = found.get("values") if isinstance(found, dict) else None
    if not isinstance(values, list):
        raise BadAnswer("a vector is not a list of numbers")
    try:
        out.values.extend(values)
    except (TypeError, ValueError):
        raise BadAnswer("a vector is not a list of numbers") from None


def _counted(answer: dict[str, Any]) -> usage_pb2.Usage | None:
    """The tokens of all inputs, as each prediction tells its own; None where none does."""
    read = Reader()
    told = []
    for item in answer["predictions"] if isinstance(answer.get("predictions"), list) else ():
        inner = item.get("embeddings") if isinstance(item, dict) else None
        statistics = inner.get("statistics") if isinstance(inner, dict) else None
        if isinstance(statistics, dict):
            told.append(read.count(statistics, "token_count", "tokenCount"))
    if not told:
        return None
    usage = usage_pb2.Usage(
        input_tokens=sum(told),
        convention=usage_pb2.USAGE_CONVENTION_GEMINI,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )
    usage.corrections.extend(read.corrections)
    return usage

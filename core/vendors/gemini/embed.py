"""Gemini's embedContent and batchEmbedContents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2, usage_pb2

from core.errors import InvalidRequest, UnsupportedFeature
from core.vendors.gemini import refusal
from core.vendors.gemini.address import GOOGLES, url
from core.vendors.gemini.encode_parts import Contents
from core.vendors.gemini.usage import of_answer
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.shared import scan
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers
from core.vendors.shared.options import passes_through
from core.vendors.shared.splice import splice
from core.vendors.shared.values import text
from core.vendors.table import Row

FORM = "gemini.embed"
TASKS = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "question_answering": "QUESTION_ANSWERING",
    "fact_verification": "FACT_VERIFICATION",
    "code_query": "CODE_RETRIEVAL_QUERY",
}
"""What an embedding is for: canonical words, and the vendor's."""


class GeminiEmbed:
    """Implements EmbeddingForm for a row. Without state."""

    name = FORM

    def __init__(self, row: Row) -> None:
        self._row = row

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Everything but what Google itself holds."""
        return not GOOGLES.match(url)

    def encode(self, request: embedding_pb2.Embedding, call: Call) -> VendorRequest:
        """The canonical request in this form: one of its own kind where it came so, else a batch."""
        dropped: list[str] = []
        contents = Contents(call, call.sent, False, dropped)
        common: dict[str, Any] = {"model": f"models/{call.sent}"}
        if request.task_type:
            common["taskType"] = TASKS.get(request.task_type, request.task_type.upper())
        if request.title:
            common["title"] = request.title
        if request.HasField("dimensions"):
            common["outputDimensionality"] = request.dimensions
        if any(encoding not in ("float", "base64") for encoding in request.encodings):
            dropped.append("encodings")
        dropped.extend(name for name in ("truncate", "user") if getattr(request, name))
        own = request.extensions.by_dialect.get(FORM)
        extra = orjson.loads(own) if own else {}
        dropped.extend(f"extensions.{dialect}" for dialect in request.extensions.by_dialect if dialect != FORM)
        each = extra.pop("requests", None) or [{}] * len(request.inputs)
        requests = [
            {**extra, **common, **one, "content": _content(item, contents)}
            for item, one in zip(request.inputs, each, strict=True)
        ]
        alone = request.single and len(requests) == 1 and own is not None
        body = requests[0] if alone else {"requests": requests}
        return self._request(orjson.dumps(body), call, tuple(dict.fromkeys(dropped)), native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes; the model's name stands in each of its requests."""
        return self._request(native.body, call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        batch = False

        def rules(names: list[str], look: Look) -> Changes:
            nonlocal batch
            batch = "requests" in names
            changes = Changes()
            if call.asked == call.sent:
                return changes
            if "model" in names:
                changes.sets["model"] = f"models/{call.sent}"
            if batch and native:
                changes.sets["requests"] = _renamed(look("requests"), call.sent)
            return changes

        if native and passes_through(call):
            batch = any(member.name == "requests" for member in scan.members(body))
        body = splice(body, call, rules, native=native)
        method = "batchEmbedContents" if batch else "embedContent"
        return VendorRequest(
            "POST", url(call, call.sent, method), headers(self._row, call, "x-goog-api-key"), body, dropped
        )

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """Vectors and usage. Raises BadAnswer."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise BadAnswer("it is not JSON") from None
        if not isinstance(answer, dict):
            raise BadAnswer("it is not an object")
        found = answer.get("embeddings", [answer["embedding"]] if "embedding" in answer else None)
        if not isinstance(found, list):
            raise BadAnswer("there are no embeddings")
        response = embedding_pb2.EmbedResponse(model=call.asked, id=text(answer.get("responseId")))
        for number, item in enumerate(found):
            values = item.get("values") if isinstance(item, dict) else None
            vector = response.vectors.add(index=number, encoding="float")
            try:
                vector.values.extend(values or ())
            except (TypeError, ValueError):
                raise BadAnswer("a vector is not a list of numbers") from None
        usage = of_answer(answer)
        if usage is not None:
            response.usage.CopyFrom(usage)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage; the vectors are skipped, not parsed. Raises BadAnswer."""
        try:
            members = {member.name: member for member in scan.members(body)}
        except InvalidRequest:
            raise BadAnswer("it is not a JSON object") from None
        if "embeddings" not in members and "embedding" not in members:
            raise BadAnswer("there are no embeddings")
        member = members.get("usageMetadata")
        if member is None:
            return body, None
        try:
            told = orjson.loads(body[member.value : member.end])
        except orjson.JSONDecodeError:
            raise BadAnswer("its usage is not JSON") from None
        return body, of_answer({"usageMetadata": told})

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _content(item: embedding_pb2.EmbeddingInput, contents: Contents) -> dict[str, Any]:
    """An input as content. Raises UnsupportedFeature for token ids."""
    kind = item.WhichOneof("kind")
    if kind == "tokens":
        raise UnsupportedFeature("This vendor embeds texts and media, not token ids.", param="input")
    if kind == "parts":
        return {"parts": contents.parts(item.parts.parts)}
    return {"parts": [{"text": item.text}]}


def _renamed(requests: Any, model: str) -> Any:
    """The requests of a batch under the model's name at the vendor."""
    if not isinstance(requests, list):
        raise InvalidRequest("requests must be an array.", param="requests")
    return [{**item, "model": f"models/{model}"} if isinstance(item, dict) else item for item in requests]

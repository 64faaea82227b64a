"""Rerank at /v1/rerank: Jina's form, which Cohere's v1, SiliconFlow, vLLM and others share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, rerank_pb2, usage_pb2

from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.openai import usage as usages
from core.vendors.openai.chat import renamed
from core.vendors.shared import refusal
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.changes import renamed as at_vendor
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import splice
from core.vendors.shared.values import text, whole
from core.vendors.table import Row

FORM = "jina.rerank"


class JinaRerank:
    """Implements RerankForm for a row. Without state."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.name = FORM
        self._path = row.rerank

    def encode(self, request: rerank_pb2.RerankRequest, call: Call) -> VendorRequest:
        """The canonical request in this form."""
        body: dict[str, Any] = {
            "model": call.sent,
            "query": request.query,
            "documents": [_document(document) for document in request.documents],
        }
        if request.top_n:
            body["top_n"] = request.top_n
        if request.HasField("return_documents"):
            body["return_documents"] = request.return_documents
        if request.max_chunks_per_document:
            body["max_chunks_per_doc"] = request.max_chunks_per_document
        if request.rank_fields:
            body["rank_fields"] = list(request.rank_fields)
        dropped = ("max_tokens_per_document",) if request.max_tokens_per_document else ()
        if FORM in request.extensions.by_dialect:
            extra = orjson.loads(request.extensions.by_dialect[FORM])
            body.update({key: value for key, value in extra.items() if key not in body})
        return self._request(orjson.dumps(body), call, dropped, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""
        return self._request(native.body, call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            changes = Changes(renames=at_vendor(self._row.renames, names))
            if look("model") != call.sent:
                changes.sets["model"] = call.sent
            return changes

        body = splice(body, call, rules, native=native)
        address = url(self._row, self._path, call, call.sent)
        return VendorRequest("POST", address, headers(self._row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> rerank_pb2.RerankResponse:
        """Results and usage. Raises BadAnswer."""
        answer, results = _parse(body)
        response = rerank_pb2.RerankResponse(model=call.asked, id=text(answer.get("id")))
        for number, item in enumerate(results):
            if not isinstance(item, dict):
                raise BadAnswer("a result is not an object")
            index = item.get("index", number)
            score = item.get("relevance_score", item.get("score"))
            if not isinstance(index, int) or not isinstance(score, int | float) or not 0 <= index < 1 << 31:
                raise BadAnswer("a result has no index or score")
            made = response.results.add(index=index, score=score)
            document = item.get("document")
            if isinstance(document, dict) and set(document) == {"text"}:
                document = document["text"]
            if isinstance(document, str):
                made.document.text = document
            elif isinstance(document, dict):
                made.document.fields_json = orjson.dumps(document)
        usage = _usage(answer)
        if usage is not None:
            response.usage.CopyFrom(usage)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises BadAnswer."""
        answer, _ = _parse(body)
        return renamed(body, call), _usage(answer)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _document(document: rerank_pb2.RerankDocument) -> Any:
    return orjson.loads(document.fields_json) if document.HasField("fields_json") else document.text


def _parse(body: bytes) -> tuple[dict[str, Any], list[Any]]:
    """The answer and its results (Voyage calls them data)."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    results = answer.get("results", answer.get("data")) if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise BadAnswer("there are no results")
    return answer, results


def _usage(answer: dict[str, Any]) -> usage_pb2.Usage | None:
    """Usage (Jina), meta.tokens (SiliconFlow) or meta.billed_units (Cohere)."""
    usage = usages.of_answer(answer)
    meta = answer.get("meta")
    if not isinstance(meta, dict):
        return usage
    tokens = meta.get("tokens")
    billed = meta.get("billed_units")
    if usage is None and isinstance(tokens, dict):
        usage = usages.normalise(tokens)
    units = whole(billed.get("search_units")) if isinstance(billed, dict) else 0
    if units:
        usage = usage or usages.normalise(billed if isinstance(billed, dict) else {})
        usage.search_units = units
    return usage

"""DashScope's text-rerank (help.aliyun.com/zh/model-studio/text-rerank-api)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, rerank_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.openai import usage as usages
from core.vendors.shared import refusal, told
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import splice
from core.vendors.shared.values import text
from core.vendors.table import Row

FORM = "ali.rerank"
_DROPPED = ("max_chunks_per_document", "max_tokens_per_document", "rank_fields")


class AliRerank:
    """Implements RerankForm for a row. Without state."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.name = FORM

    def encode(self, request: rerank_pb2.RerankRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature, ChannelError."""
        documents = [_text(document) for document in request.documents]
        parameters: dict[str, Any] = {}
        if request.top_n:
            parameters["top_n"] = request.top_n
        if request.HasField("return_documents"):
            parameters["return_documents"] = request.return_documents
        body = {
            "model": call.sent,
            "input": {"query": request.query, "documents": documents},
            "parameters": parameters,
        }
        dropped = [name for name in _DROPPED if getattr(request, name)]
        dropped += [f"extensions.{dialect}" for dialect in request.extensions.by_dialect]
        return self._request(orjson.dumps(body), call, tuple(dropped))

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes: no dialect of ours is this form."""
        return self._request(native.body, call, ())

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...]) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            return Changes(sets={"model": call.sent} if look("model") != call.sent else {})

        body = splice(body, call, rules, native=False)
        address = url(self._row, self._row.rerank, call, call.sent)
        return VendorRequest("POST", address, headers(self._row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> rerank_pb2.RerankResponse:
        """Results and usage. Raises ToldRefusal, BadAnswer."""
        answer = _parse(body, call)
        output = answer.get("output")
        results = output.get("results") if isinstance(output, dict) else None
        if not isinstance(results, list):
            raise BadAnswer("there are no results")
        response = rerank_pb2.RerankResponse(model=call.asked, id=text(answer.get("request_id")))
        for item in results:
            index = item.get("index") if isinstance(item, dict) else None
            score = item.get("relevance_score") if isinstance(item, dict) else None
            if type(index) is not int or not isinstance(score, int | float) or not 0 <= index < 1 << 31:
                raise BadAnswer("a result has no index or score")
            made = response.results.add(index=index, score=score)
            document = item.get("document")
            if isinstance(document, dict) and isinstance(document.get("text"), str):
                made.document.text = document["text"]
        usage = usages.of_answer(answer)
        if usage is not None:
            response.usage.CopyFrom(usage)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises ToldRefusal, BadAnswer."""
        return body, usages.of_answer(_parse(body, call))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _text(document: rerank_pb2.RerankDocument) -> str:
    """A document's text. Raises UnsupportedFeature where it is an object without one."""
    if not document.HasField("fields_json"):
        return document.text
    found = orjson.loads(document.fields_json).get("text")
    if not isinstance(found, str):
        raise UnsupportedFeature("This vendor reranks texts only.", param="documents")
    return found


def _parse(body: bytes, call: Call) -> dict[str, Any]:
    """The answer; one with a code and no output is an error."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not an object")
    if answer.get("code") and not answer.get("output"):
        raise told.refused({"message": answer.get("message"), "code": answer["code"]}, call.secret)
    return answer

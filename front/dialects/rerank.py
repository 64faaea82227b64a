"""Rerank as Jina and Cohere's v1 speak it (one request shape), and as Cohere's v2 does.

https://api.jina.ai/redoc, https://docs.cohere.com/v1/reference/rerank, https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import common_pb2, rerank_pb2

from front.dialects.interface import Ask
from front.dialects.openai import errors as openai_errors
from front.dialects.strict import take, whole
from front.errors import FrontError, bad

MOST_DOCUMENTS = 10_000
"""Cohere's own limit."""
LARGE = (1 << 31) - 1


class JinaRerank:
    """Implements RerankDialect: POST /v1/rerank."""

    form = "jina.rerank"
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> rerank_pb2.RerankRequest:
        """See the interface."""
        source = ask.source
        model = take(source, "model", str)
        if not model or not model.strip():
            raise bad("model is required.", "model")
        query = source.pop("query", None)
        if not isinstance(query, str) or not query:
            raise bad("query must be a string that is not empty.", "query")
        envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_RERANK, model=model, path=ask.path)
        asked = rerank_pb2.RerankRequest(envelope=envelope, query=query)
        documents = take(source, "documents", list)
        if not documents:
            raise bad("documents must be an array with at least one entry.", "documents")
        if len(documents) > MOST_DOCUMENTS:
            raise bad(f"documents has more than {MOST_DOCUMENTS} entries.", "documents")
        for index, item in enumerate(documents):
            if isinstance(item, str):
                asked.documents.add().text = item
            elif isinstance(item, dict):
                asked.documents.add().fields_json = orjson.dumps(item)
            else:
                raise bad(f"documents[{index}] must be a string or an object.", f"documents[{index}]")
        asked.top_n = whole(source, "top_n", 1, LARGE) or 0
        self._more(asked, source)
        left = {name: value for name, value in source.items() if value is not None}
        if left:
            asked.extensions.by_dialect[self.form] = orjson.dumps(left)
        return asked

    def _more(self, asked: rerank_pb2.RerankRequest, source: dict[str, Any]) -> None:
        """What this version has beside."""
        wanted = take(source, "return_documents", bool)
        if wanted is not None:
            asked.return_documents = wanted
        asked.max_chunks_per_document = whole(source, "max_chunks_per_doc", 1, LARGE) or 0
        for name in take(source, "rank_fields", list) or ():
            if not isinstance(name, str):
                raise bad("rank_fields must be an array of strings.", "rank_fields")
            asked.rank_fields.append(name)

    def render(self, answer: rerank_pb2.RerankResponse, asked: rerank_pb2.RerankRequest) -> bytes:
        """What both Jina's and Cohere's clients read: usage for the one, meta for the other."""
        results = []
        for found in answer.results:
            result: dict[str, Any] = {"index": found.index, "relevance_score": found.score}
            if found.HasField("document"):
                result["document"] = _document(found.document)
            elif asked.return_documents and found.index < len(asked.documents):
                result["document"] = _document(asked.documents[found.index])
            results.append(result)
        used = answer.usage
        body: dict[str, Any] = {"model": answer.model, "object": "list", "results": results}
        if answer.id:
            body["id"] = answer.id
        total = used.input_tokens + used.output_tokens
        body["usage"] = {"prompt_tokens": used.input_tokens, "total_tokens": total}
        body["meta"] = _meta("1", answer)
        return orjson.dumps(body)

    def error(self, error: FrontError, request_id: str) -> bytes:
        """OpenAI's envelope, as New API answers here; `detail` is what Jina's clients read."""
        body = openai_errors.envelope(error, request_id)
        return orjson.dumps({**body, "detail": body["error"]["message"]})


class CohereRerank(JinaRerank):
    """Implements RerankDialect: POST /v2/rerank."""

    form = "cohere.rerank"

    def _more(self, asked: rerank_pb2.RerankRequest, source: dict[str, Any]) -> None:
        """What v2 has beside."""
        asked.max_tokens_per_document = whole(source, "max_tokens_per_doc", 1, LARGE) or 0

    def render(self, answer: rerank_pb2.RerankResponse, asked: rerank_pb2.RerankRequest) -> bytes:
        """Cohere's v2 answer."""
        results = [{"index": found.index, "relevance_score": found.score} for found in answer.results]
        return orjson.dumps({"id": answer.id or None, "results": results, "meta": _meta("2", answer)})

    def error(self, error: FrontError, request_id: str) -> bytes:
        """Cohere's envelope."""
        return orjson.dumps({"id": request_id, "message": f"{error.message} (request id: {request_id})"})


def _document(document: rerank_pb2.RerankDocument) -> Any:
    """As both vendors tell documents: an object, a lone text under "text"."""
    return orjson.loads(document.fields_json) if document.HasField("fields_json") else {"text": document.text}


def _meta(version: str, answer: rerank_pb2.RerankResponse) -> dict[str, Any]:
    meta: dict[str, Any] = {"api_version": {"version": version}}
    if answer.usage.search_units:
        meta["billed_units"] = {"search_units": answer.usage.search_units}
    return meta

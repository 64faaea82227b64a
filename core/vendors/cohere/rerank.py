"""Cohere's rerank form, version 2: documents are texts.

https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import rerank_pb2

from core.vendors.interface import Call, VendorRequest
from core.vendors.jina.rerank import JinaRerank
from core.vendors.table import Row

FORM = "cohere.rerank"


class CohereRerank(JinaRerank):
    """Implements RerankForm for a row. Without state. Answers and usage are read as in version 1."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.name = FORM
        self._path = row.rerank_v2

    def encode(self, request: rerank_pb2.RerankRequest, call: Call) -> VendorRequest:
        """The canonical request in this form; objects become lines of their fields, as the reference advises."""
        fields = list(request.rank_fields)
        body: dict[str, Any] = {
            "model": call.sent,
            "query": request.query,
            "documents": [_text(document, fields) for document in request.documents],
        }
        if request.top_n:
            body["top_n"] = request.top_n
        if request.max_tokens_per_document:
            body["max_tokens_per_doc"] = request.max_tokens_per_document
        dropped = ["max_chunks_per_document"] if request.max_chunks_per_document else []
        for dialect, json in request.extensions.by_dialect.items():
            if dialect == FORM:
                body.update({key: value for key, value in orjson.loads(json).items() if key not in body})
            else:
                dropped.append(f"extensions.{dialect}")
        return self._request(orjson.dumps(body), call, tuple(dropped), native=False)


def _text(document: rerank_pb2.RerankDocument, fields: list[str]) -> str:
    if not document.HasField("fields_json"):
        return document.text
    held = orjson.loads(document.fields_json)
    chosen = {name: held[name] for name in fields if name in held} if fields else held
    if list(chosen) == ["text"]:
        return _said(chosen["text"])
    return "\n".join(f"{name}: {_said(value)}" for name, value in chosen.items())


def _said(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()

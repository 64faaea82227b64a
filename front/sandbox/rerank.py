"""Rerank as Cohere (v1 and v2) and Jina speak it.

https://docs.cohere.com/reference/rerank, https://docs.cohere.com/v1/reference/rerank, https://api.jina.ai/redoc
"""

from __future__ import annotations

from typing import Any

from front.sandbox.answer import count, relevance
from front.sandbox.controls import parse
from front.sandbox.forms import Refused, Reply, Request, not_served, number

CHUNK_TOKENS, UNIT_CHUNKS = 500, 100
"""Cohere's search unit: a query with up to 100 documents; one of over 500 tokens, query included, counts as several."""


def serve(request: Request) -> Reply:
    """POST /v1/rerank (Cohere v1; Jina where the model's name has "jina") and /v2/rerank (Cohere v2); as a Form."""
    if request.method != "POST":
        raise not_served(request)
    body = request.body
    given = body.get("query"), body.get("documents")
    if not isinstance(given[0], str) or not isinstance(given[1], list) or not given[1]:
        raise Refused("invalid request: query must be a text and documents a list that is not empty")
    controls, query = parse(given[0], request.order)
    jina = "jina" in str(body.get("model")) and request.path == "/v1/rerank"
    texts = [str(each.get("text", "")) if isinstance(each, dict) else str(each) for each in given[1]]
    scored = [(relevance(query, text), -index) for index, text in enumerate(texts)]
    ranked = sorted(scored, reverse=True)[: number(body, "top_n") or len(scored)]
    results: list[dict[str, Any]] = [{"index": -minus, "relevance_score": score} for score, minus in ranked]
    # Jina gives documents unless told not to, Cohere v1 where it is told to, Cohere v2 never.
    if body.get("return_documents", jina) and request.path == "/v1/rerank":
        for result in results:
            result["document"] = {"text": texts[result["index"]]}
    if jina:
        tokens = controls.usage_lie or count(query) * len(texts) + sum(map(count, texts))
        out: dict[str, Any] = {"model": body.get("model"), "object": "list", "usage": {"total_tokens": tokens}}
    else:
        chunks = sum(-(-(count(query) + count(text)) // CHUNK_TOKENS) or 1 for text in texts)
        units = controls.usage_lie or -(-chunks // UNIT_CHUNKS)
        version = {"version": request.path[2], "is_experimental": False}
        out = {"id": "rerank-sandbox", "meta": {"api_version": version, "billed_units": {"search_units": units}}}
    if controls.no_usage:
        out.get("meta", out).pop("usage" if jina else "billed_units")
    return Reply({**out, "results": results}, controls=controls)


def error(request: Request, refused: Refused) -> Reply:
    """Cohere says `message`, Jina `detail`; at /v1/rerank, which both have, both are said; as a Form."""
    body = {"message": refused.message}
    if request.path == "/v1/rerank":
        body["detail"] = refused.message
    return Reply(body, status=refused.status)

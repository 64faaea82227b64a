"""Rerank in the shapes of Cohere v1, Cohere v2 and Jina."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.house import http

DOCUMENTS = ["lakes", {"text": "canals of the north"}, "canals"]


def rank(sandbox: str, path: str, **more: Any) -> Any:
    body = {"model": "rerank-v3.5", "query": "canals north", "documents": DOCUMENTS, **more}
    reply = http("POST", sandbox + path, body)
    assert reply.status == 200, reply.body
    return reply.json()


def test_order_and_top(sandbox: str) -> None:
    assert rank(sandbox, "/v2/rerank")["results"] == [
        {"index": 1, "relevance_score": 1.0},
        {"index": 2, "relevance_score": 0.5},
        {"index": 0, "relevance_score": 0.0},
    ]
    assert [each["index"] for each in rank(sandbox, "/v2/rerank", top_n=1)["results"]] == [1]


def test_cohere(sandbox: str) -> None:
    for version in ("1", "2"):
        made = rank(sandbox, f"/v{version}/rerank", return_documents=True)
        assert set(made) == {"id", "results", "meta"}
        assert made["meta"]["api_version"]["version"] == version
        assert made["meta"]["billed_units"] == {"search_units": 1}
        assert ("document" in made["results"][0]) == (version == "1")
    assert "document" not in rank(sandbox, "/v1/rerank")["results"][0]
    long = rank(sandbox, "/v2/rerank", documents=["word " * 500] * 100)
    assert long["meta"]["billed_units"] == {"search_units": 2}


def test_jina(sandbox: str) -> None:
    made = rank(sandbox, "/v1/rerank", model="jina-reranker-v2-base-multilingual")
    assert set(made) == {"model", "object", "usage", "results"}
    assert made["usage"] == {"total_tokens": 3 * 3 + 2 + 5 + 2}
    assert made["results"][0]["document"] == {"text": "canals of the north"}
    assert "document" not in rank(sandbox, "/v1/rerank", model="jina-r", return_documents=False)["results"][0]


@pytest.mark.parametrize("change", [{"query": 7}, {"documents": []}, {"documents": "x"}, {"top_n": 0}])
def test_bad_requests(sandbox: str, change: dict[str, Any]) -> None:
    reply = http("POST", sandbox + "/v1/rerank", {"query": "a", "documents": ["b"], **change})
    assert (reply.status, set(reply.json())) == (400, {"message", "detail"})

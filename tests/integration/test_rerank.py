"""Rerank through the gateway, as Jina's and Cohere's clients ask."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.house import House, http, until

DOCUMENTS = ["a red fox", "the blue sea", "a fox at sea"]


@pytest.fixture(scope="module")
def secret(gateway: House) -> Iterator[str]:
    before = {item["key"]: item["value"] for item in gateway.manage("GET", "/api/option/")}["ModelRatio"]
    models = {"rerank-v4.0": 1, "jina-reranker-v3": 1}
    gateway.option("ModelRatio", json.dumps({**json.loads(before or "{}"), **models}))
    gateway.add_channel(models=",".join(models))
    yield gateway.add_key()[1]
    gateway.option("ModelRatio", before)


def ask(gateway: House, secret: str, path: str, **body: object):
    headers = {"Authorization": f"Bearer {secret}"}
    return http("POST", gateway.base + path, {"query": "fox sea", "documents": DOCUMENTS, **body}, headers)


def test_jina(gateway: House, secret: str) -> None:
    reply = ask(gateway, secret, "/v1/rerank", model="jina-reranker-v3", top_n=2)
    assert reply.status == 200, reply.body
    answer = reply.json()
    assert answer["results"][0]["index"] == 2
    assert len(answer["results"]) == 2
    assert answer["usage"]["total_tokens"] > 0


def test_cohere_v2_is_billed_though_it_tells_no_tokens(gateway: House, secret: str) -> None:
    reply = ask(gateway, secret, "/v2/rerank", model="rerank-v4.0", return_documents=None)
    assert reply.status == 200, reply.body
    answer = reply.json()
    assert set(answer) == {"id", "results", "meta"}
    assert answer["results"][0]["index"] == 2
    assert set(answer["results"][0]) == {"index", "relevance_score"}
    line = until(lambda: gateway.logs(reply.headers["x-request-id"]), "the request was not logged")[0]
    assert line["quota"] > 0
    assert line["prompt_tokens"] > 0


def test_errors_are_told_in_the_clients_own_way(gateway: House, secret: str) -> None:
    refused = ask(gateway, "sk-nobody", "/v2/rerank", model="rerank-v4.0")
    assert refused.status == 401
    assert set(refused.json()) == {"id", "message"}
    unknown = ask(gateway, secret, "/v1/rerank", model="nobody-serves-this")
    assert unknown.status == 404
    assert unknown.json()["error"]["code"] == "model_not_found"
    empty = http("POST", gateway.base + "/v1/rerank", {"model": "rerank-v4.0", "query": "x", "documents": []}, {
        "Authorization": f"Bearer {secret}"
    })  # fmt: skip
    assert empty.status == 400
    assert empty.json()["error"]["param"] == "documents"

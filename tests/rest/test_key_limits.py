"""Limits of keys and of rules, at a running gateway: refused in the dialect's form, told in headers, given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.house import House, Reply, http, until
from tests.rest.people import Person, make

TOKEN = {"name": "k", "expired_time": -1, "remain_quota": 5_000_000, "unlimited_quota": False}


@pytest.fixture
def person(gateway: House) -> Person:
    return make(gateway, quota=50_000_000)


@pytest.fixture
def rules(gateway: House) -> Iterator[None]:
    """What a test sets ends with it."""
    yield
    gateway.option("isthmus.rate_limits", "[]")


def limited(person: Person, **limits: Any) -> tuple[int, str]:
    return person.key(limits=limits)


def ask(gateway: House, secret: str, text: str = "Hello", **fields: Any) -> Reply:
    return gateway.chat(secret, text, max_tokens=10, **fields)


def test_limits_are_kept_and_left_alone_by_clients_that_do_not_know_them(person: Person) -> None:
    told = {"requests_per_minute": 7, "tokens_per_minute": 8, "concurrency": 9, "budget_units": 10,
            "budget_period": "week", "operations": ["chat", "rerank"]}  # fmt: skip
    key_id, _ = limited(person, **told)
    assert person.get("GET", f"/api/token/{key_id}")["limits"] == told
    person.get("PUT", "/api/token/", {**TOKEN, "id": key_id, "name": "renamed"})
    assert person.get("GET", f"/api/token/{key_id}")["limits"] == told
    person.get("PUT", "/api/token/", {**TOKEN, "id": key_id, "limits": {"concurrency": 1}})
    changed = person.get("GET", f"/api/token/{key_id}")["limits"]
    assert (changed["concurrency"], changed["requests_per_minute"], changed["operations"]) == (1, 0, [])
    for wrong, named in (
        ({"requests_per_minute": -1}, "requests_per_minute"), ({"concurrency": 1 << 40}, "concurrency"),
        ({"budget_units": 5}, "budget"), ({"budget_units": 5, "budget_period": "year"}, "period"),
        ({"budget_period": "day"}, "budget"), ({"operations": ["fly"]}, "operation"), ({"operations": "chat"}, "operations"),
        ({"tokens_per_minute": "many"}, "tokens_per_minute"),
    ):  # fmt: skip
        assert named in person.refused("POST", "/api/token/", {**TOKEN, "limits": wrong}), wrong


def test_requests_per_minute(gateway: House, person: Person) -> None:
    _, secret = limited(person, requests_per_minute=2)
    first = ask(gateway, secret)
    assert first.status == 200, first.body
    assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == ("2", "1")
    streamed = ask(gateway, secret, stream=True)
    assert streamed.headers["x-ratelimit-remaining-requests"] == "0"
    refused = ask(gateway, secret)
    assert refused.status == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    body = {"model": "gpt-4o", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    claude = http("POST", gateway.base + "/v1/messages", body, {"x-api-key": secret})
    assert (claude.status, claude.json()["error"]["type"]) == (429, "rate_limit_error")
    assert claude.headers["anthropic-ratelimit-requests-limit"] == "2"
    assert int(claude.headers["retry-after"]) > 0
    url = f"{gateway.base}/v1beta/models/gpt-4o:generateContent"
    gemini = http("POST", url, {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}, {"x-goog-api-key": secret})
    assert (gemini.status, gemini.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert any("RetryInfo" in detail["@type"] for detail in gemini.json()["error"]["details"])
    # Another key of the same account has its own.
    assert ask(gateway, limited(person, requests_per_minute=2)[1]).status == 200


def test_no_limits_in_tokens_per_minute(gateway: House, person: Person) -> None:
    """pains (N 7408, 7070): tokens are reserved at admission and corrected at settlement."""
    key_id, secret = limited(person, tokens_per_minute=100_000)
    answer = ask(gateway, secret)
    used = gateway.line(answer.headers["x-request-id"])
    spent = used["prompt_tokens"] + used["completion_tokens"]
    held = 100_000 - int(answer.headers["x-ratelimit-remaining-tokens"])
    assert held > spent, "while it ran, its max_tokens were held"
    later = ask(gateway, secret, stream=True)
    assert 100_000 - int(later.headers["x-ratelimit-remaining-tokens"]) <= held + spent, "only what was used stays"
    # A refused request holds nothing.
    assert ask(gateway, secret, model="no-such-model").status == 404
    again = ask(gateway, secret)
    assert 100_000 - int(again.headers["x-ratelimit-remaining-tokens"]) <= held + 2 * spent
    person.get("PUT", "/api/token/", {**TOKEN, "id": key_id, "limits": {"tokens_per_minute": 5}})
    # One that is larger than the whole limit goes alone, and the next waits for it.
    assert ask(gateway, secret).status == 200
    refused = ask(gateway, secret)
    assert (refused.status, refused.headers["x-ratelimit-remaining-tokens"]) == (429, "0")


def test_requests_at_once(gateway: House, person: Person) -> None:
    _, secret = limited(person, concurrency=2)
    slow = "[[sandbox chunks=30 delay_ms=100]] go"
    done: list[int] = []

    def hold() -> None:
        # What is asked below may be in its place for a moment.
        while ask(gateway, secret, slow, stream=True).status != 200:
            pass
        done.append(1)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    refused = until(lambda: found if (found := ask(gateway, secret)).status == 429 else None, "nothing was refused")
    assert "concurrent" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "1"
    for thread in threads:
        thread.join(30)
    assert len(done) == 2
    # Every place is free again, after failures and refusals, too.
    for _ in range(3):
        assert ask(gateway, secret, model="no-such-model").status == 404
        assert ask(gateway, secret, "[[sandbox status=500]]").status >= 500
    assert ask(gateway, secret).status == 200


def test_operations(gateway: House, person: Person) -> None:
    _, secret = limited(person, operations=["embedding"])
    refused = ask(gateway, secret)
    assert (refused.status, refused.json()["error"]["code"]) == (403, "operation_not_allowed")
    assert ask(gateway, secret, stream=True).status == 403
    body = {"model": "text-embedding-3-small", "input": "x"}
    answer = http("POST", gateway.base + "/v1/embeddings", body, {"Authorization": f"Bearer {secret}"})
    assert answer.status == 200, answer.body


def test_a_budget_of_a_period(gateway: House, person: Person) -> None:
    _, measured = person.key()
    cost = gateway.line(ask(gateway, measured).headers["x-request-id"])["quota"]
    reserve = gateway.line(ask(gateway, measured).headers["x-request-id"])["receipt"]["reserved"]
    key_id, secret = limited(person, budget_units=reserve + cost, budget_period="day")
    served = 0
    while (answer := ask(gateway, secret)).status == 200:
        served += 1
        gateway.line(answer.headers["x-request-id"])
        assert served < 50
    assert served >= 2
    assert (answer.status, answer.json()["error"]["code"]) == (429, "budget_exceeded")
    assert 0 < int(answer.headers["retry-after"]) <= 86400
    gateway.money()
    (row,) = gateway.rows(
        f"SELECT period, granted, available, settled FROM purses WHERE kind = 4 AND owner_id = {key_id}"
    )
    assert row[0].startswith("day 20")
    assert (row[1], row[3]) == (reserve + cost, served * cost), "what was spent is what the ledger says"
    assert person.get("GET", f"/api/token/{key_id}")["status"] == 1, "the key itself is not exhausted"
    limits = {"budget_units": 10 * reserve, "budget_period": "day"}
    person.get("PUT", "/api/token/", {**TOKEN, "id": key_id, "limits": limits})
    assert ask(gateway, secret).status == 200, "more of it counts at once"


def test_rules_for_many(gateway: House, person: Person, rules: None) -> None:
    gateway.option(
        "isthmus.rate_limits",
        '[{"by": "account", "group": "default", "requests_per_minute": 3}, {"by": "model", "model": "gpt-4o-m*", "requests_per_minute": 1}]',
    )
    other = make(gateway, quota=50_000_000)
    mine, also_mine, others = person.key()[1], person.key()[1], other.key()[1]
    assert ask(gateway, mine, model="gpt-4o-mini").status == 200
    assert ask(gateway, others, model="gpt-4o-mini").status == 429, "the model's is everybody's"
    assert [ask(gateway, mine).status for _ in range(2)] == [200, 200]
    assert ask(gateway, also_mine).status == 429, "keys of an account share its limit"
    assert ask(gateway, others).status == 200

"""A key with a purse of its own: too little is 403, nothing is 401, and management shows which."""

from __future__ import annotations

import time
from typing import Any

from tests.integration.house import House, Reply, http

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}


def ask(gateway: House, secret: str) -> Reply:
    return http("POST", gateway.base + "/v1/chat/completions", HELLO, {"Authorization": f"Bearer {secret}"})


def told(reply: Reply) -> Any:
    return reply.json()["error"]


def settle_at(gateway: House, secret: str, status: int) -> Reply:
    """Asks until every worker has learnt of a change and answers so."""
    deadline, same = time.monotonic() + 20, 0
    while True:
        reply = ask(gateway, secret)
        same = same + 1 if reply.status == status else 0
        if same >= 6:
            return reply
        assert time.monotonic() < deadline, (reply.status, reply.body)


def test_too_little_is_forbidden_and_leaves_the_key_enabled(gateway: House) -> None:
    key_id, secret = gateway.add_key(remain_quota=1)
    for _ in range(3):
        refused = ask(gateway, secret)
        assert refused.status == 403, refused.body
        assert told(refused)["code"] == "pre_consume_token_quota_failed"
    assert gateway.token(key_id)["status"] == 1


def test_an_empty_key_is_exhausted_until_it_is_given_more(gateway: House) -> None:
    key_id, secret = gateway.add_key(remain_quota=0)
    refused = ask(gateway, secret)
    assert refused.status == 401, refused.body
    assert gateway.token(key_id)["status"] == 4
    refused = settle_at(gateway, secret, 401)
    assert "used up" in told(refused)["message"]
    told_key = gateway.token(key_id)
    gateway.manage("PUT", "/api/token/", {**told_key, "remain_quota": 1_000_000})
    assert gateway.token(key_id)["status"] == 1
    settle_at(gateway, secret, 200)


def test_an_unlimited_key_is_never_exhausted(gateway: House) -> None:
    key_id, secret = gateway.add_key(remain_quota=0, unlimited_quota=True)
    assert ask(gateway, secret).status == 200
    assert gateway.token(key_id)["status"] == 1

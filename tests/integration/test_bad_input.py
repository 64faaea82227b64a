"""Bad input gets a clear error in OpenAI's envelope, and costs nothing."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from tests.integration.house import House, Reply, http

CHAT = "/v1/chat/completions"
HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


def post(gateway: House, key: str, body: Any, path: str = CHAT, **headers: str) -> Reply:
    return http("POST", gateway.base + path, body, {"Authorization": f"Bearer {key}", **headers})


def check(reply: Reply, status: int, code: str = "") -> dict[str, Any]:
    """The error object; every answer names its request."""
    assert reply.status == status, (reply.status, reply.body[:500])
    error = reply.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    if code:
        assert error["code"] == code
    assert reply.headers["x-request-id"] == reply.headers["x-oneapi-request-id"]
    assert reply.headers["x-request-id"] in error["message"]
    return error


def test_no_key(gateway: House) -> None:
    check(http("POST", gateway.base + CHAT, HELLO), 401)


def test_wrong_key(gateway: House) -> None:
    check(post(gateway, "sk-" + "x" * 48, HELLO), 401, "invalid_api_key")


def test_disabled_and_expired_keys(gateway: House) -> None:
    key_id, secret = gateway.add_key()
    assert post(gateway, secret, HELLO).status == 200
    gateway.manage("PUT", "/api/token/?status_only=true", {"id": key_id, "status": 2})
    refused, deadline = 0, time.monotonic() + 10.0
    while refused < 8:
        # Connections go to any worker: all of them must have learnt it.
        refused = refused + 1 if post(gateway, secret, HELLO).status == 401 else 0
        assert time.monotonic() < deadline, "a revoked key still works"
    check(post(gateway, secret, HELLO), 401)
    _, expired = gateway.add_key(expired_time=int(time.time()) - 10)
    check(post(gateway, expired, HELLO), 401)


def test_address_not_allowed(gateway: House) -> None:
    _, secret = gateway.add_key(allow_ips="10.1.2.0/24")
    check(post(gateway, secret, HELLO), 403)


def test_model_not_allowed(gateway: House) -> None:
    _, secret = gateway.add_key(model_limits_enabled=True, model_limits="gpt-4o-mini")
    check(post(gateway, secret, HELLO), 403)


def test_unknown_model(gateway: House, key: str) -> None:
    check(post(gateway, key, {**HELLO, "model": "nobody-serves-this"}), 404, "model_not_found")


def test_no_money(gateway: House) -> None:
    _, secret = gateway.add_key(remain_quota=1)
    check(post(gateway, secret, HELLO), 403, "pre_consume_token_quota_failed")


def test_bad_bodies_cost_nothing(gateway: House) -> None:
    key_id, secret = gateway.add_key()
    before = gateway.token(key_id)["remain_quota"]
    message = {"role": "user", "content": "x"}
    bodies: dict[str, Any] = {
        "not JSON": b"{",
        "empty": b"",
        "a list": [1],
        "no model": {"messages": [message]},
        "wrong types": {**HELLO, "temperature": "hot"},
        "messages a text": {**HELLO, "messages": "x"},
        "10,000 messages": {**HELLO, "messages": [message] * 10_000},
        "NaN": b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
        "deep nesting": b'{"model":"gpt-4o","messages":' + b"[" * 5000 + b"]" * 5000 + b"}",
        "lone surrogate": b'{"model":"gpt-4o","messages":[{"role":"user","content":"\\ud800"}]}',
        "invalid UTF-8": b'{"model":"gpt-4o","messages":[{"role":"user","content":"\xff"}]}',
        "negative max_tokens": {**HELLO, "max_tokens": -1},
    }
    for name, body in bodies.items():
        reply = post(gateway, secret, body)
        assert reply.status in (400, 413), (name, reply.status, reply.body[:300])
        check(reply, reply.status)
    assert gateway.token(key_id)["remain_quota"] == before


def test_200_mb_is_refused_unread(gateway: House, key: str) -> None:
    port = int(gateway.base.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 209715200\r\n\r\n"
        )
        raw.sendall(head.encode() + b"x" * 1000)
        assert b" 413 " in raw.recv(4096).split(b"\r\n", 1)[0]


def test_key_is_checked_before_the_body(gateway: House) -> None:
    """With a wrong key the answer comes although the body never does."""
    port = int(gateway.base.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        raw.sendall(
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-wrong\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n".encode()
        )
        assert b" 401 " in raw.recv(4096).split(b"\r\n", 1)[0]


@pytest.mark.parametrize("header", ["x-api-key", "x-goog-api-key"])
def test_other_ways_of_keys(gateway: House, key: str, header: str) -> None:
    reply = http("GET", gateway.base + "/v1/models", headers={header: key})
    assert reply.status == 200


def test_receipt_is_the_charge(gateway: House) -> None:
    """The log's quota, the receipt's sum and what left the key are one number."""
    key_id, secret = gateway.add_key(remain_quota=1_000_000)
    reply = post(gateway, secret, HELLO)
    request_id = reply.headers["x-request-id"]
    deadline = time.monotonic() + 5
    while True:
        logs = gateway.manage("GET", f"/api/log/?p=1&page_size=10&request_id={request_id}")["items"]
        token = gateway.token(key_id)
        if logs and token["remain_quota"] != 1_000_000:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    usage = reply.json()["usage"]
    assert (logs[0]["prompt_tokens"], logs[0]["completion_tokens"]) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert token["remain_quota"] == 1_000_000 - logs[0]["quota"]
    assert token["used_quota"] == logs[0]["quota"] > 0
    assert json.loads(logs[0]["other"])["model_ratio"] == 1.25

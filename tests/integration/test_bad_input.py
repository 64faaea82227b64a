"""Bad input gets a clear error in OpenAI's envelope, and costs nothing: neither key nor account, and holds nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.house import House, Member, Reply, http

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "x"}
HELLO: dict[str, Any] = {"model": "gpt-4o", "messages": [USER]}
EMBED: dict[str, Any] = {"model": "text-embedding-3-small", "input": "x"}
QUOTA = 1_000_000


@pytest.fixture(scope="module")
def member(gateway: House) -> Member:
    """An account whose quota nothing here may touch."""
    return gateway.add_member("careful", QUOTA)


@pytest.fixture(scope="module", autouse=True)
def nothing_was_charged(gateway: House, member: Member) -> Iterator[None]:
    """After every test of this file: the account has what it had, nothing is leased, no line bills it."""
    yield
    gateway.money()
    assert gateway.manage("GET", "/api/user/self", who=member)["quota"] == QUOTA
    assert gateway.rows("SELECT count(*) FROM logs WHERE user_id = ? AND quota <> 0", member.id) == [(0,)]
    keys = gateway.manage("GET", "/api/token/?p=1&page_size=100", who=member)["items"]
    assert all(key["used_quota"] == 0 for key in keys)


@pytest.fixture(scope="module")
def careful(gateway: House, member: Member) -> tuple[int, str]:
    """A key of that account: id and secret."""
    return gateway.add_key(member)


def post(gateway: House, key: str, body: Any, path: str = CHAT, **headers: str) -> Reply:
    return http("POST", gateway.base + path, body, {"Authorization": f"Bearer {key}", **headers})


def check(reply: Reply, status: int, code: str = "") -> dict[str, Any]:
    """The error object; every answer names its request."""
    assert reply.status == status, (reply.status, reply.body[:500])
    assert reply.headers["content-type"] == "application/json"
    error: dict[str, Any] = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    if code:
        assert error["code"] == code
    assert reply.headers["x-request-id"] == reply.headers["x-oneapi-request-id"]
    assert reply.headers["x-request-id"] in error["message"]
    return error


# -- who may not ---------------------------------------------------------------------------------


def test_no_key(gateway: House) -> None:
    check(http("POST", gateway.base + CHAT, HELLO), 401, "invalid_api_key")


@pytest.mark.parametrize(
    "secret", ["sk-" + "x" * 48, "x", "sk-", "sk-" + "x" * 5000, "sk-x-notanumber", "sk-\u00e4", "sk-x y"], ids=ascii
)
def test_wrong_keys(gateway: House, secret: str) -> None:
    reply = http("POST", gateway.base + CHAT, HELLO, {"Authorization": f"Bearer {secret}".encode().decode("latin-1")})
    check(reply, 401, "invalid_api_key")


def disabled(gateway: House, member: Member) -> str:
    key_id, secret = gateway.add_key(member)
    gateway.manage("PUT", "/api/token/?status_only=true", {"id": key_id, "status": 2}, member)
    return secret


def expired(gateway: House, member: Member) -> str:
    return gateway.add_key(member, expired_time=int(time.time()) - 10)[1]


def exhausted(gateway: House, member: Member) -> str:
    """Status 4, as a database that was taken over may hold it."""
    key_id, secret = gateway.add_key(member)
    gateway.rows("UPDATE tokens SET status = 4 WHERE id = ?", key_id)
    return secret


def elsewhere(gateway: House, member: Member) -> str:
    return gateway.add_key(member, allow_ips="10.1.2.0/24")[1]


def pinning(gateway: House, member: Member) -> str:
    """Only administrators may name a channel in their key."""
    return gateway.add_key(member)[1] + "-1"


def empty(gateway: House, member: Member) -> str:
    return gateway.add_key(member, remain_quota=1)[1]


def narrow(gateway: House, member: Member) -> str:
    return gateway.add_key(member, model_limits_enabled=True, model_limits="gpt-4o-mini")[1]


REFUSED: list[tuple[Callable[[House, Member], str], int, str, str]] = [
    (disabled, 401, "invalid_api_key", "disabled"),
    (expired, 401, "invalid_api_key", "expired"),
    (exhausted, 401, "invalid_api_key", "used up"),
    (elsewhere, 403, "access_denied", "address"),
    (pinning, 403, "access_denied", "administrators"),
    (empty, 403, "pre_consume_token_quota_failed", "quota"),
    (narrow, 403, "model_not_allowed", "model"),
]


@pytest.mark.parametrize(("make", "status", "code", "word"), REFUSED, ids=[make.__name__ for make, *_ in REFUSED])
def test_keys_that_may_not(
    gateway: House, member: Member, make: Callable[[House, Member], str], status: int, code: str, word: str
) -> None:
    secret = make(gateway, member)
    for body in (HELLO, {**HELLO, "stream": True}):
        error = check(post(gateway, secret, body), status, code)
        assert word in error["message"]


def test_disabled_account(gateway: House) -> None:
    """An account that is disabled, and one without money: 403, each with its own code."""
    who = gateway.add_member("leaving", QUOTA)
    _, secret = gateway.add_key(who)
    assert post(gateway, secret, HELLO).status == 200
    gateway.manage("POST", "/api/user/manage", {"id": who.id, "action": "disable"})
    gateway.spread()
    check(post(gateway, secret, HELLO), 403, "access_denied")
    poor = gateway.add_member("poor", 1)
    _, secret = gateway.add_key(poor)
    check(post(gateway, secret, HELLO), 403, "insufficient_user_quota")


def test_unknown_model(gateway: House, careful: tuple[int, str]) -> None:
    check(post(gateway, careful[1], {**HELLO, "model": "nobody-serves-this"}), 404, "model_not_found")
    check(http("GET", gateway.base + "/v1/models/none", headers={"Authorization": f"Bearer {careful[1]}"}), 404)


WAYS: dict[str, tuple[str, Callable[[str], str]]] = {
    "bearer": ("Authorization", lambda key: f"Bearer {key}"),
    "bearer without sk-": ("Authorization", lambda key: "Bearer " + key.removeprefix("sk-")),
    "alone": ("Authorization", lambda key: key),
    "Anthropic": ("x-api-key", lambda key: key),
    "Gemini": ("x-goog-api-key", lambda key: key),
    "Midjourney": ("mj-api-secret", lambda key: key),
    "browsers' Realtime": (
        "Sec-WebSocket-Protocol", lambda key: f"realtime, openai-insecure-api-key.{key}, openai-beta.realtime-v1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_keys(gateway: House, key: str, way: str) -> None:
    """Each is taken, whatever the route, and a wrong key is refused in each."""
    name, write = WAYS[way]
    for secret, status in ((key, 200), (key[:-1] + ("a" if key[-1] != "a" else "b"), 401)):
        assert http("GET", gateway.base + "/v1/models", headers={name: write(secret)}).status == status
        assert http("POST", gateway.base + CHAT, HELLO, {name: write(secret)}).status == status


def test_a_key_in_the_address(gateway: House, key: str) -> None:
    for secret, status in ((key, 200), (key[:-1] + "-", 401)):
        assert http("POST", f"{gateway.base}{CHAT}?key={secret}", HELLO).status == status


def test_an_administrators_key_names_its_channel(gateway: House, key: str) -> None:
    """sk-KEY-7 goes to channel 7, whatever models it lists, or nowhere."""
    other = gateway.add_channel(models="only-here")
    reply = http("POST", gateway.base + CHAT, HELLO, {"Authorization": f"Bearer {key}-{other}"})
    assert reply.status == 200
    assert gateway.line(reply.headers["x-request-id"])["tried"] == [other]
    check(http("POST", gateway.base + CHAT, HELLO, {"Authorization": f"Bearer {key}-999999"}), 403, "access_denied")


def test_no_such_route(gateway: House, careful: tuple[int, str]) -> None:
    check(post(gateway, careful[1], HELLO, "/v1/no/such/route"), 404)
    reply = http("GET", gateway.base + CHAT, headers={"Authorization": f"Bearer {careful[1]}"})
    check(reply, 405)


# -- what cannot be read -------------------------------------------------------------------------

BODIES: dict[str, tuple[Any, int]] = {
    "not JSON": (b"{", 400),
    "nothing": (b"", 400),
    "two documents": (b"{}{}", 400),
    "a list": ([1], 400),
    "null": (b"null", 400),
    "10,000 messages": ({**HELLO, "messages": [USER] * 10_000}, 400),
    "NaN": (b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"temperature":NaN}', 400),
    "Infinity": (b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"temperature":-Infinity}', 400),
    "1e999": (b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"temperature":1e999}', 400),
    "deep lists": (b'{"model":"gpt-4o","messages":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    "deep objects": (b'{"model":"gpt-4o","messages":[],"x":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", 400),
    "deep in a schema": (
        {**HELLO, "tools": [{"type": "function", "function": {"name": "f", "parameters": None}}],
         "metadata": json.loads('{"a":' * 150 + "1" + "}" * 150)},
        400,
    ),
    "lone surrogate": (b'{"model":"gpt-4o","messages":[{"role":"user","content":"\\ud800"}]}', 400),
    "surrogates turned round": (b'{"model":"gpt-4o","messages":[{"role":"user","content":"\\udc00\\ud800"}]}', 400),
    "invalid UTF-8": (b'{"model":"gpt-4o","messages":[{"role":"user","content":"\xff"}]}', 400),
    "UTF-16": ('{"model":"gpt-4o"}'.encode("utf-16"), 400),
    "control character": (b'{"model":"gpt-4o","messages":[{"role":"user","content":"\x01"}]}', 400),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_cannot_be_read(gateway: House, careful: tuple[int, str], name: str) -> None:
    body, status = BODIES[name]
    check(post(gateway, careful[1], body), status)


WRONG: list[tuple[str, list[Any]]] = [
    ("model", [1, "", None, [], {}, True, "x" * 300]),
    ("messages", [None, "x", {}, [], [1], [None], [[]], [{}], [{"content": "x"}], [{"role": 1, "content": "x"}],
                  [{"role": "nobody", "content": "x"}], [{"role": "user"}], [{"role": "user", "content": 5}],
                  [{"role": "user", "content": True}], [{"role": "user", "content": {}}],
                  [{"role": "user", "content": [1]}], [{"role": "user", "content": [{}]}],
                  [{"role": "user", "content": [{"type": "text"}]}],
                  [{"role": "user", "content": [{"type": "text", "text": 5}]}],
                  [{"role": "user", "content": [{"type": "image_url"}]}],
                  [{"role": "user", "content": [{"type": "image_url", "image_url": 5}]}],
                  [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]}],
                  [{"role": "user", "content": [{"type": "input_audio", "input_audio": "x"}]}],
                  [{"role": "assistant", "content": None, "tool_calls": "x"}],
                  [{"role": "assistant", "content": None, "tool_calls": [1]}],
                  [{"role": "assistant", "tool_calls": [{"id": 1, "type": "function", "function": {"name": "f"}}]}],
                  [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": "f"}]}],
                  [{"role": "tool", "content": "x"}], [{"role": "tool", "content": "x", "tool_call_id": 5}]]),
    ("stream", ["yes", 1, [], {}]),
    ("stream_options", [5, "x", [], {"include_usage": "yes"}]),
    ("temperature", ["hot", True, [], {}]),
    ("top_p", ["x", [], {}]),
    ("frequency_penalty", ["x", []]),
    ("presence_penalty", ["x", []]),
    ("max_tokens", [-1, "5", 1.5, 2**70, [], True]),
    ("max_completion_tokens", [-1, "5", 1.5, 2**70]),
    ("n", [-1, "2", 1.5, 10**9, []]),
    ("seed", ["x", [], 1.5, 2**70]),
    ("stop", [5, [5], {}, True]),
    ("tools", ["x", {}, [5], [{}], [{"type": "function"}], [{"type": "function", "function": 5}],
               [{"type": "function", "function": {}}], [{"type": "function", "function": {"name": 5}}],
               [{"type": "function", "function": {"name": "f", "parameters": "x"}}],
               [{"type": "function", "function": {"name": "f", "description": 5}}]]),
    ("tool_choice", [5, [], "sometimes", {"type": "function"}, {"type": "function", "function": 5}]),
    ("parallel_tool_calls", ["x", 1]),
    ("response_format", [5, "json", [], {}, {"type": 5}, {"type": "json_schema"},
                         {"type": "json_schema", "json_schema": "x"}]),
    ("logprobs", ["x", 5]),
    ("top_logprobs", ["x", -1, 1.5]),
    ("logit_bias", [5, "x", [], {"1": "x"}]),
    ("user", [5, [], {}]),
    ("metadata", [5, "x", []]),
    ("reasoning_effort", [5, [], {}]),
    ("service_tier", [5, []]),
    ("modalities", [5, "text", [5]]),
    ("audio", [5, "x"]),
]  # fmt: skip
CASES = [pytest.param(name, value, id=f"{name}-{json.dumps(value)[:60]}") for name, values in WRONG for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_wrong_types_are_named(gateway: House, careful: tuple[int, str], name: str, value: Any) -> None:
    """400 that names the field, whole and streamed alike, before any vendor is asked."""
    error = check(post(gateway, careful[1], {**HELLO, "stream": True, name: value}), 400)
    assert error["type"] == "invalid_request_error"
    assert str(error["param"]).startswith(name), error


EMBEDDINGS: list[tuple[str, list[Any]]] = [
    ("model", [None, 5, ""]),
    ("input", [None, 5, {}, [], [None], [5.5], [["x"]], [True]]),
    ("dimensions", ["x", -1, 1.5, 0]),
    ("encoding_format", [5]),
    ("user", [5]),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{json.dumps(value)}")
        for name, values in EMBEDDINGS
        for value in values
    ],
)  # fmt: skip
def test_wrong_embeddings_are_named(gateway: House, careful: tuple[int, str], name: str, value: Any) -> None:
    error = check(post(gateway, careful[1], {**EMBED, name: value}, "/v1/embeddings"), 400)
    assert str(error["param"]).startswith(name), error


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"]
)
def test_wrong_content_types(gateway: House, careful: tuple[int, str], kind: str) -> None:
    check(post(gateway, careful[1], HELLO, **{"Content-Type": kind}), 400, "unsupported_media_type")


def test_receipt_is_the_charge(gateway: House) -> None:
    """The log's quota, the receipt's sum and what left the key are one number."""
    key_id, secret = gateway.add_key(remain_quota=1_000_000)
    reply = post(gateway, secret, HELLO)
    line = gateway.line(reply.headers["x-request-id"])
    token = gateway.token(key_id)
    usage = reply.json()["usage"]
    assert (line["prompt_tokens"], line["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert token["remain_quota"] == 1_000_000 - line["quota"]
    assert token["used_quota"] == line["quota"] == line["receipt"]["quota"] > 0
    assert json.loads(line["other"])["model_ratio"] == 1.25

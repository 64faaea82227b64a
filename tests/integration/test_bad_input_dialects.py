"""Bad input by every dialect gets a clear error in that dialect's own envelope, names the request, and costs nothing.

What is tried by OpenAI Chat is in test_bad_input.py, with every field; here is what all dialects share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.house import House, Member, Reply, http

QUOTA = 1_000_000
GEMINI_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 408: "DEADLINE_EXCEEDED",
}  # fmt: skip
ANTHROPIC_TYPE = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
}  # fmt: skip


def openai_error(reply: Reply) -> str:
    """OpenAI's envelope: its message."""
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return str(error["message"])


def anthropic_error(reply: Reply) -> str:
    """Anthropic's: type, error, the request's id beside."""
    body = reply.json()
    assert set(body) == {"type", "error", "request_id"}
    assert (body["type"], set(body["error"])) == ("error", {"type", "message"})
    assert body["request_id"] == reply.headers["request-id"]
    assert body["error"]["type"] in (ANTHROPIC_TYPE[reply.status], "billing_error")
    return str(body["error"]["message"])


def gemini_error(reply: Reply) -> str:
    """Google's: the status in numbers and in words."""
    error = reply.json()["error"]
    assert {"code", "message", "status"} <= set(error) <= {"code", "message", "status", "details"}
    assert error["code"] == reply.status
    assert error["status"] == GEMINI_STATUS[reply.status]
    return str(error["message"])


@dataclass(frozen=True)
class Dialect:
    """A route, a body that is well, how its key is sent, and how its errors are read."""

    path: str
    body: dict[str, Any]
    read: Callable[[Reply], str]
    header: str = "Authorization"
    list_name: str = "messages"
    item: Any = None
    model_in_path: bool = False

    def ask(self, house: House, key: str | None, body: Any, model: str = "gpt-4o", **headers: str) -> Reply:
        """Sends a body."""
        sent = dict(headers)
        if key is not None:
            sent[self.header] = f"Bearer {key}" if self.header == "Authorization" else key
        return http("POST", house.base + self.path.format(model=model), body, sent)

    def other(self, model: str) -> dict[str, Any]:
        """The body for another model."""
        return self.body if self.model_in_path else {**self.body, "model": model}


USER = {"role": "user", "content": "x"}
CONTENT = {"role": "user", "parts": [{"text": "x"}]}
GEMINI = {
    "header": "x-goog-api-key",
    "read": gemini_error,
    "list_name": "contents",
    "item": CONTENT,
    "model_in_path": True,
}
ANTHROPIC = {"header": "x-api-key", "read": anthropic_error, "item": USER}
DIALECTS = {
    "responses": Dialect("/v1/responses", {"model": "gpt-4o", "input": [USER]}, openai_error, "Authorization", "input", USER),
    "anthropic": Dialect("/v1/messages", {"model": "gpt-4o", "max_tokens": 9, "messages": [USER]}, **ANTHROPIC),
    "anthropic-count": Dialect("/v1/messages/count_tokens", {"model": "gpt-4o", "messages": [USER]}, **ANTHROPIC),
    "gemini": Dialect("/v1beta/models/{model}:generateContent", {"contents": [CONTENT]}, **GEMINI),
    "gemini-v1": Dialect("/v1/models/{model}:generateContent", {"contents": [CONTENT]}, **GEMINI),
    "gemini-stream": Dialect("/v1beta/models/{model}:streamGenerateContent?alt=sse", {"contents": [CONTENT]}, **GEMINI),
    "gemini-count": Dialect("/v1beta/models/{model}:countTokens", {"contents": [CONTENT]}, **GEMINI),
    "gemini-embed": Dialect(
        "/v1beta/models/{model}:embedContent", {"content": CONTENT}, gemini_error, "x-goog-api-key", "", None, True
    ),
    "embeddings": Dialect("/v1/embeddings", {"model": "gpt-4o", "input": "x"}, openai_error, list_name=""),
    "rerank": Dialect(
        "/v1/rerank", {"model": "gpt-4o", "query": "x", "documents": ["a"]}, openai_error, list_name=""
    ),
    "rerank-v2": Dialect(
        "/v2/rerank", {"model": "gpt-4o", "query": "x", "documents": ["a"]}, lambda reply: str(reply.json()["message"]), list_name=""
    ),
}  # fmt: skip


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


@pytest.fixture(scope="module")
def member(gateway: House) -> Member:
    return gateway.add_member("polyglot", QUOTA)


@pytest.fixture(scope="module")
def careful(gateway: House, member: Member) -> str:
    return gateway.add_key(member)[1]


@pytest.fixture(scope="module", autouse=True)
def nothing_was_charged(gateway: House, member: Member) -> Iterator[None]:
    """After every test of this file: the account has what it had, no line bills it."""
    yield
    gateway.money()
    assert gateway.manage("GET", "/api/user/self", who=member)["quota"] == QUOTA
    assert gateway.rows("SELECT count(*) FROM logs WHERE user_id = ? AND quota <> 0", member.id) == [(0,)]


def check(dialect: Dialect, reply: Reply, status: int) -> str:
    """The message; the envelope is the dialect's own, and every answer names its request."""
    assert reply.status == status, (reply.status, reply.body[:300])
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"] == reply.headers["x-oneapi-request-id"]
    message = dialect.read(reply)
    assert reply.headers["x-request-id"] in message
    return message


def test_keys(gateway: House, member: Member, dialect: Dialect) -> None:
    """None, wrong, disabled, expired, from elsewhere, without money, for another model."""
    check(dialect, dialect.ask(gateway, None, dialect.body), 401)
    check(dialect, dialect.ask(gateway, "sk-" + "x" * 48, dialect.body), 401)
    key_id, off = gateway.add_key(member)
    gateway.manage("PUT", "/api/token/?status_only=true", {"id": key_id, "status": 2}, member)
    gateway.spread()
    assert "disabled" in check(dialect, dialect.ask(gateway, off, dialect.body), 401)
    late = gateway.add_key(member, expired_time=int(time.time()) - 10)[1]
    assert "expired" in check(dialect, dialect.ask(gateway, late, dialect.body), 401)
    far = gateway.add_key(member, allow_ips="10.1.2.0/24")[1]
    assert "address" in check(dialect, dialect.ask(gateway, far, dialect.body), 403)
    narrow = gateway.add_key(member, model_limits_enabled=True, model_limits="gpt-4o-mini")[1]
    assert "model" in check(dialect, dialect.ask(gateway, narrow, dialect.body), 403)
    if "count" not in dialect.path and "Tokens" not in dialect.path:
        for left, status in ((0, 401), (1, 403)):
            poor = gateway.add_key(member, remain_quota=left)[1]
            assert "quota" in check(dialect, dialect.ask(gateway, poor, dialect.body), status)


def test_unknown_model(gateway: House, careful: str, dialect: Dialect) -> None:
    name = "nobody-serves-this"
    check(dialect, dialect.ask(gateway, careful, dialect.other(name), model=name), 404)


BODIES: dict[str, bytes] = {
    "not JSON": b"{",
    "nothing": b"",
    "a list": b"[1]",
    "NaN": b'{"model":"gpt-4o","temperature":NaN}',
    "deep": b'{"model":"gpt-4o","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "lone surrogate": b'{"model":"gpt-4o","x":"\\ud800"}',
    "invalid UTF-8": b'{"model":"gpt-4o","x":"\xff"}',
    "empty object": b"{}",
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_cannot_be_read(gateway: House, careful: str, dialect: Dialect, name: str) -> None:
    check(dialect, dialect.ask(gateway, careful, BODIES[name]), 400)


@pytest.mark.parametrize("name", [name for name, dialect in DIALECTS.items() if dialect.list_name])
def test_wrong_types_and_too_many(gateway: House, careful: str, name: str) -> None:
    dialect = DIALECTS[name]
    for value in (5, None, [], [5], [{}], [{"role": 5}], [dialect.item] * 10_000):
        check(dialect, dialect.ask(gateway, careful, {**dialect.body, dialect.list_name: value}), 400)


def test_wrong_content_type(gateway: House, careful: str, dialect: Dialect) -> None:
    check(dialect, dialect.ask(gateway, careful, dialect.body, **{"Content-Type": "text/plain"}), 400)

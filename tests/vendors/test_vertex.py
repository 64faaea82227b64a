"""Vertex AI: which form serves a model, names, regions, counting, and what Gemini's clients say that it refuses."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from isthmus.v1 import chat_pb2, common_pb2

from core.state.types import Channel
from core.vendors.interface import Call, TokenCounter
from core.vendors.registry import ALL
from core.vendors.vertex.claude import model_name
from core.vendors.vertex.keys import account_of
from core.vendors.vertex.open import model_name as open_name

VENDOR = ALL[41]
ACCOUNT = json.dumps({"project_id": "example.com:p", "client_email": "e", "private_key": "PRIVATE", "token_uri": ""})


def call(model: str, body: dict[str, Any] | None = None, form: str = "", stream: bool = False, **fields: Any) -> Call:
    channel = Channel(
        1, 41, "c", (), VENDOR.base_url, frozenset(), frozenset(), 0, 0, **{"other": "us-central1", **fields}
    )
    native = common_pb2.Native(form=form, body=orjson.dumps(body)) if body is not None else None
    return Call(channel, ACCOUNT, model, model, stream, native=native)


def form(name: str) -> Any:
    return next(one for one in (*VENDOR.chat, *VENDOR.embedding) if one.name == name)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gemini-2.5-pro", "gemini.generate"),
        ("gemini-3-pro-preview", "gemini.generate"),
        ("claude-opus-4-8", "anthropic.messages"),
        ("claude-sonnet-4-5@20250929", "anthropic.messages"),
        ("llama-4-scout-17b-16e-instruct-maas", "openai.chat"),
        ("meta/llama3-405b-instruct", "openai.chat"),
        ("gpt-oss-120b-maas", "openai.chat"),
        ("text-embedding-005", "vertex.predict"),
        ("text-multilingual-embedding-002", "vertex.predict"),
        ("gemini-embedding-001", "vertex.predict"),
        ("gemini-embedding-2", "vertex.embed"),
    ],
)
def test_each_model_has_one_form(model: str, name: str) -> None:
    forms = (*VENDOR.chat, *VENDOR.embedding)
    assert [one.name for one in forms if VENDOR.serves(one.name, model, VENDOR.base_url)] == [name]


def test_names() -> None:
    assert model_name("claude-sonnet-4-5") == "claude-sonnet-4-5@20250929"
    assert model_name("claude-sonnet-4-5@20250929") == "claude-sonnet-4-5@20250929"
    assert model_name("claude-opus-4-8") == "claude-opus-4-8"
    assert open_name("qwen3-next-80b-a3b-instruct-maas") == "qwen/qwen3-next-80b-a3b-instruct-maas"
    assert open_name("mistralai/x") == "mistralai/x"


def test_geminis_clients_are_relayed_less_what_is_refused_here() -> None:
    body = {
        "model": "models/m", "store": True, "contents": [
            {"role": "user", "parts": [{"functionResponse": {"id": "i", "name": "n", "response": {"a": 1}}}]}
        ],
    }  # fmt: skip
    asked = call("gemini-2.5-pro", body, "gemini.generate", stream=True)
    made = form("gemini.generate").splice(asked.native, asked)
    assert made.url.endswith(
        "/v1/projects/example.com:p/locations/us-central1/publishers/google/models/"
        "gemini-2.5-pro:streamGenerateContent?alt=sse"
    )
    expected = [{"role": "user", "parts": [{"functionResponse": {"name": "n", "response": {"a": 1}}}]}]
    assert orjson.loads(made.body) == {"contents": expected}
    assert made.dropped == ("state.store",)


@pytest.mark.parametrize("wrapped", [False, True])
def test_gemini_counts(wrapped: bool) -> None:
    gemini = form("gemini.generate")
    assert isinstance(gemini, TokenCounter)
    turn = {"model": "models/m", "contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "safetySettings": []}
    asked = call("gemini-2.5-pro", {"generateContentRequest": turn} if wrapped else turn, "gemini.generate")
    made = gemini.splice_count(asked.native, asked)  # type: ignore[arg-type]
    assert made.url.endswith("/publishers/google/models/gemini-2.5-pro:countTokens")
    assert orjson.loads(made.body) == {"contents": turn["contents"]}
    request = chat_pb2.ChatRequest()
    request.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "Hi"
    encoded = orjson.loads(gemini.count_request(request, asked).body)
    assert encoded == {"contents": [{"parts": [{"text": "Hi"}], "role": "user"}]}
    assert gemini.counted(b'{"totalTokens": 3}', asked) == 3


def test_claude_counts() -> None:
    claude = form("anthropic.messages")
    body = {"model": "claude-sonnet-4-5", "max_tokens": 5, "stream": False, "messages": []}
    asked = call("claude-sonnet-4-5", body, "anthropic.messages")
    made = claude.splice_count(asked.native, asked)
    assert made.url.endswith("/publishers/anthropic/models/count-tokens:rawPredict")
    assert orjson.loads(made.body) == {
        "model": "claude-sonnet-4-5@20250929", "messages": [], "anthropic_version": "vertex-2023-10-16",
    }  # fmt: skip
    assert claude.counted(b'{"input_tokens": 9}', asked) == 9


def test_claude_on_bedrock_counts() -> None:
    claude = next(one for one in ALL[33].chat if one.name == "anthropic.messages")
    assert isinstance(claude, TokenCounter)
    body = {"model": "claude-sonnet-4-5", "max_tokens": 5, "messages": []}
    channel = Channel(1, 33, "c", (), ALL[33].base_url, frozenset(), frozenset(), 0, 0)
    native = common_pb2.Native(form="anthropic.messages", body=orjson.dumps(body))
    asked = Call(channel, "AK|SK|us-east-1", "claude-sonnet-4-5", "claude-sonnet-4-5", False, native=native)
    made = claude.splice_count(native, asked)
    assert made.url.endswith("/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens")
    import base64

    inner = orjson.loads(base64.b64decode(orjson.loads(made.body)["input"]["invokeModel"]["body"]))
    assert inner == {"max_tokens": 5, "messages": [], "anthropic_version": "bedrock-2023-05-31"}
    assert claude.counted(b'{"inputTokens": 9}', asked) == 9


def test_a_service_account_is_never_shown() -> None:
    assert "PRIVATE" not in repr(account_of(call("m")))
    assert account_of(call("m")).token_uri == "https://oauth2.googleapis.com/token"

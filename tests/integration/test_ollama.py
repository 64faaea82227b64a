"""Ollama's clients before Ollama and before others; others' clients before Ollama."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.house import House, Reply, http

NATIVE, CHATS, EMBEDS = "qwen3:8b", "elsewhere", "text-embedding-3-small"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture(scope="module")
def secret(gateway: House) -> Iterator[str]:
    before = {item["key"]: item["value"] for item in gateway.manage("GET", "/api/option/")}["ModelRatio"]
    gateway.option("ModelRatio", json.dumps({**json.loads(before or "{}"), NATIVE: 1, CHATS: 1, "all-minilm": 1}))
    gateway.add_channel(type=4, models=f"{NATIVE},all-minilm")
    gateway.add_channel(type=8, base_url=gateway.sandbox + "/v1/chat/completions", models=CHATS)
    yield gateway.add_key()[1]
    gateway.option("ModelRatio", before)


def ask(gateway: House, secret: str, path: str = "/api/chat", **body: Any) -> Reply:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/x-www-form-urlencoded"}
    if path == "/api/chat":
        body = {"messages": [{"role": "user", "content": "Hello"}], **body}
    return http("POST", gateway.base + path, body, headers)


def lines(reply: Reply) -> list[dict[str, Any]]:
    """The lines of a stream."""
    assert reply.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.body.splitlines()]


@pytest.mark.parametrize("model", [NATIVE, CHATS])
def test_chat_streams_unless_told_otherwise(gateway: House, secret: str, model: str) -> None:
    whole = ask(gateway, secret, model=model, stream=False)
    assert whole.status == 200, whole.body
    told = whole.json()
    assert told["model"] == model
    assert "Hello" in told["message"]["content"]
    found = lines(ask(gateway, secret, model=model))
    # Words that the vendor sent at once may come as one line.
    assert len(found) >= 2
    assert "".join(line["message"]["content"] for line in found) == told["message"]["content"]
    assert [line["done"] for line in found] == [False] * (len(found) - 1) + [True]
    assert found[-1]["done_reason"] == "stop"
    assert found[-1]["eval_count"] > 0
    line = gateway.line(whole.headers["x-request-id"])
    assert (line["prompt_tokens"], line["completion_tokens"]) == (told["prompt_eval_count"], told["eval_count"])


@pytest.mark.parametrize("model", [NATIVE, CHATS])
def test_generate(gateway: House, secret: str, model: str) -> None:
    asked = {"model": model, "prompt": "Why?", "system": "Be short."}
    told = ask(gateway, secret, "/api/generate", stream=False, **asked).json()
    assert "Why?" in told["response"]
    found = lines(ask(gateway, secret, "/api/generate", **asked))
    assert "".join(line["response"] for line in found) == told["response"]


@pytest.mark.parametrize("model", [NATIVE, CHATS])
def test_tools_over_two_turns_without_ids(gateway: House, secret: str, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "please call a tool"}]
    found = lines(ask(gateway, secret, model=model, messages=messages, tools=[TOOL]))
    calls = [call for line in found for call in line["message"].get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "weather"
    plain = [
        {"function": {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}} for call in calls
    ]
    messages += [
        {"role": "assistant", "content": "", "tool_calls": plain},
        {"role": "tool", "tool_name": "weather", "content": "sunny"},
    ]
    told = ask(gateway, secret, model=model, messages=messages, tools=[TOOL], stream=False).json()
    assert "sunny" in told["message"]["content"]


def test_embed(gateway: House, secret: str) -> None:
    for model in ("all-minilm", EMBEDS):
        told = ask(gateway, secret, "/api/embed", model=model, input=["one", "two"]).json()
        assert len(told["embeddings"]) == 2
        assert told["prompt_eval_count"] > 0
        older = ask(gateway, secret, "/api/embeddings", model=model, prompt="one").json()
        assert older["embedding"] == pytest.approx(told["embeddings"][0])


def test_models(gateway: House, secret: str) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    tags = http("GET", gateway.base + "/api/tags", headers=headers).json()["models"]
    assert {NATIVE, CHATS} <= {model["name"] for model in tags}
    shown = ask(gateway, secret, "/api/show", model=NATIVE).json()
    assert "completion" in shown["capabilities"]
    assert ask(gateway, secret, "/api/show", model="no-such").status == 404
    assert http("GET", gateway.base + "/api/version").json()["version"]
    assert http("GET", gateway.base + "/api/tags").status == 401


def test_other_clients_reach_ollama(gateway: House, secret: str) -> None:
    body = {"model": NATIVE, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-api-key": secret, "anthropic-version": "2023-06-01"}
    told = http("POST", gateway.base + "/v1/messages", body, headers).json()
    assert "Hello" in told["content"][0]["text"]
    with openai.OpenAI(api_key=secret, base_url=gateway.base + "/v1", max_retries=0) as client:
        answer = client.chat.completions.create(model=NATIVE, messages=[{"role": "user", "content": "Hello"}])
        assert "Hello" in (answer.choices[0].message.content or "")
        assert client.embeddings.create(model="all-minilm", input="one").data[0].embedding


def test_errors(gateway: House, secret: str) -> None:
    wrong = ask(gateway, "sk-wrong", model=NATIVE)
    assert wrong.status == 401
    assert set(wrong.json()) == {"error"}
    load = ask(gateway, secret, model=NATIVE, messages=[])
    assert load.status == 400
    asked = [{"role": "user", "content": "[[sandbox error_in_stream delay_ms=100]] Hello"}]
    found = lines(ask(gateway, secret, model=NATIVE, messages=asked))
    assert "The sandbox broke." in found[-1]["error"]

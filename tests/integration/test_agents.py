"""OpenAI's and Anthropic's clients before agents of Dify and Coze."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest

from tests.integration.house import House, http

MODELS = ("dify-app", "coze-bot")


@pytest.fixture(scope="module")
def secret(gateway: House) -> Iterator[str]:
    before = {item["key"]: item["value"] for item in gateway.manage("GET", "/api/option/")}["ModelRatio"]
    gateway.option("ModelRatio", json.dumps({**json.loads(before or "{}"), **dict.fromkeys(MODELS, 1)}))
    gateway.add_channel(type=37, models="dify-app")
    gateway.add_channel(type=49, models="coze-bot", other="7348293334")
    yield gateway.add_key()[1]
    gateway.option("ModelRatio", before)


@pytest.mark.parametrize("model", MODELS)
def test_whole_and_stream_agree_and_are_billed(gateway: House, secret: str, model: str) -> None:
    asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    with openai.OpenAI(api_key=secret, base_url=gateway.base + "/v1", max_retries=0) as client:
        reply = client.chat.completions.with_raw_response.create(**asked)  # type: ignore[call-overload]
        whole = reply.parse()
        assert whole.choices[0].message.content == "The sandbox heard: Hello"
        chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "The sandbox heard: Hello"
    )
    assert chunks[-1].usage == whole.usage
    line = gateway.line(reply.headers["x-request-id"])
    assert (line["prompt_tokens"], line["completion_tokens"]) == (2, 6)


@pytest.mark.parametrize("model", MODELS)
def test_conversations_go_on_by_their_id(gateway: House, secret: str, model: str) -> None:
    messages = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "three"},
    ]
    first = gateway.chat(secret, "Hello", model=model).json()
    assert first["conversation_id"] == "conversation-new"
    body = {"model": model, "messages": messages, "conversation_id": "conversation-7"}
    second = http("POST", gateway.base + "/v1/chat/completions", body, {"Authorization": f"Bearer {secret}"}).json()
    assert second["conversation_id"] == "conversation-7"
    # Only what was said since the last answer went out: two sandbox tokens.
    assert second["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize("model", MODELS)
def test_anthropic_clients(gateway: House, secret: str, model: str) -> None:
    body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"x-api-key": secret, "anthropic-version": "2023-06-01"}
    told = http("POST", gateway.base + "/v1/messages", body, headers).json()
    assert "Hello" in told["content"][0]["text"]


@pytest.mark.parametrize("model", MODELS)
def test_errors_are_errors(gateway: House, secret: str, model: str) -> None:
    refused = gateway.chat(secret, "[[sandbox status=400]]", model=model)
    assert refused.status == 400
    broken = gateway.chat(secret, "[[sandbox error_in_stream]] Hello", model=model)
    assert broken.status >= 500
    assert "The sandbox broke." in broken.json()["error"]["message"]

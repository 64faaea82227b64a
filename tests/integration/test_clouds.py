"""AWS Bedrock and Vertex AI through the gateway's process: signatures and assertions are checked by strict stand-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.integration.house import House
from tests.servers.clouds import ACCESS, API_KEY, REGION, SECRET, USAGE, Clouds, clouds

MODELS = ("nova-lite-v1:0", "claude-opus-4-8")
SIGNED, BEARER = f"{ACCESS}|{SECRET}|{REGION}", f"{API_KEY}|{REGION}"


@pytest.fixture(scope="module")
def houses() -> Iterator[Clouds]:
    with clouds() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def channels(gateway: House, houses: Clouds) -> None:
    ratios = json.loads(next(o["value"] for o in gateway.manage("GET", "/api/option/") if o["key"] == "ModelRatio"))
    named = [*MODELS, *(f"by-key-{model}" for model in MODELS)]
    gateway.option("ModelRatio", json.dumps({**ratios, **dict.fromkeys([*named, "nova-bad"], 1.0)}))
    mapping = json.dumps({f"by-key-{model}": model for model in MODELS})
    fields = {"type": 33, "base_url": houses.url}
    gateway.add_channel(name="bedrock", key=SIGNED, models=",".join(MODELS), **fields)
    gateway.add_channel(name="bedrock-key", key=BEARER, models=",".join(named[2:]), model_mapping=mapping, **fields)


@pytest.fixture(scope="module")
def key(gateway: House) -> str:
    return gateway.add_key(remain_quota=100_000_000)[1]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", [*MODELS, *(f"by-key-{model}" for model in MODELS)])
def test_bedrock_answers_openais_clients(gateway: House, houses: Clouds, key: str, model: str, streamed: bool) -> None:
    del houses.refused[:]
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as client:
        asked: Any = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}
        if streamed:
            chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            usage: Any = chunks[-1].usage
        else:
            answer = client.chat.completions.create(**asked)
            text, usage = answer.choices[0].message.content, answer.usage
    assert houses.refused == []
    assert text == "Hello."
    cached = 0 if "claude" in model else USAGE["cacheReadInputTokens"] + USAGE["cacheWriteInputTokens"]
    assert (usage.prompt_tokens, usage.completion_tokens) == (7 + cached, 3)
    heard = houses.heard[-1]
    assert heard.headers["authorization"].startswith("Bearer " if "by-key" in model else "AWS4-HMAC-SHA256 ")
    assert ("stream" in heard.path) == streamed


@pytest.mark.parametrize("streamed", [False, True])
def test_claude_on_bedrock_answers_anthropics_clients(gateway: House, houses: Clouds, key: str, streamed: bool) -> None:
    with anthropic.Anthropic(api_key=key, base_url=gateway.base, max_retries=0) as client:
        asked: Any = {"model": MODELS[1], "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
        beta = {"anthropic-beta": "context-1m-2025-08-07"}
        if streamed:
            with client.messages.stream(**asked, extra_headers=beta) as stream:
                message = stream.get_final_message()
        else:
            message = client.messages.create(**asked, extra_headers=beta)
    assert message.content[0].text == "Hello."  # type: ignore[union-attr]
    assert message.usage.input_tokens == 7
    assert houses.heard[-1].json()["anthropic_beta"] == ["context-1m-2025-08-07"]


def test_a_wrong_secret_is_refused_by_bedrock_and_told_without_it(gateway: House, key: str, houses: Clouds) -> None:
    wrong = SECRET[:-1] + "x"
    gateway.add_channel(
        name="bad", type=33, base_url=houses.url, key=f"{ACCESS}|{wrong}|{REGION}", models="nova-bad", auto_ban=0,
        model_mapping=json.dumps({"nova-bad": "nova-micro-v1:0"}),
    )  # fmt: skip
    reply = gateway.chat(key, model="nova-bad")
    assert reply.status == 403, reply.body
    assert "signature we calculated does not match" in reply.body.decode()
    assert wrong not in reply.body.decode()

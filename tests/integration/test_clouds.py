"""AWS Bedrock and Vertex AI through the gateway's process: signatures and assertions are checked by strict stand-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.integration.house import House
from tests.servers.clouds import ACCESS, API_KEY, GOOGLE_KEY, REGION, SECRET, USAGE, Clouds, clouds

MODELS = ("nova-lite-v1:0", "claude-opus-4-8")
VERTEX = ("gemini-2.5-flash", "claude-opus-4-7", "llama-4-scout-maas", "text-embedding-005")
SIGNED, BEARER = f"{ACCESS}|{SECRET}|{REGION}", f"{API_KEY}|{REGION}"


@pytest.fixture(scope="module")
def houses() -> Iterator[Clouds]:
    with clouds() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def channels(gateway: House, houses: Clouds) -> None:
    ratios = json.loads(next(o["value"] for o in gateway.manage("GET", "/api/option/") if o["key"] == "ModelRatio"))
    named = [*MODELS, *(f"by-key-{model}" for model in MODELS)]
    gateway.option(
        "ModelRatio", json.dumps({**ratios, **dict.fromkeys([*named, *VERTEX, "vertex-key", "nova-bad"], 1.0)})
    )
    mapping = json.dumps({f"by-key-{model}": model for model in MODELS})
    fields = {"type": 33, "base_url": houses.url}
    gateway.add_channel(name="bedrock", key=SIGNED, models=",".join(MODELS), **fields)
    gateway.add_channel(name="bedrock-key", key=BEARER, models=",".join(named[2:]), model_mapping=mapping, **fields)
    fields = {"type": 41, "base_url": houses.url, "other": "us-central1"}
    gateway.add_channel(name="vertex", key=houses.google.account(houses.url), models=",".join(VERTEX), **fields)
    mapped = json.dumps({"vertex-key": VERTEX[0]})
    gateway.add_channel(name="vertex-key", key=GOOGLE_KEY, models="vertex-key", model_mapping=mapped, **fields)


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


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", [*VERTEX[:3], "vertex-key"])
def test_vertex_answers_openais_clients(gateway: House, houses: Clouds, key: str, model: str, streamed: bool) -> None:
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
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 3)
    project = "" if model == "vertex-key" else "/projects/project-1/locations/us-central1"
    assert houses.heard[-1].path.startswith(("/v1" + project, "/v1beta1" + project))


def test_vertex_answers_geminis_own_clients(gateway: House, houses: Clouds, key: str) -> None:
    options = types.HttpOptions(base_url=gateway.base)
    with genai.Client(api_key=key, http_options=options) as client:
        answer = client.models.generate_content(model=VERTEX[0], contents="Hello")
        pieces = list(client.models.generate_content_stream(model=VERTEX[0], contents="Hello"))
    assert answer.text == "".join(piece.text or "" for piece in pieces) == "Hello."
    assert houses.heard[-1].path.endswith(f"/publishers/google/models/{VERTEX[0]}:streamGenerateContent?alt=sse")


def test_vertex_embeds(gateway: House, key: str) -> None:
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as client:
        made = client.embeddings.create(model=VERTEX[3], input="Hello", encoding_format="float")
    assert made.data[0].embedding == pytest.approx([0.1, 0.2])
    assert made.usage.prompt_tokens == 2


def test_many_requests_share_few_tokens(gateway: House, houses: Clouds, key: str) -> None:
    before = houses.google.exchanges
    for _ in range(8):
        assert gateway.chat(key, model=VERTEX[0]).status == 200
    assert houses.google.exchanges - before <= gateway.workers
    assert houses.google.exchanges <= gateway.workers


def test_a_token_that_was_revoked_is_not_used_again(gateway: House, houses: Clouds, key: str) -> None:
    assert gateway.chat(key, model=VERTEX[0]).status == 200
    houses.google.tokens.clear()
    # Each worker holds a token of its own, and learns by one refusal that it is worth nothing.
    statuses = [gateway.chat(key, model=VERTEX[0]).status for _ in range(20)]
    assert statuses.count(401) <= gateway.workers
    assert statuses[-1] == 200


def test_a_refused_service_account_is_the_channels_fault(gateway: House, houses: Clouds, key: str) -> None:
    account = houses.google.account(houses.url, client_id="another")
    mapped = json.dumps({"nova-bad": VERTEX[0]})
    gateway.add_channel(
        name="refused", type=41, base_url=houses.url, key=account, models="nova-bad", model_mapping=mapped, auto_ban=0,
        priority=10,
    )  # fmt: skip
    houses.google.failing = 400
    try:
        reply = gateway.chat(key, model="nova-bad")
    finally:
        houses.google.failing = 0
    assert (reply.status, reply.json()["error"]["code"]) == (500, "channel_error")
    assert "Invalid JWT Signature." in reply.body.decode()
    assert "PRIVATE KEY" not in reply.body.decode()

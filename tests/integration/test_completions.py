"""Legacy completions and edits through the gateway, by OpenAI's SDK: a vendor that has them, and one that only chats."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest

from tests.integration.house import House, http

NATIVE, CHATS = "davinci-002", "only-chats"


@pytest.fixture(scope="module")
def client(gateway: House) -> Iterator[openai.OpenAI]:
    before = {item["key"]: item["value"] for item in gateway.manage("GET", "/api/option/")}["ModelRatio"]
    gateway.option("ModelRatio", json.dumps({**json.loads(before or "{}"), NATIVE: 1, CHATS: 1}))
    gateway.add_channel(models=NATIVE)
    gateway.add_channel(type=8, base_url=gateway.sandbox + "/v1/chat/completions", models=CHATS)
    with openai.OpenAI(api_key=gateway.add_key()[1], base_url=gateway.base + "/v1", max_retries=0) as made:
        yield made
    gateway.option("ModelRatio", before)


@pytest.mark.parametrize("model", [NATIVE, CHATS])
def test_whole_and_stream_agree(client: openai.OpenAI, model: str) -> None:
    asked = {"model": model, "prompt": "Say this", "n": 2, "echo": True, "logprobs": 1}
    whole = client.completions.create(**asked)
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert whole.choices[0].text.startswith("Say this")
    assert "heard" in whole.choices[0].text
    assert whole.choices[0].finish_reason == "stop"
    assert whole.choices[0].logprobs is not None
    assert whole.choices[0].logprobs.tokens
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 0
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    texts = ["".join(c.text for chunk in chunks for c in chunk.choices if c.index == index) for index in (0, 1)]
    assert texts == [choice.text for choice in whole.choices]
    if model == NATIVE:
        assert chunks[-1].usage == whole.usage
    assert chunks[-1].usage is not None


def test_native_vendors_get_the_bytes_as_they_came(client: openai.OpenAI) -> None:
    reply = client.completions.with_raw_response.create(model=NATIVE, prompt=["one", "two"], suffix="!")
    assert [choice.text.endswith("...!") for choice in reply.parse().choices] == [True, True]
    assert "x-isthmus-dropped" not in reply.headers


def test_what_a_conversation_cannot_hold_is_refused_or_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as several:
        client.completions.create(model=CHATS, prompt=["one", "two"])
    assert several.value.param == "prompt"
    with pytest.raises(openai.BadRequestError) as tokens:
        client.completions.create(model=CHATS, prompt=[1, 2])
    assert tokens.value.param == "prompt"
    reply = client.completions.with_raw_response.create(model=CHATS, prompt="one", suffix="two")
    assert reply.headers["x-isthmus-dropped"] == "extensions.openai.completions"


def test_edits(client: openai.OpenAI, gateway: House) -> None:
    headers = {"Authorization": f"Bearer {client.api_key}"}
    asked = {"model": CHATS, "instruction": "Mend it", "input": "wek"}
    answer = http("POST", gateway.base + "/v1/edits", asked, headers).json()
    assert answer["object"] == "edit"
    assert "wek" in answer["choices"][0]["text"]
    assert answer["usage"]["total_tokens"] > 0


def test_embeddings_of_an_engine(gateway: House) -> None:
    headers = {"Authorization": f"Bearer {gateway.add_key()[1]}"}
    path = "/v1/engines/text-embedding-3-small/embeddings"
    answer = http("POST", gateway.base + path, {"input": "one"}, headers).json()
    assert answer["model"] == "text-embedding-3-small"
    assert len(answer["data"]) == 1

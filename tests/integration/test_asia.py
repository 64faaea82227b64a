"""Tencent, Zhipu, Baidu and iFlytek in their own forms, through the gateway's process to strict stand-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.integration.house import House
from tests.servers.asia import BAIDU, LONG, TENCENT, XUNFEI, ZHIPU, Asia, asia

MODELS = {"hunyuan-x": (23, TENCENT), "chatglm-x": (16, ZHIPU), "ernie-x": (15, BAIDU), "SparkDesk-v3.5": (18, XUNFEI)}


@pytest.fixture(scope="module")
def houses() -> Iterator[Asia]:
    with asia() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def channels(gateway: House, houses: Asia) -> None:
    ratios = json.loads(next(o["value"] for o in gateway.manage("GET", "/api/option/") if o["key"] == "ModelRatio"))
    named = [*MODELS, *(f"bad-{model}" for model in MODELS), "Embedding-V1"]
    gateway.option("ModelRatio", json.dumps({**ratios, **dict.fromkeys(named, 1.0)}))
    for model, (number, key) in MODELS.items():
        base = houses.socket_url if number == 18 else houses.url
        models = "ernie-x,Embedding-V1" if number == 15 else model
        gateway.add_channel(name=model, type=number, base_url=base, key=key, models=models)
        gateway.add_channel(
            name=f"bad-{model}", type=number, base_url=base, key=key[:-1] + "x", models=f"bad-{model}", auto_ban=0,
            model_mapping=json.dumps({f"bad-{model}": model}),
        )  # fmt: skip


@pytest.fixture(scope="module")
def key(gateway: House) -> str:
    return gateway.add_key(remain_quota=100_000_000)[1]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_openais_clients_are_answered(gateway: House, houses: Asia, key: str, model: str, streamed: bool) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as client:
        asked: Any = {"model": model, "messages": messages, "temperature": 0.5}
        if streamed:
            chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            ends = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
            usage: Any = chunks[-1].usage
            assert ends[-1] == "stop"
        else:
            answer = client.chat.completions.create(**asked)
            text, usage = answer.choices[0].message.content or "", answer.usage
            assert answer.choices[0].finish_reason == "stop"
    assert text == "Hello."
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 3)


@pytest.mark.parametrize("model", MODELS)
def test_anthropics_clients_are_answered(gateway: House, key: str, model: str) -> None:
    with anthropic.Anthropic(api_key=key, base_url=gateway.base, max_retries=0) as client:
        asked: Any = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
        with client.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    assert message.content[0].text == "Hello."  # type: ignore[union-attr]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 3)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "status"), list(zip(MODELS, (401, 401, 500, 401), strict=True)))
def test_wrong_keys_are_refused_and_never_told(
    gateway: House, key: str, model: str, status: int, streamed: bool
) -> None:
    """Baidu's fails at the exchange of its token, which is the channel's fault."""
    reply = gateway.chat(key, model=f"bad-{model}", stream=streamed)
    assert reply.status == status, reply.body
    for part in MODELS[model][1].replace(".", "|").split("|"):
        assert part not in reply.body.decode()


def test_baidu_embeds_and_a_token_serves_all_of_a_worker(gateway: House, houses: Asia, key: str) -> None:
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as client:
        for _ in range(3):
            made = client.embeddings.create(model="Embedding-V1", input=["a", "b"], encoding_format="float")
    assert [row.embedding for row in made.data] == [[0.5, 0.0], [0.5, 1.0]]
    assert made.usage.prompt_tokens == 7
    assert 1 <= len(houses.tokens) <= gateway.workers


def test_what_goes_out_is_in_the_houses_words(gateway: House, houses: Asia, key: str) -> None:
    del houses.heard[:]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    for model in MODELS:
        assert gateway.chat(key, model=model, messages=messages).status == 200
    tencent, zhipu, baidu, spark = houses.heard
    assert tencent["Messages"][0] == {"Role": "system", "Content": "Be brief."}
    assert zhipu["path"] == "/api/paas/v3/model-api/chatglm-x/invoke"
    assert zhipu["prompt"] == [{"role": "user", "content": "Be brief.\nHello"}]
    assert (baidu["path"], baidu["system"]) == ("chat/ernie-x", "Be brief.")
    assert (spark["path"], spark["parameter"]["chat"]["domain"]) == ("/v3.5/chat", "generalv3.5")


def test_a_client_that_leaves_ends_the_websocket(gateway: House, houses: Asia, key: str) -> None:
    houses.closed.clear()
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as client:
        stream = client.chat.completions.create(
            model="SparkDesk-v3.5", messages=[{"role": "user", "content": LONG}], stream=True
        )
        for _, _chunk in zip(range(5), stream, strict=False):
            pass
        stream.close()
    assert houses.closed.wait(20), "the websocket stayed open"

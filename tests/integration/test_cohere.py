"""Cohere's chat through the gateway: its clients before every vendor, and others' clients before Cohere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.house import House, Reply, http

NATIVE, CHATS = "command-a-03-2025", "command-a-elsewhere"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture(scope="module")
def secret(gateway: House) -> Iterator[str]:
    before = {item["key"]: item["value"] for item in gateway.manage("GET", "/api/option/")}["ModelRatio"]
    gateway.option("ModelRatio", json.dumps({**json.loads(before or "{}"), NATIVE: 1, CHATS: 1}))
    gateway.add_channel(type=34, models=NATIVE)
    gateway.add_channel(type=8, base_url=gateway.sandbox + "/v1/chat/completions", models=CHATS)
    yield gateway.add_key()[1]
    gateway.option("ModelRatio", before)


def ask(gateway: House, secret: str, **body: Any) -> Reply:
    body = {"messages": [{"role": "user", "content": "Hello"}], **body}
    return http("POST", gateway.base + "/v2/chat", body, {"Authorization": f"Bearer {secret}"})


def events(reply: Reply) -> list[dict[str, Any]]:
    """The events of a stream; each is named as its data says, and the end mark is the last."""
    *told, last = [block for block in reply.body.decode().split("\n\n") if block.strip()]
    assert last == "data: [DONE]"
    found = []
    for block in told:
        name, data = block.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == "event: " + found[-1]["type"]
    return found


@pytest.mark.parametrize("model", [NATIVE, CHATS])
def test_whole_and_stream_agree(gateway: House, secret: str, model: str) -> None:
    reply = ask(gateway, secret, model=model)
    assert reply.status == 200, reply.body
    whole = reply.json()
    assert whole["finish_reason"] == "COMPLETE"
    said = whole["message"]["content"][0]["text"]
    assert "Hello" in said
    found = events(ask(gateway, secret, model=model, stream=True))
    kinds = [event["type"] for event in found]
    assert kinds[:2] == ["message-start", "content-start"]
    assert kinds[-2:] == ["content-end", "message-end"]
    deltas = [event["delta"]["message"]["content"]["text"] for event in found if event["type"] == "content-delta"]
    assert "".join(deltas) == said
    # The other vendor tells no usage in streams: it is counted.
    billed = found[-1]["delta"]["usage"]["billed_units"]
    assert billed["output_tokens"] > 0
    assert model != NATIVE or billed == whole["usage"]["billed_units"]


@pytest.mark.parametrize("model", [NATIVE, CHATS])
def test_tools_over_two_turns(gateway: House, secret: str, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "call a tool"}]
    first = ask(gateway, secret, model=model, messages=messages, tools=[TOOL], tool_choice="REQUIRED").json()
    assert first["finish_reason"] == "TOOL_CALL"
    call = first["message"]["tool_calls"][0]
    messages += [first["message"], {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}]
    second = ask(gateway, secret, model=model, messages=messages, tools=[TOOL]).json()
    assert "sunny" in second["message"]["content"][0]["text"]


def test_billed_units_are_billed(gateway: House, secret: str) -> None:
    reply = ask(gateway, secret, model=NATIVE)
    told = reply.json()["usage"]
    line = gateway.line(reply.headers["x-request-id"])
    assert told["tokens"]["input_tokens"] > told["billed_units"]["input_tokens"] == line["prompt_tokens"]


def test_documents_are_cited_natively_and_told_elsewhere(gateway: House, secret: str) -> None:
    documents = [{"id": "d1", "data": {"title": "Penguins", "snippet": "Emperors are tall."}}]
    cited = ask(gateway, secret, model=NATIVE, documents=documents).json()["message"]["citations"]
    assert cited[0]["sources"][0]["document"]["title"] == "Penguins"
    elsewhere = ask(gateway, secret, model=CHATS, documents=documents).json()
    assert "Emperors are tall." in elsewhere["message"]["content"][0]["text"]


def test_openai_clients_reach_cohere(gateway: House, secret: str) -> None:
    messages: list[Any] = [{"role": "user", "content": "call a tool"}]
    with openai.OpenAI(api_key=secret, base_url=gateway.base + "/v1", max_retries=0) as client:
        chunks = list(
            client.chat.completions.create(
                model=NATIVE, messages=messages, stream=True, tools=[TOOL], tool_choice="required"
            )  # type: ignore[call-overload]
        )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "I will call a tool."
    assert [call.function.name for delta in deltas for call in delta.tool_calls or () if call.function.name]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_errors(gateway: House, secret: str) -> None:
    wrong = ask(gateway, "sk-wrong", model=NATIVE)
    assert wrong.status == 401
    assert set(wrong.json()) == {"id", "message"}
    bad = ask(gateway, secret, model=NATIVE, messages=[])
    assert bad.status == 400
    broken = events(ask(gateway, secret, model=NATIVE, stream=True, messages=[
        {"role": "user", "content": "[[sandbox error_in_stream delay_ms=100]] Hello"},
    ]))  # fmt: skip
    assert broken[-1]["delta"]["finish_reason"] == "ERROR"
    assert "The sandbox broke." in broken[-1]["delta"]["error"]


def test_embed(gateway: House, secret: str) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    body = {"model": "text-embedding-3-small", "input_type": "search_query", "texts": ["one", "two"]}
    reply = http("POST", gateway.base + "/v2/embed", {**body, "embedding_types": ["float", "int8"]}, headers)
    assert reply.status == 200, reply.body
    told = reply.json()
    assert [len(told["embeddings"][kind]) for kind in ("float", "int8")] == [2, 2]
    assert gateway.line(reply.headers["x-request-id"])["prompt_tokens"] == 2

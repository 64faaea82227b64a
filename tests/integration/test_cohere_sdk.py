"""The official cohere SDK of PyPI, version 2 of the API, before Cohere's own channel and one of each other form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import cohere
import pytest

from tests.integration.house import House

CHANNELS = {"command-r7b-12-2024": 34, "claude-3-haiku-20240307": 14, "gemini-2.5-flash-lite": 24}
"""One that Cohere serves itself, and one of each other form."""
EMBED, RERANK = "embed-v4.0", "rerank-v3.5"
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def client(gateway: House) -> Iterator[cohere.ClientV2]:
    options = {item["key"]: item["value"] for item in gateway.manage("GET", "/api/option/")}
    before = options["ModelRatio"]
    named = dict.fromkeys((*CHANNELS, EMBED, RERANK), 1)
    gateway.option("ModelRatio", json.dumps({**json.loads(before or "{}"), **named}))
    for model, number in CHANNELS.items():
        # The old names have prices; what they are mapped to has structured output.
        mapping = json.dumps({model: "claude-haiku-4-5"}) if number == 14 else ""
        gateway.add_channel(
            type=number, model_mapping=mapping, models=f"{model},{EMBED},{RERANK}" if number == 34 else model
        )
    yield cohere.ClientV2(gateway.add_key()[1], base_url=gateway.base)
    gateway.option("ModelRatio", before)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def said(message: Any) -> str:
    return "".join(part.text for part in message.content or () if part.type == "text")


@pytest.mark.parametrize("model", CHANNELS)
def test_a_stream_says_what_the_whole_answer_says(client: cohere.ClientV2, model: str) -> None:
    asked: Any = {"model": model, "messages": [user("Tell me of canals [[sandbox chunks=4]]")]}
    whole = client.chat(**asked)
    assert "Tell me of canals" in said(whole.message)
    assert whole.finish_reason == "COMPLETE"
    events = list(client.chat_stream(**asked))
    pieces = [event.delta.message.content.text for event in events if event.type == "content-delta"]
    assert "".join(pieces) == said(whole.message)
    assert events[-1].type == "message-end"
    assert events[-1].delta.finish_reason == "COMPLETE"


@pytest.mark.parametrize("model", CHANNELS)
def test_an_agent_over_two_questions(client: cohere.ClientV2, model: str) -> None:
    messages: list[Any] = []
    for order, calls in (("tool=weather calls=2", 2), ("tool=weather", 1)):
        messages.append(user(f"The weather? [[sandbox {order}]]"))
        first = client.chat(model=model, messages=messages, tools=[TOOL])
        assert first.finish_reason == "TOOL_CALL"
        assert len({call.id for call in first.message.tool_calls or ()}) == calls
        messages.append(first.message)
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in first.message.tool_calls or ()
        ]
        second = client.chat(model=model, messages=messages, tools=[TOOL])
        assert "; ".join(["rain"] * calls) in said(second.message)
        messages.append(second.message)


@pytest.mark.parametrize("model", CHANNELS)
def test_structured_output(client: cohere.ClientV2, model: str) -> None:
    form: Any = {"type": "json_object", "json_schema": TOOL["function"]["parameters"]}
    answer = client.chat(model=model, messages=[user("A city")], response_format=form)
    assert list(json.loads(said(answer.message))) == ["city"]


def test_embed_rerank_and_errors(client: cohere.ClientV2) -> None:
    vectors = client.embed(model=EMBED, texts=["one", "two"], input_type="search_query", embedding_types=["float"])
    assert len(vectors.embeddings.float_ or ()) == 2
    ranked = client.rerank(model=RERANK, query="blue canal", documents=["red lake", "blue canal"], top_n=1)
    assert [result.index for result in ranked.results] == [1]
    with pytest.raises(cohere.NotFoundError):
        client.chat(model="no-such", messages=[user("Hello")])

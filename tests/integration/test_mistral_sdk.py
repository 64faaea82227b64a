"""The official mistralai SDK of PyPI as a client of Mistral's own channel and of one of each other form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from tests.integration.house import House

CHANNELS = {
    # One that Mistral serves itself, and one of each other form.
    "mistral-medium-latest": 42,
    "claude-3-5-haiku-20241022": 14,
    "gemini-2.0-flash-lite": 24,
}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def client(gateway: House) -> Iterator[Mistral]:
    options = {item["key"]: item["value"] for item in gateway.manage("GET", "/api/option/")}
    before = options["ModelRatio"]
    named = dict.fromkeys((*CHANNELS, "mistral-embed"), 1)
    gateway.option("ModelRatio", json.dumps({**json.loads(before or "{}"), **named}))
    for model, number in CHANNELS.items():
        # The old names have prices; what they are mapped to has structured output.
        mapping = json.dumps({model: "claude-haiku-4-5"}) if number == 14 else ""
        gateway.add_channel(
            type=number, model_mapping=mapping, models=f"{model},mistral-embed" if number == 42 else model
        )
    with Mistral(api_key=gateway.add_key()[1], server_url=gateway.base) as made:
        yield made
    gateway.option("ModelRatio", before)


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@pytest.mark.parametrize("model", CHANNELS)
def test_a_stream_says_what_the_whole_answer_says(client: Mistral, model: str) -> None:
    asked: Any = {"model": model, "messages": [user("Tell me of canals [[sandbox chunks=4]]")]}
    whole = client.chat.complete(**asked)
    said = whole.choices[0].message.content
    assert said == "The sandbox heard: Tell me of canals"
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens
    pieces = [event.data.choices[0].delta.content for event in client.chat.stream(**asked) if event.data.choices]
    assert "".join(piece for piece in pieces if piece) == said


@pytest.mark.parametrize("model", CHANNELS)
def test_an_agent_over_two_questions(client: Mistral, model: str) -> None:
    messages: list[Any] = []
    for order, calls in (("tool=weather calls=2", 2), ("tool=weather", 1)):
        messages.append(user(f"The weather? [[sandbox {order}]]"))
        first = client.chat.complete(model=model, messages=messages, tools=[TOOL]).choices[0]
        assert first.finish_reason == "tool_calls"
        assert len({call.id for call in first.message.tool_calls or ()}) == calls
        messages.append(first.message)
        messages += [
            {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": "rain"}
            for call in first.message.tool_calls or ()
        ]
        second = client.chat.complete(model=model, messages=messages, tools=[TOOL]).choices[0]
        assert "; ".join(["rain"] * calls) in str(second.message.content)
        messages.append(second.message)


@pytest.mark.parametrize("model", CHANNELS)
def test_structured_output_and_pictures(client: Mistral, model: str) -> None:
    schema = {"name": "city", "strict": True, "schema": TOOL["function"]["parameters"]}
    form: Any = {"type": "json_schema", "json_schema": schema}
    answer = client.chat.complete(model=model, messages=[user("A city")], response_format=form)
    assert list(json.loads(str(answer.choices[0].message.content))) == ["city"]
    picture = {"type": "image_url", "image_url": f"data:image/png;base64,{PICTURE}"}
    seen = client.chat.complete(model=model, messages=[user([{"type": "text", "text": "What is it?"}, picture])])
    assert "1 image of 67 bytes" in str(seen.choices[0].message.content)


def test_embeddings_and_errors(client: Mistral) -> None:
    found = client.embeddings.create(model="mistral-embed", inputs=["one", "two"])
    assert [item.index for item in found.data] == [0, 1]
    with pytest.raises(SDKError) as raised:
        client.chat.complete(model="no-such", messages=[user("Hello")])
    assert raised.value.status_code == 404

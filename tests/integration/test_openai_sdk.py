"""The official openai SDK of PyPI as a client of a real gateway: nothing warns (warnings are errors)."""

from __future__ import annotations

import base64
import struct
import zlib

import openai
import pytest
from pydantic import BaseModel

from tests.integration.house import House


@pytest.fixture
def client(gateway: House, key: str) -> openai.OpenAI:
    with openai.OpenAI(
        api_key=key,
        base_url=gateway.base + "/v1",
        max_retries=0,
    ) as made:
        yield made


def png() -> bytes:
    """A picture of one pixel."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = block(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + block(b"IDAT", zlib.compress(b"\0\0")) + block(b"IEND", b"")


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_text(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content
    assert answer.model == "gpt-4o"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_stream_and_whole_answer_agree(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "Tell me of canals"}]
    whole = client.chat.completions.create(model="gpt-4o", messages=messages)
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


def test_stream_without_usage_asked_has_no_usage_chunk(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
    )
    assert all(chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_tools_over_two_turns(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "What is the weather in Panama?"}]
    first = client.chat.completions.create(model="gpt-4o", messages=messages, tools=[WEATHER], tool_choice="required")
    calls = first.choices[0].message.tool_calls
    assert calls
    assert first.choices[0].finish_reason == "tool_calls"
    assert calls[0].function.name == "weather"
    messages.append(first.choices[0].message.model_dump(exclude_none=True))
    messages.extend({"role": "tool", "tool_call_id": call.id, "content": "sunny, 31 degrees"} for call in calls)
    second = client.chat.completions.create(model="gpt-4o", messages=messages, tools=[WEATHER])
    assert "sunny, 31 degrees" in (second.choices[0].message.content or "")


def test_picture_in(client: openai.OpenAI) -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    answer = client.chat.completions.create(
        model="gpt-4o",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": url}},
                ],
            }
        ],
    )
    assert "1 image" in (answer.choices[0].message.content or "").lower()


class City(BaseModel):
    name: str
    people: int


def test_structured_output(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model="gpt-4o", messages=[{"role": "user", "content": "A city"}], response_format=City
    )
    assert isinstance(answer.choices[0].message.parsed, City)


def test_embeddings(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert [item.index for item in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 0


def test_models(client: openai.OpenAI) -> None:
    assert {"gpt-4o", "gpt-4o-mini"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def test_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as wrong:
        client.with_options(api_key="sk-wrong").chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hello"}]
        )
    assert wrong.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="no-such", messages=[{"role": "user", "content": "Hello"}])
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="gpt-4o", messages="Hello")  # type: ignore[call-overload]
    assert bad.value.param == "messages"
    assert bad.value.request_id

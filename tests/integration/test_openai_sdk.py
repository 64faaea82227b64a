"""The official openai SDK of PyPI as a client of a real gateway: nothing warns (warnings are errors)."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.integration.house import House

CHANNELS: dict[str, dict[str, Any]] = {
    "openai": {"type": 1, "models": "chatgpt-4o-latest"},
    "anthropic": {
        "type": 14,
        "models": "claude-3-7-sonnet-20250219",
        "model_mapping": '{"claude-3-7-sonnet-20250219":"claude-haiku-4-5"}',
    },
    "gemini": {"type": 24, "models": "gemini-2.0-flash", "model_mapping": '{"gemini-2.0-flash":"gemini-2.5-flash"}'},
}
"""One channel for each form that the Sandbox speaks, beside its own; models with prices, each served by one alone."""
MODELS = ["gpt-4o", *(fields["models"] for fields in CHANNELS.values())]


@pytest.fixture(scope="module")
def house(gateway: House) -> House:
    """The gateway with a channel for each form."""
    for name, fields in CHANNELS.items():
        gateway.add_channel(name=f"{name} behind openai", **fields)
    return gateway


@pytest.fixture(scope="module")
def key(house: House) -> str:
    """One key for all: the route that shows keys is limited."""
    return house.add_key(remain_quota=100_000_000)[1]


@pytest.fixture
def client(house: House, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=house.base + "/v1", max_retries=0) as made:
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


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize("model", MODELS)
def test_text(client: openai.OpenAI, model: str) -> None:
    messages = [{"role": "system", "content": "Be brief"}, *user("Hello")]
    answer = client.chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content == "The sandbox heard: Hello"
    assert answer.model == model
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_stream_and_whole_answer_agree(client: openai.OpenAI, model: str) -> None:
    messages = user("Tell me of canals [[sandbox chunks=4 delay_ms=40]]")
    whole = client.chat.completions.create(model=model, messages=messages)
    chunks = list(
        client.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(pieces) >= 4
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


def test_stream_without_usage_asked_has_no_usage_chunk(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True)
    )
    assert all(chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("effort", [None, "medium"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_tools_and_thoughts_over_two_turns(
    client: openai.OpenAI, model: str, streamed: bool, effort: str | None
) -> None:
    """The Sandbox refuses signatures that are not what it gave."""
    messages = user("The weather? [[sandbox tool=weather calls=2]]")
    asked: dict[str, Any] = {"model": model, "tools": [WEATHER], **({"reasoning_effort": effort} if effort else {})}
    if streamed:
        with client.chat.completions.stream(messages=messages, **asked) as stream:
            choice: Any = stream.until_done().get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(messages=messages, **asked).choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = choice.message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("weather", {"city": "sandbox"})
    ] * 2
    assert calls[0].id != calls[1].id
    if effort:
        assert choice.message.reasoning_content
    # In the other order: results belong to their calls by id.
    results = [
        {"role": "tool", "tool_call_id": calls[at].id, "content": said} for at, said in ((1, "rain"), (0, "sun"))
    ]
    turn = [*messages, choice.message.model_dump(exclude_none=True), *results]
    raw = client.chat.completions.with_raw_response.create(messages=turn, **asked)
    said = raw.parse().choices[0].message.content or ""
    assert "sun" in said
    assert "rain" in said
    assert "reasoning.mode" not in raw.headers.get("x-isthmus-dropped", "")


@pytest.mark.parametrize("model", MODELS)
def test_picture_in(client: openai.OpenAI, model: str) -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = client.chat.completions.create(model=model, messages=user(content))
    assert f"1 image of {len(png())} bytes" in (answer.choices[0].message.content or "")


class City(BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("model", MODELS)
def test_structured_output(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.parse(model=model, messages=user("A city"), response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


@pytest.mark.parametrize("model", MODELS)
def test_length_stop(client: openai.OpenAI, model: str) -> None:
    asked: dict[str, Any] = {"model": model, "messages": user("[[sandbox tokens=50]]"), "max_completion_tokens": 5}
    assert client.chat.completions.create(**asked).choices[0].finish_reason == "length"
    assert list(client.chat.completions.create(**asked, stream=True))[-1].choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
@pytest.mark.parametrize("model", MODELS)
def test_errors_before_the_answer(
    client: openai.OpenAI, model: str, status: int, error: type[openai.APIStatusError]
) -> None:
    for streamed in (False, True):
        with pytest.raises(error) as raised:
            client.chat.completions.create(model=model, messages=user(f"[[sandbox status={status}]]"), stream=streamed)
        assert raised.value.request_id


@pytest.mark.parametrize("model", MODELS)
def test_an_error_inside_the_stream(client: openai.OpenAI, model: str) -> None:
    asked = user("Hello there, dear [[sandbox error_in_stream chunks=6 delay_ms=30]]")
    pieces: list[str] = []
    with (
        client.chat.completions.create(model=model, messages=asked, stream=True) as stream,
        pytest.raises(openai.APIError) as raised,
    ):
        pieces.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(pieces)
    assert raised.value.message


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

"""Chat clients over channels that are asked in the Responses form: New API's policy for models that have no chat."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from core.state import responses_policy
from tests.integration.house import House
from tests.integration.test_openai_sdk import WEATHER, City, png

MODEL = "o4-mini"


@pytest.fixture(scope="module", autouse=True)
def policy(gateway: House) -> Iterator[None]:
    gateway.add_channel(name="responses-only", models=MODEL)
    gateway.option(responses_policy.NAME, json.dumps({"enabled": True, "model_patterns": [f"^{MODEL}$"]}))
    yield
    gateway.option(responses_policy.NAME, responses_policy.DEFAULT)


@pytest.fixture(scope="module")
def key(gateway: House) -> str:
    """One key for all: showing a key's secret is limited by address."""
    return gateway.add_key(remain_quota=100_000_000)[1]


@pytest.fixture
def client(gateway: House, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as made:
        yield made


def test_text_goes_out_in_the_responses_form(client: openai.OpenAI) -> None:
    said: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    answer = client.chat.completions.create(model=MODEL, messages=said)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.id.startswith("resp_")


def test_stream_and_whole_answer_agree(client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "Tell me of canals"}]}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_over_two_turns(client: openai.OpenAI, streamed: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": "[[sandbox tool=weather calls=2]] What is the weather?"}]
    asked: Any = {"model": MODEL, "tools": [WEATHER]}
    if streamed:
        with client.chat.completions.stream(**asked, messages=messages) as stream:
            first: Any = stream.get_final_completion()
    else:
        first = client.chat.completions.create(**asked, messages=messages)
    calls = first.choices[0].message.tool_calls
    assert first.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["weather", "weather"]
    messages.append({"role": "assistant", "tool_calls": [call.to_dict() for call in calls]})
    for call in calls:
        call.function.__dict__.pop("parsed_arguments", None)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny, 31 degrees"})
    for made in messages[1]["tool_calls"]:
        made["function"].pop("parsed_arguments", None)
    second = client.chat.completions.create(**asked, messages=messages)
    assert "sunny, 31 degrees" in (second.choices[0].message.content or "")


def test_thoughts_are_told(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "[[sandbox thinking]] Hello"}], reasoning_effort="low"
    )
    message: Any = answer.choices[0].message
    assert message.content
    assert message.reasoning_content
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens


def test_picture_in(client: openai.OpenAI) -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    content: Any = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
    assert "1 image" in (answer.choices[0].message.content or "").lower()


def test_structured_output(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": "A city"}], response_format=City
    )
    assert isinstance(answer.choices[0].message.parsed, City)


def test_length_stop(client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "[[sandbox tokens=200]] Go on"}]}
    answer = client.chat.completions.create(**asked, max_completion_tokens=16)
    assert answer.choices[0].finish_reason == "length"


def test_errors_before_and_inside_the_stream(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "[[sandbox status=400]] x"}])
    words = "[[sandbox error_in_stream chunks=20 delay_ms=20 tokens=100]] Go on"
    stream = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": words}], stream=True)
    heard: list[Any] = []
    with pytest.raises(openai.APIError):
        heard.extend(iter(stream))
    assert heard


def test_a_bad_policy_is_refused(gateway: House) -> None:
    with pytest.raises(AssertionError, match="model_patterns"):
        gateway.option(responses_policy.NAME, '{"enabled": true, "model_patterns": ["("]}')

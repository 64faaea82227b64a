"""OpenAI Chat, embeddings and models, by the official SDK directly at the Sandbox: nothing warns (warnings are errors)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.integration.house import http
from tests.integration.test_openai_sdk import WEATHER, png

MODEL = "gpt-4o"


@pytest.fixture
def client(sandbox: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="sandbox-key", base_url=sandbox + "/v1", max_retries=0) as made:
        yield made


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def ask(client: openai.OpenAI, *messages: Any, **more: Any) -> ChatCompletion:
    return client.chat.completions.create(model=MODEL, messages=list(messages), **more)


@pytest.mark.parametrize(
    "orders", ["", "chunks=3", "thinking", "tool=weather calls=2", "refuse", "filter", "cached=3 cache_write=2"]
)
def test_stream_and_whole_answer_agree(client: openai.OpenAI, orders: str) -> None:
    more = {"tools": [WEATHER], "stream_options": {"include_usage": True}}
    text = f"Tell me of canals [[sandbox {orders}]]"
    whole = ask(client, user(text), tools=[WEATHER])
    with client.chat.completions.stream(model=MODEL, messages=[user(text)], **more) as stream:
        for _ in stream:
            pass
        try:
            final = stream.get_final_completion()
        except openai.ContentFilterFinishReasonError:
            assert whole.choices[0].finish_reason == "content_filter"
            return
    mine, other = whole.choices[0], final.choices[0]
    assert (mine.finish_reason, mine.message.content or None) == (other.finish_reason, other.message.content or None)
    assert mine.message.refusal == other.message.refusal
    calls = [[(c.id, c.function.name, c.function.arguments) for c in m.message.tool_calls or []] for m in (mine, other)]
    assert calls[0] == calls[1]
    assert len(calls[0]) == (2 if "calls" in orders else 0)
    assert whole.usage == final.usage


def test_parallel_tools_and_their_results(client: openai.OpenAI) -> None:
    question = user("The weather? [[sandbox tool=weather calls=2]]")
    first = ask(client, question, tools=[WEATHER]).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": content}
        for call, content in zip(first.tool_calls, ("sunny", "rain"), strict=True)
    ]
    assert ask(client, question, first, *results, tools=[WEATHER]).choices[0].message.content.endswith("sunny; rain")
    assert len(ask(client, question, tools=[WEATHER], parallel_tool_calls=False).choices[0].message.tool_calls) == 1


def test_pictures(client: openai.OpenAI) -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    answer = ask(client, user([{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": url}}]))
    assert answer.choices[0].message.content.endswith(f"There were 1 image of {len(png())} bytes.")
    assert answer.usage.prompt_tokens == 86


def test_reasoning_structured_output_and_ends(client: openai.OpenAI) -> None:
    assert ask(client, user("Hi"), reasoning_effort="low").usage.completion_tokens_details.reasoning_tokens == 10
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"name": "number", "schema": schema}}
    assert json.loads(ask(client, user("A number"), response_format=form).choices[0].message.content) == {"n": 3}
    short = ask(client, user("Hello"), max_completion_tokens=2)
    assert (short.choices[0].finish_reason, short.usage.completion_tokens) == ("length", 2)
    assert ask(client, user("Hello"), stop=[" heard"]).choices[0].message.content == "The sandbox"
    usage = ask(client, user("Hello [[sandbox cached=3 cache_write=2]]")).usage
    assert (usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens) == (3, 10)


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_errors(client: openai.OpenAI, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client, user(f"[[sandbox status={status}]]"))
    assert raised.value.status_code == status
    with pytest.raises(openai.APIError, match="The sandbox broke"):
        list(ask(client, user("[[sandbox error_in_stream]]"), stream=True))


def test_embeddings_and_models(client: openai.OpenAI) -> None:
    made = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
    assert [len(each.embedding) for each in made.data] == [8, 8]
    assert made.usage.prompt_tokens == 2
    assert MODEL in [model.id for model in client.models.list()]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": ["x"]}, "messages"),
    ({"n": 1000}, "n must be"),
    ({"n": True}, "n must be"),
    ({"max_tokens": 1.5}, "max_tokens"),
    ({"stop": 7}, "stop"),
    ({"messages": [user([{"type": "image_url"}])]}, "cannot be read"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_requests(sandbox: str, change: dict[str, Any], words: str) -> None:
    reply = http("POST", sandbox + "/v1/chat/completions", {"model": MODEL, "messages": [user("Hi")], **change})
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert words in reply.json()["error"]["message"]

"""Anthropic's form, by the official SDK directly at the Sandbox: nothing warns (warnings are errors)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.integration.house import http
from tests.integration.test_openai_sdk import png

MODEL = "claude-sonnet-5-5"
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
def client(sandbox: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="sandbox-key", base_url=sandbox, max_retries=0) as made:
        yield made


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def ask(client: anthropic.Anthropic, *messages: Any, **more: Any) -> anthropic.types.Message:
    return client.messages.create(model=MODEL, messages=list(messages), **{"max_tokens": 4000, **more})


def test_text_and_usage(client: anthropic.Anthropic) -> None:
    answer = ask(client, user("Hello"), system="Be brief")
    assert [block.text for block in answer.content] == ["The sandbox heard: Hello"]
    assert (answer.stop_reason, answer.model) == ("end_turn", MODEL)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (4, 6)
    assert client.messages.count_tokens(model=MODEL, system="Be brief", messages=[user("Hello")]).input_tokens == 4


@pytest.mark.parametrize(
    "orders", ["", "chunks=3", "thinking", "tool=weather calls=2", "refuse", "filter", "cached=3 cache_write=2"]
)
def test_stream_and_whole_answer_agree(client: anthropic.Anthropic, orders: str) -> None:
    text = f"Tell me of canals [[sandbox {orders}]]"
    whole = ask(client, user(text), tools=[WEATHER])
    with client.messages.stream(model=MODEL, max_tokens=4000, messages=[user(text)], tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert final.content == whole.content or [b.to_dict() for b in final.content] == [
        b.to_dict() for b in whole.content
    ]
    assert (final.stop_reason, final.stop_details) == (whole.stop_reason, whole.stop_details)
    told = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert [getattr(final.usage, name) for name in told] == [getattr(whole.usage, name) for name in told]


def test_event_sequence(sandbox: str) -> None:
    body = {"model": MODEL, "max_tokens": 99, "stream": True, "messages": [user("Hi [[sandbox thinking chunks=1]]")]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    events = http("POST", sandbox + "/v1/messages", body, headers).body.decode().strip().split("\n\n")
    read = [(event.split("\n")[0], json.loads(event.split("\n")[1].removeprefix("data: "))) for event in events]
    assert all(name == f"event: {data['type']}" for name, data in read)
    assert [data["delta"]["type"] if "index" in data and "delta" in data else data["type"] for _, data in read] == [
        "message_start", "ping",
        "content_block_start", "thinking_delta", "signature_delta", "content_block_stop",
        "content_block_start", "text_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert read[0][1]["message"]["usage"]["output_tokens"] == 1
    assert read[-2][1]["usage"]["output_tokens"] == 16


def test_parallel_tools_and_their_results(client: anthropic.Anthropic) -> None:
    question = user("The weather? [[sandbox tool=weather calls=3]]")
    first = ask(client, question, tools=[WEATHER])
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "sandbox"}] * 3
    assert len({call.id for call in calls}) == 3
    picture = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()},
    }
    results = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "sunny"},
        {"type": "tool_result", "tool_use_id": calls[1].id, "content": [{"type": "text", "text": "rain"}, picture]},
        {"type": "tool_result", "tool_use_id": calls[2].id, "content": "no such city", "is_error": True},
    ]
    second = ask(client, question, {"role": "assistant", "content": first.content}, user(results), tools=[WEATHER])
    assert second.stop_reason == "end_turn"
    assert "sunny; rain; error: no such city" in second.content[0].text
    assert f"1 image of {len(png())} bytes" in second.content[0].text
    one = ask(client, question, tools=[WEATHER], tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert len(one.content) == 1


def test_pictures(client: anthropic.Anthropic) -> None:
    sources = [
        {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()},
        {"type": "url", "url": "https://example.com/a.png"},
    ]
    answer = ask(client, user([{"type": "text", "text": "See"}, *({"type": "image", "source": s} for s in sources)]))
    assert answer.content[0].text.endswith(f"There were 2 images of {len(png())} bytes.")
    assert answer.usage.input_tokens == 1 + 2 * 85


def test_a_signed_thought_over_two_turns(client: anthropic.Anthropic) -> None:
    question = user("The weather? [[sandbox tool=weather]]")
    first = ask(client, question, tools=[WEATHER], thinking=THINKING)
    thought, call = first.content
    assert (thought.type, call.type) == ("thinking", "tool_use")
    assert first.usage.output_tokens_details is not None
    assert first.usage.output_tokens_details.thinking_tokens == 10
    result = user([{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}])

    def second(*content: Any) -> anthropic.types.Message:
        return ask(
            client,
            question,
            {"role": "assistant", "content": list(content)},
            result,
            tools=[WEATHER],
            thinking=THINKING,
        )

    assert "sunny" in second(thought, call).content[-1].text
    second({"type": "redacted_thinking", "data": "opaque"}, call)
    flipped = thought.signature[:-1] + ("A" if thought.signature[-1] != "A" else "B")
    for changed in (
        {"signature": flipped},
        {"signature": ""},
        {"signature": thought.signature[:20]},
        {"thinking": thought.thinking + " "},
        {"thinking": ""},
    ):
        with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
            second({**thought.to_dict(), **changed}, call)
    with pytest.raises(anthropic.BadRequestError, match="Expected `thinking` or `redacted_thinking`"):
        second(call)


def test_an_omitted_thought_comes_back_empty(client: anthropic.Anthropic) -> None:
    first = ask(client, user("Think"), thinking={"type": "adaptive", "display": "omitted"})
    assert first.content[0].type == "thinking"
    assert first.content[0].thinking == ""
    answer = ask(client, user("Think"), {"role": "assistant", "content": first.content}, user("Go on"))
    assert answer.content[-1].text == "The sandbox heard: Go on"


def test_structured_output(client: anthropic.Anthropic) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    answer = ask(client, user("A number"), output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(answer.content[0].text) == {"n": 3}


def test_ends(client: anthropic.Anthropic) -> None:
    short = ask(client, user("Hello"), max_tokens=2)
    assert (short.stop_reason, short.content[0].text, short.usage.output_tokens) == ("max_tokens", "The sand", 2)
    stopped = ask(client, user("Hello"), stop_sequences=["heard"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "heard")
    refused = ask(client, user("Hello [[sandbox refuse]]"))
    assert refused.stop_reason == "refusal"
    assert refused.stop_details is not None


def test_cache_is_told_by_orders(client: anthropic.Anthropic) -> None:
    marked = [{"type": "text", "text": "x" * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    usage = ask(client, user("Hi [[sandbox cached=30 cache_write=50]]"), system=marked).usage
    assert usage.cache_creation is not None
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (30, 50)
    assert usage.cache_creation.ephemeral_1h_input_tokens == 50
    whole = client.messages.count_tokens(
        model=MODEL, system=marked, messages=[user("Hi [[sandbox cached=30 cache_write=50]]")]
    )
    assert usage.input_tokens == whole.input_tokens - 80


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (429, "rate_limit_error"), (500, "api_error"), (529, "overloaded_error")],
)
def test_errors(client: anthropic.Anthropic, status: int, kind: str) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask(client, user(f"[[sandbox status={status}]]"))
    assert raised.value.status_code == status
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == kind
    assert raised.value.request_id


def test_models(client: anthropic.Anthropic) -> None:
    names = [model.id for model in client.models.list()]
    assert MODEL in names
    assert client.models.retrieve(MODEL).display_name == MODEL


BAD: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": None}, "max_tokens: Field required"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"messages": []}, "at least one message"),
    ({"messages": "hi"}, "messages"),
    ({"messages": [user("")]}, "non-empty"),
    ({"messages": [user([{"type": "text", "text": ""}])]}, "text content blocks must be non-empty"),
    ({"messages": [user([{"type": "image", "source": {"type": "base64"}}])]}, "image.source"),
    ({"messages": [user([{"type": "tool_result", "tool_use_id": "a"}])]}, "unexpected `tool_use_id`"),
    ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a b", "name": "n", "input": {}}]}]}, "pattern"),
    ({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "n", "input": {}}]}, user("x")]}, "without `tool_result`"),
    ({"tools": [{"name": "x"}]}, "input_schema"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1}}, "1024"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "greater than `thinking.budget_tokens`"),
    ({"thinking": THINKING, "max_tokens": 2000, "tool_choice": {"type": "any"}}, "tool_choice"),
    ({"thinking": 7}, "cannot be read"),
    ({"stop_sequences": "x"}, "stop_sequences"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_requests(sandbox: str, change: dict[str, Any], words: str) -> None:
    body = {"model": MODEL, "max_tokens": 99, "messages": [user("Hi")], **change}
    reply = http("POST", sandbox + "/v1/messages", body, {"x-api-key": "k", "anthropic-version": "2023-06-01"})
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert words in reply.json()["error"]["message"]


def test_who_asks(sandbox: str) -> None:
    body = {"model": MODEL, "max_tokens": 99, "messages": [user("Hi")]}
    url, version = sandbox + "/v1/messages", {"anthropic-version": "2023-06-01"}
    assert http("POST", url, body, version).json()["error"]["type"] == "authentication_error"
    assert http("POST", url, body, {**version, "x-api-key": "sk-bad1"}).status == 401
    assert http("POST", url, body, {"x-api-key": "k"}).status == 400
    assert http("POST", url, body, {**version, "Authorization": "Bearer k"}).status == 200

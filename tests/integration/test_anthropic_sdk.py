"""The official anthropic SDK of PyPI as a client of a real gateway: nothing warns (warnings are errors).

Each test runs against channels of several wire forms: the client cannot tell them apart.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from tests.integration.house import House, house, http
from tests.integration.test_openai_sdk import png

NATIVE, RENAMED, CHAT, GEMINI = "claude-sonnet-5-5", "house-claude", "gpt-4o", "gemini-3-pro-preview"
MODELS = (NATIVE, RENAMED, CHAT, GEMINI)
"""Served by a channel of Anthropic's form, the same under another name, one of OpenAI's form, one of Gemini's."""
CLAUDE = MODELS[:2]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
OPENAI_WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": WEATHER["input_schema"], "description": WEATHER["description"]},
}
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway whose channels each speak one form, all served by the Sandbox."""
    with house(tmp_path_factory.mktemp("anthropic")) as made:
        made.option("SelfUseModeEnabled", "true")
        mapping = json.dumps({RENAMED: NATIVE})
        made.add_channel(type=14, name="claude", models=f"{NATIVE},{RENAMED},claude-haiku-4-5", model_mapping=mapping)
        made.add_channel(type=53, name="chat", models=f"{CHAT},o4-mini")
        made.add_channel(type=24, name="gemini", models=GEMINI)
        yield made


@pytest.fixture(scope="module")
def secret(gate: House) -> str:
    return gate.add_key()[1]


@pytest.fixture(scope="module")
def client(gate: House, secret: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=secret, base_url=gate.base, max_retries=0) as made:
        yield made


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def ask(client: anthropic.Anthropic, model: str, *messages: Any, **more: Any) -> anthropic.types.Message:
    return client.messages.create(model=model, messages=list(messages), **{"max_tokens": 4000, **more})


def said(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@pytest.mark.parametrize("model", MODELS)
def test_text_and_usage(client: anthropic.Anthropic, model: str) -> None:
    answer = ask(client, model, user("Hello"), system="Be brief")
    assert (said(answer), answer.stop_reason, answer.model) == ("The sandbox heard: Hello", "end_turn", model)
    assert (answer.type, answer.role) == ("message", "assistant")
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert answer._request_id


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("orders", ["", "chunks=3", "thinking", "tool=weather calls=2", "cached=3"])
def test_stream_and_whole_answer_agree(client: anthropic.Anthropic, model: str, orders: str) -> None:
    text = f"Tell me of canals [[sandbox {orders}]]"
    whole = ask(client, model, user(text), tools=[WEATHER])
    with client.messages.stream(model=model, max_tokens=4000, messages=[user(text)], tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert final.stop_reason == whole.stop_reason
    assert final.model == model

    def shape(message: anthropic.types.Message) -> list[Any]:
        """Ids and signatures are new in every answer."""
        kept = ("type", "text", "thinking", "name", "input")
        return [{name: value for name, value in block.to_dict().items() if name in kept} for block in message.content]

    assert shape(final) == shape(whole)
    told = ("input_tokens", "output_tokens", "cache_read_input_tokens")
    assert [getattr(final.usage, name) for name in told] == [getattr(whole.usage, name) for name in told]


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_events(gate: House, secret: str, model: str) -> None:
    orders = "[[sandbox tool=weather calls=2 chunks=2 thinking]]"
    body = {"model": model, "max_tokens": 99, "stream": True, "messages": [user(f"Hi {orders}")], "tools": [WEATHER]}
    headers = {"x-api-key": secret, "anthropic-version": "2023-06-01"}
    reply = http("POST", gate.base + "/v1/messages", body, headers)
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = [block.split("\n") for block in reply.body.decode().strip().split("\n\n") if not block.startswith(":")]
    read = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events]
    assert all(name == data["type"] for name, data in read)
    names = [name for name, _ in read if name != "ping"]
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    start = read[0][1]["message"]
    assert start["usage"]["input_tokens"] > 0
    assert start["stop_reason"] is None
    open_block, next_block = -1, 0
    for name, data in read:
        if name == "content_block_start":
            assert (open_block, data["index"]) == (-1, next_block)
            open_block, next_block = next_block, next_block + 1
        elif name in ("content_block_delta", "content_block_stop"):
            assert data["index"] == open_block
            open_block = -1 if name == "content_block_stop" else open_block
    assert open_block == -1
    assert next_block == 3
    last = next(data for name, data in read if name == "message_delta")
    assert last["delta"]["stop_reason"] == "tool_use"
    assert last["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("model", MODELS)
def test_parallel_tools_and_their_results(client: anthropic.Anthropic, model: str) -> None:
    question = user("The weather? [[sandbox tool=weather calls=3]]")
    first = ask(client, model, question, tools=[WEATHER])
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "sandbox"}] * 3
    assert len({call.id for call in calls}) == 3
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": f"day {n}"} for n, call in enumerate(calls)]
    turn = {"role": "assistant", "content": first.content}
    second = ask(client, model, question, turn, user([*results, {"type": "text", "text": "So?"}]), tools=[WEATHER])
    assert second.stop_reason == "end_turn"
    single = {"type": "auto", "disable_parallel_tool_use": True}
    if model != GEMINI:
        # Gemini cannot be held to one call: the wish is named as dropped.
        assert len(ask(client, model, question, tools=[WEATHER], tool_choice=single).content) == 1
    none = ask(client, model, question, tools=[WEATHER], tool_choice={"type": "none"})
    assert none.stop_reason == "end_turn"


@pytest.mark.parametrize("model", CLAUDE)
def test_results_with_pictures_and_errors(client: anthropic.Anthropic, model: str) -> None:
    question = user("The weather? [[sandbox tool=weather calls=2]]")
    first = ask(client, model, question, tools=[WEATHER])
    picture = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()},
    }
    one, two = (block.id for block in first.content)
    results = [
        {"type": "tool_result", "tool_use_id": one, "content": [{"type": "text", "text": "rain"}, picture]},
        {"type": "tool_result", "tool_use_id": two, "content": "no such city", "is_error": True},
    ]
    second = ask(client, model, question, {"role": "assistant", "content": first.content}, user(results))
    assert "rain; error: no such city" in said(second)
    assert f"1 image of {len(png())} bytes" in said(second)


@pytest.mark.parametrize("model", MODELS)
def test_pictures(client: anthropic.Anthropic, model: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()}
    answer = ask(client, model, user([{"type": "image", "source": source}, {"type": "text", "text": "See"}]))
    assert f"1 image of {len(png())} bytes" in said(answer)


@pytest.mark.parametrize("model", CLAUDE)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_signed_thought_over_two_turns(client: anthropic.Anthropic, model: str, streamed: bool) -> None:
    asked: dict[str, Any] = {"model": model, "max_tokens": 4000, "tools": [WEATHER], "thinking": THINKING}
    question = user("The weather? [[sandbox tool=weather]]")
    if streamed:
        with client.messages.stream(messages=[question], **asked) as stream:
            first = stream.get_final_message()
    else:
        first = client.messages.create(messages=[question], **asked)
    thought, call = first.content
    assert (thought.type, call.type) == ("thinking", "tool_use")
    turn = {"role": "assistant", "content": first.content}
    result = user([{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}])
    second = client.messages.create(messages=[question, turn, result], **asked)
    assert "sunny" in said(second)


def test_thoughts_of_another_vendor_do_not_reach_anthropic(client: anthropic.Anthropic) -> None:
    """Claude goes on where a model of OpenAI's form began: its unsigned thoughts are left out."""
    question = user("The weather? [[sandbox tool=weather thinking]]")
    first = ask(client, CHAT, question, tools=[WEATHER], thinking=THINKING)
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    turn = {"role": "assistant", "content": first.content}
    result = user([{"type": "tool_result", "tool_use_id": first.content[1].id, "content": "sunny"}])
    for model in MODELS:
        assert "sunny" in said(ask(client, model, question, turn, result, tools=[WEATHER]))


class Canal(BaseModel):
    name: str
    locks: int


@pytest.mark.parametrize("model", MODELS)
def test_structured_output(client: anthropic.Anthropic, model: str) -> None:
    answer = client.messages.parse(model=model, max_tokens=400, messages=[user("A canal")], output_format=Canal)
    assert isinstance(answer.parsed_output, Canal)


@pytest.mark.parametrize("model", MODELS)
def test_ends(client: anthropic.Anthropic, model: str) -> None:
    short = ask(client, model, user("Hello"), max_tokens=2)
    assert short.stop_reason == "max_tokens"
    with client.messages.stream(model=model, max_tokens=2, messages=[user("Hello")]) as stream:
        assert stream.get_final_message().stop_reason == "max_tokens"
    refused = ask(client, model, user("Hello [[sandbox refuse]]"))
    assert refused.stop_reason == "refusal"


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    stopped = ask(client, NATIVE, user("Hello"), stop_sequences=["heard"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "heard")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
def test_errors_before_the_answer(
    client: anthropic.Anthropic, model: str, status: int, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as raised:
        ask(client, model, user(f"[[sandbox status={status}]]"))
    body = raised.value.body
    assert isinstance(body, dict)
    assert body["type"] == "error"
    assert body["request_id"] == raised.value.request_id
    with (
        pytest.raises(error),
        client.messages.stream(model=model, max_tokens=9, messages=[user(f"[[sandbox status={status}]]")]) as stream,
    ):
        stream.get_final_message()


@pytest.mark.parametrize("model", MODELS)
def test_an_error_inside_the_stream(client: anthropic.Anthropic, model: str) -> None:
    text = "Hello there, dear [[sandbox error_in_stream chunks=6 delay_ms=30]]"
    pieces: list[str] = []

    def read() -> None:
        with client.messages.stream(model=model, max_tokens=99, messages=[user(text)]) as stream:
            pieces.extend(stream.text_stream)

    with pytest.raises(anthropic.APIStatusError) as raised:
        read()
    assert pieces
    assert isinstance(raised.value.body, dict)
    assert (raised.value.body["type"], raised.value.body["error"]["type"]) in (
        ("error", "overloaded_error"), ("error", "api_error"),
    )  # fmt: skip
    assert raised.value.body["request_id"] == raised.value.request_id


def test_refusals_of_the_gateway(gate: House, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        ask(client.with_options(api_key="sk-wrong"), NATIVE, user("Hello"))
    with pytest.raises(anthropic.NotFoundError):
        ask(client, "no-such", user("Hello"))
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(model=NATIVE, max_tokens=9, messages=[])
    poor = gate.add_key(remain_quota=1)[1]
    with pytest.raises(anthropic.PermissionDeniedError) as raised:
        ask(client.with_options(api_key=poor), NATIVE, user("Hello"))
    assert raised.value.body["error"]["type"] == "billing_error"  # type: ignore[index]


@pytest.mark.parametrize("model", MODELS)
def test_count_tokens(client: anthropic.Anthropic, model: str) -> None:
    short = client.messages.count_tokens(model=model, messages=[user("Hello")])
    long = client.messages.count_tokens(
        model=model, system="Be brief", messages=[user("Hello, my dear old friend")], tools=[WEATHER]
    )
    assert 0 < short.input_tokens < long.input_tokens


def test_count_tokens_is_the_vendors_and_costs_nothing(gate: House, client: anthropic.Anthropic) -> None:
    key_id, secret = gate.add_key()
    counted = client.with_options(api_key=secret).messages.count_tokens(
        model=NATIVE, system="Be brief", messages=[user("Hello")]
    )
    assert counted.input_tokens == 4, "the Sandbox counts a token for every four characters"
    answered = ask(client, NATIVE, user("Hello"), system="Be brief")
    assert answered.usage.input_tokens == counted.input_tokens
    assert gate.token(key_id)["used_quota"] == 0


def test_cache_usage_is_told_and_billed_apart(gate: House, client: anthropic.Anthropic) -> None:
    marked = [{"type": "text", "text": "x" * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    answer = ask(client, NATIVE, user("Hi [[sandbox cached=30 cache_write=50]]"), system=marked)
    usage = answer.usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (30, 50)
    receipt = gate.line(str(answer._request_id))["receipt"]
    lines = {line["item"]: int(line["quantity"]) for line in receipt["lines"]}
    assert lines == {"input": usage.input_tokens, "cached": 30, "cache_write_1h": 50, "output": usage.output_tokens}


def test_models(client: anthropic.Anthropic) -> None:
    page = client.models.list(limit=2)
    assert page.has_more
    names = [model.id for model in client.models.list(limit=2)]
    assert set(MODELS) <= set(names)
    assert len(names) == len(set(names))
    one = client.models.retrieve(NATIVE)
    assert (one.id, one.type, one.lifecycle) == (NATIVE, "model", "active")


# -- OpenAI's client, Anthropic's vendor ------------------------------------------------------


@pytest.fixture(scope="module")
def chat(gate: House, secret: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=secret, base_url=gate.base + "/v1", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("model", [NATIVE, "claude-haiku-4-5"])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_openai_client_sends_claudes_signed_thoughts_back(chat: openai.OpenAI, model: str, streamed: bool) -> None:
    """The Sandbox refuses a thought whose signature is not its own: the second turn works only with it."""
    asked: dict[str, Any] = {"model": model, "tools": [OPENAI_WEATHER], "reasoning_effort": "high"}
    messages: list[Any] = [user("The weather? [[sandbox tool=weather calls=2]]")]
    if streamed:
        with chat.chat.completions.stream(messages=messages, **asked) as stream:
            for _ in stream:
                pass
            message = stream.get_final_completion().choices[0].message
    else:
        message = chat.chat.completions.create(messages=messages, **asked).choices[0].message
    extra = message.model_extra or {}
    assert extra["reasoning_content"]
    assert extra["reasoning_details"][0]["signature"]
    assert message.tool_calls is not None
    messages.append(message.model_dump(exclude_none=True) if streamed else message)
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls]
    second = chat.chat.completions.with_raw_response.create(messages=messages, **asked)
    assert "parts.thinking" not in second.headers.get("x-isthmus-dropped", "")
    assert "sunny" in str(second.parse().choices[0].message.content)


def test_an_openai_client_that_forgets_signatures_is_served_all_the_same(chat: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": "claude-haiku-4-5", "tools": [OPENAI_WEATHER], "reasoning_effort": "low"}
    messages: list[Any] = [user("The weather? [[sandbox tool=weather]]")]
    message = chat.chat.completions.create(messages=messages, **asked).choices[0].message
    assert message.tool_calls is not None
    turn = message.model_dump(exclude_none=True)
    del turn["reasoning_details"]
    messages += [turn, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}]
    second = chat.chat.completions.with_raw_response.create(messages=messages, **asked)
    assert "parts.thinking" in second.headers["x-isthmus-dropped"]
    assert "sunny" in str(second.parse().choices[0].message.content)


def test_an_openai_client_of_claude(chat: openai.OpenAI) -> None:
    picture = "data:image/png;base64," + base64.b64encode(png()).decode()
    answer = chat.chat.completions.create(
        model=NATIVE,
        messages=[
            {"role": "system", "content": "Be brief"},
            user([{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": picture}}]),
        ],
    )
    assert f"1 image of {len(png())} bytes" in str(answer.choices[0].message.content)
    assert (answer.choices[0].finish_reason, answer.model) == ("stop", NATIVE)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    short = chat.chat.completions.create(model=NATIVE, messages=[user("Hello")], max_completion_tokens=2)
    assert short.choices[0].finish_reason == "length"
    parsed = chat.chat.completions.parse(model=NATIVE, messages=[user("A canal")], response_format=Canal)
    assert isinstance(parsed.choices[0].message.parsed, Canal)
    with pytest.raises(openai.RateLimitError):
        chat.chat.completions.create(model=NATIVE, messages=[user("[[sandbox status=429]]")])

"""OpenAI Responses, by the official SDK directly at the Sandbox: nothing warns (warnings are errors)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from tests.integration.house import http
from tests.integration.test_openai_sdk import png

MODEL = "gpt-4o"
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}
SEALED = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"], "store": False}


@pytest.fixture
def client(sandbox: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="sandbox-key", base_url=sandbox + "/v1", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, given: Any, **more: Any) -> Response:
    return client.responses.create(model=MODEL, input=given, **more)


def test_text_and_usage(client: openai.OpenAI) -> None:
    answer = ask(client, "Hello", instructions="Be brief", metadata={"a": "b"})
    assert answer.output_text == "The sandbox heard: Hello"
    assert (answer.status, answer.model, answer.instructions, answer.metadata) == (
        "completed",
        MODEL,
        "Be brief",
        {"a": "b"},
    )
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (4, 6, 10)
    assert client.responses.input_tokens.count(model=MODEL, input="Hello").input_tokens == 2


@pytest.mark.parametrize(
    ("orders", "ends"),
    [
        ("", "completed"), ("chunks=3", "completed"), ("thinking", "completed"), ("tool=weather calls=2", "completed"),
        ("refuse", "completed"), ("filter", "incomplete"), ("tokens=99", "incomplete"), ("cached=3 cache_write=2", "completed"),
    ],
)  # fmt: skip
def test_stream_and_whole_answer_agree(client: openai.OpenAI, orders: str, ends: str) -> None:
    more = {"tools": [WEATHER], "max_output_tokens": 40, **SEALED}
    text = f"Tell me of canals [[sandbox {orders}]]"
    whole = ask(client, text, **more)
    events = list(ask(client, text, stream=True, **more))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1].type == f"response.{ends}"
    assert events[-1].response == whole
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert done == whole.output
    # What the deltas say is what the items hold.
    for index, item in enumerate(whole.output):
        said = "".join(e.delta for e in events if e.type.endswith(".delta") and e.output_index == index)
        if item.type == "reasoning":
            assert said == item.summary[0].text
        elif item.type == "function_call":
            assert said == item.arguments
        else:
            assert said == getattr(item.content[0], "text", None) or said == getattr(item.content[0], "refusal", None)
        ids = {e.item_id for e in events if getattr(e, "output_index", None) == index and hasattr(e, "item_id")}
        assert ids == {item.id}
    with client.responses.stream(model=MODEL, input=text, **more) as stream:
        for _ in stream:
            pass
        if ends == "completed":
            assert [item.to_dict()["type"] for item in stream.get_final_response().output] == [
                i.type for i in whole.output
            ]


def test_event_sequence(client: openai.OpenAI) -> None:
    events = ask(client, "Hi [[sandbox thinking chunks=1]]", stream=True)
    assert [event.type.removeprefix("response.") for event in events] == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done",
        "output_item.done", "completed",
    ]  # fmt: skip
    events = ask(client, "Hi [[sandbox tool=weather chunks=1]]", stream=True, tools=[WEATHER])
    assert [event.type.removeprefix("response.") for event in events] == [
        "created", "in_progress", "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done", "completed",
    ]  # fmt: skip


def test_parallel_tools_and_their_results(client: openai.OpenAI) -> None:
    question = {"role": "user", "content": "The weather? [[sandbox tool=weather calls=2]]"}
    first = ask(client, [question], tools=[WEATHER])
    calls = first.output
    assert [json.loads(call.arguments) for call in calls] == [{"city": "sandbox"}] * 2
    image = {
        "type": "input_image",
        "detail": "auto",
        "image_url": "data:image/png;base64," + base64.b64encode(png()).decode(),
    }
    outputs = [
        {"type": "function_call_output", "call_id": calls[0].call_id, "output": "sunny"},
        {
            "type": "function_call_output",
            "call_id": calls[1].call_id,
            "output": [{"type": "input_text", "text": "rain"}, image],
        },
    ]
    second = ask(client, [question, *calls, *outputs], tools=[WEATHER])
    assert "sunny; rain There were 1 image" in second.output_text
    with pytest.raises(openai.BadRequestError, match="No tool output found"):
        ask(client, [question, *calls, outputs[0]])
    with pytest.raises(openai.BadRequestError, match="No tool call found"):
        ask(client, [question, outputs[0]])
    assert len(ask(client, [question], tools=[WEATHER], parallel_tool_calls=False).output) == 1


def test_a_sealed_thought_over_two_turns(client: openai.OpenAI) -> None:
    question = {"role": "user", "content": "The weather? [[sandbox tool=weather]]"}
    first = ask(client, [question], tools=[WEATHER], **SEALED)
    thought, call = first.output
    assert first.usage.output_tokens_details.reasoning_tokens == 10
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    assert "sunny" in ask(client, [question, thought, call, output], tools=[WEATHER]).output_text
    for changed in (
        {"encrypted_content": thought.encrypted_content[:-2]},
        {"encrypted_content": ""},
        {"id": "rs_other"},
    ):
        with pytest.raises(openai.BadRequestError) as raised:
            ask(client, [question, {**thought.to_dict(), **changed}, call, output])
        assert raised.value.code == "invalid_encrypted_content"
    with pytest.raises(openai.BadRequestError, match="required following item"):
        ask(client, [question, thought])
    unseen = ask(client, "Hi", reasoning={"effort": "low"}).output[0]
    assert (unseen.summary, unseen.encrypted_content) == ([], None)


def test_pictures(client: openai.OpenAI) -> None:
    images = ["data:image/png;base64," + base64.b64encode(png()).decode(), "https://example.com/a.png"]
    content = [
        {"type": "input_text", "text": "See"},
        *({"type": "input_image", "detail": "auto", "image_url": i} for i in images),
    ]
    answer = ask(client, [{"role": "user", "content": content}])
    assert answer.output_text.endswith(f"There were 2 images of {len(png())} bytes.")
    assert answer.usage.input_tokens == 1 + 2 * 85


def test_structured_output_and_log_probabilities(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    form = {"type": "json_schema", "name": "number", "schema": schema}
    assert json.loads(ask(client, "A number", text={"format": form}).output_text) == {"n": 3}
    part = ask(client, "Hi", include=["message.output_text.logprobs"]).output[0].content[0]
    assert "".join(each.token for each in part.logprobs) == part.text


def test_ends(client: openai.OpenAI) -> None:
    short = ask(client, "Hello [[sandbox tokens=50]]", max_output_tokens=16)
    assert (short.status, short.incomplete_details.reason, short.usage.output_tokens) == (
        "incomplete",
        "max_output_tokens",
        16,
    )
    cut = ask(client, "Hello [[sandbox filter]]")
    assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "content_filter")
    assert ask(client, "Hello [[sandbox refuse]]").output[0].content[0].type == "refusal"
    usage = ask(client, "Hello, all [[sandbox cached=1 cache_write=2]]").usage.input_tokens_details
    assert (usage.cached_tokens, usage.cache_write_tokens) == (1, 2)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_errors(client: openai.OpenAI, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client, f"[[sandbox status={status}]]")
    assert raised.value.status_code == status


def test_an_error_in_the_stream(sandbox: str, client: openai.OpenAI) -> None:
    events = list(ask(client, "[[sandbox error_in_stream]]", stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-2].message == "The sandbox broke."
    body = {"model": MODEL, "input": "[[sandbox error_in_stream]]", "stream": True}
    events = http("POST", sandbox + "/v1/responses", body).body.decode().strip().split("\n\n")
    read = [json.loads(event.split("data: ")[1]) for event in events]
    assert [event["sequence_number"] for event in read] == list(range(len(read)))
    assert (read[-1]["type"], read[-1]["response"]["status"]) == ("response.failed", "failed")
    assert read[-1]["response"]["error"]["code"] == "server_error"


CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"input": None}, "'input'"),
    ({"input": 7}, "input"),
    ({"input": [{"role": "tool", "content": "x"}]}, "Invalid value: 'tool'"),
    ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'"),
    (
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
        "Invalid value: 'input_text'",
    ),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {"url": "x"}}]}]}, "image_url"),
    ({"input": [{"content": "x"}]}, "input[0].type"),
    ({"input": [CALL]}, "No tool output found for function call a"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
    ({"max_output_tokens": 2}, ">= 16"),
    ({"previous_response_id": "resp_1"}, "'resp_1' not found"),
    ({"conversation": "conv_1"}, "'conv_1' not found"),
    ({"background": True}, "background"),
    ({"text": 7}, "cannot be read"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_bad_requests(sandbox: str, change: dict[str, Any], words: str) -> None:
    reply = http("POST", sandbox + "/v1/responses", {"model": MODEL, "input": "Hi", **change})
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert words in reply.json()["error"]["message"]

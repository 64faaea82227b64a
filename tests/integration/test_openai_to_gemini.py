"""The official openai SDK as a client of Gemini channels: what OpenAI's dialect cannot hold comes back all the same.

The Sandbox refuses signatures that were changed, and, as gemini-3, calls without one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.house import House
from tests.integration.test_openai_sdk import WEATHER, City, png

SIGNS, THINKS = "o3", "o3-mini"
"""Models with prices that no other test serves: gemini-3-pro and gemini-2.5-flash to the vendor."""


@pytest.fixture(scope="module")
def client(gateway: House) -> Iterator[openai.OpenAI]:
    gateway.add_channel(
        name="gemini behind openai", type=24, models=f"{SIGNS},{THINKS}",
        model_mapping='{"o3":"gemini-3-pro","o3-mini":"gemini-2.5-flash"}',
    )  # fmt: skip
    with openai.OpenAI(api_key=gateway.add_key()[1], base_url=gateway.base + "/v1", max_retries=0) as made:
        yield made


def reference(message: dict[str, Any]) -> dict[str, Any]:
    """The message with nothing but the members of OpenAI's reference, as strict clients keep it."""
    calls = [{key: call[key] for key in ("id", "type", "function")} for call in message["tool_calls"]]
    return {"role": "assistant", "content": message.get("content"), "tool_calls": calls}


def streamed(chunks: Any) -> dict[str, Any]:
    """A stream's message: calls by index, as clients put them together."""
    calls: dict[int, dict[str, Any]] = {}
    content = ""
    for chunk in chunks:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            for piece in choice.delta.tool_calls or ():
                made = calls.setdefault(piece.index, {"type": "function", "function": {"name": "", "arguments": ""}})
                made["id"] = piece.id or made["id"]
                made["function"]["name"] += piece.function.name or ""
                made["function"]["arguments"] += piece.function.arguments or ""
    return {"content": content or None, "tool_calls": [calls[index] for index in sorted(calls)]}


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", [SIGNS, THINKS])
@pytest.mark.parametrize("orders", ["", "thinking", "thinking no_ids"])
def test_parallel_tools_over_two_turns(
    client: openai.OpenAI, model: str, stream: bool, strict: bool, orders: str
) -> None:
    messages: list[Any] = [{"role": "user", "content": f"The weather? [[sandbox tool=weather calls=2 {orders}]]"}]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER], stream=stream)
    message = streamed(answer) if stream else answer.choices[0].message.model_dump(exclude_none=True)
    made = reference(message) if strict or stream else message
    ids = [call["id"] for call in made["tool_calls"]]
    assert len(set(ids)) == 2
    # Results in the other order: they belong to their calls by id.
    results = [{"role": "tool", "tool_call_id": ids[at], "content": said} for at, said in ((1, "rain"), (0, "sun"))]
    second = client.chat.completions.create(model=model, messages=[*messages, made, *results], tools=[WEATHER])
    said = second.choices[0].message.content or ""
    assert said.index("sun") < said.index("rain")


def test_thoughts_are_told_and_may_come_back(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "Think [[sandbox thinking]]"}]
    answer = client.chat.completions.create(model=THINKS, messages=messages, reasoning_effort="medium")
    message = answer.choices[0].message
    assert message.reasoning_content  # type: ignore[attr-defined]
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    messages += [message.model_dump(exclude_none=True), {"role": "user", "content": "More"}]
    assert client.chat.completions.create(model=THINKS, messages=messages).choices[0].message.content


def test_picture_length_and_structure(client: openai.OpenAI) -> None:
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    content: Any = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]
    seen = client.chat.completions.create(model=THINKS, messages=[{"role": "user", "content": content}])
    assert "1 image" in (seen.choices[0].message.content or "").lower()
    cut = client.chat.completions.create(
        model=THINKS, messages=[{"role": "user", "content": "Long [[sandbox tokens=50]]"}], max_tokens=4
    )
    assert cut.choices[0].finish_reason == "length"
    made = client.chat.completions.parse(
        model=THINKS, messages=[{"role": "user", "content": "A city"}], response_format=City
    )
    assert isinstance(made.choices[0].message.parsed, City)


def test_filters_and_errors(client: openai.OpenAI) -> None:
    for orders in ("filter", "refuse"):
        messages: list[Any] = [{"role": "user", "content": f"x [[sandbox {orders}]]"}]
        answer = client.chat.completions.create(model=THINKS, messages=messages)
        assert answer.choices[0].finish_reason == "content_filter"
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(
            model=THINKS, messages=[{"role": "user", "content": "x [[sandbox status=429 retry_after=7]]"}]
        )
    assert limited.value.response.headers["retry-after"] == "7"


def test_what_is_left_out_is_named(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=THINKS, messages=[{"role": "user", "content": "Hello"}], logit_bias={"5": 1}, verbosity="low"
    )
    assert raw.headers["x-isthmus-dropped"] == "sampling.logit_bias, output.verbosity"

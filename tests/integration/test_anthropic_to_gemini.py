"""The official anthropic SDK as a client of Gemini channels: signatures of calls come back over two turns.

The Sandbox refuses signatures that were changed, and, as gemini-3, calls without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.integration.house import House

MODEL = "o1"
"""A model with a price that no other test serves: gemini-3-pro to the vendor."""
WEATHER: Any = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def client(gateway: House) -> Iterator[anthropic.Anthropic]:
    gateway.add_channel(name="gemini behind anthropic", type=24, models=MODEL, model_mapping='{"o1":"gemini-3-pro"}')
    with anthropic.Anthropic(api_key=gateway.add_key()[1], base_url=gateway.base, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("orders", ["", "no_ids"])
def test_parallel_tools_over_two_turns(
    client: anthropic.Anthropic, streamed: bool, thinking: bool, orders: str
) -> None:
    messages: list[Any] = [{"role": "user", "content": f"The weather? [[sandbox tool=weather calls=2 {orders}]]"}]
    more: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 2048}} if thinking else {}
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 4096, "messages": messages, "tools": [WEATHER], **more}
    if streamed:
        with client.messages.stream(**asked) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(**asked)
    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert len({call.id for call in calls}) == 2
    assert any(block.type == "thinking" and block.thinking for block in answer.content) is thinking
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": said}
        for call, said in zip(calls, ("sun", "rain"), strict=True)
    ]
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
    second = client.messages.create(**asked)
    said = "".join(block.text for block in second.content if block.type == "text")
    assert said.index("sun") < said.index("rain")

"""LangChain's Anthropic models."""

from __future__ import annotations

from typing import Any

from common import BASE, FOUR_PIECES, KEY, ONE_CALL, PICTURE, TWO_CALLS, UNFORCED, City, check, run, same
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool


def chat(model: str, **more: Any) -> ChatAnthropic:
    return ChatAnthropic(model=model, api_key=KEY, base_url=BASE, max_retries=0, max_tokens=4000, **more)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def converse(bound: Any, streamed: bool) -> list[Any]:
    """An agent's loop over two questions, with marks for the prompt cache; what the model said."""
    mark = {"cache_control": {"type": "ephemeral"}}
    history: list[Any] = [SystemMessage([{"type": "text", "text": "Be brief", **mark}])]
    said = []
    for question in (TWO_CALLS, ONE_CALL):
        history.append(HumanMessage([{"type": "text", "text": question, **mark}]))
        for _ in range(3):
            if streamed:
                answer: Any = None
                for chunk in bound.stream(history):
                    answer = chunk if answer is None else answer + chunk
            else:
                answer = bound.invoke(history)
            history.append(answer)
            said.append(answer)
            if not answer.tool_calls:
                break
            history += [
                ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls
            ]
    return said


def judge(said: list[Any]) -> None:
    same([len(answer.tool_calls) for answer in said], [2, 0, 1, 0])
    check(said[1].text, "rain in sandbox; rain in sandbox")
    check(said[3].text, "rain in sandbox")
    same([answer.response_metadata["stop_reason"] for answer in said], ["tool_use", "end_turn"] * 2)


def thinking_of(model: str) -> dict[str, Any]:
    """As each family of models takes it."""
    if "sonnet-5" in model:
        return {"type": "adaptive", "display": "summarized"}
    return {"type": "enabled", "budget_tokens": 1024}


def text(model: str) -> None:
    answer = chat(model).invoke([SystemMessage("Be brief"), HumanMessage("Hello")])
    same(answer.text, "The sandbox heard: Hello")
    same(answer.response_metadata["model_name"], model)
    usage = answer.usage_metadata
    same(usage["input_tokens"] + usage["output_tokens"], usage["total_tokens"])


async def stream(model: str) -> None:
    whole = await chat(model).ainvoke(FOUR_PIECES)
    total: Any = None
    pieces = 0
    async for chunk in chat(model).astream(FOUR_PIECES):
        total = chunk if total is None else total + chunk
        pieces += bool(chunk.text)
    if pieces < 4:
        raise AssertionError(f"{pieces} pieces")
    same(total.text, whole.text)
    for what in ("input_tokens", "output_tokens"):
        same(total.usage_metadata[what], whole.usage_metadata[what])


def agent(model: str) -> None:
    for streamed in (False, True):
        judge(converse(chat(model).bind_tools([weather]), streamed))


def agent_that_thinks(model: str) -> None:
    for streamed in (False, True):
        said = converse(chat(model, thinking=thinking_of(model)).bind_tools([weather]), streamed)
        judge(said)
        check([block["type"] for block in said[0].content], "thinking")


def structured(model: str) -> None:
    for method in ("json_schema", *(() if model in UNFORCED else ("function_calling",))):
        made = chat(model).with_structured_output(City, method=method, include_raw=True).invoke("A city")
        same(made["parsing_error"], None)
        same(type(made["parsed"]), City)


def picture(model: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
    content = [{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}]
    check(chat(model).invoke([HumanMessage(content)]).text, "1 image of 67 bytes")


def counted(model: str) -> None:
    few = chat(model).get_num_tokens_from_messages([HumanMessage("Hello")])
    many = chat(model).get_num_tokens_from_messages([HumanMessage("Hello, " * 100)])
    if not 0 < few < many:
        raise AssertionError(f"{few}, {many}")


run(text, stream, agent, agent_that_thinks, structured, picture, counted)

"""LangChain's Gemini models."""

from __future__ import annotations

import os
from typing import Any

from common import BASE, FOUR_PIECES, KEY, ONE_CALL, PICTURE, TWO_CALLS, UNFORCED, City, check, run, same
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings


def chat(model: str, **more: Any) -> ChatGoogleGenerativeAI:
    return ChatGoogleGenerativeAI(model=model, api_key=KEY, base_url=BASE, max_retries=1, **more)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def converse(bound: Any, streamed: bool) -> list[Any]:
    """An agent's loop over two questions; what the model said."""
    history: list[Any] = [SystemMessage("Be brief")]
    said = []
    for question in (TWO_CALLS, ONE_CALL):
        history.append(HumanMessage(question))
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
                ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"], name=call["name"])
                for call in answer.tool_calls
            ]
    return said


def judge(said: list[Any]) -> None:
    same([len(answer.tool_calls) for answer in said], [2, 0, 1, 0])
    check(said[1].text, "rain in sandbox")
    check(said[3].text, "rain in sandbox")


def text(model: str) -> None:
    answer = chat(model).invoke([SystemMessage("Be brief"), HumanMessage("Hello")])
    same(answer.text, "The sandbox heard: Hello")
    same(answer.response_metadata["finish_reason"], "STOP")
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
    same(total.usage_metadata["output_tokens"], whole.usage_metadata["output_tokens"])


def agent(model: str) -> None:
    for streamed in (False, True):
        judge(converse(chat(model).bind_tools([weather]), streamed))


def agent_that_thinks(model: str) -> None:
    how = {"thinking_level": "low"} if "gemini-3" in model else {"thinking_budget": 1024}
    for streamed in (False, True):
        said = converse(chat(model, include_thoughts=True, **how).bind_tools([weather]), streamed)
        judge(said)


def structured(model: str) -> None:
    for method in ("json_schema", *(() if model in UNFORCED else ("function_calling",))):
        made = chat(model).with_structured_output(City, method=method, include_raw=True).invoke("A city")
        same(made["parsing_error"], None)
        same(type(made["parsed"]), City)


def picture(model: str) -> None:
    image = {"type": "image", "base64": PICTURE, "mime_type": "image/png"}
    answer = chat(model).invoke([HumanMessage([{"type": "text", "text": "What is this?"}, image])])
    check(answer.text, "1 image of 67 bytes")


def embeddings() -> None:
    made = GoogleGenerativeAIEmbeddings(
        model=os.environ["ISTHMUS_GEMINI_EMBEDDING"], google_api_key=KEY, base_url=BASE, output_dimensionality=8
    )
    vectors = made.embed_documents(["one", "two"])
    same([len(vector) for vector in vectors], [8, 8])


run(text, stream, agent, agent_that_thinks, structured, picture, once=(embeddings,))

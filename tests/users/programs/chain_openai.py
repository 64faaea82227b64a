"""LangChain's OpenAI models: chat and Responses."""

from __future__ import annotations

from typing import Any

from common import (
    BASE,
    EMBEDDING,
    FOUR_PIECES,
    KEY,
    ONE_CALL,
    PICTURE,
    TWO_CALLS,
    UNFORCED,
    City,
    check,
    forces,
    run,
    same,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


def chat(model: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model=model, api_key=KEY, base_url=BASE + "/v1", max_retries=0, **more)


def responses(model: str) -> ChatOpenAI:
    """Keeps nothing at the vendor: thoughts come back sealed."""
    return chat(
        model,
        use_responses_api=True,
        output_version="responses/v1",
        store=False,
        reasoning={"effort": "low", "summary": "auto"},
        include=["reasoning.encrypted_content"],
    )


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def converse(bound: Any, streamed: bool) -> list[AIMessage]:
    """An agent's loop over two questions, with the whole history each time; what the model said."""
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
                ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls
            ]
    return said


def judge(said: list[AIMessage]) -> None:
    """Two calls, an answer that has both results, one call, its answer."""
    same([len(answer.tool_calls) for answer in said], [2, 0, 1, 0])
    same([answer.invalid_tool_calls for answer in said], [[]] * 4)
    ids = [call["id"] for answer in said for call in answer.tool_calls]
    same(len(set(ids)), 3)
    check(said[1].text, "rain in sandbox; rain in sandbox")
    check(said[3].text, "rain in sandbox")


def text(model: str) -> None:
    answer = chat(model).invoke([SystemMessage("Be brief"), HumanMessage("Hello")])
    same(answer.content, "The sandbox heard: Hello")
    usage = answer.usage_metadata
    same(usage["input_tokens"] + usage["output_tokens"], usage["total_tokens"])
    same(answer.response_metadata["finish_reason"], "stop")
    same(answer.response_metadata["model_name"], model)


async def stream(model: str) -> None:
    whole = await chat(model).ainvoke(FOUR_PIECES)
    chunks = [chunk async for chunk in chat(model, stream_usage=True).astream(FOUR_PIECES)]
    if sum(bool(chunk.content) for chunk in chunks) < 4:
        raise AssertionError(f"{len(chunks)} pieces")
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    same(total.content, whole.content)
    same(total.usage_metadata, whole.usage_metadata)


def agent(model: str) -> None:
    judge(converse(chat(model).bind_tools([weather]), streamed=False))


def agent_streamed(model: str) -> None:
    judge(converse(chat(model).bind_tools([weather]), streamed=True))


def agent_with_effort(model: str) -> None:
    judge(converse(chat(model, reasoning_effort="medium").bind_tools([weather]), streamed=False))


def agent_of_responses(model: str) -> None:
    for streamed in (False, True):
        said = converse(responses(model).bind_tools([weather]), streamed)
        judge(said)
        kinds = [block["type"] for block in said[0].content]
        check(kinds, "reasoning")


@forces
def forced_tool(model: str) -> None:
    bound = chat(model).bind_tools([weather], tool_choice="weather", parallel_tool_calls=False)
    same([call["name"] for call in bound.invoke("Hello").tool_calls], ["weather"])


def structured(model: str) -> None:
    for method in ("json_schema", *(() if model in UNFORCED else ("function_calling",))):
        made = chat(model).with_structured_output(City, method=method, include_raw=True).invoke("A city")
        same(made["parsing_error"], None)
        same(type(made["parsed"]), City)


def structured_by_responses(model: str) -> None:
    same(type(responses(model).with_structured_output(City).invoke("A city")), City)


def picture(model: str) -> None:
    image = {"type": "image", "base64": PICTURE, "mime_type": "image/png"}
    answer = chat(model).invoke([HumanMessage([{"type": "text", "text": "What is this?"}, image])])
    check(answer.content, "1 image of 67 bytes")


def many_at_once(model: str) -> None:
    said = chat(model).batch([f"number {at}" for at in range(6)], config={"max_concurrency": 6})
    same([answer.content for answer in said], [f"The sandbox heard: number {at}" for at in range(6)])


def embeddings() -> None:
    # Without the check it sends texts; with it, it would fetch a vocabulary from the internet.
    made = OpenAIEmbeddings(
        model=EMBEDDING, api_key=KEY, base_url=BASE + "/v1", check_embedding_ctx_length=False, dimensions=8
    )
    vectors = made.embed_documents(["one", "two"])
    same([len(vector) for vector in vectors], [8, 8])
    same(made.embed_query("one"), vectors[0])


run(
    text, stream, agent, agent_streamed, agent_with_effort, agent_of_responses, forced_tool, structured,
    structured_by_responses, picture, many_at_once, once=(embeddings,),
)  # fmt: skip

"""LlamaIndex: a model of OpenAI's kind, an agent over it, and structured answers."""

from __future__ import annotations

from typing import Any

from common import BASE, FOUR_PIECES, KEY, ONE_CALL, TWO_CALLS, City, check, forces, run, same
from llama_index.core.agent.workflow import AgentOutput, FunctionAgent, ToolCallResult
from llama_index.core.llms import ChatMessage
from llama_index.core.workflow import Context
from llama_index.llms.openai import OpenAI, OpenAIResponses


class Chat(OpenAI):
    """Knows the sizes of OpenAI's own models by their names; ours have others."""

    @property
    def metadata(self) -> Any:
        """What it would look up."""
        from llama_index.core.base.llms.types import LLMMetadata

        return LLMMetadata(
            context_window=128_000, is_chat_model=True, is_function_calling_model=True, model_name=self.model
        )


class Responses(OpenAIResponses):
    """The same for the other interface."""

    metadata = Chat.metadata


def chat(model: str, kind: Any = Chat, **more: Any) -> Any:
    return kind(model=model, api_key=KEY, api_base=BASE + "/v1", max_retries=0, **more)


def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


async def converse(llm: Any) -> None:
    """Two questions to one agent, with its memory between them."""
    agent = FunctionAgent(tools=[weather], llm=llm, system_prompt="Be brief")
    context = Context(agent)
    for question, calls in ((TWO_CALLS, 2), (ONE_CALL, 1)):
        handler = agent.run(question, ctx=context)
        events = [event async for event in handler.stream_events()]
        results = [event.tool_output.content for event in events if isinstance(event, ToolCallResult)]
        same(results, ["rain in sandbox"] * calls)
        same(len([event for event in events if isinstance(event, AgentOutput)]), 2)
        check(await handler, "; ".join(["rain in sandbox"] * calls))


def text(model: str) -> None:
    said = chat(model).chat([ChatMessage(role="system", content="Be brief"), ChatMessage(role="user", content="Hello")])
    same(said.message.content, "The sandbox heard: Hello")


async def stream(model: str) -> None:
    ask = [ChatMessage(role="user", content=FOUR_PIECES)]
    whole = await chat(model).achat(ask)
    chunks = [chunk async for chunk in await chat(model).astream_chat(ask)]
    if len([chunk for chunk in chunks if chunk.delta]) < 4:
        raise AssertionError(f"{len(chunks)} pieces")
    same(chunks[-1].message.content, whole.message.content)


async def agent(model: str) -> None:
    await converse(chat(model))


async def agent_of_responses(model: str) -> None:
    await converse(chat(model, Responses, store=False))


@forces
def structured(model: str) -> None:
    made = chat(model).as_structured_llm(City).complete("A city")
    same(type(made.raw), City)


run(text, stream, agent, agent_of_responses, structured)

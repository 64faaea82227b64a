"""pydantic-ai: agents by chat, Responses and Gemini's interface.

Not by Anthropic's: version 2.31 builds its messages of a class that Anthropic's SDK has made a union since 2.13.
"""

from __future__ import annotations

from typing import Any

from common import BASE, FOUR_PIECES, KEY, ONE_CALL, PICTURE, TWO_CALLS, UNFORCED, City, check, run, same
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.messages import ThinkingPart, ToolCallPart
from pydantic_ai.models.google import GoogleModel, GoogleModelSettings
from pydantic_ai.models.openai import (
    OpenAIChatModel,
    OpenAIChatModelSettings,
    OpenAIResponsesModel,
    OpenAIResponsesModelSettings,
)
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings


def openai_provider() -> OpenAIProvider:
    return OpenAIProvider(api_key=KEY, base_url=BASE + "/v1")


def spoken(model: str) -> dict[str, Any]:
    """The same model through each interface."""
    return {
        "chat": OpenAIChatModel(model, provider=openai_provider()),
        "responses": OpenAIResponsesModel(model, provider=openai_provider()),
        "google": GoogleModel(model, provider=GoogleProvider(api_key=KEY, base_url=BASE)),
    }


def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


async def converse(made: Any, settings: Any, streamed: bool) -> list[Any]:
    """Two questions to one agent, the history between them; all messages."""
    agent = Agent(made, instructions="Be brief", tools=[weather], retries=0, model_settings=settings)
    history: list[Any] = []
    for question, calls in ((TWO_CALLS, 2), (ONE_CALL, 1)):
        if streamed:
            async with agent.run_stream(question, message_history=history) as result:
                said = await result.get_output()
                history = result.all_messages()
        else:
            whole = await agent.run(question, message_history=history)
            said, history = whole.output, whole.all_messages()
        check(said, *["rain in sandbox"] * calls)
    calls = [part for message in history for part in message.parts if isinstance(part, ToolCallPart)]
    same(len({call.tool_call_id for call in calls}), 3)
    return history


async def agents(model: str) -> None:
    for made in spoken(model).values():
        for streamed in (False, True):
            await converse(made, ModelSettings(max_tokens=4000), streamed)


async def agents_that_think(model: str) -> None:
    level = {"thinking_level": "LOW"} if "gemini-3" in model else {"thinking_budget": 1024}
    settings = {
        "chat": OpenAIChatModelSettings(max_tokens=4000, openai_reasoning_effort="low"),
        "responses": OpenAIResponsesModelSettings(
            max_tokens=4000, openai_reasoning_effort="low", openai_reasoning_summary="auto", openai_store=False
        ),
        "google": GoogleModelSettings(max_tokens=4000, google_thinking_config={"include_thoughts": True, **level}),
    }
    for name, made in spoken(model).items():
        for streamed in (False, True):
            history = await converse(made, settings[name], streamed)
            thoughts = [part for message in history for part in message.parts if isinstance(part, ThinkingPart)]
            if not thoughts:
                raise AssertionError(f"{name}, streamed {streamed}: no thoughts")


async def streams(model: str) -> None:
    for name, made in spoken(model).items():
        agent = Agent(made, model_settings=ModelSettings(max_tokens=4000))
        whole = (await agent.run(FOUR_PIECES)).output
        async with agent.run_stream(FOUR_PIECES) as result:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
            usage = result.usage
        same("".join(pieces), whole)
        if len(pieces) < 4:
            raise AssertionError(f"{name}: {len(pieces)} pieces")
        usage = usage() if callable(usage) else usage
        if not usage.output_tokens:
            raise AssertionError(f"{name}: no usage")


async def structured(model: str) -> None:
    for made in spoken(model).values():
        settings = ModelSettings(max_tokens=4000)
        for kind in (NativeOutput(City), *(() if model in UNFORCED else (City,))):
            same(type((await Agent(made, output_type=kind, model_settings=settings).run("A city")).output), City)


async def pictures(model: str) -> None:
    import base64

    picture = BinaryContent(base64.b64decode(PICTURE), media_type="image/png")
    for made in spoken(model).values():
        answer = await Agent(made, model_settings=ModelSettings(max_tokens=4000)).run(["What is this?", picture])
        check(answer.output, "1 image of 67 bytes")


run(agents, agents_that_think, streams, structured, pictures)

"""instructor: structured answers by tools and by schema, over each SDK it patches."""

from __future__ import annotations

from typing import Any

import anthropic
import instructor
import openai
from common import BASE, KEY, City, Country, forces, run, same

ASK = [{"role": "user", "content": "A city"}]


def by_openai(mode: instructor.Mode) -> Any:
    return instructor.from_openai(openai.OpenAI(api_key=KEY, base_url=BASE + "/v1", max_retries=0), mode=mode)


def by_anthropic(mode: instructor.Mode) -> Any:
    return instructor.from_anthropic(anthropic.Anthropic(api_key=KEY, base_url=BASE, max_retries=0), mode=mode)


@forces
def tools(model: str) -> None:
    made, raw = by_openai(instructor.Mode.TOOLS).chat.completions.create_with_completion(
        model=model, messages=ASK, response_model=City, max_retries=1
    )
    same(type(made).__name__, "City")
    same(raw.model, model)


def schema(model: str) -> None:
    made = by_openai(instructor.Mode.JSON_SCHEMA).create(model=model, messages=ASK, response_model=City, max_retries=1)
    same(type(made).__name__, "City")


@forces
def pieces(model: str) -> None:
    """A city that grows while it streams."""
    client = by_openai(instructor.Mode.TOOLS)
    grown = list(client.chat.completions.create_partial(model=model, messages=ASK, response_model=City, max_retries=1))
    City.model_validate(grown[-1].model_dump())


@forces
def nested(model: str) -> None:
    made = by_openai(instructor.Mode.TOOLS).create(model=model, messages=ASK, response_model=Country, max_retries=1)
    same([type(city).__name__ for city in made.cities], ["City", "City"])


@forces
def tools_by_anthropic(model: str) -> None:
    made = by_anthropic(instructor.Mode.TOOLS).create(
        model=model, messages=ASK, response_model=City, max_retries=1, max_tokens=4000
    )
    same(type(made).__name__, "City")


run(tools, schema, pieces, nested, tools_by_anthropic)

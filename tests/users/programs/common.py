"""What the programs share: where the gateway is, what they ask of its Sandbox, and how they tell what they did.

Each program runs in an environment of its own (requirements/users.in), so it can import nothing of the suite. It does
its cases for every model it is given, and prints a line for each that went well; the first that does not ends it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field

BASE = os.environ["ISTHMUS_BASE"]
KEY = os.environ["ISTHMUS_KEY"]
EMBEDDING = os.environ.get("ISTHMUS_EMBEDDING", "")
MODELS = sys.argv[1:]
TWO_CALLS = "What is the weather in two cities? [[sandbox tool=weather calls=2]]"
ONE_CALL = "And tomorrow? [[sandbox tool=weather]]"
FOUR_PIECES = "Tell me of canals [[sandbox chunks=4 delay_ms=30]]"
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
"""One pixel, 67 bytes."""


UNFORCED = ("claude-sonnet-5-5",)
"""Models that refuse a forced tool: the gateway asks them with `auto`, and they may answer in words."""
Case = Callable[[str], Any]


class City(BaseModel):
    """A city of the world."""

    name: str = Field(description="Its name")
    people: int = Field(description="How many live there")
    rivers: list[str] = Field(description="The rivers that run through it")


class Country(BaseModel):
    """A country."""

    cities: list[City] = Field(min_length=2)


def forces(case: Case) -> Case:
    """Marks a case that forces a tool: it is not for models that refuse that."""

    @functools.wraps(case)
    def unless_refused(model: str) -> Any:
        return None if model in UNFORCED else case(model)

    return unless_refused


def check(told: Any, *pieces: str) -> None:
    """Fails where a text lacks a piece."""
    missing = [piece for piece in pieces if piece not in str(told)]
    if missing:
        raise AssertionError(f"{missing} not in {told!r}")


def same(found: Any, wanted: Any) -> None:
    """Fails where they differ."""
    if found != wanted:
        raise AssertionError(f"{found!r}, not {wanted!r}")


def run(*cases: Case, once: tuple[Callable[[], Any], ...] = ()) -> None:
    """Every case for every model; those of once by themselves."""
    asyncio.run(_run(cases, once))


async def _run(cases: tuple[Case, ...], once: tuple[Callable[[], Any], ...]) -> None:
    for model in MODELS:
        for case in cases:
            await _one(model, case.__name__, lambda case=case, model=model: case(model))
    for alone in once:
        await _one("", alone.__name__, alone)


async def _one(model: str, name: str, case: Callable[[], Any]) -> None:
    try:
        told = case()
        if inspect.isawaitable(told):
            await told
    except Exception as error:
        error.add_note(f"in case {name} of {model}")
        raise
    print(json.dumps([model, name]), flush=True)

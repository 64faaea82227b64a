"""Reads the environment once, into the two typed settings; prints them without secrets."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from core.settings import CoreSettings
from front.settings import FrontSettings

S = TypeVar("S", CoreSettings, FrontSettings)

MASK = "********"
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


class BadSetting(Exception):
    """An environment variable or flag cannot be understood; the text names it and says what it takes."""


def parse(name: str, kind: type, text: str) -> Any:
    """A setting's value from text. Raises BadSetting."""
    try:
        if kind is bool:
            word = text.strip().lower()
            if word not in TRUE_WORDS | FALSE_WORDS:
                raise ValueError("true or false")
            return word in TRUE_WORDS
        if kind in (int, float):
            return kind(text)
    except ValueError as error:
        wanted = "true or false" if kind is bool else f"a number ({kind.__name__})"
        raise BadSetting(f"{name} must be {wanted}, not {text!r}") from error
    return Path(text) if kind is Path else text


def fill(cls: type[S], environ: Mapping[str, str], flags: Mapping[str, Any]) -> S:
    """Settings from flags, else the environment, else the defaults. Raises BadSetting."""
    kinds = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if flags.get(field.name) is not None:
            values[field.name] = flags[field.name]
            continue
        variable = field.metadata.get("env", "")
        if variable and environ.get(variable, "") != "":
            values[field.name] = parse(variable, kinds[field.name], environ[variable])
    return cls(**values)


def describe(settings: CoreSettings | FrontSettings) -> list[tuple[str, str, str, str]]:
    """Rows of name, environment variable, value (secrets masked), help."""
    rows = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata.get("secret") and value:
            value = MASK
        rows.append((field.name, field.metadata.get("env", ""), str(value), field.metadata.get("help", "")))
    return rows


def dump(settings: CoreSettings | FrontSettings) -> dict[str, Any]:
    """As plain values, for a worker process; load() is its inverse."""
    return {
        field.name: str(value) if isinstance(value := getattr(settings, field.name), Path) else value
        for field in dataclasses.fields(settings)
    }


def load(cls: type[S], values: Mapping[str, Any]) -> S:
    """Settings from dump()."""
    kinds = typing.get_type_hints(cls)
    typed: dict[str, Any] = {name: Path(value) if kinds[name] is Path else value for name, value in values.items()}
    return cls(**typed)

"""Reads the environment once, into the two typed settings; prints them without secrets."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as `isthmus config` shows it; secrets are masked already."""

    name: str
    group: str
    variables: tuple[str, ...]
    value: str
    default: str
    source: str
    """The variable, "flag" or "default"."""
    help: str


def parse(name: str, kind: type, text: str, choices: Sequence[str] = ()) -> Any:
    """A setting's value from text. Raises BadSetting."""
    wanted = "true or false" if kind is bool else f"a number of 0 or more ({kind.__name__})"
    try:
        if kind is bool:
            word = text.strip().lower()
            if word not in TRUE_WORDS | FALSE_WORDS:
                raise ValueError(word)
            return word in TRUE_WORDS
        if kind in (int, float):
            found = kind(text)
            if not (found >= 0 and math.isfinite(found)):
                raise ValueError(text)
            return found
        if choices and text not in choices:
            wanted = f"one of {', '.join(choices)}"
            raise ValueError(text)
    except ValueError as error:
        raise BadSetting(f"{name} must be {wanted}, not {text!r}") from error
    return Path(text) if kind is Path else text


def _variable(field: dataclasses.Field[Any], environ: Mapping[str, str]) -> str:
    """The variable that says something about a field; "" where none does."""
    names = (field.metadata.get("env", ""), *field.metadata.get("also", ()))
    return next((name for name in names if name and environ.get(name, "") != ""), "")


def fill(cls: type[S], environ: Mapping[str, str], flags: Mapping[str, Any]) -> S:
    """Settings from flags, else the environment, else the defaults. Raises BadSetting."""
    kinds = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if flags.get(field.name) is not None:
            values[field.name] = flags[field.name]
        elif variable := _variable(field, environ):
            told = environ[variable]
            values[field.name] = parse(variable, kinds[field.name], told, field.metadata.get("choices", ()))
    return cls(**values)


def describe(
    settings: CoreSettings | FrontSettings, environ: Mapping[str, str], flags: Mapping[str, Any]
) -> list[Setting]:
    """Every setting with where its value came from."""
    rows = []
    for field in dataclasses.fields(settings):
        told = field.metadata
        value = getattr(settings, field.name)
        names = tuple(name for name in (told.get("env", ""), *told.get("also", ())) if name)
        source = "flag" if flags.get(field.name) is not None else _variable(field, environ) or "default"
        words = told["help"] + (f" Obeyed by {told['reader']}." if told.get("reader") else "")
        shown = MASK if told.get("secret") and value else str(value)
        rows.append(Setting(field.name, told["group"], names, shown, str(field.default), source, words))
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

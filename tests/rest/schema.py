"""JSON Schema, as much of it as front/rest/schemas uses. A word it does not know fails: nothing is skipped in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import front.rest

FOLDER = Path(front.rest.__file__).parent / "schemas"
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "null": (type(None),),
    "array": (list,), "object": (dict,),
}  # fmt: skip
KNOWN = {"$ref", "title", "description", "type", "properties", "required", "items", "additionalProperties", "enum"}


def load(name: str) -> dict[str, Any]:
    """A schema by its file's name."""
    found: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return found


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])


def faults(value: Any, schema: dict[str, Any], at: str = "data") -> Iterator[str]:
    """What of a value is not as the schema says."""
    assert set(schema) <= KNOWN, f"unknown words: {set(schema) - KNOWN}"
    if "$ref" in schema:
        yield from faults(value, load(schema["$ref"]), at)
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{at} is {type(value).__name__}, not {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at} is none of {schema['enum']}"
    if isinstance(value, dict):
        yield from _members(value, schema, at)
    elif isinstance(value, list) and "items" in schema:
        for place, item in enumerate(value):
            yield from faults(item, schema["items"], f"{at}[{place}]")


def _members(value: dict[str, Any], schema: dict[str, Any], at: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    yield from (f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value)
    for name, held in value.items():
        if name in properties:
            yield from faults(held, properties[name], f"{at}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{at}.{name} is not in the schema"
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from faults(held, schema["additionalProperties"], f"{at}.{name}")

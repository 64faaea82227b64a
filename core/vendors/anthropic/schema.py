"""JSON schemas of answers, as far as Anthropic's structured output takes them."""

from __future__ import annotations

from typing import Any

import orjson

from core.vendors.anthropic.encode_parts import raw

_BOUNDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "maxItems", "uniqueItems", "minProperties", "maxProperties",
)  # fmt: skip
"""Constraints the API refuses; they go into the description, where the model reads them."""


def closed(schema: bytes, dropped: list[str]) -> Any:
    """The schema with every object closed and bounds told in words; the bytes themselves where nothing changes."""
    kept = raw(schema, "output")
    parsed = orjson.loads(schema)
    changed: list[str] = []
    made = _closed(parsed, changed)
    if not changed:
        return kept
    dropped.extend(f"output.json_schema.{name}" for name in dict.fromkeys(changed))
    return made


def _closed(schema: Any, changed: list[str]) -> Any:
    if isinstance(schema, list):
        return [_closed(item, changed) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    bounds: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            made[key] = {name: _closed(inner, changed) for name, inner in value.items()}
        elif key in ("enum", "const", "default", "examples"):
            made[key] = value
        elif key in _BOUNDS or (key == "minItems" and value not in (0, 1)):
            bounds[key] = value
        else:
            made[key] = _closed(value, changed)
    if bounds:
        changed.append("bounds")
        told = orjson.dumps(bounds).decode()
        made["description"] = f"{made['description']} {told}" if made.get("description") else told
    if made.get("type") == "object" and made.get("additionalProperties") is not False:
        if made.get("additionalProperties") not in (None, True):
            changed.append("additionalProperties")
        else:
            changed.append("open_objects")
        made["additionalProperties"] = False
    return made

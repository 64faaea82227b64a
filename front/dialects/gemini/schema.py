"""Gemini's OpenAPI schemas as the JSON schemas other vendors read."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "anyOf": "anyOf", "any_of": "anyOf", "maxItems": "maxItems", "max_items": "maxItems", "minItems": "minItems",
    "min_items": "minItems", "maxLength": "maxLength", "max_length": "maxLength", "minLength": "minLength",
    "min_length": "minLength", "maxProperties": "maxProperties", "max_properties": "maxProperties",
    "minProperties": "minProperties", "min_properties": "minProperties",
    "additionalProperties": "additionalProperties", "additional_properties": "additionalProperties",
    "defs": "$defs", "ref": "$ref",
}  # fmt: skip
_COUNTS = frozenset({"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"})
"""Told as text, too: int64 is text in the vendor's JSON."""
_LEFT_OUT = frozenset({"propertyOrdering", "property_ordering", "nullable", "example"})


def json_schema(schema: Any) -> Any:
    """The schema with types in small letters and null as a type of its own."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for key, value in schema.items():
        name = _NAMES.get(str(key), str(key))
        if key == "type" and isinstance(value, str):
            if value != "TYPE_UNSPECIFIED":
                made["type"] = value.lower()
        elif name in ("properties", "$defs") and isinstance(value, dict):
            made[name] = {inner: json_schema(each) for inner, each in value.items()}
        elif name == "anyOf" and isinstance(value, list):
            made[name] = [json_schema(each) for each in value]
        elif name in ("items", "additionalProperties"):
            made[name] = json_schema(value)
        elif name in _COUNTS and isinstance(value, str) and value.isdecimal():
            made[name] = int(value)
        elif key == "format" and value == "enum":
            continue
        elif key not in _LEFT_OUT and value is not None:
            made[name] = value
    if schema.get("nullable") is True:
        _nullable(made)
    if "example" in schema:
        made["examples"] = [schema["example"]]
    return made


def _nullable(made: dict[str, Any]) -> None:
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list):
            made["enum"] = [*made["enum"], None]
    elif isinstance(made.get("anyOf"), list):
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]

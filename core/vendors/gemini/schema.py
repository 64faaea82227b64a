"""JSON schemas as Gemini takes them: its JSON schema fields, and the OpenAPI subset that v1 has alone."""

from __future__ import annotations

from typing import Any

DEEP = 64
"""Levels a schema may nest; deeper ones end in anything."""
_KEPT = frozenset(
    {
        "$id", "$defs", "$ref", "$anchor", "type", "format", "title", "description", "enum", "items", "prefixItems",
        "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties",
        "required", "propertyOrdering", "minLength", "maxLength", "pattern", "minProperties", "maxProperties",
        "default", "example", "nullable",
    }
)  # fmt: skip
_OPENAPI = frozenset(
    {
        "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
        "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
        "default", "items", "minimum", "maximum",
    }
)  # fmt: skip
_NAMED = ("properties", "$defs")
_LISTS = ("anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")


def json_schema(schema: Any, dropped: set[str], depth: int = 0) -> Any:
    """The schema with what Gemini's JSON schema fields refuse left out; dropped gets those keywords."""
    if not isinstance(schema, dict) or depth > DEEP:
        return schema if isinstance(schema, bool) else {}
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED or (key == "definitions" and isinstance(value, dict)):
            inner = {name: json_schema(each, dropped, depth + 1) for name, each in value.items()} if value else {}
            made["$defs" if key == "definitions" else key] = inner
        elif key in _LISTS and isinstance(value, list):
            made[key] = [json_schema(each, dropped, depth + 1) for each in value]
        elif key in _SINGLE:
            made[key] = value if isinstance(value, bool) else json_schema(value, dropped, depth + 1)
        elif key == "$ref" and isinstance(value, str):
            made[key] = value.replace("#/definitions/", "#/$defs/")
        elif key == "const":
            made.setdefault("enum", [value])
        elif key == "allOf" and isinstance(value, list):
            _merge(made, [json_schema(each, dropped, depth + 1) for each in value])
        elif key == "exclusiveMinimum" and schema.get("type") == "integer" and isinstance(value, int):
            made.setdefault("minimum", value + 1)
        elif key == "exclusiveMaximum" and schema.get("type") == "integer" and isinstance(value, int):
            made.setdefault("maximum", value - 1)
        elif key in _KEPT:
            made[key] = value
        elif key not in ("$schema", "$comment"):
            dropped.add(key)
    return made


def _merge(made: dict[str, Any], others: list[Any]) -> None:
    """Puts schemas that all must hold into one: properties and required add up."""
    for other in others:
        if not isinstance(other, dict):
            continue
        for key, value in other.items():
            if key in ("properties", "$defs") and isinstance(made.get(key), dict):
                made[key] = {**made[key], **value}
            elif key == "required" and isinstance(made.get(key), list):
                made[key] = list(dict.fromkeys([*made[key], *value]))
            else:
                made.setdefault(key, value)


def openapi(schema: Any, dropped: set[str]) -> dict[str, Any]:
    """The schema in the OpenAPI subset: references put in place, types in capitals, null as nullable."""
    cleaned = json_schema(schema, dropped)
    definitions = cleaned.get("$defs", {}) if isinstance(cleaned, dict) else {}
    return _openapi(cleaned, definitions, dropped, 0)


def _openapi(schema: Any, definitions: dict[str, Any], dropped: set[str], depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or depth > 10:
        return {}
    if isinstance(schema.get("$ref"), str):
        target = definitions.get(schema["$ref"].rpartition("/")[2], {})
        return _openapi({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, definitions, dropped, depth + 1)
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            _type(made, value)
        elif key == "properties":
            made[key] = {name: _openapi(each, definitions, dropped, depth + 1) for name, each in value.items()}
        elif key == "items":
            made[key] = _openapi(value, definitions, dropped, depth + 1)
        elif key in ("anyOf", "oneOf"):
            _any_of(made, value, definitions, dropped, depth)
        elif key == "enum":
            made[key] = [each if isinstance(each, str) else str(each) for each in value if each is not None]
            if any(not isinstance(each, str) for each in value):
                made["type"] = "STRING"
        elif key in _OPENAPI:
            made[key] = value
        elif key not in ("$defs", "$id", "$anchor"):
            dropped.add(key)
    if "properties" in made and "type" not in made:
        made["type"] = "OBJECT"
    return made


def _type(made: dict[str, Any], value: Any) -> None:
    if isinstance(value, str):
        made.setdefault("type", value.upper())
        return
    types = [each.upper() for each in value if isinstance(each, str) and each.lower() != "null"]
    if len(types) < len(value):
        made["nullable"] = True
    if len(types) == 1:
        made.setdefault("type", types[0])
    elif types:
        made["anyOf"] = [{"type": each} for each in types]


def _any_of(made: dict[str, Any], value: Any, definitions: dict[str, Any], dropped: set[str], depth: int) -> None:
    chosen = [each for each in value if not (isinstance(each, dict) and each.get("type") == "null")]
    if len(chosen) < len(value):
        made["nullable"] = True
    inner = [_openapi(each, definitions, dropped, depth + 1) for each in chosen]
    if len(inner) == 1:
        made.update({key: each for key, each in inner[0].items() if key not in made})
    else:
        made["anyOf"] = inner

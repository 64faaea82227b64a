"""A value for a JSON schema: the arguments of a tool call, or a structured answer."""

from __future__ import annotations

from typing import Any

MOST_VALUES = 10_000
"""Of one instance: a schema that refers to itself would never end."""
_KINDS = {"OBJECT", "ARRAY", "STRING", "INTEGER", "NUMBER", "BOOLEAN", "NULL"}


def instance(schema: Any) -> Any:
    """The least value a JSON schema allows, as far as the common keywords go; ValueError where it is too great.

    Gemini's own types, which are in capitals, are read as well.
    """
    return _Instance(schema).of(schema)


class _Instance:
    """One walk over a schema."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = MOST_VALUES

    def of(self, schema: Any, depth: int = 0) -> Any:
        """The value of one schema within the root."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("the JSON schema's least value is too great")
        if not isinstance(schema, dict) or depth > 30:
            return None
        if "$ref" in schema:
            return self.of(self._target(str(schema["$ref"])), depth + 1)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("enum"):
            return schema["enum"][0]
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self.of(schema[key][0], depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[0] if kind else None
        kind = str(kind or ("object" if "properties" in schema else "null"))
        return self._of_kind(kind.lower() if kind in _KINDS else kind, schema, depth)

    def _of_kind(self, kind: str, schema: dict[str, Any], depth: int) -> Any:
        if kind == "object":
            fields = schema.get("properties") or {}
            return {name: self.of(fields.get(name), depth + 1) for name in schema.get("required") or fields}
        if kind == "array":
            return [self.of(schema.get("items"), depth + 1) for _ in range(self._size(schema, "minItems"))]
        if kind == "string":
            return "sandbox".ljust(self._size(schema, "minLength"), "x")[: schema.get("maxLength")]
        if kind in ("integer", "number"):
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
        return False if kind == "boolean" else None

    def _size(self, schema: dict[str, Any], name: str) -> int:
        """A least size; Gemini writes them as texts."""
        size = int(schema.get(name) or 0)
        if size > MOST_VALUES:
            raise ValueError(f"{name} is too great")
        return size

    def _target(self, reference: str) -> Any:
        """What a reference within the schema means."""
        target = self._root
        for step in reference.removeprefix("#").split("/"):
            if step:
                target = target.get(step, {}) if isinstance(target, dict) else {}
        return target

"""Bodies checked against AWS's own description of Bedrock's runtime, as the service checks them."""

from __future__ import annotations

import base64
import binascii
import re
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape


@cache
def service() -> ServiceModel:
    """Bedrock's runtime as botocore ships it."""
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


def faults(body: dict[str, Any], operation: str) -> list[str]:
    """What is wrong with a body: unknown and missing members, types, lengths, patterns, words."""
    shape = service().operation_model(operation).input_shape
    members = {name for name, one in shape.members.items() if one.serialization.get("location")}
    return list(_walk(body, shape, operation, members))


def _walk(value: Any, shape: Shape, path: str, elsewhere: frozenset[str] | set[str] = frozenset()) -> Any:
    kind = shape.type_name
    if kind == "structure" and getattr(shape, "is_document_type", False):
        return
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{path}: not an object"
            return
        if shape.is_tagged_union and len(value) != 1:
            yield f"{path}: a union with {len(value)} members"
        for name in shape.required_members:
            if name not in value and name not in elsewhere:
                yield f"{path}.{name}: missing"
        for name, item in value.items():
            if name not in shape.members or name in elsewhere:
                yield f"{path}.{name}: unknown"
            else:
                yield from _walk(item, shape.members[name], f"{path}.{name}")
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{path}: not a list"
            return
        yield from _size(len(value), shape, path)
        for number, item in enumerate(value):
            yield from _walk(item, shape.member, f"{path}[{number}]")
    elif kind == "map":
        yield from _size(len(value), shape, path)
        for name, item in value.items():
            yield from _walk(name, shape.key, f"{path} key")
            yield from _walk(item, shape.value, f"{path}.{name}")
    elif kind == "blob":
        try:
            yield from _size(len(base64.b64decode(value, validate=True)), shape, path)
        except (binascii.Error, TypeError, ValueError):
            yield f"{path}: not base64"
    else:
        yield from _scalar(value, shape, path)


_TYPES = {"string": str, "integer": int, "long": int, "float": (int, float), "double": (int, float), "boolean": bool}


def _scalar(value: Any, shape: Shape, path: str) -> Any:
    if not isinstance(value, _TYPES[shape.type_name]):
        yield f"{path}: not a {shape.type_name}"
        return
    if shape.type_name == "string":
        yield from _size(len(value), shape, path)
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern.replace(r"\p{Cc}", r"\x00-\x1f"), value, re.DOTALL):
            yield f"{path}: {value!r} does not match"
        if "enum" in shape.metadata and value not in shape.metadata["enum"]:
            yield f"{path}: {value!r} is no word of it"
    elif shape.type_name != "boolean":
        yield from _size(value, shape, path)


def _size(value: float, shape: Shape, path: str) -> Any:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if (low is not None and value < low) or (high is not None and value > high):
        yield f"{path}: {value} is not within {low} and {high}"

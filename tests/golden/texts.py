"""Proto JSON that people can read: bytes fields as the text they hold, base64 only where they hold none."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

BINARY = "base64:"


def _show(value: str) -> str:
    raw = base64.b64decode(value)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return BINARY + value
    return BINARY + value if text.startswith(BINARY) else text


def _read(value: str) -> str:
    return value.removeprefix(BINARY) if value.startswith(BINARY) else base64.b64encode(value.encode()).decode()


def _walk(found: Any, kind: Descriptor, change: Any) -> Any:
    """The tree with every bytes field changed."""
    out = {}
    for name, value in found.items():
        field = kind.fields_by_name[name]
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            entry = inner.fields_by_name["value"]
            out[name] = {key: _one(item, entry, change) for key, item in sorted(value.items())}
        elif isinstance(value, list):
            out[name] = [_one(item, field, change) for item in value]
        else:
            out[name] = _one(value, field, change)
    return out


def _one(value: Any, field: FieldDescriptor, change: Any) -> Any:
    if field.message_type is not None:
        return _walk(value, field.message_type, change)
    return change(value) if field.type == FieldDescriptor.TYPE_BYTES else value


def show(message: Any) -> Any:
    """A message as a tree."""
    tree = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return _walk(tree, message.DESCRIPTOR, _show)


def read(tree: Any, message: Any) -> Any:
    """The message of a tree; message is an empty one, and is filled."""
    return json_format.ParseDict(_walk(tree, message.DESCRIPTOR, _read), message)

"""What callers who are no front of ours may send: no bytes in a vendor's form, and JSON that is only what it says."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf.message import Message
from isthmus.v1 import common_pb2

from core.errors import InvalidRequest
from core.link.call import CallInfo

DECIDED = frozenset({"model", "stream", "n", "max_tokens", "max_completion_tokens", "max_output_tokens"})
"""Members of vendors' requests that have fields: an extension must not say them otherwise."""


def native_of(request: Any, info: CallInfo) -> common_pb2.Native | None:
    """The client's own bytes. Raises InvalidRequest.

    That they ask for what envelope and canonical message say is the front's word, and prices go by those: of anybody
    else they are kept for the media in them alone, and the canonical message is what a vendor is sent.
    """
    native: common_pb2.Native | None = request.native if request.HasField("native") else None
    if info.trusted:
        return native
    for name in ("chat", "embedding", "query"):
        if name in request.DESCRIPTOR.fields_by_name:
            _check(request if name == "query" else getattr(request, name), top=True)
            break
    return common_pb2.Native(body=native.body) if native is not None else None


def _check(message: Message, top: bool = False) -> None:
    """JSON in bytes goes into vendors' requests as it is: it must be JSON, or it could end what it stands in."""
    for field, value in message.ListFields():
        if field.message_type is None:
            if field.name == "json" or field.name.endswith("_json"):
                for json in value if field.is_repeated else (value,):
                    _load(json, field.name)
        elif field.name == "by_dialect":
            for json in value.values():
                _load(json, "extensions")
        elif field.message_type.GetOptions().map_entry or field.name == "native":
            continue
        else:
            for item in value if field.is_repeated else (value,):
                _check(item)
            if top and field.name in ("extensions", "reasoning"):
                _check_decided(value if field.name == "extensions" else value.extensions)


def _check_decided(extensions: common_pb2.Extensions) -> None:
    for json in extensions.by_dialect.values():
        told = orjson.loads(json)
        for name in told if isinstance(told, dict) else ():
            if name.casefold() in DECIDED:
                raise InvalidRequest(f"An extension cannot say {name}: there is a field for it.", param="extensions")


def _load(json: bytes, name: str) -> None:
    try:
        orjson.loads(json)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"{name} holds what is not JSON.", param=name) from None

"""Media of canonical messages as base64 text or as addresses."""

from __future__ import annotations

import base64

from isthmus.v1 import parts_pb2

from core.errors import InvalidRequest
from core.vendors.interface import Call


def base64_of(media: parts_pb2.Media, call: Call, param: str = "messages") -> str:
    """The base64 text of media; spans are cut from the client's own bytes. Raises InvalidRequest."""
    source = media.WhichOneof("source")
    if source == "base64":
        return media.base64
    if source == "data":
        return base64.b64encode(media.data).decode()
    if source == "span" and call.native is not None:
        first = media.span.offset
        raw = call.native.body[first : first + media.span.length]
        if len(raw) == media.span.length:
            text = raw.decode("ascii", "replace")
            return text.replace("\\/", "/") if "\\" in text else text
    raise InvalidRequest("A media part holds no bytes that can be sent.", param=param)


def address_of(media: parts_pb2.Media, default: str, call: Call, param: str = "messages") -> str:
    """An address: the one given, or a data URL (default: its MIME type where none was told). Raises InvalidRequest."""
    if media.WhichOneof("source") == "url":
        return media.url
    return f"data:{media.mime_type or default};base64,{base64_of(media, call, param)}"


_MAGIC = (
    ("iVBOR", "image/png"), ("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklGR", "image/webp"),
    ("JVBER", "application/pdf"),
)  # fmt: skip


def mime_of(text: str, default: str) -> str:
    """The MIME type that base64 text begins like."""
    return next((mime for start, mime in _MAGIC if text.startswith(start)), default)

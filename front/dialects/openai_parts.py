"""Parts of OpenAI chat messages."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import parts_pb2

from front.dialects.strict import take
from front.errors import bad

FORM = "openai.chat"
SPAN_LEAST = 4096
"""Characters of base64 from which media stay in the native body and only their place is told."""


def media(target: parts_pb2.Media, data: str, raw: bytes) -> None:
    """base64 text, or its place in the body where it is large."""
    if len(data) >= SPAN_LEAST:
        found = raw.find(data.encode())
        if found >= 0:
            target.span.offset, target.span.length = found, len(data)
            return
    target.base64 = data


def part(target: parts_pb2.Part, item: Any, path: str, raw: bytes) -> None:
    """One content part. Unknown kinds travel whole. Raises FrontError 400."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise bad(f"{path} must be an object with a type.", path)
    kind = item["type"]
    inner = item.get(kind)
    if kind == "text":
        text = take(item, "text", str, path + ".")
        if text is None:
            raise bad(f"{path}.text is required.", f"{path}.text")
        target.text.text = text
    elif kind == "refusal":
        target.refusal.text = take(item, "refusal", str, path + ".") or ""
    elif kind == "image_url" and isinstance(inner, dict) and isinstance(inner.get("url"), str):
        target.image.detail = str(inner.get("detail") or "")
        _address(target.image.media, inner["url"], raw)
    elif kind == "input_audio" and isinstance(inner, dict) and isinstance(inner.get("data"), str):
        target.audio.format = str(inner.get("format") or "")
        media(target.audio.media, inner["data"], raw)
    elif kind == "file" and isinstance(inner, dict):
        target.file.name = str(inner.get("filename") or "")
        if isinstance(inner.get("file_id"), str):
            target.file.media.file_id = inner["file_id"]
        elif isinstance(inner.get("file_data"), str):
            _address(target.file.media, inner["file_data"], raw)
    elif kind in ("image_url", "input_audio", "file"):
        raise bad(f"{path}.{kind} is not complete.", f"{path}.{kind}")
    else:
        target.opaque.dialect, target.opaque.kind, target.opaque.json = FORM, kind, orjson.dumps(item)


def _address(target: parts_pb2.Media, url: str, raw: bytes) -> None:
    """An address, or the bytes of a data: URL."""
    if url.startswith("data:") and ";base64," in url[:256]:
        head, _, data = url.partition(";base64,")
        target.mime_type = head[5:]
        media(target, data, raw)
    elif url.startswith("data:") or "://" not in url[:16]:
        target.base64 = url
    else:
        target.url = url


def tool_call(target: parts_pb2.ToolCall, item: Any, path: str) -> None:
    """A call the model made, its arguments as the text they are. Raises FrontError 400."""
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    target.id = take(item, "id", str, path + ".") or ""
    custom = item.get("custom")
    if isinstance(custom, dict):
        target.free_form = True
        target.name = take(custom, "name", str, path + ".custom.") or ""
        target.arguments = take(custom, "input", str, path + ".custom.") or ""
        return
    function = item.get("function")
    if not isinstance(function, dict):
        raise bad(f"{path}.function is required.", f"{path}.function")
    target.name = take(function, "name", str, path + ".function.") or ""
    target.arguments = take(function, "arguments", str, path + ".function.") or ""

"""Parts of OpenAI chat messages."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from isthmus.v1 import parts_pb2

from front.dialects import call_ids
from front.dialects.strict import take
from front.errors import bad

FORM = "openai.chat"
SPAN_LEAST = 4096
"""Characters of base64 from which media stay in the native body and only their place is told."""


def keep(target: Any, item: dict[str, Any], *taken: str) -> None:
    """Keeps the members left in item, but null ones, where they go back to OpenAI's form from.

    taken: members that were read; what is left inside one that is an object is kept too.
    """
    left = {name: value for name, value in item.items() if value is not None and name not in taken}
    for name in taken:
        inner = item.get(name)
        if isinstance(inner, dict) and (more := {key: value for key, value in inner.items() if value is not None}):
            left[name] = more
    if left:
        target.extensions.by_dialect[FORM] = orjson.dumps(left)


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
    if kind == "image_url" and isinstance(inner, str):
        # As Mistral's clients have it.
        inner = item[kind] = {"url": inner}
    if kind == "text":
        text = take(item, "text", str, path + ".")
        if text is None:
            raise bad(f"{path}.text is required.", f"{path}.text")
        target.text.text = text
    elif kind == "refusal":
        target.refusal.text = take(item, "refusal", str, path + ".") or ""
    elif kind == "image_url" and isinstance(inner, dict) and isinstance(inner.get("url"), str):
        target.image.detail = str(inner.pop("detail", None) or "")
        address(target.image.media, inner.pop("url"), raw, f"{path}.image_url.url")
    elif kind == "video_url" and isinstance(inner, dict) and isinstance(inner.get("url"), str):
        address(target.video.media, inner.pop("url"), raw, f"{path}.video_url.url")
    elif kind == "input_audio" and isinstance(inner, dict) and isinstance(inner.get("data"), str):
        target.audio.format = str(inner.pop("format", None) or "")
        address(target.audio.media, inner.pop("data"), raw, f"{path}.input_audio.data")
    elif kind == "file" and isinstance(inner, dict):
        target.file.name = str(inner.pop("filename", None) or "")
        if isinstance(inner.get("file_id"), str):
            target.file.media.file_id = inner.pop("file_id")
        elif isinstance(inner.get("file_data"), str):
            address(target.file.media, inner.pop("file_data"), raw, f"{path}.file.file_data")
    elif kind in ("image_url", "video_url", "input_audio", "file"):
        raise bad(f"{path}.{kind} is not complete.", f"{path}.{kind}")
    else:
        target.opaque.dialect, target.opaque.kind, target.opaque.json = FORM, kind, orjson.dumps(item)
        return
    _mark(target, item)
    if len(item) > 1 + (kind in item) or inner:
        keep(target, item, "type", kind)


def _mark(target: parts_pb2.Part, item: dict[str, Any]) -> None:
    """A cache mark: OpenAI's prompt_cache_breakpoint, or Anthropic's cache_control, which clients of routers send."""
    mark = item.get("prompt_cache_breakpoint") or item.get("cache_control")
    if isinstance(mark, dict):
        target.cache_mark.ttl = str(mark.get("ttl") or "")


def address(target: parts_pb2.Media, url: str, raw: bytes, path: str) -> None:
    """An address, or the bytes of a data: URL. path: what the client calls the field."""
    if url.startswith("data:") and ";base64," in url[:256]:
        head, _, data = url.partition(";base64,")
        target.mime_type = head[5:]
        media(target, data, raw)
    elif url.startswith("data:") or "://" in url[:16]:
        target.url, target.param = url, path
    else:
        media(target, url, raw)


def tool_call(target: parts_pb2.Part, item: Any, path: str) -> None:
    """A call the model made, its arguments as the text they are. Raises FrontError 400."""
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    made = target.tool_call
    made.id, target.thought_signature = call_ids.split(take(item, "id", str, path + ".") or "")
    kind = "custom" if isinstance(item.get("custom"), dict) else "function"
    named = item.get(kind)
    if not isinstance(named, dict):
        raise bad(f"{path}.function is required.", f"{path}.function")
    made.free_form = kind == "custom"
    made.name = take(named, "name", str, f"{path}.{kind}.") or ""
    made.arguments = take(named, "input" if made.free_form else "arguments", str, f"{path}.{kind}.") or ""
    _signature(target, item.get("extra_content"))
    item.pop("type", None)
    keep(target, item, kind)


def _signature(target: parts_pb2.Part, extra: Any) -> None:
    """Gemini's thought signature, as Google's own OpenAI endpoint and our answers tell it."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    if isinstance(signature, str):
        try:
            target.thought_signature = base64.b64decode(signature, validate=True)
        except ValueError:
            return

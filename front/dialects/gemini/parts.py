"""Parts of Gemini's contents. The vendor takes names in camelCase and in snake_case; so does this."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, TypeVar

import orjson
from isthmus.v1 import parts_pb2

from front.dialects.openai.parts import SPAN_LEAST
from front.dialects.strict import number, take
from front.errors import bad

FORM = "gemini.generate"
MADE = "gcall_"
"""How the ids of calls begin that came without one (core/vendors/shared/carry.py); they do not go back."""
CARRIED = b"isthmus."
"""How the thoughtSignature of another vendor's thought begins."""
KINDS = {
    "GOOGLE_SEARCH_WEB": "web_search", "GOOGLE_SEARCH_IMAGE": "image_search", "URL_CONTEXT": "web_fetch",
    "GOOGLE_MAPS": "maps", "FILE_SEARCH": "file_search", "MEDIA_PROCESSING": "media_processing",
}  # fmt: skip
"""The vendor's own tools, and their kinds in canonical messages."""
_UPPER = re.compile(r"(?<!^)([A-Z])")
_MEDIA = ("image", "audio", "video")
T = TypeVar("T")


def snake(name: str) -> str:
    """GenerationConfig as generation_config."""
    return _UPPER.sub(r"_\1", name).lower()


def pick(source: dict[str, Any], name: str, kind: type[T], path: str = "") -> T | None:
    """A member under either spelling, taken out of the object; None where it is absent. Raises FrontError 400."""
    found = take(source, name, kind, path)
    other = take(source, snake(name), kind, path) if found is None else None
    return found if found is not None else other


def left(source: dict[str, Any]) -> bytes:
    """What nobody took, as JSON; nothing where there is none."""
    unknown = {name: value for name, value in source.items() if value is not None}
    return orjson.dumps(unknown) if unknown else b""


def carried(thought: parts_pb2.ThinkingPart) -> bytes:
    """What another vendor signed or encrypted, as a thoughtSignature that brings it back; nothing for this one's."""
    if thought.signed_by == "gemini" or not (thought.signature or thought.encrypted):
        return b""
    told = {
        "by": thought.signed_by,
        "id": thought.id,
        "signature": base64.b64encode(thought.signature).decode(),
        "encrypted": base64.b64encode(thought.encrypted).decode(),
        "redacted": thought.redacted,
    }
    return CARRIED + orjson.dumps({name: value for name, value in told.items() if value})


def _brought(target: parts_pb2.ThinkingPart, signature: bytes) -> bool:
    """Reads what carried() wrote; whether it was that."""
    if not signature.startswith(CARRIED):
        return False
    try:
        told = orjson.loads(signature.removeprefix(CARRIED))
        target.signature = base64.b64decode(told.get("signature", ""))
        target.encrypted = base64.b64decode(told.get("encrypted", ""))
        target.signed_by, target.id = str(told.get("by", "")), str(told.get("id", ""))
        target.redacted = bool(told.get("redacted"))
    except (ValueError, AttributeError, TypeError):
        return True
    return True


class Ids:
    """Ids for calls that came without, and the calls that wait for their results: by id, else by name in order."""

    def __init__(self) -> None:
        self._made = 0
        self._waiting: list[tuple[str, str]] = []

    def called(self, own: str, name: str) -> str:
        """The id of a call."""
        if not own:
            own = f"{MADE}{self._made}"
            self._made += 1
        self._waiting.append((own, name))
        return own

    def answered(self, own: str, name: str) -> str:
        """The id of the call that a result is for."""
        for at, (waiting, called) in enumerate(self._waiting):
            if waiting == own or (not own and called == name):
                del self._waiting[at]
                return waiting
        return own or self.called("", name)


def part(target: parts_pb2.Part, item: Any, path: str, raw: bytes, ids: Ids) -> None:
    """One part of a content. Unknown kinds travel whole. Raises FrontError 400."""
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    whole = dict(item)
    path += "."
    signed = _bytes(pick(item, "thoughtSignature", str, path), path + "thoughtSignature")
    thought = pick(item, "thought", bool, path)
    if (text := pick(item, "text", str, path)) is not None:
        if thought:
            target.thinking.text = text
            if _brought(target.thinking, signed):
                signed = b""
            elif signed:
                target.thinking.signature, target.thinking.signed_by = signed, "gemini"
        else:
            target.text.text = text
    elif (called := pick(item, "functionCall", dict, path)) is not None:
        _call(target.tool_call, called, path + "functionCall.", ids)
        _back(item, "functionCall", called)
    elif (result := pick(item, "functionResponse", dict, path)) is not None:
        _result(target, result, path + "functionResponse.", raw, ids)
        _back(item, "functionResponse", result)
    elif (blob := pick(item, "inlineData", dict, path)) is not None:
        _media(target, item, blob, path + "inlineData.", raw)
    elif (file := pick(item, "fileData", dict, path)) is not None:
        _media(target, item, file, path + "fileData.", raw)
    elif (code := pick(item, "executableCode", dict, path)) is not None:
        target.code.language = pick(code, "language", str, path) or ""
        target.code.code = pick(code, "code", str, path) or ""
        target.code.id = pick(code, "id", str, path) or ""
        _back(item, "executableCode", code)
    elif (outcome := pick(item, "codeExecutionResult", dict, path)) is not None:
        target.code_outcome.outcome = pick(outcome, "outcome", str, path) or ""
        target.code_outcome.output = pick(outcome, "output", str, path) or ""
        target.code_outcome.id = pick(outcome, "id", str, path) or ""
        _back(item, "codeExecutionResult", outcome)
    elif (asked := pick(item, "toolCall", dict, path)) is not None:
        _server_call(target.server_tool_call, asked, path)
        _back(item, "toolCall", asked)
    elif (answered := pick(item, "toolResponse", dict, path)) is not None:
        _server_result(target.server_tool_result, answered, path)
        _back(item, "toolResponse", answered)
    elif signed and not item:
        target.text.text = ""
    else:
        kind = next(iter(item), "")
        target.opaque.dialect, target.opaque.kind, target.opaque.json = FORM, kind, orjson.dumps(whole)
        return
    if signed:
        target.thought_signature = signed
    _keep(target, item)


def _keep(target: parts_pb2.Part, item: dict[str, Any]) -> None:
    if extra := left(item):
        target.extensions.by_dialect[FORM] = extra


def _back(item: dict[str, Any], name: str, inner: dict[str, Any]) -> None:
    """Puts what nobody took of a member back, to be kept."""
    if extra := {key: value for key, value in inner.items() if value is not None}:
        item[name] = extra


def _bytes(text: str | None, path: str) -> bytes:
    """Bytes of base64, standard or URL-safe."""
    if not text:
        return b""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise bad(f"{path} must be base64.", path) from None


def _call(target: parts_pb2.ToolCall, called: dict[str, Any], path: str, ids: Ids) -> None:
    target.name = pick(called, "name", str, path) or ""
    if not target.name:
        raise bad(f"{path}name is required.", path + "name")
    target.id = ids.called(pick(called, "id", str, path) or "", target.name)
    args = pick(called, "args", dict, path)
    target.arguments = orjson.dumps(args).decode() if args is not None else ""


def _result(target: parts_pb2.Part, result: dict[str, Any], path: str, raw: bytes, ids: Ids) -> None:
    made = target.tool_result
    made.name = pick(result, "name", str, path) or ""
    if not made.name:
        raise bad(f"{path}name is required.", path + "name")
    made.call_id = ids.answered(pick(result, "id", str, path) or "", made.name)
    response = pick(result, "response", dict, path)
    made.json = orjson.dumps(response or {})
    made.is_error = bool(response) and "error" in (response or {}) and "output" not in (response or {})
    for name in ("output", "error"):
        # Other vendors read the text; this one gets the object.
        if response is not None and set(response) == {name} and isinstance(response[name], str):
            made.content.add().text.text = response[name]
    made.scheduling = pick(result, "scheduling", str, path) or ""
    for at, piece in enumerate(pick(result, "parts", list, path) or ()):
        part(made.content.add(), piece, f"{path}parts[{at}]", raw, ids)


def _media(target: parts_pb2.Part, item: dict[str, Any], source: dict[str, Any], path: str, raw: bytes) -> None:
    """Media by their MIME type; what else the part says of them."""
    mime = pick(source, "mimeType", str, path) or ""
    kind = mime.partition("/")[0]
    kind = kind if kind in _MEDIA else "file"
    found = getattr(target, kind)
    found.media.mime_type = mime
    data = pick(source, "data", str, path)
    address = pick(source, "fileUri", str, path)
    if address is not None:
        found.media.url, found.media.param = address, path + "fileUri"
    elif data is not None:
        media(found.media, data, raw)
    else:
        raise bad(f"{path}data or fileUri is required.", path + "data")
    if kind == "file":
        found.name = pick(source, "displayName", str, path) or ""
    elif kind == "audio":
        found.format = {"mpeg": "mp3", "x-wav": "wav"}.get(name := mime.partition("/")[2].partition(";")[0], name)
    elif kind == "image":
        resolution = item.get("mediaResolution") or item.get("media_resolution")
        if isinstance(resolution, dict) and set(resolution) == {"level"} and isinstance(resolution["level"], str):
            found.detail = resolution["level"]
            item.pop("mediaResolution", None)
            item.pop("media_resolution", None)
    elif (meta := pick(item, "videoMetadata", dict, path)) is not None:
        found.start_offset = pick(meta, "startOffset", str, path) or ""
        found.end_offset = pick(meta, "endOffset", str, path) or ""
        found.fps = number(meta, "fps", 0, 1000) or 0
        _back(item, "videoMetadata", meta)
    _back(item, "inlineData" if address is None else "fileData", source)


def media(target: parts_pb2.Media, data: str, raw: bytes) -> None:
    """base64 as everybody reads it; large media that came so stay in the body, and only their place is told."""
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    elif len(data) >= SPAN_LEAST:
        found = raw.find(data.encode())
        if found >= 0:
            target.span.offset, target.span.length = found, len(data)
            return
    if len(data) % 4:
        data += "=" * (-len(data) % 4)
    target.base64 = data


def _server_call(target: parts_pb2.ServerToolCall, asked: dict[str, Any], path: str) -> None:
    target.name = pick(asked, "toolType", str, path) or ""
    target.kind = KINDS.get(target.name, target.name.lower())
    target.id, target.dialect = pick(asked, "id", str, path) or "", FORM
    if (args := pick(asked, "args", dict, path)) is not None:
        target.input_json = orjson.dumps(args)


def _server_result(target: parts_pb2.ServerToolResult, answered: dict[str, Any], path: str) -> None:
    kind = pick(answered, "toolType", str, path) or ""
    target.kind = KINDS.get(kind, kind)
    target.call_id, target.dialect = pick(answered, "id", str, path) or "", FORM
    if (response := pick(answered, "response", dict, path)) is not None:
        target.output_json = orjson.dumps(response)

"""Canonical parts as blocks of the Messages form."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import orjson
from isthmus.v1 import common_pb2, parts_pb2

from core.errors import InvalidRequest
from core.vendors.anthropic.decode import DIALECT, KINDS, RESULT
from core.vendors.anthropic.signature import sound
from core.vendors.interface import Call
from core.vendors.shared.media import base64_of, mime_of

CACHE_MARKS = 4
"""Marks one request may hold."""
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAMES = {canonical: name for name, canonical in KINDS.items()}


def call_id(given: str) -> str:
    """A tool call's id in Anthropic's letters: itself where it fits, else made from its hash."""
    if _ID.fullmatch(given):
        return given
    return "toolu_" + hashlib.blake2b(given.encode(), digest_size=12).hexdigest()


def raw(json: bytes, name: str) -> Any:
    """JSON bytes from the canonical message, put into the body as they are. Raises InvalidRequest."""
    try:
        orjson.loads(json)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"{name} is not JSON.", param=name) from None
    return orjson.Fragment(json)


def merge(made: dict[str, Any], extra: dict[str, Any]) -> None:
    """Adds members that are not there, inside of objects too."""
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            merge(made[key], value)
        else:
            made.setdefault(key, value)


def extend(made: dict[str, Any], extensions: common_pb2.Extensions) -> None:
    """Adds what the dialect itself said and has no field."""
    if DIALECT in extensions.by_dialect:
        merge(made, orjson.loads(extensions.by_dialect[DIALECT]))


def plain(block: Any) -> bool:
    """Whether a block is text and nothing else: then a string says the same."""
    return isinstance(block, dict) and block.keys() == {"type", "text"}


class Blocks:
    """Encodes parts for one call; names in dropped what has no place. Counts cache marks."""

    def __init__(self, call: Call, strict: bool, dropped: list[str]) -> None:
        """strict: signatures are judged by Anthropic's own look; other vendors of the form sign as they like."""
        self._call = call
        self._strict = strict
        self._dropped = dropped
        self._marks = 0
        native = call.native
        self._foreign = native is not None and native.form != DIALECT

    def blocks(self, parts: Sequence[parts_pb2.Part]) -> list[dict[str, Any]]:
        """The blocks of one message's parts."""
        return [made for part in parts if (made := self.block(part)) is not None]

    def mark(self, made: dict[str, Any], mark: parts_pb2.CacheMark) -> None:
        """A cache mark, as long as there are not too many."""
        if self._marks >= CACHE_MARKS:
            self._dropped.append("cache_mark")
            return
        self._marks += 1
        made["cache_control"] = {"type": "ephemeral", **({"ttl": mark.ttl} if mark.ttl else {})}

    def block(self, part: parts_pb2.Part) -> Any:
        """One block; None where the form has none for it."""
        kind = part.WhichOneof("kind") or "empty"
        if kind == "opaque" and part.opaque.dialect == DIALECT:
            return raw(part.opaque.json, "messages")
        made = getattr(self, f"_{kind}", self._none)(part)
        if made is None:
            return None
        if part.HasField("cache_mark"):
            self.mark(made, part.cache_mark)
        if part.thought_signature:
            self._dropped.append("parts.thought_signature")
        extend(made, part.extensions)
        return made

    def _none(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        self._dropped.append(f"parts.{part.WhichOneof('kind') or 'empty'}")
        return None

    def _text(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        if not part.text.text:
            # Anthropic refuses empty text.
            return None
        made: dict[str, Any] = {"type": "text", "text": part.text.text}
        own = [raw(item.json, "citations") for item in part.text.citations if item.dialect == DIALECT]
        if own:
            made["citations"] = own
        if len(own) < len(part.text.citations):
            self._dropped.append("parts.text.citations")
        return made

    def _refusal(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        return {"type": "text", "text": part.refusal.text} if part.refusal.text else None

    def _thinking(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        found = part.thinking
        ours = found.signed_by in ("", "anthropic")
        if found.encrypted and not found.signature and ours:
            return {"type": "redacted_thinking", "data": found.encrypted.decode("ascii", "replace")}
        signature = found.signature.decode("ascii", "replace") if ours else ""
        if sound(signature, self._strict) and (found.text or signature):
            return {"type": "thinking", "thinking": found.text or "\n".join(found.summary), "signature": signature}
        self._dropped.append("parts.thinking")
        return None

    def _image(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        media = part.image.media
        if part.image.detail not in ("", "auto"):
            self._dropped.append("parts.image.detail")
        source = media.WhichOneof("source")
        if source == "url":
            return {"type": "image", "source": {"type": "url", "url": media.url}}
        if source == "file_id":
            return self._file_id("image", media.file_id)
        data = base64_of(media, self._call)
        mime = (
            mime_of(data, media.mime_type or "image/png") if self._foreign or not media.mime_type else media.mime_type
        )
        return {"type": "image", "source": {"type": "base64", "media_type": mime, "data": data}}

    def _file_id(self, kind: str, file_id: str) -> dict[str, Any] | None:
        if self._foreign:
            # The id names a file kept by another vendor.
            self._dropped.append(f"parts.{kind}.file_id")
            return None
        return {"type": kind, "source": {"type": "file", "file_id": file_id}}

    def _file(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        file = part.file
        made = self._document(part)
        if made is None:
            return None
        if file.title or file.name:
            made["title"] = file.title or file.name
        if file.context:
            made["context"] = file.context
        if file.HasField("citations"):
            made["citations"] = {"enabled": file.citations}
        return made

    def _document(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        file = part.file
        media, source = file.media, file.media.WhichOneof("source")
        if file.content:
            return {"type": "document", "source": {"type": "content", "content": self.blocks(file.content)}}
        if source == "url":
            return {"type": "document", "source": {"type": "url", "url": media.url}}
        if source == "file_id":
            return self._file_id("document", media.file_id)
        if source == "text":
            text = {"type": "text", "media_type": media.mime_type or "text/plain", "data": media.text}
            return {"type": "document", "source": text}
        data = base64_of(media, self._call)
        mime = media.mime_type or mime_of(data, "application/pdf")
        if mime.startswith("text/") or mime in ("application/json", "application/xml"):
            try:
                text = {"type": "text", "media_type": "text/plain", "data": base64.b64decode(data).decode()}
            except (binascii.Error, UnicodeDecodeError):
                raise InvalidRequest("A text file is not UTF-8.", param="messages") from None
            return {"type": "document", "source": text}
        return {"type": "document", "source": {"type": "base64", "media_type": mime, "data": data}}

    def _search_result(self, part: parts_pb2.Part) -> dict[str, Any]:
        found = part.search_result
        made: dict[str, Any] = {"type": "search_result", "source": found.source, "title": found.title}
        made["content"] = self.blocks(found.content)
        if found.HasField("citations"):
            made["citations"] = {"enabled": found.citations}
        return made

    def _tool_call(self, part: parts_pb2.Part) -> dict[str, Any]:
        call = part.tool_call
        made = {"type": "tool_use", "id": call_id(call.id), "name": call.name, "input": _input(call)}
        if call.namespace and self._foreign:
            self._dropped.append("parts.tool_call.namespace")
        elif call.namespace:
            made["toolset_name"] = call.namespace
        if call.caller_json and self._foreign:
            self._dropped.append("parts.tool_call.caller")
        elif call.caller_json:
            made["caller"] = raw(call.caller_json, "caller")
        return made

    def _tool_result(self, part: parts_pb2.Part) -> dict[str, Any]:
        result = part.tool_result
        made: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id(result.call_id)}
        content = self.blocks(result.content)
        if not content and result.json:
            content = [{"type": "text", "text": result.json.decode("utf-8", "replace")}]
        if len(content) == 1 and plain(content[0]):
            made["content"] = content[0]["text"]
        elif content:
            made["content"] = content
        if result.is_error:
            made["is_error"] = True
        return made

    def _server_tool_call(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        call = part.server_tool_call
        if call.dialect != DIALECT:
            return self._none(part)
        made: dict[str, Any] = {"type": "mcp_tool_use" if call.kind == "mcp" else "server_tool_use", "id": call.id}
        made["name"] = call.name or _NAMES.get(call.kind, call.kind)
        made["input"] = raw(call.input_json or b"{}", "input")
        if call.caller_json:
            made["caller"] = raw(call.caller_json, "caller")
        return made

    def _server_tool_result(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        result = part.server_tool_result
        if result.dialect != DIALECT:
            return self._none(part)
        kind = _NAMES.get(result.kind, result.kind)
        made = {"type": kind + RESULT, "tool_use_id": result.call_id, "content": raw(result.output_json, "content")}
        if result.kind == "mcp":
            made["is_error"] = result.is_error
        return made

    def _compaction(self, part: parts_pb2.Part) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "compaction", "content": part.compaction.content or None}
        if part.compaction.encrypted:
            made["encrypted_content"] = part.compaction.encrypted.decode("ascii", "replace")
        return made

    def _container_upload(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        if self._foreign:
            return self._none(part)
        return {"type": "container_upload", "file_id": part.container_upload.file_id}


def _input(call: parts_pb2.ToolCall) -> Any:
    """A call's input as an object: its JSON as it came, or what it said under one name."""
    if call.free_form:
        return {"input": call.arguments}
    text = call.arguments.strip()
    try:
        parsed = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": call.arguments}
    if not isinstance(parsed, dict):
        return {"arguments": parsed}
    return orjson.Fragment(text or "{}")

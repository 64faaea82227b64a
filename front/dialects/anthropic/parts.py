"""Blocks of Anthropic's messages as canonical parts. Source: the anthropic SDK's content_block_param and its kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from isthmus.v1 import common_pb2, parts_pb2

from front.dialects import call_ids, carry
from front.dialects.openai.parts import media
from front.dialects.strict import take
from front.errors import bad

FORM = "anthropic.messages"
SIGNER = "anthropic"
RESULT = "_tool_result"
KINDS = {"code_execution": "code_interpreter"}
"""Anthropic's names of server tools where the canonical one differs."""


def keep(extensions: common_pb2.Extensions, left: dict[str, Any]) -> None:
    """Keeps the members left in an object, but null ones."""
    told = {name: value for name, value in left.items() if value is not None}
    if told:
        extensions.by_dialect[FORM] = orjson.dumps(told)


def mark(target: parts_pb2.CacheMark, item: dict[str, Any]) -> bool:
    """Takes cache_control out of the object; whether it was the kind that is known."""
    found = item.get("cache_control")
    if not isinstance(found, dict) or found.get("type") != "ephemeral" or not found.keys() <= {"type", "ttl"}:
        return False
    target.ttl = str(found.get("ttl") or "")
    del item["cache_control"]
    return True


def citation(found: dict[str, Any]) -> parts_pb2.Citation:
    """A citation of any kind; the object itself is kept."""
    kind = str(found.get("type") or "")
    unit = {"char_location": "char_index", "page_location": "page_number"}.get(kind, "block_index")
    start, end = found.get(f"start_{unit}"), found.get(f"end_{unit}")
    return parts_pb2.Citation(
        kind=kind,
        start=start if isinstance(start, int) else -1,
        end=end if isinstance(end, int) else -1,
        url=str(found.get("url") or found.get("source") or ""),
        title=str(found.get("title") or found.get("document_title") or ""),
        cited_text=str(found.get("cited_text") or ""),
        json=orjson.dumps(found),
        dialect=FORM,
    )


class Blocks:
    """Reads blocks into parts. raw is the client's body: large media stay there."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def content(self, add: Callable[[], parts_pb2.Part], content: Any, path: str) -> None:
        """A string or a list of blocks. Raises FrontError 400."""
        if isinstance(content, str):
            add().text.text = content
            return
        if not isinstance(content, list):
            raise bad(f"{path} must be a string or an array of blocks.", path)
        before: parts_pb2.Part | None = None
        for index, item in enumerate(content):
            at = f"{path}[{index}]"
            if not isinstance(item, dict) or not isinstance(item.get("type"), str):
                raise bad(f"{at} must be an object with a type.", at)
            if item["type"] == "redacted_thinking" and (
                found := carry.signed_text(str(item.get("data") or ""), before)
            ):
                if found is not before:
                    before = add()
                    before.CopyFrom(found)
                continue
            before = add()
            self.block(before, item, at)

    def block(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> None:
        """One block. Unknown kinds travel whole. Consumes item. Raises FrontError 400."""
        kind = item["type"]
        reader = getattr(self, f"_{kind}", None) if kind in _READ else None
        whole = {**item}
        if reader is None and kind.endswith(RESULT):
            reader = self._server_result
        if reader is None or reader(part, item, path) is False:
            part.Clear()
            part.opaque.dialect, part.opaque.kind, part.opaque.json = FORM, kind, orjson.dumps(whole)
            return
        item.pop("type")
        if mark(found := parts_pb2.CacheMark(), item):
            part.cache_mark.CopyFrom(found)
        keep(part.extensions, item)

    def _text(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        text = take(item, "text", str, path + ".")
        if text is None:
            raise bad(f"{path}.text is required.", f"{path}.text")
        part.text.text = text
        for found in take(item, "citations", list, path + ".") or ():
            if isinstance(found, dict):
                part.text.citations.append(citation(found))
        return True

    def _image(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        part.image.SetInParent()
        return self._source(part.image.media, item, path)

    def _source(self, target: parts_pb2.Media, item: dict[str, Any], path: str) -> bool:
        """A source of base64, url or file; another makes the block opaque."""
        source = item.pop("source", None)
        if not isinstance(source, dict):
            raise bad(f"{path}.source is required.", f"{path}.source")
        kind, value = source.get("type"), None
        for name, holder in (("base64", "data"), ("url", "url"), ("file", "file_id")):
            if kind == name:
                value = source.get(holder)
                if not isinstance(value, str):
                    raise bad(f"{path}.source.{holder} must be a string.", f"{path}.source.{holder}")
        if value is None or source.keys() - {"type", "data", "url", "file_id", "media_type"}:
            return False
        if kind == "base64":
            media(target, value, self._raw)
            target.mime_type = str(source.get("media_type") or "")
        elif kind == "url":
            target.url, target.param = value, f"{path}.source.url"
        else:
            target.file_id = value
        return True

    def _document(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        file, source = part.file, item.get("source")
        if isinstance(source, dict) and source.get("type") == "text" and isinstance(source.get("data"), str):
            file.media.text = source["data"]
            file.media.mime_type = str(source.get("media_type") or "")
            del item["source"]
        elif isinstance(source, dict) and source.get("type") == "content":
            self.content(file.content.add, source.get("content"), f"{path}.source.content")
            del item["source"]
        elif not self._source(file.media, item, path):
            return False
        file.title = take(item, "title", str, path + ".") or ""
        file.context = take(item, "context", str, path + ".") or ""
        return self._cited(file, item, path)

    def _cited(self, target: Any, item: dict[str, Any], path: str) -> bool:
        """Whether a document or search result may be cited."""
        told = take(item, "citations", dict, path + ".")
        if told is not None and isinstance(told.get("enabled"), bool) and len(told) == 1:
            target.citations = told["enabled"]
        elif told:
            item["citations"] = told
        return True

    def _search_result(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        part.search_result.source = take(item, "source", str, path + ".") or ""
        part.search_result.title = take(item, "title", str, path + ".") or ""
        self.content(part.search_result.content.add, item.pop("content", []), f"{path}.content")
        return self._cited(part.search_result, item, path)

    def _thinking(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        part.thinking.text = take(item, "thinking", str, path + ".") or ""
        signature = take(item, "signature", str, path + ".") or ""
        if signature and not carry.restore(part.thinking, signature):
            part.thinking.signature, part.thinking.signed_by = signature.encode(), SIGNER
        return True

    def _redacted_thinking(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        data = take(item, "data", str, path + ".") or ""
        if not carry.restore(part.thinking, data):
            part.thinking.encrypted, part.thinking.signed_by = data.encode(), SIGNER
        part.thinking.redacted = True
        return True

    def _tool_use(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        call = part.tool_call
        for name in ("id", "name"):
            setattr(call, name, take(item, name, str, path + ".") or "")
            if not getattr(call, name):
                raise bad(f"{path}.{name} is required.", f"{path}.{name}")
        call.id, part.thought_signature = call_ids.split(call.id)
        call.arguments = orjson.dumps(take(item, "input", dict, path + ".") or {}).decode()
        call.namespace = take(item, "toolset_name", str, path + ".") or ""
        if isinstance(item.get("caller"), dict):
            call.caller_json = orjson.dumps(item.pop("caller"))
        return True

    def _tool_result(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        result = part.tool_result
        result.call_id, _ = call_ids.split(take(item, "tool_use_id", str, path + ".") or "")
        if not result.call_id:
            raise bad(f"{path}.tool_use_id is required.", f"{path}.tool_use_id")
        content = item.pop("content", None)
        if content is not None:
            self.content(result.content.add, content, f"{path}.content")
        failed = take(item, "is_error", bool, path + ".")
        result.is_error = bool(failed)
        if failed is False:
            item["is_error"] = False
        return True

    def _server_tool_use(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        call = part.server_tool_call
        call.id = take(item, "id", str, path + ".") or ""
        call.name = take(item, "name", str, path + ".") or ""
        call.kind = "mcp" if item["type"] == "mcp_tool_use" else KINDS.get(call.name, call.name)
        call.input_json = orjson.dumps(item.pop("input", None) or {})
        call.dialect = FORM
        if isinstance(item.get("caller"), dict):
            call.caller_json = orjson.dumps(item.pop("caller"))
        return True

    _mcp_tool_use = _server_tool_use

    def _server_result(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        result, content = part.server_tool_result, item.pop("content", None)
        name = item["type"].removesuffix(RESULT)
        result.call_id = take(item, "tool_use_id", str, path + ".") or ""
        result.kind, result.dialect = KINDS.get(name, name), FORM
        result.output_json = orjson.dumps(content)
        told = str(content.get("type") or "") if isinstance(content, dict) else ""
        result.is_error = told.endswith("_error")
        if name == "mcp":
            result.is_error = bool(take(item, "is_error", bool, path + "."))
        return True

    def _container_upload(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        part.container_upload.file_id = take(item, "file_id", str, path + ".") or ""
        return True

    def _compaction(self, part: parts_pb2.Part, item: dict[str, Any], path: str) -> bool:
        part.compaction.content = take(item, "content", str, path + ".") or ""
        part.compaction.encrypted = (take(item, "encrypted_content", str, path + ".") or "").encode()
        return True


_READ = frozenset(
    [
        "text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result",
        "server_tool_use", "mcp_tool_use", "container_upload", "compaction",
    ]
)  # fmt: skip
"""Kinds that are read; others travel whole, results of server tools apart."""

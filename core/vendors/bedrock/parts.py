"""Canonical parts as content blocks of Converse."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import orjson
from isthmus.v1 import common_pb2, parts_pb2

from core.errors import InvalidRequest, UnsupportedFeature
from core.vendors.bedrock.decode import DIALECT, SIGNER
from core.vendors.bedrock.families import Family
from core.vendors.interface import Call
from core.vendors.shared.media import base64_of, mime_of

CACHE_MARKS = 4
"""Cache points one request may hold."""
IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
VIDEOS = {
    "video/mp4": "mp4", "video/quicktime": "mov", "video/x-matroska": "mkv", "video/webm": "webm",
    "video/x-flv": "flv", "video/mpeg": "mpeg", "video/x-ms-wmv": "wmv", "video/3gpp": "three_gp",
}  # fmt: skip
DOCUMENTS = {
    "application/pdf": "pdf", "text/csv": "csv", "application/msword": "doc", "text/html": "html",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls", "text/plain": "txt", "text/markdown": "md",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
AUDIOS = frozenset(
    ["mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"]
)
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NAME = re.compile(r"[^A-Za-z0-9()\[\]-]+")
"""What a document's name may not hold, but single spaces."""


def call_id(given: str) -> str:
    """A tool call's id in Bedrock's letters: itself where it fits, else made from its hash."""
    if _ID.fullmatch(given):
        return given
    return "tooluse_" + hashlib.blake2b(given.encode(), digest_size=12).hexdigest()


def raw(json: bytes, name: str) -> Any:
    """JSON bytes from the canonical message, put into the body as they are. Raises InvalidRequest."""
    try:
        orjson.loads(json)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"{name} is not JSON.", param=name) from None
    return orjson.Fragment(json)


class Blocks:
    """Encodes parts for one call; names in dropped what has no place. Counts cache points and documents."""

    def __init__(self, call: Call, family: Family, dropped: list[str]) -> None:
        self._call = call
        self._family = family
        self._dropped = dropped
        self._marks = 0
        self._names: set[str] = set()

    def blocks(self, parts: Sequence[parts_pb2.Part]) -> list[dict[str, Any]]:
        """The blocks of one message's parts."""
        out: list[dict[str, Any]] = []
        for part in parts:
            made = self._block(part)
            if made is not None:
                out.append(made)
            if part.HasField("cache_mark") and out:
                self.mark(out, part.cache_mark)
        return out

    def mark(self, out: list[dict[str, Any]], mark: parts_pb2.CacheMark | None, tools: bool = False) -> None:
        """A cache point, where the model takes one and there are not too many."""
        family = self._family
        if not family.caching or (tools and not family.tool_caching) or self._marks >= CACHE_MARKS:
            self._dropped.append("tools.cache_mark" if tools else "parts.cache_mark")
            return
        self._marks += 1
        point = {"type": "default"}
        if mark is not None and mark.ttl and family.longer_caching:
            point["ttl"] = mark.ttl
        elif mark is not None and mark.ttl not in ("", "5m"):
            self._dropped.append("parts.cache_mark.ttl")
        out.append({"cachePoint": point})

    def _block(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        kind = part.WhichOneof("kind") or "empty"
        if kind == "opaque" and part.opaque.dialect == DIALECT:
            own: dict[str, Any] = orjson.loads(part.opaque.json)
            return own
        if part.thought_signature:
            self._dropped.append("parts.thought_signature")
        made: dict[str, Any] | None = getattr(self, f"_{kind}", self._none)(part)
        self._unheld(part.extensions)
        return made

    def _unheld(self, extensions: common_pb2.Extensions) -> None:
        self._dropped.extend(f"parts.extensions.{dialect}" for dialect in extensions.by_dialect)

    def _none(self, part: parts_pb2.Part) -> None:
        self._dropped.append(f"parts.{part.WhichOneof('kind') or 'empty'}")

    def _text(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        if part.text.citations:
            self._dropped.append("parts.text.citations")
        # Blank text is refused.
        return {"text": part.text.text} if part.text.text.strip() else None

    def _refusal(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        return {"text": part.refusal.text} if part.refusal.text.strip() else None

    def _thinking(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        found = part.thinking
        if found.signed_by == SIGNER and found.encrypted:
            return {"reasoningContent": {"redactedContent": found.encrypted.decode("ascii", "replace")}}
        if found.signed_by == SIGNER and found.signature:
            text = {"text": found.text, "signature": found.signature.decode("utf-8", "replace")}
            return {"reasoningContent": {"reasoningText": text}}
        # Thoughts without a signature are refused by the models that have none (DeepSeek R1).
        self._dropped.append("parts.thinking")
        return None

    def _source(self, media: parts_pb2.Media, kind: str) -> dict[str, Any]:
        """Bytes, or an object of S3. Raises UnsupportedFeature for other addresses."""
        source = media.WhichOneof("source")
        if source == "url" and media.url.startswith("s3://"):
            return {"s3Location": {"uri": media.url}}
        if source in ("url", "file_id"):
            raise UnsupportedFeature(f"Bedrock takes {kind} as data, not by address or id.", param="messages")
        return {"bytes": base64_of(media, self._call)}

    def _image(self, part: parts_pb2.Part) -> dict[str, Any]:
        if part.image.detail not in ("", "auto"):
            self._dropped.append("parts.image.detail")
        media = part.image.media
        source = self._source(media, "pictures")
        mime = media.mime_type
        if "bytes" in source:
            mime = mime_of(source["bytes"], mime or "image/png")
        return {"image": {"format": _format(IMAGES, mime, media.url, "png", "picture"), "source": source}}

    def _video(self, part: parts_pb2.Part) -> dict[str, Any]:
        media = part.video.media
        unheld = ("start_offset", "end_offset", "fps")
        self._dropped.extend(f"parts.video.{name}" for name in unheld if getattr(part.video, name))
        source = self._source(media, "films")
        return {"video": {"format": _format(VIDEOS, media.mime_type, media.url, "mp4", "film"), "source": source}}

    def _audio(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        audio = part.audio
        if audio.media.WhichOneof("source") is None:
            # Sound of an earlier answer, kept by another vendor: its words.
            self._dropped.append("parts.audio.id")
            return {"text": audio.transcript} if audio.transcript.strip() else None
        kind = (audio.format or audio.media.mime_type.rpartition("/")[2]).lower() or "wav"
        if kind not in AUDIOS:
            raise UnsupportedFeature(f"Bedrock takes no sound of the format {kind!r}.", param="messages")
        return {"audio": {"format": kind, "source": self._source(audio.media, "sound")}}

    def _file(self, part: parts_pb2.Part) -> dict[str, Any]:
        file, media = part.file, part.file.media
        made: dict[str, Any] = {"name": self._named(file.title or file.name)}
        if file.content:
            texts = [{"text": item.text.text} for item in file.content if item.text.text]
            if len(texts) < len(file.content):
                self._dropped.append("parts.file.content")
            made["source"] = {"content": texts}
        elif media.WhichOneof("source") == "text":
            data = base64.b64encode(media.text.encode()).decode()
            made = {"format": "txt", **made, "source": {"bytes": data}}
        else:
            source = self._source(media, "files")
            mime = media.mime_type or (mime_of(source["bytes"], "") if "bytes" in source else "")
            text = "txt" if mime.startswith("text/") or mime == "application/json" else ""
            kind = _format(DOCUMENTS, "text/plain" if text and mime not in DOCUMENTS else mime, file.name, text, "file")
            made = {"format": kind, **made, "source": source}
        if file.context:
            made["context"] = file.context
        if file.HasField("citations"):
            made["citations"] = {"enabled": file.citations}
        return {"document": made}

    def _named(self, given: str) -> str:
        """A document's name in Bedrock's letters, once per request."""
        plain = " ".join(_NAME.sub(" ", given.rpartition(".")[0] or given).split())[:180] or "document"
        name, number = plain, 1
        while name in self._names:
            number += 1
            name = f"{plain} {number}"
        self._names.add(name)
        return name

    def _search_result(self, part: parts_pb2.Part) -> dict[str, Any]:
        found = part.search_result
        content = [{"text": item.text.text} for item in found.content if item.text.text]
        made: dict[str, Any] = {"source": found.source, "title": found.title, "content": content}
        if found.HasField("citations"):
            made["citations"] = {"enabled": found.citations}
        return {"searchResult": made}

    def _tool_call(self, part: parts_pb2.Part) -> dict[str, Any]:
        call = part.tool_call
        unheld = {"namespace": call.namespace, "caller": call.caller_json}
        self._dropped.extend(f"parts.tool_call.{name}" for name, value in unheld.items() if value)
        return {"toolUse": {"toolUseId": call_id(call.id), "name": call.name, "input": _input(call)}}

    def _tool_result(self, part: parts_pb2.Part) -> dict[str, Any]:
        result = part.tool_result
        content = [block for block in self.blocks(result.content) if "cachePoint" not in block]
        if not content and result.json:
            parsed = orjson.loads(result.json)
            content = [{"json": parsed} if isinstance(parsed, dict) else {"text": result.json.decode()}]
        # A result that says nothing is an empty object: neither nothing nor blank text is taken.
        made: dict[str, Any] = {"toolUseId": call_id(result.call_id), "content": content or [{"json": {}}]}
        if result.is_error:
            made["status"] = "error"
        return {"toolResult": made}


def _format(known: dict[str, str], mime: str, name: str, default: str, what: str) -> str:
    """The format of a MIME type, else of a name's ending; default where neither is told. Raises UnsupportedFeature."""
    kind = mime.partition(";")[0].strip().lower()
    ending = name.partition("?")[0].rpartition(".")[2].lower()
    ending = {"jpg": "jpeg", "3gp": "three_gp", "htm": "html", "text": "txt"}.get(ending, ending)
    made = known.get(kind) or (ending if ending in known.values() else "")
    if made or ((not kind or kind.startswith("text/")) and default):
        return made or default
    raise UnsupportedFeature(f"Bedrock takes no {what} of the type {kind or 'unknown'}.", param="messages")


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

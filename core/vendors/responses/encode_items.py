"""Canonical messages as the items of a Responses request's input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2

from core.vendors.interface import Call
from core.vendors.responses.names import DIALECT, SIGNER
from core.vendors.shared.identity import CALL_MOST, call_id_of
from core.vendors.shared.media import address_of, base64_of
from core.vendors.table import Row

_ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_DEVELOPER: "developer",
    chat_pb2.ROLE_ASSISTANT: "assistant",
}
_CONTENT = frozenset({"text", "refusal", "image", "audio", "video", "file", "search_result"})
"""Parts that stand inside a message item; the others are items of their own."""


def own(extensions: common_pb2.Extensions) -> dict[str, Any]:
    """What this form said that has no field."""
    json = extensions.by_dialect.get(DIALECT)
    loaded = orjson.loads(json) if json else {}
    return loaded if isinstance(loaded, dict) else {}


def merged(made: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """The object with members added that are not there."""
    for key, value in extra.items():
        made.setdefault(key, value)
    return made


class Items:
    """Encodes messages for one call; names in dropped what has no place."""

    def __init__(self, call: Call, row: Row, dropped: list[str]) -> None:
        self._call = call
        self._row = row
        self._dropped = dropped
        self._same = call.native is not None and call.native.form == DIALECT
        self._free: set[str] = set()
        self._thoughts = 0

    def encode(self, messages: Iterable[chat_pb2.Message]) -> tuple[str | None, list[Any]]:
        """The instructions, where a message says that it is them, and the items in their order."""
        instructions: str | None = None
        items: list[Any] = []
        for message in messages:
            extra = own(message.extensions)
            if extra.get("instructions") is True:
                text = "\n".join(part.text.text for part in message.parts if part.HasField("text"))
                instructions = text if instructions is None else f"{instructions}\n{text}"
            else:
                self._message(message, extra, items)
        return instructions, items

    # -- messages -----------------------------------------------------------------------------

    def _message(self, message: chat_pb2.Message, extra: dict[str, Any], items: list[Any]) -> None:
        """One message item for each stretch of content; the message's own id goes to the first."""
        role = _ROLES.get(message.role, "user")
        head = {name: value for name, value in (("id", message.id), ("status", message.status)) if value} | extra
        if message.name:
            self._dropped.append("messages.name")
        stretch: list[parts_pb2.Part] = []
        said: dict[str, Any] | None = None
        for part in message.parts:
            if self._is_content(part):
                named = own(part.extensions).get("message")
                if stretch and named != said:
                    self._flush(role, stretch, said or head, items)
                    stretch, head = [], {}
                said = named
                stretch.append(part)
                continue
            if stretch:
                self._flush(role, stretch, said or head, items)
                stretch, head, said = [], {}, None
            self._item(part, items)
        if stretch:
            self._flush(role, stretch, said or head, items)
        elif not message.parts and self._same:
            self._flush(role, [], head, items)

    @staticmethod
    def _is_content(part: parts_pb2.Part) -> bool:
        """Whether a part stands inside a message item: not what an image_generation_call made."""
        kind = part.WhichOneof("kind")
        if kind == "opaque":
            return part.opaque.dialect == DIALECT and "message" in own(part.extensions)
        return kind in _CONTENT and not (
            kind == "image" and own(part.extensions).get("type") == "image_generation_call"
        )

    def _flush(self, role: str, parts: Sequence[parts_pb2.Part], head: dict[str, Any], items: list[Any]) -> None:
        made: dict[str, Any] = {"type": "message", "role": role}
        merged(made, head)
        content = [piece for part in parts for piece in self._content(part, role)]
        plain = len(content) == 1 and isinstance(content[0], dict) and self._plain(content[0])
        if plain and not made.get("id"):
            made["content"] = content[0]["text"]
        elif content or self._same:
            made["content"] = content
        else:
            return
        items.append(made)

    @staticmethod
    def _plain(piece: dict[str, Any]) -> bool:
        """Whether a piece says no more than its text."""
        return set(piece) <= {"type", "text", "annotations"} and "text" in piece and not piece.get("annotations")

    def _content(self, part: parts_pb2.Part, role: str) -> list[Any]:
        kind = part.WhichOneof("kind")
        if part.thought_signature:
            self._dropped.append("parts.thought_signature")
        if kind == "opaque":
            return [orjson.Fragment(part.opaque.json)]
        if role == "assistant" and kind not in ("text", "refusal"):
            self._dropped.append(f"messages.assistant.{kind}")
            return []
        made: list[Any]
        if kind == "text" and role == "assistant":
            made = [self._output_text(part.text)]
        elif kind == "text":
            made = [{"type": "input_text", "text": part.text.text}]
        elif kind == "refusal":
            made = [{"type": "refusal", "refusal": part.refusal.text}]
        elif kind == "search_result":
            inner = "\n".join(piece.text.text for piece in part.search_result.content if piece.HasField("text"))
            title = part.search_result.title or part.search_result.source
            made = [{"type": "input_text", "text": f"{title}\n{inner}"}]
        else:
            made = self._media(part)
        extra = own(part.extensions)
        extra.pop("message", None)
        for piece in made:
            merged(piece, extra)
        if part.HasField("cache_mark"):
            self._mark(part.cache_mark, made)
        return made

    def _mark(self, mark: parts_pb2.CacheMark, made: list[Any]) -> None:
        """A breakpoint where it came from this form; older models refuse breakpoints nobody asked for."""
        if not self._same:
            self._dropped.append("parts.cache_mark")
            return
        for piece in made:
            piece["prompt_cache_breakpoint"] = {"mode": "explicit", **({"ttl": mark.ttl} if mark.ttl else {})}

    @staticmethod
    def _output_text(text: parts_pb2.TextPart) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "output_text", "text": text.text}
        made["annotations"] = [annotation(each) for each in text.citations if each.dialect == DIALECT or each.url]
        if text.logprobs.json and text.logprobs.dialect == DIALECT:
            made["logprobs"] = orjson.Fragment(text.logprobs.json)
        return made

    def _media(self, part: parts_pb2.Part) -> list[Any]:
        kind = part.WhichOneof("kind")
        if kind == "image":
            return [self._image(part.image)]
        if kind == "audio" and part.audio.media.WhichOneof("source"):
            sound = {"data": base64_of(part.audio.media, self._call, "input"), "format": part.audio.format or "wav"}
            return [{"type": "input_audio", "input_audio": sound}]
        if kind == "file":
            return self._file(part.file)
        self._dropped.append(f"parts.{kind}")
        return []

    def _image(self, image: parts_pb2.ImagePart) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "input_image"}
        if image.media.WhichOneof("source") == "file_id":
            made["file_id"] = image.media.file_id
        else:
            made["image_url"] = address_of(image.media, "image/png", self._call, "input")
        if image.detail or not self._same:
            made["detail"] = image.detail or "auto"
        return made

    def _file(self, file: parts_pb2.FilePart) -> list[Any]:
        source = file.media.WhichOneof("source")
        if source == "text" or (file.content and source is None):
            said = file.media.text or "\n".join(piece.text.text for piece in file.content if piece.HasField("text"))
            return [{"type": "input_text", "text": said}]
        made: dict[str, Any] = {"type": "input_file"}
        if source == "file_id":
            made["file_id"] = file.media.file_id
        elif source == "url":
            made["file_url"] = file.media.url
        elif source is not None:
            bare = source in ("base64", "span") and not file.media.mime_type and self._same
            encode = base64_of if bare else _file_address
            made["file_data"] = encode(file.media, self._call, "input")
        if name := file.name or file.title:
            made["filename"] = name
        elif "file_data" in made and not self._same:
            made["filename"] = "document"
        if file.context:
            self._dropped.append("parts.file.context")
        return [made]

    # -- items of their own -------------------------------------------------------------------

    def _item(self, part: parts_pb2.Part, items: list[Any]) -> None:
        kind = part.WhichOneof("kind")
        if part.thought_signature:
            self._dropped.append("parts.thought_signature")
        if kind == "tool_call":
            items.append(self._tool_call(part))
        elif kind == "tool_result":
            items.append(self._tool_result(part))
        elif kind == "thinking":
            if made := self._thinking(part):
                items.append(made)
        elif kind == "opaque" and part.opaque.dialect == DIALECT:
            items.append(orjson.Fragment(part.opaque.json))
        elif kind == "compaction" and part.compaction.encrypted:
            made = {"type": "compaction", "encrypted_content": part.compaction.encrypted.decode("utf-8", "replace")}
            items.append(merged(_with_id(made, part.compaction.id), own(part.extensions)))
        elif kind == "server_tool_call" and part.server_tool_call.dialect == DIALECT:
            items.append(orjson.Fragment(part.extensions.by_dialect[DIALECT]))
        elif kind == "image":
            made = own(part.extensions)
            made["result"] = base64_of(part.image.media, self._call, "input")
            items.append(made)
        elif not (kind == "server_tool_result" and part.server_tool_result.dialect == DIALECT):
            # A result of this form's own server tools stands inside the call's item.
            self._dropped.append(f"parts.{kind or 'empty'}")

    def _tool_call(self, part: parts_pb2.Part) -> dict[str, Any]:
        call = part.tool_call
        made: dict[str, Any] = {"type": "function_call", "call_id": call_id_of(call.id, CALL_MOST), "name": call.name}
        if call.free_form:
            self._free.add(call.id)
            made["type"], made["input"] = "custom_tool_call", call.arguments
        else:
            made["arguments"] = call.arguments if self._same else call.arguments or "{}"
        _with_id(made, call.item_id)
        if call.namespace:
            made["namespace"] = call.namespace
        if call.caller_json and self._same:
            made["caller"] = orjson.Fragment(call.caller_json)
        elif call.caller_json:
            self._dropped.append("parts.tool_call.caller")
        if call.asynchronous:
            made["async"] = True
        if call.status:
            made["status"] = call.status
        return merged(made, own(part.extensions))

    def _tool_result(self, part: parts_pb2.Part) -> dict[str, Any]:
        result = part.tool_result
        free = result.free_form or (not self._same and result.call_id in self._free)
        made: dict[str, Any] = {"type": "custom_tool_call_output" if free else "function_call_output"}
        if result.call_id:
            made["call_id"] = call_id_of(result.call_id, CALL_MOST)
        made["output"] = self._output(result)
        _with_id(made, result.item_id)
        if result.name and self._same and not free:
            made["name"] = result.name
        if result.is_error:
            self._dropped.append("parts.tool_result.is_error")
        if result.scheduling:
            self._dropped.append("parts.tool_result.scheduling")
        return merged(made, own(part.extensions))

    def _output(self, result: parts_pb2.ToolResult) -> Any:
        """A string where it is one plain text, else a list."""
        if result.json and not result.content:
            return result.json.decode("utf-8", "replace")
        pieces: list[Any] = []
        for inner in result.content:
            if inner.HasField("opaque") and inner.opaque.dialect == DIALECT:
                pieces.append(orjson.Fragment(inner.opaque.json))
            elif inner.WhichOneof("kind") in _CONTENT:
                pieces += self._content(inner, "user")
            else:
                self._dropped.append(f"parts.tool_result.{inner.WhichOneof('kind') or 'empty'}")
        if len(pieces) == 1 and isinstance(pieces[0], dict) and self._plain(pieces[0]):
            return pieces[0]["text"]
        return pieces or ""

    def _thinking(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        """Only what this form made is told again; others' thoughts where the vendor takes plain ones."""
        thinking = part.thinking
        foreign = thinking.signed_by not in ("", SIGNER)
        if thinking.signature or (foreign and thinking.encrypted):
            self._dropped.append("parts.thinking.signature")
        keeps = not foreign and bool(thinking.encrypted or thinking.id)
        plain = bool(self._row.reasoning_field) and bool(thinking.text or thinking.summary)
        if not keeps and not plain:
            self._dropped.append("parts.thinking")
            return None
        made: dict[str, Any] = {"type": "reasoning", "id": thinking.id or f"rs_{self._thoughts}"}
        self._thoughts += 1
        made["summary"] = [{"type": "summary_text", "text": text} for text in thinking.summary]
        extra = own(part.extensions)
        if thinking.text and "content" not in extra:
            made["content"] = [{"type": "reasoning_text", "text": thinking.text}]
        if thinking.encrypted and not foreign:
            made["encrypted_content"] = thinking.encrypted.decode("utf-8", "replace")
        return merged(made, extra)


def _file_address(media: parts_pb2.Media, call: Call, param: str) -> str:
    return address_of(media, "application/pdf", call, param)


def _with_id(made: dict[str, Any], item_id: str) -> dict[str, Any]:
    if item_id:
        made["id"] = item_id
    return made


def annotation(citation: parts_pb2.Citation) -> Any:
    """A citation as an annotation: its own object, or a URL's."""
    if citation.dialect == DIALECT and citation.json:
        return orjson.Fragment(citation.json)
    return {
        "type": "url_citation",
        "start_index": max(citation.start, 0),
        "end_index": max(citation.end, 0),
        "url": citation.url,
        "title": citation.title,
    }

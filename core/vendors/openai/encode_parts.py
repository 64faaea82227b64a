"""Canonical messages in OpenAI's chat form."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.vendors.interface import Call
from core.vendors.openai.decode import DIALECT
from core.vendors.openai.rules import family
from core.vendors.shared.freeform import arguments
from core.vendors.shared.identity import CHAT_CALL_MOST, call_id_of
from core.vendors.shared.media import address_of, base64_of
from core.vendors.table import Row

_ROLES = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_DEVELOPER: "developer",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def short_id(call_id: str) -> str:
    """Nine letters or digits for a tool call's id: itself where it is such, else made from its hash."""
    if _SHORT_ID.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.blake2b(call_id.encode(), digest_size=8).digest(), "big")
    letters = []
    for _ in range(9):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    return "".join(letters)


def merge(made: dict[str, Any], extra: dict[str, Any]) -> None:
    """Adds members that are not there, inside objects too."""
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            merge(made[key], value)
        else:
            made.setdefault(key, value)


def extended(made: dict[str, Any], holder: Any) -> dict[str, Any]:
    """The object with what the client's own form said beside it."""
    if DIALECT in holder.extensions.by_dialect:
        merge(made, orjson.loads(holder.extensions.by_dialect[DIALECT]))
    return made


class Messages:
    """Encodes messages for one call; names in dropped what has no place."""

    def __init__(self, call: Call, row: Row, dropped: list[str]) -> None:
        self._call = call
        self._row = row
        self._dropped = dropped
        self._develops = (
            row.developer_role and bool(family(row, call.sent)) and not call.sent.startswith(("o1-mini", "o1-preview"))
        )
        """The model's family calls instructions developer messages."""
        self._shown: list[Any] = []
        """Pictures and the like of tools' results, which only a user's message can hold."""

    def encode(self, messages: Iterable[chat_pb2.Message]) -> list[dict[str, Any]]:
        """Every message; tool results become messages of their own, in their order, and what they show follows them."""
        out: list[dict[str, Any]] = []
        for message in messages:
            # A mark that came in this form goes back out among the part's extensions.
            if any(part.HasField("cache_mark") and DIALECT not in part.extensions.by_dialect for part in message.parts):
                self._dropped.append("parts.cache_mark")
            results = [part for part in message.parts if part.HasField("tool_result")]
            made = [self._result(part.tool_result, part) for part in results]
            others = [part for part in message.parts if not part.HasField("tool_result")]
            if len(made) == 1 and not others:
                if message.name:
                    made[0]["name"] = message.name
                extended(made[0], message)
            out += made
            if others or not results:
                plain = self._message(message, others)
                out += self._show(plain)
                out.append(plain)
        out += self._show({})
        return out

    def _show(self, following: dict[str, Any]) -> list[dict[str, Any]]:
        """What results show: before the words of the user's message that follows, else in a message of its own."""
        if not self._shown:
            return []
        shown, self._shown = self._shown, []
        if following.get("role") != "user":
            return [{"role": "user", "content": shown}]
        said = following["content"]
        following["content"] = shown + (said if isinstance(said, list) else [{"type": "text", "text": said}])
        return []

    def _role(self, role: chat_pb2.Role.ValueType) -> str:
        name = _ROLES.get(role, "user")
        if name == "developer" and not self._row.developer_role:
            return "system"
        return "developer" if name == "system" and self._develops else name

    def _message(self, message: chat_pb2.Message, parts: Sequence[parts_pb2.Part]) -> dict[str, Any]:
        if any(part.thought_signature for part in parts):
            self._dropped.append("parts.thought_signature")
        made: dict[str, Any] = {"role": self._role(message.role)}
        if message.name:
            made["name"] = message.name
        if made["role"] == "assistant":
            self._assistant(made, parts)
        else:
            made["content"] = self._content(parts)
        return extended(made, message)

    def _assistant(self, made: dict[str, Any], parts: Sequence[parts_pb2.Part]) -> None:
        spoken: list[parts_pb2.Part] = []
        thoughts: list[str] = []
        calls: list[dict[str, Any]] = []
        for part in parts:
            kind = part.WhichOneof("kind")
            if kind == "thinking":
                thoughts.append(part.thinking.text or "\n".join(part.thinking.summary))
                if part.thinking.signature or part.thinking.encrypted:
                    self._dropped.append("parts.thinking.signature")
            elif kind == "tool_call":
                calls.append(extended(self._tool_call(part.tool_call), part))
            elif kind == "refusal":
                made["refusal"] = made.get("refusal", "") + part.refusal.text
            elif kind == "audio" and part.audio.id:
                made["audio"] = {"id": part.audio.id}
            else:
                spoken.append(part)
        if thoughts and self._row.reasoning_field:
            made[self._row.reasoning_field] = "".join(thoughts)
        elif thoughts:
            self._dropped.append("parts.thinking")
        made["content"] = self._content(spoken) if spoken else None
        if not spoken and not calls and "refusal" not in made and "audio" not in made:
            made["content"] = ""
        if calls:
            made["tool_calls"] = calls

    def _id(self, call_id: str) -> str:
        if self._row.short_call_ids:
            return short_id(call_id)
        return call_id_of(call_id, CHAT_CALL_MOST) if self._row.token_families else call_id

    def _tool_call(self, call: parts_pb2.ToolCall) -> dict[str, Any]:
        if call.namespace or call.caller_json:
            self._dropped.append("parts.tool_call.namespace, caller")
        if call.free_form and self._row.token_families:
            custom = {"name": call.name, "input": call.arguments}
            return {"id": self._id(call.id), "type": "custom", "custom": custom}
        function = {"name": call.name, "arguments": arguments(call) or "{}"}
        return {"id": self._id(call.id), "type": "function", "function": function}

    def _result(self, result: parts_pb2.ToolResult, part: parts_pb2.Part) -> dict[str, Any]:
        made: dict[str, Any] = {"role": "tool", "tool_call_id": self._id(result.call_id)}
        texts = [inner for inner in result.content if inner.HasField("text")]
        others = [piece for inner in result.content if not inner.HasField("text") for piece in self._piece(inner)]
        if others:
            self._shown += [{"type": "text", "text": f"From the result of call {made['tool_call_id']}:"}, *others]
        if result.json and not texts:
            made["content"] = result.json.decode("utf-8", "replace")
        elif texts:
            made["content"] = self._content(texts)
        else:
            made["content"] = "See below." if others else ""
        if result.is_error:
            self._dropped.append("parts.tool_result.is_error")
        return extended(made, part)

    def _content(self, parts: Sequence[parts_pb2.Part]) -> Any:
        """A string where it is one plain text, else a list."""
        if len(parts) == 1 and parts[0].HasField("text") and not parts[0].extensions.by_dialect:
            return parts[0].text.text
        pieces = [piece for part in parts for piece in self._piece(part)]
        return pieces or ""

    def _piece(self, part: parts_pb2.Part) -> list[Any]:
        kind = part.WhichOneof("kind")
        made: dict[str, Any]
        if kind == "text":
            made = {"type": "text", "text": part.text.text}
        elif kind == "refusal":
            made = {"type": "refusal", "refusal": part.refusal.text}
        elif kind == "image" and part.image.media.WhichOneof("source") == "file_id":
            self._dropped.append("parts.image.file_id")
            return []
        elif kind == "image":
            made = self._image(part.image)
        elif kind == "audio":
            sound = {"data": base64_of(part.audio.media, self._call), "format": part.audio.format or "wav"}
            made = {"type": "input_audio", "input_audio": sound}
        elif kind == "video":
            made = {"type": "video_url", "video_url": {"url": address_of(part.video.media, "video/mp4", self._call)}}
        elif kind == "file":
            return self._file(part)
        elif kind == "search_result":
            inner = "\n".join(piece.text.text for piece in part.search_result.content if piece.HasField("text"))
            title = part.search_result.title or part.search_result.source
            made = {"type": "text", "text": f"{title}\n{inner}"}
        elif kind == "opaque" and part.opaque.dialect == DIALECT:
            return [orjson.Fragment(part.opaque.json)]
        else:
            self._dropped.append(f"parts.{kind or 'empty'}")
            return []
        return [extended(made, part)]

    def _image(self, image: parts_pb2.ImagePart) -> dict[str, Any]:
        address = address_of(image.media, "image/png", self._call)
        if self._row.plain_image_url:
            return {"type": "image_url", "image_url": address}
        inner = {"url": address}
        if image.detail:
            inner["detail"] = image.detail
        return {"type": "image_url", "image_url": inner}

    def _file(self, part: parts_pb2.Part) -> list[Any]:
        file = part.file
        source = file.media.WhichOneof("source")
        if source == "text" or file.content:
            said = file.media.text or "\n".join(piece.text.text for piece in file.content)
            return [{"type": "text", "text": said}]
        inner: dict[str, Any] = {}
        if source == "file_id":
            inner["file_id"] = file.media.file_id
        elif source is not None:
            inner["file_data"] = address_of(file.media, "application/pdf", self._call)
        if file.name:
            inner["filename"] = file.name
        for name in ("title", "context"):
            if getattr(file, name) and not (name == "title" and not file.name):
                self._dropped.append(f"parts.file.{name}")
        if file.title and not file.name:
            inner["filename"] = file.title
        return [extended({"type": "file", "file": inner}, part)]

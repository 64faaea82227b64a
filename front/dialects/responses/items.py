"""Input items of the Responses form, grouped into turns."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from front.dialects.openai.parts import media
from front.dialects.responses import carry as carry
from front.dialects.responses.parts import FORM, Parts, keep
from front.dialects.strict import take
from front.errors import bad

ROLES = {
    "system": chat_pb2.ROLE_SYSTEM, "developer": chat_pb2.ROLE_DEVELOPER, "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
}  # fmt: skip
SERVER_CALLS = {
    "web_search_call": ("web_search", "action"), "file_search_call": ("file_search", "queries"),
    "code_interpreter_call": ("code_interpreter", "code"), "computer_call": ("computer", "action"),
    "image_generation_call": ("image_generation", "revised_prompt"), "mcp_call": ("mcp", "arguments"),
    "local_shell_call": ("shell", "action"), "shell_call": ("shell", "action"),
    "apply_patch_call": ("patch", "operation"), "tool_search_call": ("tool_search", "arguments"),
}  # fmt: skip
"""Calls of tools that are not the client's functions: the canonical kind, and the member that holds the input."""
CLIENT_SIDE = frozenset(
    [
        "computer_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output",
        "tool_search_output", "mcp_approval_response",
    ]
)  # fmt: skip
"""Items in which the client answers such a call."""
SETTINGS = frozenset({"additional_tools", "configuration_update"})
"""Items in which the developer changes what holds from there on."""


class Items:
    """Reads items into a chat's messages.

    What the model said in one stretch (reasoning, a message, calls) is one assistant message, results
    that follow each other are one tool message. A second message item begins a new assistant message, so
    that each holds one id at most, unless calls wait for their results: vendors want those of a turn together.
    """

    def __init__(self, chat: chat_pb2.ChatRequest, raw: bytes) -> None:
        self._chat = chat
        self._parts = Parts(raw)
        self._raw = raw
        self._turn: chat_pb2.Message | None = None
        self._results: chat_pb2.Message | None = None
        self._spoke = False

    def read(self, item: Any, path: str) -> None:
        """One item. Raises FrontError 400."""
        if not isinstance(item, dict):
            raise bad(f"{path} must be an object.", path)
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference" if "id" in item else None
        if not isinstance(kind, str):
            raise bad(f"{path} must have a type, or a role and content.", path)
        if kind == "message":
            self._message(item, path)
        elif kind == "reasoning":
            self._reasoning(item, path)
        elif kind in ("function_call", "custom_tool_call"):
            self._call(item, kind, path)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._result(item, kind, path)
        elif kind == "image_generation_call" and isinstance(item.get("result"), str) and item["result"]:
            part = self._assistant().parts.add()
            media(part.image.media, item.pop("result"), self._raw)
            part.image.media.mime_type = f"image/{item.get('output_format') or 'png'}"
            keep(part, item)
        elif kind in SERVER_CALLS:
            self._server_call(item, kind)
        elif kind == "compaction":
            self._compaction(item, path)
        else:
            self._opaque(item, kind)

    # -- turns --------------------------------------------------------------------------------

    def _new(self, role: chat_pb2.Role.ValueType) -> chat_pb2.Message:
        self._turn = self._results = None
        self._spoke = False
        return self._chat.messages.add(role=role)

    def _assistant(self) -> chat_pb2.Message:
        if self._turn is None:
            self._turn = self._new(chat_pb2.ROLE_ASSISTANT)
        return self._turn

    def _tool(self) -> chat_pb2.Message:
        if self._results is None:
            self._results = self._new(chat_pb2.ROLE_TOOL)
        return self._results

    def _calling(self) -> bool:
        """Whether the turn has called tools; their results would end it."""
        return self._turn is not None and any(part.HasField("tool_call") for part in self._turn.parts)

    # -- kinds --------------------------------------------------------------------------------

    def _message(self, item: dict[str, Any], path: str) -> None:
        item.pop("type", None)
        role = item.pop("role", None)
        if not isinstance(role, str) or role not in ROLES:
            raise bad(f"{path}.role must be one of {', '.join(ROLES)}.", f"{path}.role")
        if role == "assistant":
            if self._spoke and not self._calling():
                self._turn = None
            elif self._spoke:
                self._between(item, path)
                return
            message = self._assistant()
            self._spoke = True
        else:
            message = self._new(ROLES[role])
        message.id = take(item, "id", str, path + ".") or ""
        message.status = take(item, "status", str, path + ".") or ""
        content = item.pop("content", None)
        if content is None:
            raise bad(f"{path}.content is required.", f"{path}.content")
        self._parts.content(message.parts.add, content, f"{path}.content")
        keep(message, item)

    def _between(self, item: dict[str, Any], path: str) -> None:
        """What was said between two calls of one turn; its id has no place."""
        content = item.get("content")
        if content is None:
            raise bad(f"{path}.content is required.", f"{path}.content")
        self._parts.content(self._assistant().parts.add, content, f"{path}.content")

    def _call(self, item: dict[str, Any], kind: str, path: str) -> None:
        part = self._assistant().parts.add()
        call = part.tool_call
        call.free_form = kind == "custom_tool_call"
        call.id = take(item, "call_id", str, path + ".") or ""
        if not call.id:
            raise bad(f"{path}.call_id is required.", f"{path}.call_id")
        call.item_id = take(item, "id", str, path + ".") or ""
        call.name = take(item, "name", str, path + ".") or ""
        if not call.name:
            raise bad(f"{path}.name is required.", f"{path}.name")
        call.arguments = take(item, "input" if call.free_form else "arguments", str, path + ".") or ""
        call.namespace = take(item, "namespace", str, path + ".") or ""
        call.asynchronous = bool(take(item, "async", bool, path + "."))
        call.status = take(item, "status", str, path + ".") or ""
        caller = take(item, "caller", dict, path + ".")
        if caller is not None:
            call.caller_json = orjson.dumps(caller)
        del item["type"]
        keep(part, item)

    def _result(self, item: dict[str, Any], kind: str, path: str) -> None:
        part = self._tool().parts.add()
        result = part.tool_result
        result.free_form = kind == "custom_tool_call_output"
        result.call_id = take(item, "call_id", str, path + ".") or ""
        result.item_id = take(item, "id", str, path + ".") or ""
        result.name = take(item, "name", str, path + ".") or ""
        if not result.call_id and not result.name:
            raise bad(f"{path}.call_id is required.", f"{path}.call_id")
        output = item.pop("output", None)
        if output is None:
            raise bad(f"{path}.output is required.", f"{path}.output")
        self._parts.content(result.content.add, output, f"{path}.output")
        del item["type"]
        keep(part, item)

    def _server_call(self, item: dict[str, Any], kind: str) -> None:
        part = self._assistant().parts.add()
        call = part.server_tool_call
        call.kind, holds = SERVER_CALLS[kind]
        call.id = _text(item.get("call_id")) or _text(item.get("id"))
        call.name, call.status, call.dialect = _text(item.get("name")), _text(item.get("status")), FORM
        if item.get(holds) is not None:
            call.input_json = orjson.dumps(item[holds])
        part.extensions.by_dialect[FORM] = orjson.dumps(item)

    def _compaction(self, item: dict[str, Any], path: str) -> None:
        part = self._assistant().parts.add()
        part.compaction.encrypted = (take(item, "encrypted_content", str, path + ".") or "").encode()
        part.compaction.id = take(item, "id", str, path + ".") or ""
        del item["type"]
        keep(part, item)

    def _opaque(self, item: dict[str, Any], kind: str) -> None:
        """An item that has no field travels whole."""
        if kind in CLIENT_SIDE:
            message = self._tool()
        elif kind in SETTINGS:
            message = self._new(chat_pb2.ROLE_DEVELOPER)
        else:
            message = self._assistant()
        opaque = message.parts.add().opaque
        opaque.dialect, opaque.kind, opaque.json = FORM, kind, orjson.dumps(item)
        if kind in SETTINGS:
            self._turn = self._results = None

    def _reasoning(self, item: dict[str, Any], path: str) -> None:
        encrypted = take(item, "encrypted_content", str, path + ".") or ""
        summary = _texts(take(item, "summary", list, path + "."))
        content = take(item, "content", list, path + ".") or []
        if encrypted.startswith(carry.CARRIED):
            self._carried(carry.carried(encrypted), _texts(content) or summary)
            return
        part = self._assistant().parts.add()
        thinking = part.thinking
        thinking.id = take(item, "id", str, path + ".") or ""
        thinking.summary.extend(summary)
        thinking.text = "".join(_texts(content))
        thinking.encrypted = encrypted.encode()
        thinking.signed_by = carry.SIGNER
        del item["type"]
        if len(content) > 1:
            item["content"] = content
        keep(part, item)

    def _carried(self, part: parts_pb2.Part | None, said: list[str]) -> None:
        """Another vendor's part, put back where it was; said is what the item shows of its thoughts."""
        turn = self._assistant()
        if part is None:
            return
        kind = part.WhichOneof("kind")
        if part.thought_signature and kind in ("text", "tool_call", "image"):
            for earlier in reversed(turn.parts):
                if earlier.WhichOneof("kind") != kind or (
                    kind == "tool_call" and earlier.tool_call.id != part.tool_call.id
                ):
                    continue
                earlier.thought_signature = part.thought_signature
                return
        elif kind == "thinking":
            if not part.thinking.text and not part.thinking.summary and not part.thinking.encrypted:
                part.thinking.text = "".join(said)
            if part.thinking.ByteSize():
                turn.parts.add().CopyFrom(part)
        elif kind is not None:
            turn.parts.add().CopyFrom(part)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _texts(pieces: list[Any] | None) -> list[str]:
    return [_text(piece.get("text")) for piece in pieces or () if isinstance(piece, dict)]

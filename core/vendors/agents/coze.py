"""Coze's chat, version 3.

https://www.coze.cn/open/docs/developer_guides/chat_v3. Asked as a stream, it needs no polling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.agents.form import AgentForm, words
from core.vendors.agents.stream import AgentDecoder
from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.shared.counts import Reader
from core.vendors.shared.values import text, whole

FORM = "coze.chat"
STATUS = {4000: 400, 4100: 401, 4101: 403, 4008: 429, 4009: 402, 4013: 429, 4200: 404, 700012006: 401}
"""Coze's codes of errors -> HTTP status: https://www.coze.cn/open/docs/developer_guides/coze_error_codes."""


class CozeChat(AgentForm):
    """Implements ChatForm for a row. Without state."""

    name = FORM
    known = ("conversation_id", "custom_variables", "parameters")

    def body(
        self, messages: Sequence[chat_pb2.Message], told: dict[str, Any], user: str, call: Call, dropped: list[str]
    ) -> tuple[str, dict[str, Any]]:
        """The bot is the channel's own field, else the model's name. Instructions are told as the user's words."""
        made = [_message(message, dropped) for message in messages]
        body: dict[str, Any] = {
            "bot_id": call.channel.other or call.sent,
            "user_id": user,
            "stream": True,
            "additional_messages": made,
        }
        body.update(
            {name: told[name] for name in ("custom_variables", "parameters") if isinstance(told.get(name), dict)}
        )
        held = text(told.get("conversation_id"))
        return "/v3/chat" + (f"?conversation_id={quote(held, safe='')}" if held else ""), body

    def status(self, body: bytes) -> int:
        """The HTTP status of Coze's own code."""
        try:
            return STATUS.get(orjson.loads(body).get("code"), 502)
        except orjson.JSONDecodeError:
            raise BadAnswer("it is neither a stream nor JSON") from None

    def decoder(self, call: Call) -> CozeDecoder:
        """For a stream."""
        return CozeDecoder(call)


def _message(message: chat_pb2.Message, dropped: list[str]) -> dict[str, Any]:
    assistant = message.role == chat_pb2.ROLE_ASSISTANT
    if message.role in (chat_pb2.ROLE_SYSTEM, chat_pb2.ROLE_DEVELOPER):
        dropped.append("messages.role")
    said = words(message.parts, dropped, ("image",))
    made: dict[str, Any] = {"role": "assistant" if assistant else "user", "type": "answer" if assistant else "question"}
    pictures = []
    for part in message.parts:
        if part.HasField("image") and part.image.media.WhichOneof("source") == "url":
            pictures.append({"type": "image", "file_url": part.image.media.url})
        elif part.HasField("image"):
            dropped.append("parts.image")
    if not pictures:
        return {**made, "content_type": "text", "content": said}
    several = [{"type": "text", "text": said}, *pictures] if said else pictures
    return {**made, "content_type": "object_string", "content": orjson.dumps(several).decode()}


class CozeDecoder(AgentDecoder):
    """Implements ChatDecoder."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._said: set[str] = set()
        """Messages that came in pieces: what completes them says it all again."""

    def _event(self, name: str, found: dict[str, Any], out: list[ChatEvent]) -> None:
        if name.startswith("conversation.chat."):
            self._chat(name.removeprefix("conversation.chat."), found, out)
        elif name == "conversation.message.delta" and found.get("type") == "answer":
            self._said.add(text(found.get("id")))
            self._say("thinking", text(found.get("reasoning_content")), out)
            self._say("text", text(found.get("content")), out)
        elif name == "conversation.message.completed" and found.get("type") == "answer":
            if text(found.get("id")) not in self._said:
                self._say("text", text(found.get("content")), out)
        elif name == "conversation.message.completed":
            kind = text(found.get("type"))
            out.append(ChatEvent(opaque=parts_pb2.Opaque(dialect=FORM, kind=kind, json=orjson.dumps(found))))
        elif name == "error" or (not name and found.get("code")):
            self._refused(found, out)

    def _chat(self, state: str, found: dict[str, Any], out: list[ChatEvent]) -> None:
        self._start(text(found.get("id")), text(found.get("conversation_id")), whole(found.get("created_at")), out)
        self.usage = _usage(found.get("usage")) or self.usage
        if state == "failed":
            error = found.get("last_error")
            self._refused(error if isinstance(error, dict) else {}, out)
        elif state == "requires_action":
            self._calls(found, out)
            self._finish.finish, self._finish.vendor_finish = chat_pb2.FINISH_REASON_TOOL_CALLS, state
            self._end(out)
        elif state == "completed":
            self._finish.vendor_finish = state
            self._end(out)

    def _calls(self, found: dict[str, Any], out: list[ChatEvent]) -> None:
        action = found.get("required_action")
        held = action.get("submit_tool_outputs") if isinstance(action, dict) else None
        calls = held.get("tool_calls") if isinstance(held, dict) else None
        for made in calls if isinstance(calls, list) else ():
            function = made.get("function") if isinstance(made, dict) else None
            if isinstance(function, dict):
                call = parts_pb2.ToolCall(
                    id=text(made.get("id")), name=text(function.get("name")), arguments=text(function.get("arguments"))
                )
                self._whole(parts_pb2.Part(tool_call=call), out)

    def _refused(self, error: dict[str, Any], out: list[ChatEvent]) -> None:
        code = error.get("code")
        told: dict[str, Any] = {"message": text(error.get("msg")), "code": str(code or "")}
        told["http_status"] = STATUS.get(code, 502) if isinstance(code, int) else 502
        self._fault(told, out)


def _usage(raw: Any) -> usage_pb2.Usage | None:
    if not isinstance(raw, dict) or not raw.get("token_count"):
        return None
    read = Reader()
    found = usage_pb2.Usage(
        input_tokens=read.count(raw, "input_count"),
        output_tokens=read.count(raw, "output_count"),
        raw=orjson.dumps(raw),
        convention=usage_pb2.USAGE_CONVENTION_OPENAI,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )
    found.corrections.extend(read.corrections)
    return found

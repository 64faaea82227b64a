"""/api/paas/v3/model-api: invoke and sse-invoke, as the SDK zhipuai 1.x speaks them."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import usage_pb2

from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.openai.stream import OpenAIDecoder
from core.vendors.openai.translated import DONE, TranslatedChat, kept, words
from core.vendors.shared.sse import Lines

_OUT = {"temperature": "temperature", "top_p": "top_p"}
_STATUS = {
    1000: 401, 1001: 401, 1002: 401, 1003: 401, 1004: 401, 1110: 403, 1111: 403, 1112: 403, 1113: 402, 1120: 403,
    1200: 502, 1210: 400, 1211: 404, 1212: 400, 1213: 400, 1214: 400, 1215: 400, 1220: 403, 1221: 404, 1222: 404,
    1230: 502, 1231: 400, 1234: 502, 1261: 400, 1300: 400, 1301: 400, 1302: 429, 1303: 429, 1304: 429, 1305: 429,
}  # fmt: skip
"""Codes of errors, told with status 200 (open.bigmodel.cn/dev/api, error codes)."""
_LEAST, _MOST = 0.01, 0.99
"""Of temperature and top_p: both lie between 0 and 1, without the ends."""
_EVENT_LINES = 65_536
"""Data lines one event may have."""


class ZhipuChat(TranslatedChat):
    """Implements ChatForm for a row."""

    def address(self, call: Call) -> str:
        """The model and the way of answering are in the path."""
        method = "sse-invoke" if call.stream else "invoke"
        return f"{call.channel.base_url.rstrip('/')}/api/paas/v3/model-api/{call.sent}/{method}"

    def outgoing(self, body: dict[str, Any], call: Call, dropped: list[str]) -> dict[str, Any]:
        """prompt: user and assistant in turn; instructions stand before what the user says first."""
        turns: list[dict[str, str]] = []
        rules: list[str] = []
        for message in body["messages"]:
            said = words(message.get("content") or "", dropped)
            if message["role"] == "system":
                rules.append(said)
                continue
            if message["role"] == "tool" or message.get("tool_calls"):
                dropped.append("parts.tool_call")
            role = "assistant" if message["role"] == "assistant" else "user"
            if turns and turns[-1]["role"] == role:
                turns[-1]["content"] = "\n".join(piece for piece in (turns[-1]["content"], said) if piece)
            elif said:
                turns.append({"role": role, "content": said})
        if rules and turns and turns[0]["role"] == "user":
            turns[0]["content"] = "\n".join([*rules, turns[0]["content"]])
        elif rules:
            turns.insert(0, {"role": "user", "content": "\n".join(rules)})
        made = {"prompt": turns, **kept(body, _OUT, dropped)}
        for name in _OUT:
            if isinstance(made.get(name), int | float):
                made[name] = min(max(made[name], _LEAST), _MOST)
        if call.stream:
            made["incremental"] = True
        return made

    def incoming(self, answer: dict[str, Any], call: Call) -> dict[str, Any]:
        """Data of an answer that succeeded. Raises BadAnswer."""
        if answer.get("success") is False or answer.get("code") not in (None, 200):
            code = answer.get("code")
            status = _STATUS.get(code, 502) if isinstance(code, int) else 502
            return {"error": {"message": answer.get("msg"), "code": code, "http_status": status}}
        data = answer.get("data")
        if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
            raise BadAnswer("there are no choices")
        choices = [
            {"index": number, "message": {**choice, "content": _unquoted(choice.get("content"))}}
            for number, choice in enumerate(data["choices"])
            if isinstance(choice, dict)
        ]
        for choice in choices:
            choice["finish_reason"] = "stop"
        return {"id": data.get("task_id"), "choices": choices, "usage": data.get("usage")}

    def decoder(self, call: Call) -> ZhipuDecoder:  # type: ignore[override]
        """For a stream: its events have names, and data that is no JSON."""
        return ZhipuDecoder(call)


def _unquoted(content: Any) -> Any:
    """The text; whole answers tell it as a JSON string inside the string."""
    if isinstance(content, str) and len(content) > 1 and content[0] == content[-1] == '"':
        try:
            inner = orjson.loads(content)
        except orjson.JSONDecodeError:
            return content
        return inner if isinstance(inner, str) else content
    return content


class ZhipuDecoder:
    """Implements ChatDecoder for sse-invoke: add with a piece of text, finish with meta, error, interrupted."""

    def __init__(self, call: Call) -> None:
        self._lines = Lines(call.house.event_limit)
        self._inner = OpenAIDecoder(call)
        self._name = ""
        self._meta = ""
        self._data: list[str] = []

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's, so far."""
        return self._inner.usage

    @property
    def finished(self) -> bool:
        """Whether the form's own end was seen, or a fault."""
        return self._inner.finished

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._take(self._lines.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where the stream was cut."""
        out = self._take([self._lines.rest(), b""])
        if not self._inner.finished:
            raise BadAnswer("the stream was cut")
        return out

    def _take(self, lines: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for line in lines:
            if self._inner.finished:
                break
            text = line.decode("utf-8", "replace")
            field, _, value = text.partition(":")
            if not text:
                out += self._event()
            elif field == "event":
                self._name = value.strip()
            elif field == "meta":
                self._meta = value
            elif field == "data":
                if len(self._data) >= _EVENT_LINES:
                    raise BadAnswer("an event of the stream is too long")
                # The vendor puts no blank after the colon: one that is there is the text's.
                self._data.append(value)
        return out

    def _event(self) -> list[ChatEvent]:
        name, said, meta = self._name, "\n".join(self._data), self._meta
        self._name, self._data, self._meta = "", [], ""
        if name in ("error", "interrupted"):
            status = 400 if name == "interrupted" else 502
            return self._told({"error": {"message": said, "type": name, "http_status": status}})
        if name not in ("add", "finish"):
            return []
        choice: dict[str, Any] = {"index": 0, "delta": {"content": said}}
        chunk: dict[str, Any] = {"choices": [choice]}
        if name == "finish":
            choice["finish_reason"] = "stop"
            told = _object(meta)
            chunk["usage"] = told.get("usage")
            return self._told(chunk) + self._inner.feed(DONE)
        return self._told(chunk)

    def _told(self, chunk: dict[str, Any]) -> list[ChatEvent]:
        return self._inner.feed(b"data: " + orjson.dumps(chunk) + b"\n\n")


def _object(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}

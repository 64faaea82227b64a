"""Spark's chat: one message out, frames in, the last with usage (xfyun.cn/doc/spark/Web.html)."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2

from core.errors import ChannelError
from core.vendors.interface import BadAnswer, Call, VendorRequest
from core.vendors.openai.translated import TranslatedChat, TranslatedDecoder, kept, words
from core.vendors.shared import told
from core.vendors.shared.sse import Events
from core.vendors.xunfei.keys import parse
from core.vendors.xunfei.version import domain, url

_OUT = {"temperature": "temperature", "max_tokens": "max_tokens", "top_k": "top_k"}
_LEAST_TEMPERATURE, _MOST_TEMPERATURE = 0.01, 1.0
_MOST_TOP_K = 6
_STATUS = {
    10000: 502, 10001: 502, 10002: 502, 10003: 400, 10004: 400, 10005: 400, 10006: 429, 10007: 429, 10008: 503,
    10009: 502, 10010: 503, 10011: 502, 10012: 502, 10013: 400, 10014: 400, 10015: 403, 10016: 403, 10017: 400,
    10018: 502, 10019: 400, 10021: 400, 10022: 429, 10110: 503, 10163: 400, 10222: 502, 10223: 502, 10907: 400,
    11200: 403, 11201: 429, 11202: 429, 11203: 429, 11221: 403,
}  # fmt: skip
"""header.code (xfyun.cn/doc/spark/接口说明.html, error codes)."""
_LAST = 2
"""status of the last frame."""


class XunfeiChat(TranslatedChat):
    """Implements ChatForm for a row; whole answers come in frames, too."""

    def address(self, call: Call) -> str:
        """The version is in the path; the signature is not this step's work."""
        return url(call)

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The first message. Raises UnsupportedFeature, InvalidRequest, ChannelError."""
        made = super().encode(request, call)
        made.last = is_last
        return made

    def outgoing(self, body: dict[str, Any], call: Call, dropped: list[str]) -> dict[str, Any]:
        """header, parameter, payload; functions beside the message. Raises ChannelError."""
        try:
            key = parse(call.secret)
        except ValueError as error:
            raise ChannelError(str(error)) from None
        tools = () if body.get("tool_choice") == "none" else body.get("tools") or ()
        body = {name: value for name, value in body.items() if name != "tools"}
        said = {"domain": domain(call), **kept(body, _OUT, dropped)}
        if isinstance(said.get("temperature"), int | float):
            said["temperature"] = min(max(said["temperature"], _LEAST_TEMPERATURE), _MOST_TEMPERATURE)
        if isinstance(said.get("top_k"), int):
            said["top_k"] = min(max(said["top_k"], 1), _MOST_TOP_K)
        payload: dict[str, Any] = {"message": {"text": _messages(body["messages"], dropped)}}
        functions = [tool["function"] for tool in tools if tool.get("type") == "function"]
        dropped.extend(f"tools.{tool.get('type')}" for tool in tools if tool.get("type") != "function")
        if functions:
            known = ("name", "description", "parameters")
            payload["functions"] = {"text": [{name: f[name] for name in known if name in f} for f in functions]}
        return {"header": {"app_id": key.appid}, "parameter": {"chat": said}, "payload": payload}

    def incoming(self, answer: dict[str, Any], call: Call) -> dict[str, Any]:
        """A frame as a chunk. Raises BadAnswer."""
        header = answer.get("header")
        if not isinstance(header, dict):
            raise BadAnswer("there is no header")
        if code := header.get("code"):
            status = _STATUS.get(code, 502) if isinstance(code, int) else 502
            return {"error": {"message": header.get("message"), "code": code, "http_status": status}}
        payload = answer.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        told_choices = payload.get("choices")
        texts = told_choices.get("text") if isinstance(told_choices, dict) else None
        pieces = [piece for piece in texts if isinstance(piece, dict)] if isinstance(texts, list) else []
        choices: list[dict[str, Any]] = [{"index": 0, "delta": _delta(piece)} for piece in pieces]
        if header.get("status") == _LAST:
            choices = choices or [{"index": 0, "delta": {}}]
            called = any("tool_calls" in choice["delta"] for choice in choices)
            choices[-1]["finish_reason"] = "tool_calls" if called else "stop"
        found: dict[str, Any] = {"id": header.get("sid"), "choices": choices}
        counts = payload.get("usage")
        if isinstance(counts, dict) and isinstance(counts.get("text"), dict):
            found["usage"] = counts["text"]
        return found

    def ends(self, chunk: dict[str, Any]) -> bool:
        """The last frame says so."""
        header = chunk.get("header")
        return isinstance(header, dict) and header.get("status") == _LAST

    def decoder(self, call: Call) -> XunfeiDecoder:
        """For a stream."""
        return XunfeiDecoder(self, call)

    def _whole(self, body: bytes, call: Call) -> dict[str, Any]:
        """The frames of a whole answer as one. Raises ToldRefusal, BadAnswer."""
        events = Events(call.house.event_limit)
        frames = events.feed(body) + events.end()
        message: dict[str, Any] = {"role": "assistant", "content": "", "reasoning_content": ""}
        counts: dict[str, Any] = {}
        finish, sid = "", ""
        for frame in frames:
            parsed = _object(frame)
            found = self.incoming(parsed, call)
            if error := found.get("error"):
                raise told.refused(error, call.secret)
            sid = found["id"] or sid
            _add(counts, found.get("usage"))
            for choice in found["choices"]:
                delta = choice["delta"]
                for name in ("content", "reasoning_content"):
                    message[name] += delta.get(name) or ""
                if "tool_calls" in delta:
                    message["tool_calls"] = delta["tool_calls"]
                finish = choice.get("finish_reason") or finish
        if not finish:
            raise BadAnswer("the answer was cut" if frames else "there are no frames")
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {"id": sid, "choices": [choice], "usage": counts or None}


class XunfeiDecoder(TranslatedDecoder):
    """Implements ChatDecoder: usage adds up over frames."""

    def __init__(self, form: XunfeiChat, call: Call) -> None:
        super().__init__(form, call)
        self._counts: dict[str, Any] = {}

    def _translated(self, event: dict[str, Any]) -> dict[str, Any]:
        found = super()._translated(event)
        if "usage" in found:
            _add(self._counts, found["usage"])
            found["usage"] = self._counts
        return found


def is_last(message: bytes) -> bool:
    """Whether a frame is the last: by its status, or because it tells an error."""
    try:
        header = _object(message).get("header")
    except BadAnswer:
        return True
    return not isinstance(header, dict) or header.get("status") == _LAST or bool(header.get("code"))


def _object(frame: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(frame)
    except orjson.JSONDecodeError:
        raise BadAnswer("a frame is not JSON") from None
    if not isinstance(parsed, dict):
        raise BadAnswer("a frame is not an object")
    return parsed


def _add(counts: dict[str, Any], told: Any) -> None:
    for name, value in told.items() if isinstance(told, dict) else ():
        if type(value) is int:
            counts[name] = counts.get(name, 0) + value


def _delta(piece: dict[str, Any]) -> dict[str, Any]:
    delta: dict[str, Any] = {name: piece.get(name) for name in ("content", "reasoning_content") if piece.get(name)}
    called = piece.get("function_call")
    if isinstance(called, dict):
        function = {"name": called.get("name"), "arguments": called.get("arguments")}
        delta["tool_calls"] = [{"index": 0, "type": "function", "function": function}]
    return delta


def _messages(messages: list[dict[str, Any]], dropped: list[str]) -> list[dict[str, str]]:
    """Turns of both sides by turns; what the system says stands at the front, in one."""
    out: list[dict[str, str]] = []
    rules: list[str] = []
    for message in messages:
        made = _message(message, dropped)
        if made["role"] == "system":
            rules.append(made["content"])
        elif out and out[-1]["role"] == made["role"]:
            out[-1]["content"] += "\n" + made["content"]
        else:
            out.append(made)
    return [{"role": "system", "content": "\n".join(rules)}, *out] if rules else out


def _message(message: dict[str, Any], dropped: list[str]) -> dict[str, str]:
    """A turn as text: the form has no place for calls and their results but words."""
    said = words(message.get("content") or "", dropped)
    role = message["role"]
    if role == "tool":
        return {"role": "user", "content": said}
    if message.get("tool_calls"):
        dropped.append("parts.tool_call")
    return {"role": role, "content": said}

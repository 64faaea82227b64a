"""Hunyuan's ChatCompletions as Tencent Cloud's API 3.0 has it.

Facts: cloud.tencent.com/document/api/1729/105701 and the data types of tencentcloud-sdk-python, hunyuan v20230901.
"""

from __future__ import annotations

from typing import Any

import orjson

from core.errors import ChannelError
from core.vendors.interface import BadAnswer, Call
from core.vendors.openai.translated import TranslatedChat, kept
from core.vendors.shared.headers import headers
from core.vendors.tencent.keys import parse

ACTION, VERSION = "ChatCompletions", "2023-09-01"
_OUT = {
    "temperature": "Temperature", "top_p": "TopP", "seed": "Seed", "stop": "Stop", "tools": "Tools",
    "tool_choice": "ToolChoice", "enable_thinking": "EnableThinking",
}  # fmt: skip
_IN = {
    "Choices": "choices", "Created": "created", "Id": "id", "Usage": "usage", "Index": "index", "Delta": "delta",
    "Message": "message", "FinishReason": "finish_reason", "Role": "role", "Content": "content",
    "ReasoningContent": "reasoning_content", "ToolCalls": "tool_calls", "Type": "type", "Function": "function",
    "Name": "name", "Arguments": "arguments", "PromptTokens": "prompt_tokens", "TotalTokens": "total_tokens",
    "CompletionTokens": "completion_tokens",
}  # fmt: skip
"""Other members keep their names, as what OpenAI's form does not know."""
_OPEN = frozenset({"Choices", "Usage", "Delta", "Message", "ToolCalls", "Function"})
_STATUS = (
    ("AuthFailure.UnauthorizedOperation", 403), ("AuthFailure", 401), ("UnauthorizedOperation", 403),
    ("RequestLimitExceeded", 429), ("LimitExceeded", 429), ("ResourceInsufficient", 429), ("ResourceUnavailable", 402),
    ("FailedOperation.ResourcePack", 402), ("FailedOperation.FreeResource", 402),
    ("FailedOperation.ServiceNotActivated", 402), ("FailedOperation.UserUnAuthError", 403),
    ("FailedOperation.EngineServerLimitExceeded", 429), ("FailedOperation.EngineRequestTimeout", 504),
    ("InvalidParameter", 400), ("MissingParameter", 400), ("UnknownParameter", 400), ("UnsupportedOperation", 400),
    ("OperationDenied", 400), ("InternalError", 500),
)  # fmt: skip
"""The beginnings of error codes (the SDK's errorcodes.py), the longer first."""


class TencentChat(TranslatedChat):
    """Implements ChatForm for a row."""

    def address(self, call: Call) -> str:
        """One address for all; the action stands in a header."""
        return call.channel.base_url.rstrip("/") + "/"

    def headers(self, call: Call) -> tuple[tuple[str, str], ...]:
        """Action and version; the signature is not this step's work. Raises ChannelError."""
        try:
            parse(call.secret)
        except ValueError as error:
            raise ChannelError(str(error)) from None
        return headers(self._row, call, more=(("X-TC-Action", ACTION), ("X-TC-Version", VERSION)))

    def outgoing(self, body: dict[str, Any], call: Call, dropped: list[str]) -> dict[str, Any]:
        """CamelCase; parameters of functions are JSON text; one system message, at the front."""
        choice = body.pop("tool_choice", None)
        made = {"Model": call.sent, "Messages": _messages(body["messages"], dropped), **kept(body, _OUT, dropped)}
        if isinstance(made.get("Stop"), str):
            made["Stop"] = [made["Stop"]]
        if "Tools" in made:
            tools = [tool for tool in made["Tools"] if tool.get("type") == "function"]
            dropped.extend(f"tools.{tool.get('type')}" for tool in made["Tools"] if tool.get("type") != "function")
            made["Tools"] = [_tool(tool["function"], dropped) for tool in tools]
            made |= _choice(choice, made["Tools"], dropped)
        if call.stream:
            made["Stream"] = True
        return made

    def incoming(self, answer: dict[str, Any], call: Call) -> dict[str, Any]:
        """The answer inside Response, or a piece of a stream, which stands alone. Raises BadAnswer."""
        inner = answer.get("Response", answer)
        if not isinstance(inner, dict):
            raise BadAnswer("there is no response")
        error = inner.get("Error")
        if isinstance(error, dict):
            code = str(error.get("Code") or "")
            return {"error": {"message": error.get("Message"), "code": code, "http_status": _status(code)}}
        failed = inner.get("ErrorMsg")
        if isinstance(failed, dict) and failed.get("Code"):
            return {"error": {"message": failed.get("Msg"), "code": failed["Code"], "http_status": 502}}
        found: dict[str, Any] = _renamed(inner)
        for name in ("Note", "RequestId", "ErrorMsg"):
            found.pop(name, None)
        return found


def _status(code: str) -> int:
    """The HTTP status an error code stands for: the vendor answers with 200."""
    return next((status for start, status in _STATUS if code.startswith(start)), 502)


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_IN.get(name, name): _renamed(item) if name in _OPEN else item for name, item in value.items()}


def _messages(messages: list[dict[str, Any]], dropped: list[str]) -> list[dict[str, Any]]:
    """Every message; what the system says stands in one message at the front, as the vendor demands."""
    rules = [message for message in messages if message["role"] == "system"]
    made = [_message(message, dropped) for message in messages if message["role"] != "system"]
    if rules:
        first = _message(rules[0], dropped)
        said = [_message(rule, dropped).get("Content", "") for rule in rules]
        if len(rules) > 1:
            first = {"Role": "system", "Content": "\n".join(said)}
        made.insert(0, first)
    return made


def _message(message: dict[str, Any], dropped: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"Role": message["role"]}
    content = message.get("content")
    if isinstance(content, list):
        pieces = []
        for piece in content:
            if piece.get("type") == "text":
                pieces.append({"Type": "text", "Text": piece.get("text", "")})
            elif piece.get("type") in ("image_url", "video_url"):
                member = "ImageUrl" if piece["type"] == "image_url" else "VideoUrl"
                pieces.append({"Type": piece["type"], member: {"Url": piece[piece["type"]]["url"]}})
            else:
                dropped.append(f"parts.{piece.get('type')}")
        plain = all(piece["Type"] == "text" for piece in pieces)
        made |= {"Content": "\n".join(p["Text"] for p in pieces)} if plain else {"Contents": pieces}
    else:
        made["Content"] = content or ""
    if message.get("reasoning_content"):
        made["ReasoningContent"] = message["reasoning_content"]
    if message.get("tool_call_id"):
        made["ToolCallId"] = message["tool_call_id"]
    calls = message.get("tool_calls") or ()
    dropped.extend(f"tools.{call['type']}" for call in calls if call["type"] != "function")
    functions = [call for call in calls if call["type"] == "function"]
    if functions:
        made["ToolCalls"] = [
            {
                "Id": call["id"],
                "Type": "function",
                "Function": {"Name": call["function"]["name"], "Arguments": call["function"]["arguments"]},
            }
            for call in functions
        ]
    dropped.extend(f"messages.{name}" for name in ("name", "refusal", "audio") if message.get(name))
    return made


def _tool(function: dict[str, Any], dropped: list[str]) -> dict[str, Any]:
    if "strict" in function:
        dropped.append("tools.function.strict")
    parameters = orjson.dumps(function.get("parameters") or {"type": "object", "properties": {}}).decode()
    made = {"Name": function["name"], "Parameters": parameters, "Description": function.get("description", "")}
    return {"Type": "function", "Function": made}


def _choice(choice: Any, tools: list[dict[str, Any]], dropped: list[str]) -> dict[str, Any]:
    """none, auto, or custom with the tool that must be called; "required" is that where there is one tool."""
    if choice in ("none", "auto"):
        return {"ToolChoice": choice}
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else ""
    if choice == "required" and len(tools) == 1:
        name = tools[0]["Function"]["Name"]
    wanted = next((tool for tool in tools if tool["Function"]["Name"] == name), None)
    if wanted is not None:
        return {"ToolChoice": "custom", "CustomTool": wanted}
    if choice is not None:
        dropped.append("tool_choice")
    return {}

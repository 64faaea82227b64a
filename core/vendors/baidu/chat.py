"""Wenxin Workshop's chat (cloud.baidu.com/doc/WENXINWORKSHOP/s/clntwmv7t)."""

from __future__ import annotations

from typing import Any

from core.vendors.baidu.address import url
from core.vendors.baidu.errors import error_of
from core.vendors.interface import BadAnswer, Call
from core.vendors.openai.translated import TranslatedChat, kept, words

_OUT = {
    "temperature": "temperature", "top_p": "top_p", "stop": "stop", "user": "user_id",
    "max_tokens": "max_output_tokens", "repetition_penalty": "penalty_score",
}  # fmt: skip
_FINISH = {"normal": "stop", "stop": "stop", "function_call": "tool_calls"}
"""The vendor's words that are not OpenAI's."""
_LEAST_TEMPERATURE, _MOST_TEMPERATURE = 0.01, 1.0
_LEAST_OUTPUT = 2


class BaiduChat(TranslatedChat):
    """Implements ChatForm for a row."""

    def address(self, call: Call) -> str:
        """The model is in the path."""
        return url(call, "chat")

    def outgoing(self, body: dict[str, Any], call: Call, dropped: list[str]) -> dict[str, Any]:
        """System apart, one call a message, functions and their results by name."""
        tools, choice, format_ = (
            body.pop("tools", None),
            body.pop("tool_choice", None),
            body.pop("response_format", None),
        )
        system, messages = _messages(body["messages"], dropped)
        made: dict[str, Any] = {"messages": messages, **kept(body, _OUT, dropped)}
        if system:
            made["system"] = system
        if isinstance(made.get("temperature"), int | float):
            made["temperature"] = min(max(made["temperature"], _LEAST_TEMPERATURE), _MOST_TEMPERATURE)
        if isinstance(made.get("stop"), str):
            made["stop"] = [made["stop"]]
        if isinstance(made.get("max_output_tokens"), int):
            made["max_output_tokens"] = max(made["max_output_tokens"], _LEAST_OUTPUT)
        if isinstance(format_, dict) and format_.get("type") in ("text", "json_object"):
            made["response_format"] = format_["type"]
        elif format_ is not None:
            dropped.append("output")
        functions = [tool["function"] for tool in tools or () if tool.get("type") == "function"]
        dropped.extend(f"tools.{tool.get('type')}" for tool in tools or () if tool.get("type") != "function")
        if functions and choice != "none":
            made["functions"] = [_function(function) for function in functions]
            if isinstance(choice, dict) and choice.get("type") == "function":
                made["tool_choice"] = choice
            elif choice not in (None, "auto"):
                dropped.append("tool_choice")
        if call.stream:
            made["stream"] = True
        return made

    def incoming(self, answer: dict[str, Any], call: Call) -> dict[str, Any]:
        """Result and function_call as one choice. Raises BadAnswer."""
        return self._read(answer, "message", True)

    def chunk(self, chunk: dict[str, Any], call: Call) -> dict[str, Any]:
        """A piece of the same shape; the last has is_end."""
        return self._read(chunk, "delta", bool(chunk.get("is_end")))

    def ends(self, chunk: dict[str, Any]) -> bool:
        """Whether the vendor says so."""
        return bool(chunk.get("is_end"))

    @staticmethod
    def _read(answer: dict[str, Any], place: str, last: bool) -> dict[str, Any]:
        if (error := error_of(answer)) is not None:
            return {"error": error}
        called = answer.get("function_call")
        if "result" not in answer and not isinstance(called, dict):
            raise BadAnswer("there is no result")
        said: dict[str, Any] = {"role": "assistant", "content": answer.get("result")}
        if isinstance(called, dict):
            said["reasoning_content"] = called.get("thoughts")
            function = {"name": called.get("name"), "arguments": called.get("arguments")}
            said["tool_calls"] = [{"index": 0, "type": "function", "function": function}]
        choice: dict[str, Any] = {"index": 0, place: said}
        if last:
            choice["finish_reason"] = _finish(answer, isinstance(called, dict))
        return {**{name: answer.get(name) for name in ("id", "created", "usage")}, "choices": [choice]}


def _finish(answer: dict[str, Any], called: bool) -> str:
    word = answer.get("finish_reason")
    if called:
        return "tool_calls"
    if isinstance(word, str) and word:
        return _FINISH.get(word, word)
    return "length" if answer.get("is_truncated") else "stop"


def _messages(messages: list[dict[str, Any]], dropped: list[str]) -> tuple[str, list[dict[str, Any]]]:
    """What the system says, and the turns."""
    system: list[str] = []
    made: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        said = words(message.get("content") or "", dropped)
        if message["role"] == "system":
            system.append(said)
        elif message["role"] == "tool":
            name = names.get(message.get("tool_call_id", ""), "function")
            made.append({"role": "function", "name": name, "content": said})
        else:
            calls = message.get("tool_calls") or []
            if said or not calls:
                made.append({"role": message["role"], "content": said})
            for call in calls:
                inner = call.get("function") or call.get("custom") or {}
                names[call["id"]] = inner.get("name", "")
                called = {"name": inner.get("name", ""), "arguments": inner.get("arguments") or inner.get("input", "")}
                made.append({"role": "assistant", "content": "", "function_call": called})
        if message.get("reasoning_content"):
            dropped.append("parts.thinking")
    return "\n".join(system), _joined(_paired(made))


def _paired(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each call right before its result: the vendor knows one call a turn, and results follow their calls."""
    out: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    for message in messages:
        if "function_call" in message:
            waiting.append(message)
            continue
        if message["role"] == "function":
            of = next((call for call in waiting if call["function_call"]["name"] == message["name"]), None)
            if of is not None:
                waiting.remove(of)
                out.append(of)
        else:
            out += waiting
            waiting = []
        out.append(message)
    return out + waiting


def _joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of one side joined: sides must alternate. A call right after what the same side said takes its words."""
    out: list[dict[str, Any]] = []
    for message in messages:
        last = out[-1] if out else None
        if last is None or last["role"] != message["role"] or "function_call" in last or message["role"] == "function":
            out.append(message)
        elif "function_call" in message:
            out[-1] = {**message, "content": last["content"]}
        else:
            out[-1] = {**last, "content": f"{last['content']}\n{message['content']}"}
    return out


def _function(function: dict[str, Any]) -> dict[str, Any]:
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function["name"], "description": function.get("description", ""), "parameters": parameters}

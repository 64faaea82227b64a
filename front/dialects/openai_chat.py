"""OpenAI Chat Completions: body -> envelope and canonical request. Source: OpenAI's API reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, tools_pb2

from front.dialects.openai_parts import part, tool_call
from front.dialects.strict import number, take, whole
from front.errors import bad

FORM = "openai.chat"
ROLES = {
    "system": chat_pb2.ROLE_SYSTEM, "developer": chat_pb2.ROLE_DEVELOPER, "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT, "tool": chat_pb2.ROLE_TOOL, "function": chat_pb2.ROLE_TOOL,
}  # fmt: skip
EFFORTS = {
    "none": chat_pb2.EFFORT_NONE, "minimal": chat_pb2.EFFORT_MINIMAL, "low": chat_pb2.EFFORT_LOW,
    "medium": chat_pb2.EFFORT_MEDIUM, "high": chat_pb2.EFFORT_HIGH, "xhigh": chat_pb2.EFFORT_XHIGH,
    "max": chat_pb2.EFFORT_MAX,
}  # fmt: skip
MOST_TOKENS = 1 << 31
MOST_CHOICES = 128
MOST_TOOLS = 1024


def parse(source: dict[str, Any], raw: bytes, max_messages: int) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
    """The envelope and the canonical request. Consumes source. Raises FrontError 400 naming the field."""
    model = take(source, "model", str)
    if not model or not model.strip():
        raise bad("model is required.", "model")
    messages = take(source, "messages", list)
    if not messages:
        raise bad("messages must be an array with at least one message.", "messages")
    if len(messages) > max_messages:
        raise bad(f"messages has more than {max_messages} entries.", "messages")
    chat = chat_pb2.ChatRequest()
    for index, item in enumerate(messages):
        _message(chat.messages.add(), item, f"messages[{index}]", raw)
    streamed = bool(take(source, "stream", bool))
    limit = whole(source, "max_completion_tokens", 1, MOST_TOKENS)
    older = whole(source, "max_tokens", 1, MOST_TOKENS)
    if (most := limit if limit is not None else older) is not None:
        chat.max_output_tokens = most
    choices = whole(source, "n", 1, MOST_CHOICES)
    if choices is not None:
        chat.candidates = choices
    _sampling(chat, source)
    _tools(chat, source)
    _output(chat, source)
    _identity(chat, source)
    options = take(source, "stream_options", dict)
    if options:
        usage = take(options, "include_usage", bool, "stream_options.")
        if usage is not None:
            chat.stream_options.include_usage = usage
        hidden = take(options, "include_obfuscation", bool, "stream_options.")
        if hidden is not None:
            chat.stream_options.include_obfuscation = hidden
    unknown = {name: value for name, value in source.items() if value is not None}
    if unknown:
        chat.extensions.by_dialect[FORM] = orjson.dumps(unknown)
    envelope = common_pb2.Envelope(
        operation=common_pb2.OPERATION_CHAT,
        model=model,
        stream=streamed,
        max_output_tokens=chat.max_output_tokens,
        candidates=choices or 0,
        path="/v1/chat/completions",
    )
    return envelope, chat


def _message(message: chat_pb2.Message, item: Any, path: str, raw: bytes) -> None:
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    role = item.pop("role", None)
    if not isinstance(role, str) or role not in ROLES:
        raise bad(f"{path}.role must be one of {', '.join(ROLES)}.", f"{path}.role")
    message.role = ROLES[role]
    if name := take(item, "name", str, path + "."):
        message.name = name
    content = item.pop("content", None)
    if role in ("tool", "function"):
        result = message.parts.add().tool_result
        result.call_id = take(item, "tool_call_id", str, path + ".") or ""
        if role == "tool" and not result.call_id:
            raise bad(f"{path}.tool_call_id is required.", f"{path}.tool_call_id")
        result.name = message.name
        _content(result.content.add, content, path, raw)
    else:
        reasoning = take(item, "reasoning_content", str, path + ".") or take(item, "reasoning", str, path + ".")
        if reasoning:
            message.parts.add().thinking.text = reasoning
        _content(message.parts.add, content, path, raw)
        if refusal := take(item, "refusal", str, path + "."):
            message.parts.add().refusal.text = refusal
        for index, call in enumerate(take(item, "tool_calls", list, path + ".") or ()):
            tool_call(message.parts.add().tool_call, call, f"{path}.tool_calls[{index}]")
        if legacy := take(item, "function_call", dict, path + "."):
            tool_call(message.parts.add().tool_call, {"function": legacy}, f"{path}.function_call")
        if role != "assistant" and not message.parts and content is None:
            raise bad(f"{path}.content is required.", f"{path}.content")
    item = {name: value for name, value in item.items() if value is not None}
    if item:
        message.extensions.by_dialect[FORM] = orjson.dumps(item)


def _content(add: Callable[[], Any], content: Any, path: str, raw: bytes) -> None:
    if content is None:
        return
    if isinstance(content, str):
        add().text.text = content
        return
    if not isinstance(content, list):
        raise bad(f"{path}.content must be a string or an array of parts.", f"{path}.content")
    for index, item in enumerate(content):
        part(add(), item, f"{path}.content[{index}]", raw)


def _sampling(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    sampling = chat.sampling
    for name, least, most in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("min_p", 0, 1),
        ("frequency_penalty", -2, 2),
        ("presence_penalty", -2, 2),
        ("repetition_penalty", 0, 10),
    ):
        value = number(source, name, least, most)
        if value is not None:
            setattr(sampling, name, value)
    for name, low, high in (
        ("seed", -(1 << 63), (1 << 63) - 1),
        ("top_k", -1, 1 << 31),
        ("top_logprobs", 0, 20),
    ):
        count = whole(source, name, low, high)
        if count is not None:
            setattr(sampling, name, count)
    logprobs = take(source, "logprobs", bool)
    if logprobs is not None:
        sampling.logprobs = logprobs
    for token, bias in (take(source, "logit_bias", dict) or {}).items():
        if isinstance(bias, bool) or not isinstance(bias, int | float):
            raise bad("logit_bias must map tokens to numbers.", "logit_bias")
        sampling.logit_bias[token] = bias
    stop = source.pop("stop", None)
    if isinstance(stop, str):
        chat.stop_sequences.append(stop)
    elif isinstance(stop, list) and all(isinstance(item, str) for item in stop) and len(stop) <= 16:
        chat.stop_sequences.extend(stop)
    elif stop is not None:
        raise bad("stop must be a string or an array of strings.", "stop")
    effort = take(source, "reasoning_effort", str)
    if effort is not None:
        if effort not in EFFORTS:
            raise bad(f"reasoning_effort must be one of {', '.join(EFFORTS)}.", "reasoning_effort")
        chat.reasoning.effort = EFFORTS[effort]


def _tools(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    tools = take(source, "tools", list) or []
    if len(tools) > MOST_TOOLS:
        raise bad(f"tools has more than {MOST_TOOLS} entries.", "tools")
    functions = take(source, "functions", list) or []
    for index, item in enumerate([*tools, *({"type": "function", "function": each} for each in functions)]):
        _tool(chat.tools.add(), item, f"tools[{index}]")
    choice = source.pop("tool_choice", None)
    if choice is None:
        choice = source.pop("function_call", None)
        if isinstance(choice, dict):
            choice = {"type": "function", "function": choice}
    if choice is not None:
        _choice(chat.tool_choice, choice)
    parallel = take(source, "parallel_tool_calls", bool)
    if parallel is not None:
        chat.tool_choice.parallel = parallel


def _tool(tool: tools_pb2.Tool, item: Any, path: str) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise bad(f"{path} must be an object with a type.", path)
    kind = item["type"]
    if kind == "function":
        function = item.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise bad(f"{path}.function.name must be a string.", f"{path}.function.name")
        tool.function.name = function["name"]
        tool.function.description = take(function, "description", str, path + ".function.") or ""
        parameters = take(function, "parameters", dict, path + ".function.")
        if parameters is not None:
            tool.function.parameters_json = orjson.dumps(parameters)
        strict = take(function, "strict", bool, path + ".function.")
        if strict is not None:
            tool.function.strict = strict
    elif kind == "custom" and isinstance(item.get("custom"), dict):
        custom = item["custom"]
        tool.custom.name = take(custom, "name", str, path + ".custom.") or ""
        tool.custom.description = take(custom, "description", str, path + ".custom.") or ""
        grammar = (custom.get("format") or {}).get("grammar") if isinstance(custom.get("format"), dict) else None
        if isinstance(grammar, dict):
            tool.custom.grammar.syntax = str(grammar.get("syntax", ""))
            tool.custom.grammar.definition = str(grammar.get("definition", ""))
    else:
        tool.server.kind = tool.server.vendor_type = kind
        tool.server.json = orjson.dumps(item)
        tool.server.dialect = FORM


def _choice(choice: tools_pb2.ToolChoice, value: Any) -> None:
    modes = {
        "auto": tools_pb2.TOOL_CHOICE_MODE_AUTO,
        "none": tools_pb2.TOOL_CHOICE_MODE_NONE,
        "required": tools_pb2.TOOL_CHOICE_MODE_ANY,
    }
    if isinstance(value, str) and value in modes:
        choice.mode = modes[value]
        return
    if isinstance(value, dict):
        named = value.get(str(value.get("type")))
        if isinstance(named, dict) and isinstance(named.get("name"), str):
            choice.mode = tools_pb2.TOOL_CHOICE_MODE_ONE
            choice.names.append(named["name"])
            return
        if value.get("type") == "allowed_tools":
            choice.json, choice.dialect = orjson.dumps(value), FORM
            return
    raise bad("tool_choice must be none, auto, required, or name a tool.", "tool_choice")


def _output(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    wanted = take(source, "response_format", dict)
    if wanted is not None:
        kind = wanted.get("type")
        if kind == "json_object":
            chat.output.json_object.SetInParent()
        elif kind == "text":
            chat.output.text = True
        elif kind == "json_schema" and isinstance(wanted.get("json_schema"), dict):
            described = wanted["json_schema"]
            schema = chat.output.json_schema
            schema.name = take(described, "name", str, "response_format.json_schema.") or ""
            schema.description = take(described, "description", str, "response_format.json_schema.") or ""
            schema.schema_json = orjson.dumps(described.get("schema") or {})
            strict = take(described, "strict", bool, "response_format.json_schema.")
            if strict is not None:
                schema.strict = strict
        else:
            raise bad("response_format.type must be text, json_object or json_schema.", "response_format")
    chat.output.verbosity = take(source, "verbosity", str) or ""
    for modality in take(source, "modalities", list) or ():
        if not isinstance(modality, str):
            raise bad("modalities must be an array of strings.", "modalities")
        chat.output.modalities.append(modality)
    audio = take(source, "audio", dict)
    if audio is not None:
        chat.output.audio.format = take(audio, "format", str, "audio.") or ""
        voice = audio.get("voice")
        chat.output.audio.voice = voice if isinstance(voice, str) else orjson.dumps(voice).decode()


def _identity(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    chat.identity.user = take(source, "user", str) or ""
    chat.identity.safety_identifier = take(source, "safety_identifier", str) or ""
    for name, value in (take(source, "metadata", dict) or {}).items():
        if not isinstance(value, str):
            raise bad("metadata must map strings to strings.", "metadata")
        chat.identity.metadata[name] = value
    chat.caching.key = take(source, "prompt_cache_key", str) or ""
    chat.caching.retention = take(source, "prompt_cache_retention", str) or ""
    chat.placement.service_tier = take(source, "service_tier", str) or ""
    store = take(source, "store", bool)
    if store is not None:
        chat.state.store = store

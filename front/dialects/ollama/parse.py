"""Ollama's chat and generate: body -> envelope and canonical request.

https://docs.ollama.com/api/chat, https://docs.ollama.com/api/generate. Answers are streamed unless told otherwise.
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2

from front.dialects import call_ids
from front.dialects.interface import Ask
from front.dialects.openai import parts as openai_parts
from front.dialects.openai.chat import EFFORTS
from front.dialects.strict import take
from front.errors import bad

CHAT = "ollama.chat"
GENERATE = "ollama.generate"
EMBED = "ollama.embed"
ROLES = {
    "system": chat_pb2.ROLE_SYSTEM, "user": chat_pb2.ROLE_USER, "assistant": chat_pb2.ROLE_ASSISTANT,
    "tool": chat_pb2.ROLE_TOOL,
}  # fmt: skip
OPTIONS: dict[str, tuple[str, Any]] = {
    "temperature": ("temperature", float), "top_p": ("top_p", float), "top_k": ("top_k", int),
    "min_p": ("min_p", float), "seed": ("seed", int), "repeat_penalty": ("repetition_penalty", float),
    "presence_penalty": ("presence_penalty", float), "frequency_penalty": ("frequency_penalty", float),
}  # fmt: skip
"""Ollama's name -> the canonical one, and its type."""
MOST_TOKENS = 1 << 31


def model_of(source: dict[str, Any]) -> str:
    """The model's name. Raises FrontError 400."""
    model = take(source, "model", str) or take(source, "name", str)
    if not model or not model.strip():
        raise bad("model is required.", "model")
    return model


def chat(ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
    """POST /api/chat. Consumes the source. Raises FrontError 400 naming the field."""
    source = ask.source
    model = model_of(source)
    messages = take(source, "messages", list)
    if not messages:
        raise bad("messages must be an array with at least one message: models are not loaded here.", "messages")
    if len(messages) > ask.max_messages:
        raise bad(f"messages has more than {ask.max_messages} entries.", "messages")
    found = chat_pb2.ChatRequest()
    open_calls: list[tuple[str, str]] = []
    for index, item in enumerate(messages):
        _message(found.messages.add(), item, f"messages[{index}]", ask.raw, open_calls)
    for index, item in enumerate(take(source, "tools", list) or ()):
        _tool(found, item, f"tools[{index}]")
    return _rest(found, source, ask, model, CHAT)


def generate(ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
    """POST /api/generate. Consumes the source. Raises FrontError 400 naming the field."""
    source = ask.source
    model = model_of(source)
    found = chat_pb2.ChatRequest()
    system = take(source, "system", str)
    if system:
        found.messages.add(role=chat_pb2.ROLE_SYSTEM).parts.add().text.text = system
    prompt = take(source, "prompt", str) or ""
    message = found.messages.add(role=chat_pb2.ROLE_USER)
    if prompt:
        message.parts.add().text.text = prompt
    _images(message, take(source, "images", list), "images", ask.raw)
    if not message.parts:
        raise bad("prompt is required: models are not loaded here.", "prompt")
    return _rest(found, source, ask, model, GENERATE)


def _rest(
    found: chat_pb2.ChatRequest, source: dict[str, Any], ask: Ask, model: str, form: str
) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
    """What both have: stream, format, think, log-probabilities, options; what is left is kept."""
    streamed = take(source, "stream", bool)
    _format(found, source.pop("format", None))
    _think(found, source.pop("think", None))
    told = take(source, "logprobs", bool)
    if told is not None:
        found.sampling.logprobs = told
    several = take(source, "top_logprobs", int)
    if several is not None:
        if not 0 <= several <= 20:
            raise bad("top_logprobs must be between 0 and 20.", "top_logprobs")
        found.sampling.top_logprobs = several
    options = _options(found, take(source, "options", dict) or {})
    left = {name: value for name, value in source.items() if value is not None}
    if options:
        left["options"] = options
    if left:
        found.extensions.by_dialect[form] = orjson.dumps(left)
    found.stream_options.include_usage = True
    envelope = common_pb2.Envelope(
        operation=common_pb2.OPERATION_CHAT,
        model=model,
        stream=streamed is not False,
        max_output_tokens=found.max_output_tokens,
        path=ask.path,
    )
    return envelope, found


def _message(message: chat_pb2.Message, item: Any, path: str, raw: bytes, open_calls: list[tuple[str, str]]) -> None:
    """One message. open_calls: names and ids of calls without a result yet; clients need not tell ids."""
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    role = item.pop("role", None)
    if not isinstance(role, str) or role not in ROLES:
        raise bad(f"{path}.role must be one of {', '.join(ROLES)}.", f"{path}.role")
    message.role = ROLES[role]
    content = take(item, "content", str, path + ".") or ""
    if role == "tool":
        result = message.parts.add().tool_result
        result.name = take(item, "tool_name", str, path + ".") or ""
        told = take(item, "tool_call_id", str, path + ".") or ""
        result.call_id = call_ids.split(told)[0] if told else _answered(result.name, open_calls)
        result.content.add().text.text = content
    else:
        if thoughts := take(item, "thinking", str, path + "."):
            message.parts.add().thinking.text = thoughts
        calls = take(item, "tool_calls", list, path + ".") or []
        if content or not (calls or thoughts or item.get("images")):
            message.parts.add().text.text = content
        _images(message, take(item, "images", list, path + "."), f"{path}.images", raw)
        for index, call in enumerate(calls):
            _call(message, call, f"{path}.tool_calls[{index}]", open_calls)
    left = {name: value for name, value in item.items() if value is not None}
    if left:
        message.extensions.by_dialect[CHAT] = orjson.dumps(left)


def _call(message: chat_pb2.Message, call: Any, path: str, open_calls: list[tuple[str, str]]) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise bad(f"{path}.function.name is required.", path)
    part = message.parts.add()
    told = take(call, "id", str, path + ".") or f"call_{len(open_calls)}"
    part.tool_call.id, part.thought_signature = call_ids.split(told)
    part.tool_call.name = function["name"]
    given = function.get("arguments")
    part.tool_call.arguments = given if isinstance(given, str) else orjson.dumps(given or {}).decode()
    open_calls.append((part.tool_call.name, part.tool_call.id))


def _answered(name: str, open_calls: list[tuple[str, str]]) -> str:
    """The id of the first call a result without one may answer; it is open no more."""
    for index, (called, call_id) in enumerate(open_calls):
        if call_id and (not name or called == name):
            open_calls[index] = (called, "")
            return call_id
    return ""


def _images(message: chat_pb2.Message, images: list[Any] | None, path: str, raw: bytes) -> None:
    for index, item in enumerate(images or ()):
        if not isinstance(item, str):
            raise bad(f"{path}[{index}] must be base64 text.", f"{path}[{index}]")
        openai_parts.media(message.parts.add().image.media, item, raw)


def _tool(found: chat_pb2.ChatRequest, item: Any, path: str) -> None:
    inner = item.get("function") if isinstance(item, dict) else None
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise bad(f"{path}.function.name is required.", path)
    function = found.tools.add().function
    function.name = inner["name"]
    function.description = take(inner, "description", str, f"{path}.function.") or ""
    parameters = take(inner, "parameters", dict, f"{path}.function.")
    if parameters is not None:
        function.parameters_json = orjson.dumps(parameters)


def _format(found: chat_pb2.ChatRequest, wanted: Any) -> None:
    if wanted == "json":
        found.output.json_object.SetInParent()
    elif isinstance(wanted, dict):
        found.output.json_schema.schema_json = orjson.dumps(wanted)
    elif wanted not in (None, ""):
        raise bad("format must be json or a JSON schema.", "format")


def _think(found: chat_pb2.ChatRequest, wanted: Any) -> None:
    if isinstance(wanted, bool):
        found.reasoning.mode = chat_pb2.REASONING_MODE_ON if wanted else chat_pb2.REASONING_MODE_OFF
    elif isinstance(wanted, str) and wanted in EFFORTS:
        found.reasoning.effort = EFFORTS[wanted]
    elif wanted is not None:
        raise bad("think must be a boolean or low, medium or high.", "think")


def _options(found: chat_pb2.ChatRequest, options: dict[str, Any]) -> dict[str, Any]:
    """Options that have fields are read; the others, which only Ollama knows, are given back."""
    for name, (other, kind) in OPTIONS.items():
        value = take(options, name, kind, "options.")
        if value is not None:
            if abs(value) >= 1 << 31:
                raise bad(f"options.{name} is out of bounds.", f"options.{name}")
            setattr(found.sampling, other, value)
    limit = take(options, "num_predict", int, "options.")
    if limit is not None and 0 < limit <= MOST_TOKENS:
        found.max_output_tokens = limit
    stop = options.pop("stop", None)
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        raise bad("options.stop must be a string or an array of strings.", "options.stop")
    found.stop_sequences.extend(stops)
    return {name: value for name, value in options.items() if value is not None}

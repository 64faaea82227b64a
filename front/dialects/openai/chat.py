"""OpenAI Chat Completions: body -> envelope and canonical request. Source: OpenAI's API reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2

from front.dialects import call_ids
from front.dialects.openai import reasoning as openai_reasoning
from front.dialects.openai.parts import keep, part, tool_call
from front.dialects.openai.tools import tools as read_tools
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
MODES = {
    "enabled": chat_pb2.REASONING_MODE_ON, "disabled": chat_pb2.REASONING_MODE_OFF,
    "adaptive": chat_pb2.REASONING_MODE_ADAPTIVE, "auto": chat_pb2.REASONING_MODE_ADAPTIVE,
}  # fmt: skip
MOST_TOKENS = 1 << 31
MOST_CHOICES = 128


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
    called: dict[str, str] = {}
    for index, item in enumerate(messages):
        _message(chat.messages.add(), item, f"messages[{index}]", raw, called)
    streamed = bool(take(source, "stream", bool))
    limit = whole(source, "max_completion_tokens", 1, MOST_TOKENS)
    older = whole(source, "max_tokens", 1, MOST_TOKENS)
    if (most := limit if limit is not None else older) is not None:
        chat.max_output_tokens = most
    choices = whole(source, "n", 1, MOST_CHOICES)
    if choices is not None:
        chat.candidates = choices
    # Each takes what it knows out of the source; many requests say nothing more.
    for read in (stream_options, sampling, _reasoning, read_tools, _output, _identity, keep):
        if not source:
            break
        read(chat, source)
    envelope = common_pb2.Envelope(
        operation=common_pb2.OPERATION_CHAT,
        model=model,
        stream=streamed,
        max_output_tokens=chat.max_output_tokens,
        candidates=choices or 0,
        path="/v1/chat/completions",
    )
    return envelope, chat


def _message(message: chat_pb2.Message, item: Any, path: str, raw: bytes, called: dict[str, str]) -> None:
    """One message. called: the newest call of each function called the older way, whose calls have no ids."""
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
        own, _ = call_ids.split(take(item, "tool_call_id", str, path + ".") or "")
        result.call_id = own or called.get(message.name, "")
        if role == "tool" and not result.call_id:
            raise bad(f"{path}.tool_call_id is required.", f"{path}.tool_call_id")
        result.name = message.name
        _content(result.content.add, content, path, raw)
    else:
        reasoning = take(item, "reasoning_content", str, path + ".") or take(item, "reasoning", str, path + ".")
        details = item.get("reasoning_details")
        thoughts = openai_reasoning.read(details) if role == "assistant" and isinstance(details, list) else []
        for found in thoughts:
            message.parts.add().thinking.CopyFrom(found)
        if reasoning and not thoughts:
            message.parts.add().thinking.text = reasoning
        _content(message.parts.add, content, path, raw)
        if refusal := take(item, "refusal", str, path + "."):
            message.parts.add().refusal.text = refusal
        sound = item.get("audio")
        if role == "assistant" and isinstance(sound, dict) and isinstance(sound.get("id"), str):
            del item["audio"]
            message.parts.add().audio.id = sound["id"]
        for index, call in enumerate(take(item, "tool_calls", list, path + ".") or ()):
            tool_call(message.parts.add(), call, f"{path}.tool_calls[{index}]")
        if legacy := take(item, "function_call", dict, path + "."):
            part_call = message.parts.add()
            tool_call(part_call, {"function": legacy}, f"{path}.function_call")
            part_call.tool_call.id = called[part_call.tool_call.name] = f"call_{len(called)}_{path[9:-1]}"
        if role != "assistant" and not message.parts and content is None:
            raise bad(f"{path}.content is required.", f"{path}.content")
    keep(message, item)


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


def stream_options(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    """What the stream tells besides content."""
    options = take(source, "stream_options", dict)
    if options:
        usage = take(options, "include_usage", bool, "stream_options.")
        if usage is not None:
            chat.stream_options.include_usage = usage
        hidden = take(options, "include_obfuscation", bool, "stream_options.")
        if hidden is not None:
            chat.stream_options.include_obfuscation = hidden


def sampling(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    """How tokens are drawn, and where the answer stops."""
    drawn = chat.sampling
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
            setattr(drawn, name, value)
    for name, low, high in (
        ("seed", -(1 << 63), (1 << 63) - 1),
        ("top_k", -1, 1 << 31),
        ("top_logprobs", 0, 20),
    ):
        count = whole(source, name, low, high)
        if count is not None:
            setattr(drawn, name, count)
    logprobs = take(source, "logprobs", bool)
    if logprobs is not None:
        drawn.logprobs = logprobs
    for token, bias in (take(source, "logit_bias", dict) or {}).items():
        if isinstance(bias, bool) or not isinstance(bias, int | float):
            raise bad("logit_bias must map tokens to numbers.", "logit_bias")
        drawn.logit_bias[token] = bias
    stop = source.pop("stop", None)
    if isinstance(stop, str):
        chat.stop_sequences.append(stop)
    elif isinstance(stop, list) and all(isinstance(item, str) for item in stop) and len(stop) <= 16:
        chat.stop_sequences.extend(stop)
    elif stop is not None:
        raise bad("stop must be a string or an array of strings.", "stop")


def _reasoning(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    """reasoning_effort, and what other vendors call it, which also goes back as it came.

    reasoning {effort, max_tokens, enabled, exclude, summary}: OpenRouter. thinking {type, budget_tokens}: DeepSeek,
    Zhipu, VolcEngine. enable_thinking, thinking_budget: Qwen.
    """
    reasoning = chat.reasoning
    as_sent: dict[str, Any] = {}
    effort = take(source, "reasoning_effort", str)
    if effort is not None:
        if effort not in EFFORTS:
            raise bad(f"reasoning_effort must be one of {', '.join(EFFORTS)}.", "reasoning_effort")
        reasoning.effort = EFFORTS[effort]
    router = source.get("reasoning")
    if isinstance(router, dict):
        as_sent["reasoning"] = source.pop("reasoning")
        reasoning.effort = EFFORTS.get(str(router.get("effort")), reasoning.effort)
        _budget(reasoning, router.get("max_tokens"))
        _switch(reasoning, router.get("enabled"))
        if isinstance(router.get("exclude"), bool):
            reasoning.include_thoughts = not router["exclude"]
        if isinstance(router.get("summary"), str):
            reasoning.summary = router["summary"]
    thinking = source.get("thinking")
    if isinstance(thinking, dict):
        as_sent["thinking"] = source.pop("thinking")
        _budget(reasoning, thinking.get("budget_tokens"))
        reasoning.mode = MODES.get(str(thinking.get("type")), reasoning.mode)
    for name in ("enable_thinking", "thinking_budget"):
        if source.get(name) is not None:
            as_sent[name] = source.pop(name)
    _switch(reasoning, as_sent.get("enable_thinking"))
    _budget(reasoning, as_sent.get("thinking_budget"))
    if as_sent:
        if effort is not None:
            as_sent["reasoning_effort"] = effort
        reasoning.extensions.by_dialect[FORM] = orjson.dumps(as_sent)


def _switch(reasoning: chat_pb2.Reasoning, value: Any) -> None:
    if isinstance(value, bool):
        reasoning.mode = chat_pb2.REASONING_MODE_ON if value else chat_pb2.REASONING_MODE_OFF


def _budget(reasoning: chat_pb2.Reasoning, value: Any) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and -1 <= value <= MOST_TOKENS:
        reasoning.budget_tokens = value


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
            described_schema = take(described, "schema", dict, "response_format.json_schema.")
            if described_schema is not None:
                schema.schema_json = orjson.dumps(described_schema)
            strict = take(described, "strict", bool, "response_format.json_schema.")
            if strict is not None:
                schema.strict = strict
        elif isinstance(kind, str) and kind != "json_schema":
            source["response_format"] = wanted
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
        if voice is not None:
            chat.output.audio.voice = voice if isinstance(voice, str) else orjson.dumps(voice).decode()
    prediction = take(source, "prediction", dict)
    if prediction is not None:
        _content(chat.prediction.add, prediction.get("content"), "prediction", b"")


def _identity(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    chat.identity.user = take(source, "user", str) or ""
    chat.identity.safety_identifier = take(source, "safety_identifier", str) or ""
    for name, value in (take(source, "metadata", dict) or {}).items():
        if not isinstance(value, str):
            raise bad("metadata must map strings to strings.", "metadata")
        chat.identity.metadata[name] = value
    chat.caching.key = take(source, "prompt_cache_key", str) or ""
    chat.caching.retention = take(source, "prompt_cache_retention", str) or ""
    cache_options = take(source, "prompt_cache_options", dict)
    if cache_options is not None:
        chat.caching.options_json = orjson.dumps(cache_options)
    for name in ("service_tier", "speed", "inference_geo"):
        setattr(chat.placement, name, take(source, name, str) or "")
    store = take(source, "store", bool)
    if store is not None:
        chat.state.store = store

"""OpenAI Responses: body -> envelope and canonical request. Source: OpenAI's API reference and SDK."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2

from front.dialects.openai.chat import EFFORTS, MOST_TOKENS
from front.dialects.responses.items import Items
from front.dialects.responses.parts import FORM, keep
from front.dialects.responses.tools import tools
from front.dialects.strict import number, take, whole
from front.errors import FrontError, bad

PATH = "/v1/responses"
LOGPROBS = "message.output_text.logprobs"
INSTRUCTIONS = b'{"instructions":true}'
"""Marks the message that came as `instructions`: a system message among the items is another thing."""


def parse(source: dict[str, Any], raw: bytes, max_messages: int) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
    """The envelope and the canonical request. Consumes source. Raises FrontError 400 naming the field."""
    model = take(source, "model", str)
    if not model or not model.strip():
        raise bad("model is required.", "model")
    chat = chat_pb2.ChatRequest()
    if instructions := take(source, "instructions", str):
        message = chat.messages.add(role=chat_pb2.ROLE_SYSTEM)
        message.parts.add().text.text = instructions
        message.extensions.by_dialect[FORM] = INSTRUCTIONS
    _state(chat.state, source)
    _input(chat, source, raw, max_messages)
    streamed = bool(take(source, "stream", bool))
    if chat.state.background and not streamed:
        raise FrontError(
            400,
            "background answers cannot be fetched from this gateway yet; ask without background, or as a stream.",
            code="unsupported_feature",
            param="background",
            reason="UNSUPPORTED_FEATURE",
        )
    most = whole(source, "max_output_tokens", 1, MOST_TOKENS)
    if most is not None:
        chat.max_output_tokens = most
    _sampling(chat, source)
    _reasoning(chat.reasoning, source)
    tools(chat, source)
    left = _text(chat.output, source)
    _identity(chat, source)
    options = take(source, "stream_options", dict) or {}
    hidden = take(options, "include_obfuscation", bool, "stream_options.")
    if hidden is not None:
        chat.stream_options.include_obfuscation = hidden
    if options:
        source["stream_options"] = options
    if left:
        source["text"] = left
    keep(chat, source)
    envelope = common_pb2.Envelope(
        operation=common_pb2.OPERATION_CHAT,
        model=model,
        stream=streamed,
        max_output_tokens=chat.max_output_tokens,
        path=PATH,
    )
    return envelope, chat


def _input(chat: chat_pb2.ChatRequest, source: dict[str, Any], raw: bytes, max_messages: int) -> None:
    given = source.pop("input", None)
    state = chat.state
    follows = bool(state.previous_response_id or state.conversation_id or source.get("prompt"))
    if isinstance(given, str):
        chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = given
    elif isinstance(given, list):
        if not given and not follows:
            raise bad("input must not be empty.", "input")
        if len(given) > max_messages:
            raise bad(f"input has more than {max_messages} items.", "input")
        items = Items(chat, raw)
        for index, item in enumerate(given):
            items.read(item, f"input[{index}]")
    elif given is not None:
        raise bad("input must be a string or an array of items.", "input")
    elif not follows:
        raise bad("input is required.", "input")


def _state(state: chat_pb2.ConversationState, source: dict[str, Any]) -> None:
    state.previous_response_id = take(source, "previous_response_id", str) or ""
    conversation = source.pop("conversation", None)
    if isinstance(conversation, dict):
        conversation = take(conversation, "id", str, "conversation.") or ""
    if conversation is not None and not isinstance(conversation, str):
        raise bad("conversation must be a string or an object with an id.", "conversation")
    state.conversation_id = conversation or ""
    for name in ("store", "background"):
        value = take(source, name, bool)
        if value is not None:
            setattr(state, name, value)
    state.truncation = take(source, "truncation", str) or ""
    management = take(source, "context_management", list)
    if management is not None:
        state.context_management_json = orjson.dumps(management)


def _sampling(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    for name, most in (("temperature", 2), ("top_p", 1)):
        value = number(source, name, 0, most)
        if value is not None:
            setattr(chat.sampling, name, value)
    count = whole(source, "top_logprobs", 0, 20)
    if count is not None:
        chat.sampling.top_logprobs = count
    include = source.get("include")
    if include is not None and not (isinstance(include, list) and all(isinstance(each, str) for each in include)):
        raise bad("include must be an array of strings.", "include")
    if include and LOGPROBS in include:
        chat.sampling.logprobs = True


def _reasoning(reasoning: chat_pb2.Reasoning, source: dict[str, Any]) -> None:
    given = take(source, "reasoning", dict)
    if given is None:
        return
    effort = take(given, "effort", str, "reasoning.")
    if effort is not None:
        if effort not in EFFORTS:
            raise bad(f"reasoning.effort must be one of {', '.join(EFFORTS)}.", "reasoning.effort")
        reasoning.effort = EFFORTS[effort]
    reasoning.summary = take(given, "summary", str, "reasoning.") or ""
    reasoning.context = take(given, "context", str, "reasoning.") or ""
    older = given.get("generate_summary")
    if reasoning.summary or older:
        reasoning.include_thoughts = reasoning.summary != "none"
    keep(reasoning, given)


def _text(output: chat_pb2.OutputFormat, source: dict[str, Any]) -> dict[str, Any]:
    """text.format and text.verbosity; what is left of text."""
    given = take(source, "text", dict)
    if given is None:
        return {}
    output.verbosity = take(given, "verbosity", str, "text.") or ""
    shape = take(given, "format", dict, "text.")
    if shape is not None:
        _format(output, shape)
    return {name: value for name, value in given.items() if value is not None}


def _format(output: chat_pb2.OutputFormat, shape: dict[str, Any]) -> None:
    kind = shape.get("type")
    if kind == "text":
        output.text = True
    elif kind == "json_object":
        output.json_object.SetInParent()
    elif kind == "json_schema":
        schema = output.json_schema
        schema.name = take(shape, "name", str, "text.format.") or ""
        schema.description = take(shape, "description", str, "text.format.") or ""
        described = take(shape, "schema", dict, "text.format.")
        if not schema.name or described is None:
            raise bad("text.format needs name and schema.", "text.format")
        schema.schema_json = orjson.dumps(described)
        strict = take(shape, "strict", bool, "text.format.")
        if strict is not None:
            schema.strict = strict
    else:
        raise bad("text.format.type must be text, json_object or json_schema.", "text.format.type")


def _identity(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    chat.identity.user = take(source, "user", str) or ""
    chat.identity.safety_identifier = take(source, "safety_identifier", str) or ""
    for name, value in (take(source, "metadata", dict) or {}).items():
        if not isinstance(value, str):
            raise bad("metadata must map strings to strings.", "metadata")
        chat.identity.metadata[name] = value
    chat.caching.key = take(source, "prompt_cache_key", str) or ""
    chat.caching.retention = take(source, "prompt_cache_retention", str) or ""
    options = take(source, "prompt_cache_options", dict)
    if options is not None:
        chat.caching.options_json = orjson.dumps(options)
    chat.placement.service_tier = take(source, "service_tier", str) or ""

"""Canonical requests in the Responses form."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2

from core.vendors.interface import Call
from core.vendors.responses import encode_tools
from core.vendors.responses.encode_items import Items, own
from core.vendors.responses.encode_tools import raw
from core.vendors.responses.names import DIALECT, EFFORTS
from core.vendors.shared.identity import session_of, user_of
from core.vendors.table import Row

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
LEAST_OUTPUT = 16
"""The form refuses a lower max_output_tokens; other dialects' clients probe with 1."""
_BEYOND = (
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
)
"""Sampling this form has no words for."""


def encode(request: chat_pb2.ChatRequest, call: Call, row: Row) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the canonical names of what it could not hold."""
    dropped: list[str] = []
    same = call.native is not None and call.native.form == DIALECT
    body: dict[str, Any] = {"model": call.sent}
    instructions, items = Items(call, row, dropped).encode(request.messages)
    if instructions is not None:
        body["instructions"] = instructions
    body["input"] = items
    if made := encode_tools.tools(request.tools, same, dropped):
        body["tools"] = made
    choice = encode_tools.choice(request.tool_choice, request.tools, dropped)
    if choice is not None and (made or same):
        body["tool_choice"] = choice
    if request.tool_choice.HasField("parallel") and (made or same):
        body["parallel_tool_calls"] = request.tool_choice.parallel
    _sampling(request, body, dropped)
    _reasoning(request.reasoning, body, dropped)
    _output(request.output, body, dropped)
    _state(request, body, same, dropped)
    _rest(request, body, same, row.cache_key or bool(row.session_header), dropped)
    if call.stream:
        body["stream"] = True
        if request.stream_options.HasField("include_obfuscation"):
            body["stream_options"] = {"include_obfuscation": request.stream_options.include_obfuscation}
    dropped.extend(f"extensions.{dialect}" for dialect in request.extensions.by_dialect if dialect != DIALECT)
    _merge(body, own(request.extensions))
    _include(request, body, same)
    return orjson.dumps(body), tuple(dict.fromkeys(dropped))


def _merge(made: dict[str, Any], extra: dict[str, Any]) -> None:
    """Adds members that are not there, one level down too."""
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            _merge(made[key], value)
        else:
            made.setdefault(key, value)


def _sampling(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    sampling = request.sampling
    if sampling.HasField("temperature"):
        body["temperature"] = sampling.temperature
    if sampling.HasField("top_p"):
        body["top_p"] = sampling.top_p
    if sampling.HasField("top_logprobs"):
        body["top_logprobs"] = sampling.top_logprobs
    dropped.extend(f"sampling.{name}" for name in _BEYOND if sampling.HasField(name))  # type: ignore[arg-type]
    if sampling.logit_bias:
        dropped.append("sampling.logit_bias")


def _reasoning(reasoning: chat_pb2.Reasoning, body: dict[str, Any], dropped: list[str]) -> None:
    made: dict[str, Any] = {}
    if reasoning.effort:
        made["effort"] = EFFORTS[reasoning.effort]
    elif reasoning.mode == chat_pb2.REASONING_MODE_OFF:
        made["effort"] = "none"
    elif reasoning.HasField("budget_tokens") and reasoning.budget_tokens >= 0:
        budget = reasoning.budget_tokens
        made["effort"] = "none" if budget == 0 else "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"
    if reasoning.HasField("budget_tokens"):
        dropped.append("reasoning.budget_tokens")
    if reasoning.summary and reasoning.summary != "none":
        made["summary"] = reasoning.summary
    elif reasoning.include_thoughts and not reasoning.summary:
        made["summary"] = "auto"
    if reasoning.context:
        made["context"] = reasoning.context
    _merge(made, own(reasoning.extensions))
    if made:
        body["reasoning"] = made


def _output(output: chat_pb2.OutputFormat, body: dict[str, Any], dropped: list[str]) -> None:
    text: dict[str, Any] = {}
    kind = output.WhichOneof("structure")
    if kind == "json_object":
        text["format"] = {"type": "json_object"}
    elif kind == "json_schema":
        schema: dict[str, Any] = {"type": "json_schema", "name": output.json_schema.name or "answer"}
        if output.json_schema.description:
            schema["description"] = output.json_schema.description
        schema["schema"] = raw(output.json_schema.schema_json or b"{}", "text")
        if output.json_schema.HasField("strict"):
            schema["strict"] = output.json_schema.strict
        text["format"] = schema
    elif kind == "grammar":
        dropped.append("output.grammar")
    elif output.text:
        text["format"] = {"type": "text"}
    if output.verbosity:
        text["verbosity"] = output.verbosity
    if text:
        body["text"] = text
    if any(each != "text" for each in output.modalities):
        dropped.append("output.modalities")
    if output.HasField("audio"):
        dropped.append("output.audio")
    if output.image_config_json:
        dropped.append("output.image_config")
    if output.mime_type and not kind:
        dropped.append("output.mime_type")


def _state(request: chat_pb2.ChatRequest, body: dict[str, Any], same: bool, dropped: list[str]) -> None:
    state = request.state
    told = {
        "previous_response_id": state.previous_response_id,
        "conversation": state.conversation_id,
        "truncation": state.truncation,
    }
    body.update({name: value for name, value in told.items() if value})
    if state.HasField("store"):
        body["store"] = state.store
    elif not same and not state.previous_response_id and not state.conversation_id:
        # In the other dialects nothing is kept unless it is asked for; here everything is.
        body["store"] = False
    if state.HasField("background"):
        body["background"] = state.background
    if state.context_management_json:
        body["context_management"] = raw(state.context_management_json, "context_management")
    dropped.extend(f"state.{name}" for name in ("container", "continuation_token") if getattr(state, name))


def _rest(request: chat_pb2.ChatRequest, body: dict[str, Any], same: bool, keyed: bool, dropped: list[str]) -> None:
    if request.HasField("max_output_tokens"):
        body["max_output_tokens"] = request.max_output_tokens
        if request.max_output_tokens < LEAST_OUTPUT and not same:
            body["max_output_tokens"] = LEAST_OUTPUT
            dropped.append("max_output_tokens")
    caching, identity, placement = request.caching, request.identity, request.placement
    told = {
        "prompt_cache_key": caching.key or (session_of(identity.user) if keyed else ""),
        "prompt_cache_retention": caching.retention,
        "user": user_of(identity.user),
        "safety_identifier": identity.safety_identifier,
        "metadata": dict(identity.metadata),
        "service_tier": placement.service_tier,
    }
    body.update({name: value for name, value in told.items() if value})
    if told["user"] != identity.user:
        dropped.append("identity.user")
    if caching.options_json:
        body["prompt_cache_options"] = raw(caching.options_json, "prompt_cache_options")
    missing = {
        "stop_sequences": bool(request.stop_sequences),
        "candidates": request.candidates > 1,
        "prediction": bool(request.prediction),
        "safety": bool(request.safety),
        "caching.mark": caching.HasField("mark"),
        "caching.cached_content": bool(caching.cached_content),
        "placement.speed": bool(placement.speed),
        "placement.inference_geo": bool(placement.inference_geo),
    }
    dropped.extend(name for name, told_so in missing.items() if told_so)


def _include(request: chat_pb2.ChatRequest, body: dict[str, Any], same: bool) -> None:
    """What answers must hold so that the client's dialect loses nothing."""
    wanted = [LOGPROBS] if request.sampling.logprobs else []
    if not same and "reasoning" in body and not body.get("store"):
        wanted.append(ENCRYPTED)
    given = body.get("include")
    have = list(given) if isinstance(given, list) else []
    if added := [each for each in wanted if each not in have]:
        body["include"] = have + added

"""Canonical requests in the Messages form."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, tools_pb2

from core.vendors.anthropic.decode import DIALECT
from core.vendors.anthropic.encode_parts import Blocks, extend, raw
from core.vendors.anthropic.models import Facts, facts
from core.vendors.anthropic.options import limit as default_limit
from core.vendors.anthropic.reasoning import settle, think
from core.vendors.anthropic.rules import own_name
from core.vendors.anthropic.schema import closed
from core.vendors.anthropic.signature import SIGNERS
from core.vendors.anthropic.turns import Turns
from core.vendors.interface import Call
from core.vendors.table import Row

_MODES = {
    tools_pb2.TOOL_CHOICE_MODE_AUTO: "auto",
    tools_pb2.TOOL_CHOICE_MODE_NONE: "none",
    tools_pb2.TOOL_CHOICE_MODE_ANY: "any",
    tools_pb2.TOOL_CHOICE_MODE_ONE: "tool",
}
SERVER_TOOLS = {
    "web_search": "web_search_20250305",
    "web_fetch": "web_fetch_20250910",
    "code_interpreter": "code_execution_20250825",
}
"""Server tools of other dialects: the oldest version of Anthropic's own that every model with the tool takes."""
_SERVER_NAMES = {"code_interpreter": "code_execution"}
_UNSAID = (
    "min_p", "seed", "frequency_penalty", "presence_penalty", "repetition_penalty", "logprobs", "top_logprobs",
)  # fmt: skip
JSON_ONLY = "Answer with one JSON object and nothing else: no other words, no code fence."
JSON_SCHEMA = "Answer with one JSON value of this JSON schema and nothing else: no other words, no code fence.\n"


def encode(request: chat_pb2.ChatRequest, call: Call, row: Row) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the canonical names of what it could not hold."""
    dropped: list[str] = []
    model = call.sent
    name = own_name(call)
    known = facts(name)
    limit = request.max_output_tokens if request.HasField("max_output_tokens") else default_limit(call, name, known)
    body: dict[str, Any] = {"model": model, "max_tokens": limit}
    blocks = Blocks(call, row.owner in SIGNERS, dropped)
    # Caches are prefixes of tools, system, messages, in this order: so are the marks counted.
    tools = _tools(request, blocks, known, dropped)
    turns = Turns(blocks, known.system_inside, dropped)

    _output(request, call, body, turns, known, dropped)
    turns.add(request.messages)
    if turns.system:
        body["system"] = turns.system
    body["messages"] = turns.messages
    if tools:
        body["tools"] = tools
    _choice(request, body, dropped)
    _sampling(request, body, dropped)
    _rest(request, body, blocks, dropped)
    think(request, body, known, dropped)
    settle(body, model, known, dropped)
    if call.stream:
        body["stream"] = True
    extend(body, request.extensions)
    dropped += [f"extensions.{dialect}" for dialect in request.extensions.by_dialect if dialect != DIALECT]
    return orjson.dumps(body), tuple(dict.fromkeys(dropped))


def _tools(request: chat_pb2.ChatRequest, blocks: Blocks, known: Facts, dropped: list[str]) -> list[Any]:
    made: list[Any] = []
    for tool in request.tools:
        kind = tool.WhichOneof("kind")
        if kind == "server":
            found = _server_tool(tool.server, dropped)
            if found is None:
                continue
        elif kind == "function":
            found = _function(tool.function, known, dropped)
        else:
            found = _custom(tool.custom, dropped)
        if isinstance(found, dict):
            _tool_members(tool, found, blocks, dropped)
        made.append(found)
    return made


def _tool_members(tool: tools_pb2.Tool, made: dict[str, Any], blocks: Blocks, dropped: list[str]) -> None:
    """What every kind of tool may say."""
    if tool.deferred:
        made["defer_loading"] = True
    if tool.allowed_callers:
        made["allowed_callers"] = list(tool.allowed_callers)
    if tool.namespace:
        dropped.append("tools.namespace")
    if tool.HasField("cache_mark"):
        blocks.mark(made, tool.cache_mark)
    extend(made, tool.extensions)
    dropped.extend(f"tools.extensions.{dialect}" for dialect in tool.extensions.by_dialect if dialect != DIALECT)


def _function(function: tools_pb2.FunctionTool, known: Facts, dropped: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": function.name}
    if function.description:
        made["description"] = function.description
    schema = raw(function.parameters_json or b"{}", "tools")
    parsed = orjson.loads(function.parameters_json or b"{}")
    if not isinstance(parsed, dict) or "type" not in parsed:
        schema = {"type": "object", **(parsed or {"properties": {}})}
    made["input_schema"] = schema
    if function.HasField("strict"):
        if known.structured or not function.strict:
            made["strict"] = function.strict
        else:
            dropped.append("tools.function.strict")
    if function.examples_json:
        made["input_examples"] = raw(function.examples_json, "tools")
    dropped.extend(f"tools.function.{name}" for name in ("response_json", "behavior") if getattr(function, name))
    return made


def _custom(custom: tools_pb2.CustomTool, dropped: list[str]) -> dict[str, Any]:
    """A tool of free-form text as a function with that text as its one argument."""
    dropped.append("tools.custom")
    made: dict[str, Any] = {"name": custom.name}
    description = custom.description
    if custom.HasField("grammar"):
        description += f"\nThe input must follow this {custom.grammar.syntax} grammar:\n{custom.grammar.definition}"
    if description:
        made["description"] = description.strip()
    made["input_schema"] = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    return made


def _server_tool(tool: tools_pb2.ServerTool, dropped: list[str]) -> Any:
    if tool.dialect == DIALECT and tool.json:
        return raw(tool.json, "tools")
    kind = SERVER_TOOLS.get(tool.kind)
    if kind is None:
        dropped.append(f"tools.{tool.kind or 'server'}")
        return None
    made: dict[str, Any] = {"type": kind, "name": _SERVER_NAMES.get(tool.kind, tool.kind)}
    if tool.max_uses:
        made["max_uses"] = tool.max_uses
    for name in ("allowed_domains", "blocked_domains"):
        if getattr(tool, name):
            made[name] = list(getattr(tool, name))
    if tool.user_location_json:
        place = orjson.loads(tool.user_location_json)
        inner = place.get("approximate") if isinstance(place, dict) else None
        place = inner if isinstance(inner, dict) else place
        made["user_location"] = {"type": "approximate", **{k: v for k, v in place.items() if v is not None}}
    if tool.context_size:
        dropped.append(f"tools.{tool.kind}.context_size")
    return made


def _choice(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    choice = request.tool_choice
    if choice.json and choice.dialect == DIALECT:
        body["tool_choice"] = raw(choice.json, "tool_choice")
        return
    if choice.json:
        dropped.append("tool_choice.json")
    if "tools" not in body:
        return
    mode = _MODES.get(choice.mode, "")
    if choice.mode == tools_pb2.TOOL_CHOICE_MODE_ONE and not choice.names:
        mode = "any"
    if not mode and not (choice.HasField("parallel") and not choice.parallel):
        return
    made: dict[str, Any] = {"type": mode or "auto"}
    if mode == "tool":
        made["name"] = choice.names[0]
    elif choice.names:
        dropped.append("tool_choice.names")
    if choice.HasField("parallel") and mode != "none":
        made["disable_parallel_tool_use"] = not choice.parallel
    body["tool_choice"] = made


def _sampling(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    sampling = request.sampling
    for name in ("temperature", "top_p", "top_k"):
        if sampling.HasField(name):
            body[name] = getattr(sampling, name)
    dropped += [f"sampling.{name}" for name in _UNSAID if sampling.HasField(name)]  # type: ignore[arg-type]
    if sampling.logit_bias:
        dropped.append("sampling.logit_bias")


def _output(
    request: chat_pb2.ChatRequest, call: Call, body: dict[str, Any], turns: Turns, known: Facts, dropped: list[str]
) -> None:
    """Structured output: the form's own where the model has it, else asked for in words."""
    output = request.output
    kind = output.WhichOneof("structure")
    if kind == "json_schema":
        schema = output.json_schema.schema_json or b"{}"
        if known.structured and schema != b"{}":
            made = raw(schema, "output") if call.native and call.native.form == DIALECT else closed(schema, dropped)
            body["output_config"] = {"format": {"type": "json_schema", "schema": made}}
        else:
            dropped.append("output.json_schema")
            turns.instruct(JSON_SCHEMA + schema.decode("utf-8", "replace"))
        dropped += [f"output.json_schema.{name}" for name in ("description",) if getattr(output.json_schema, name)]
    elif kind == "json_object":
        dropped.append("output.json_object")
        turns.instruct(JSON_ONLY)
    elif kind == "grammar":
        dropped.append("output.grammar")
    if output.verbosity:
        dropped.append("output.verbosity")
    if any(modality != "text" for modality in output.modalities):
        dropped.append("output.modalities")
    dropped += [f"output.{name}" for name in ("image_config_json", "mime_type") if getattr(output, name) and not kind]
    if output.HasField("audio"):
        dropped.append("output.audio")


def _rest(request: chat_pb2.ChatRequest, body: dict[str, Any], blocks: Blocks, dropped: list[str]) -> None:
    if request.stop_sequences:
        kept = [text for text in request.stop_sequences if text.strip()]
        if len(kept) < len(request.stop_sequences):
            # The API refuses sequences of nothing but white space.
            dropped.append("stop_sequences")
        if kept:
            body["stop_sequences"] = kept
    identity = request.identity
    if identity.user or identity.safety_identifier:
        body["metadata"] = {"user_id": identity.user or identity.safety_identifier}
    _placement(request.placement, body, dropped)
    if request.caching.HasField("mark"):
        blocks.mark(body, request.caching.mark)
    state = request.state
    if state.container:
        told = state.container
        body["container"] = raw(told.encode(), "container") if told.startswith("{") else told
    if state.context_management_json:
        body["context_management"] = raw(state.context_management_json, "context_management")
    for holder, fields in _NO_PLACE.items():
        found = getattr(request, holder)
        dropped += [f"{holder}.{name}" for name in fields if getattr(found, name)]
    dropped += [name for name in ("prediction", "safety") if getattr(request, name)]
    if request.candidates > 1:
        dropped.append("candidates")


_NO_PLACE = {
    "identity": ("metadata",),
    "caching": ("key", "retention", "cached_content", "options_json"),
    "state": ("previous_response_id", "conversation_id", "background", "truncation", "continuation_token"),
}
"""Members of the canonical request that the form has no place for."""


def _placement(placement: chat_pb2.Placement, body: dict[str, Any], dropped: list[str]) -> None:
    tier = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only"}.get(placement.service_tier)
    if tier:
        body["service_tier"] = tier
    elif placement.service_tier:
        dropped.append("placement.service_tier")
    for name in ("speed", "inference_geo"):
        if getattr(placement, name):
            body[name] = getattr(placement, name)

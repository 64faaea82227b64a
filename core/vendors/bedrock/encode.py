"""Canonical requests in Converse's form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, tools_pb2

from core.vendors.bedrock.decode import DIALECT
from core.vendors.bedrock.families import Family, family, put
from core.vendors.bedrock.parts import Blocks, raw
from core.vendors.interface import Call

JSON_ONLY = "Answer with one JSON object and nothing else: no other words, no code fence."
JSON_SCHEMA = "Answer with one JSON value of this JSON schema and nothing else: no other words, no code fence.\n"
_INSTRUCTIONS = (chat_pb2.ROLE_SYSTEM, chat_pb2.ROLE_DEVELOPER)
_MODES = {
    tools_pb2.TOOL_CHOICE_MODE_AUTO: "auto",
    tools_pb2.TOOL_CHOICE_MODE_ANY: "any",
    tools_pb2.TOOL_CHOICE_MODE_ONE: "tool",
}
_EFFORTS = {
    chat_pb2.EFFORT_MINIMAL: "low",
    chat_pb2.EFFORT_LOW: "low",
    chat_pb2.EFFORT_MEDIUM: "medium",
    chat_pb2.EFFORT_HIGH: "high",
    chat_pb2.EFFORT_XHIGH: "high",
    chat_pb2.EFFORT_MAX: "high",
}
_BUDGETS = ((2048, "low"), (8192, "medium"))
"""Budgets up to which an effort stands for them; above: high."""
_UNSAID = (
    "min_p", "seed", "frequency_penalty", "presence_penalty", "repetition_penalty", "logprobs", "top_logprobs",
)  # fmt: skip
_TIERS = {"priority": "priority", "default": "default", "flex": "flex", "reserved": "reserved"}
_LABEL = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_LABELS_MOST = 16
_NO_PLACE = {
    "identity": ("user", "safety_identifier"),
    "placement": ("speed", "inference_geo"),
    "caching": ("key", "retention", "cached_content", "options_json"),
    "state": (
        "previous_response_id", "conversation_id", "background", "truncation", "continuation_token", "container",
        "context_management_json",
    ),
    "output": ("verbosity", "image_config_json"),
}  # fmt: skip
"""Members of the canonical request that the form has no place for."""


def encode(request: chat_pb2.ChatRequest, call: Call) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the canonical names of what it could not hold. Raises InvalidRequest, UnsupportedFeature."""
    dropped: list[str] = []
    known = family(call.sent)
    blocks = Blocks(call, known, dropped)
    body: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    # Caches are prefixes of tools, system, messages, in this order: so are the points counted.
    tools = _tools(request, blocks, known, dropped)
    system: list[dict[str, Any]] = []
    _output(request, body, system, known, dropped)
    messages = _messages(request.messages, blocks, system, known, dropped)
    if request.caching.HasField("mark") and messages:
        blocks.mark(messages[-1]["content"], request.caching.mark)
    if system:
        body["system"] = system
    body["messages"] = messages
    _tool_config(request, body, tools, messages, known, dropped)
    config = _inference(request, known, extra, dropped)
    _reasoning(request.reasoning, known, extra, config, dropped)
    if config:
        body["inferenceConfig"] = config
    if extra:
        body["additionalModelRequestFields"] = extra
    _rest(request, body, dropped)
    for dialect, json in request.extensions.by_dialect.items():
        if dialect != DIALECT:
            dropped.append(f"extensions.{dialect}")
            continue
        body.update({key: value for key, value in orjson.loads(json).items() if key not in body})
    return orjson.dumps(body), tuple(dict.fromkeys(dropped))


def _messages(
    messages: Iterable[chat_pb2.Message],
    blocks: Blocks,
    system: list[dict[str, Any]],
    known: Family,
    dropped: list[str],
) -> list[dict[str, Any]]:
    """Turns that alternate; instructions at the front go into system, later ones are the user's, in their place."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.name:
            dropped.append("messages.name")
        made = blocks.blocks(message.parts)
        if message.role in _INSTRUCTIONS:
            made = [block for block in made if block.keys() & {"text", "cachePoint"}]
            if not turns and known.system:
                system += made
                continue
            dropped.append("messages.role (a later instruction is sent as the user's)")
        if not made:
            continue
        role = "assistant" if message.role == chat_pb2.ROLE_ASSISTANT else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += made
        else:
            turns.append({"role": role, "content": made})
    if not turns and system:
        # Instructions alone are no conversation: they are what the user says.
        turns.append({"role": "user", "content": list(system)})
        system.clear()
    return turns


def _tools(request: chat_pb2.ChatRequest, blocks: Blocks, known: Family, dropped: list[str]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for tool in request.tools:
        kind = tool.WhichOneof("kind")
        if kind == "function":
            made.append({"toolSpec": _function(tool.function, known, dropped)})
        elif kind == "custom":
            dropped.append("tools.custom")
            made.append({"toolSpec": _custom(tool.custom)})
        elif kind == "server" and tool.server.kind == "web_search" and known.grounding:
            made.append({"systemTool": {"name": "nova_grounding"}})
        else:
            dropped.append(f"tools.{tool.server.kind or 'server'}")
            continue
        unheld = {"deferred": tool.deferred, "namespace": tool.namespace, "allowed_callers": tool.allowed_callers}
        dropped.extend(f"tools.{name}" for name, value in unheld.items() if value)
        dropped.extend(f"tools.extensions.{dialect}" for dialect in tool.extensions.by_dialect)
        if tool.HasField("cache_mark"):
            blocks.mark(made, tool.cache_mark, tools=True)
    return made


def _function(function: tools_pb2.FunctionTool, known: Family, dropped: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": function.name}
    if function.description:
        made["description"] = function.description
    schema = raw(function.parameters_json or b"{}", "tools")
    parsed = orjson.loads(function.parameters_json or b"{}")
    if not isinstance(parsed, dict) or "type" not in parsed:
        schema = {"type": "object", **(parsed or {"properties": {}})}
    made["inputSchema"] = {"json": schema}
    if function.strict and known.structured:
        made["strict"] = True
    elif function.strict:
        dropped.append("tools.function.strict")
    unheld = ("examples_json", "response_json", "behavior")
    dropped.extend(f"tools.function.{name}" for name in unheld if getattr(function, name))
    return made


def _custom(custom: tools_pb2.CustomTool) -> dict[str, Any]:
    """A tool of free-form text as a function with that text as its one argument."""
    made: dict[str, Any] = {"name": custom.name}
    description = custom.description
    if custom.HasField("grammar"):
        description += f"\nThe input must follow this {custom.grammar.syntax} grammar:\n{custom.grammar.definition}"
    if description:
        made["description"] = description.strip()
    schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    return {**made, "inputSchema": {"json": schema}}


def _tool_config(
    request: chat_pb2.ChatRequest,
    body: dict[str, Any],
    tools: list[dict[str, Any]],
    messages: list[dict[str, Any]],
    known: Family,
    dropped: list[str],
) -> None:
    choice = request.tool_choice
    if choice.json:
        dropped.append("tool_choice.json")
    if choice.HasField("parallel") and not choice.parallel and tools:
        dropped.append("tool_choice.parallel")
    if not tools:
        return
    if choice.mode == tools_pb2.TOOL_CHOICE_MODE_NONE:
        used = any(block.keys() & {"toolUse", "toolResult"} for turn in messages for block in turn["content"])
        if not used:
            return
        # A conversation with calls must name its tools, and there is no word for "none".
        dropped.append("tool_choice")
    body["toolConfig"] = {"tools": tools}
    mode = _MODES.get(choice.mode, "")
    if mode == "tool" and not choice.names:
        mode = "any"
    if mode and mode not in known.choice:
        dropped.append("tool_choice")
        mode = "any" if mode == "tool" and "any" in known.choice else ""
    if mode != "tool" and choice.names:
        dropped.append("tool_choice.names")
    if mode:
        body["toolConfig"]["toolChoice"] = {mode: {"name": choice.names[0]} if mode == "tool" else {}}


def _inference(
    request: chat_pb2.ChatRequest, known: Family, extra: dict[str, Any], dropped: list[str]
) -> dict[str, Any]:
    config: dict[str, Any] = {}
    sampling = request.sampling
    if request.HasField("max_output_tokens"):
        config["maxTokens"] = request.max_output_tokens
    if sampling.HasField("temperature"):
        config["temperature"] = min(sampling.temperature, 1.0)
        if sampling.temperature > 1:
            dropped.append("sampling.temperature")
    if sampling.HasField("top_p"):
        config["topP"] = sampling.top_p
    if sampling.HasField("top_k") and sampling.top_k > 0:
        if known.top_k:
            put(extra, known.top_k, sampling.top_k)
        else:
            dropped.append("sampling.top_k")
    stops = [text for text in request.stop_sequences if text]
    if stops:
        config["stopSequences"] = stops
    dropped += [f"sampling.{name}" for name in _UNSAID if sampling.HasField(name)]  # type: ignore[arg-type]
    if sampling.logit_bias:
        dropped.append("sampling.logit_bias")
    return config


def _reasoning(
    reasoning: chat_pb2.Reasoning, known: Family, extra: dict[str, Any], config: dict[str, Any], dropped: list[str]
) -> None:
    effort = _EFFORTS.get(reasoning.effort, "")
    budget = reasoning.budget_tokens if reasoning.HasField("budget_tokens") else -1
    if not effort and budget > 0:
        effort = next((word for most, word in _BUDGETS if budget <= most), "high")
        dropped.append("reasoning.budget_tokens")
    off = reasoning.mode == chat_pb2.REASONING_MODE_OFF or reasoning.effort == chat_pb2.EFFORT_NONE or budget == 0
    if not effort and not off and reasoning.mode:
        effort = "medium"
    if known.effort == "nova":
        if off:
            extra["reasoningConfig"] = {"type": "disabled"}
        elif effort:
            if effort == "high" and "maxTokens" in config:
                # Nova takes no limit beside its highest effort; the client's limit is a promise, its effort a wish.
                effort = "medium"
                dropped.append("reasoning.effort")
            extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}
            refused = [name for name in _BESIDE_HIGH if name in config] if effort == "high" else []
            dropped.extend(_BESIDE_HIGH[name] for name in refused)
            for name in refused:
                del config[name]
    elif known.effort == "openai":
        if effort:
            extra["reasoning_effort"] = effort
        elif off:
            # It always thinks: as little as it can.
            extra["reasoning_effort"] = "low"
            dropped.append("reasoning.mode")
    elif effort or off:
        dropped.append("reasoning")
    if effort and reasoning.effort in (chat_pb2.EFFORT_MINIMAL, chat_pb2.EFFORT_XHIGH, chat_pb2.EFFORT_MAX):
        dropped.append("reasoning.effort")
    dropped.extend(f"reasoning.{name}" for name in ("summary", "context") if getattr(reasoning, name))


_BESIDE_HIGH = {"temperature": "sampling.temperature", "topP": "sampling.top_p"}
"""What Nova refuses beside its highest effort, and the canonical names."""


def _output(
    request: chat_pb2.ChatRequest,
    body: dict[str, Any],
    system: list[dict[str, Any]],
    known: Family,
    dropped: list[str],
) -> None:
    """Structured output: the form's own where the model has it, else asked for in words."""
    output = request.output
    kind = output.WhichOneof("structure")
    schema = output.json_schema.schema_json
    if kind == "json_schema" and schema and known.structured:
        raw(schema, "output")
        made = {"schema": schema.decode("utf-8", "replace")}
        found = output.json_schema
        made.update({name: getattr(found, name) for name in ("name", "description") if getattr(found, name)})
        body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": made}}}
    elif kind == "json_schema" and schema:
        dropped.append("output.json_schema")
        system.append({"text": JSON_SCHEMA + schema.decode("utf-8", "replace")})
    elif kind in ("json_object", "json_schema"):
        dropped.append(f"output.{kind}")
        system.append({"text": JSON_ONLY})
    elif kind == "grammar":
        dropped.append("output.grammar")
    if any(modality != "text" for modality in output.modalities):
        dropped.append("output.modalities")
    if output.HasField("audio"):
        dropped.append("output.audio")


def _rest(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    labels = dict(request.identity.metadata)
    if (
        labels
        and len(labels) <= _LABELS_MOST
        and all(name and _LABEL.fullmatch(name) and _LABEL.fullmatch(value) for name, value in labels.items())
    ):
        body["requestMetadata"] = labels
    elif labels:
        dropped.append("identity.metadata")
    tier = request.placement.service_tier
    if tier in _TIERS:
        body["serviceTier"] = {"type": _TIERS[tier]}
    elif tier not in ("", "auto"):
        dropped.append("placement.service_tier")
    for holder, fields in _NO_PLACE.items():
        found = getattr(request, holder)
        dropped += [f"{holder}.{name}" for name in fields if getattr(found, name)]
    dropped += [name for name in ("prediction", "safety") if getattr(request, name)]
    if request.candidates > 1:
        dropped.append("candidates")

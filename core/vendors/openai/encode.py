"""Canonical requests in OpenAI's chat form."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, tools_pb2

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.openai.decode import DIALECT
from core.vendors.openai.encode_parts import Messages, merge
from core.vendors.shared.freeform import as_function
from core.vendors.shared.identity import session_of, user_of
from core.vendors.table import Row

EFFORTS = {
    chat_pb2.EFFORT_NONE: "none",
    chat_pb2.EFFORT_MINIMAL: "minimal",
    chat_pb2.EFFORT_LOW: "low",
    chat_pb2.EFFORT_MEDIUM: "medium",
    chat_pb2.EFFORT_HIGH: "high",
    chat_pb2.EFFORT_XHIGH: "xhigh",
    chat_pb2.EFFORT_MAX: "max",
}
_MODES = {
    tools_pb2.TOOL_CHOICE_MODE_AUTO: "auto",
    tools_pb2.TOOL_CHOICE_MODE_NONE: "none",
    tools_pb2.TOOL_CHOICE_MODE_ANY: "required",
}
_SAMPLING = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logprobs",
    "top_logprobs",
]
_BEYOND = frozenset({"top_k", "min_p", "repetition_penalty"})


def raw(json: bytes, name: str) -> Any:
    """JSON bytes from the canonical message, put into the body as they are. Raises InvalidRequest."""
    try:
        orjson.loads(json)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"{name} is not JSON.", param=name) from None
    return orjson.Fragment(json)


def encode(request: chat_pb2.ChatRequest, call: Call, row: Row) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the canonical names of what it could not hold."""
    dropped: list[str] = []
    body: dict[str, Any] = {"model": call.sent}
    body["messages"] = Messages(call, row, dropped).encode(request.messages)
    _tools(request, body, row, dropped)
    _sampling(request, body, row, dropped)
    _reasoning(request, body, call, row, dropped)
    _output(request, body, dropped)
    _rest(request, body, row, dropped)
    if call.stream:
        body["stream"] = True
        if request.stream_options.HasField("include_obfuscation"):
            body["stream_options"] = {"include_obfuscation": request.stream_options.include_obfuscation}
    for dialect, json in request.extensions.by_dialect.items():
        if dialect == DIALECT:
            known = orjson.loads(json)
            body.update({key: value for key, value in known.items() if key not in body})
        else:
            dropped.append(f"extensions.{dialect}")
    return orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), tuple(dict.fromkeys(dropped))


def _tools(request: chat_pb2.ChatRequest, body: dict[str, Any], row: Row, dropped: list[str]) -> None:
    tools: list[dict[str, Any]] = []
    asked = [tool if row.token_families else as_function(tool, dropped) for tool in request.tools]
    for tool in asked:
        kind = tool.WhichOneof("kind")
        made: dict[str, Any] = {}
        if kind == "function":
            made = {"type": "function", "function": _function(tool.function, dropped)}
        elif kind == "custom":
            custom: dict[str, Any] = {"name": tool.custom.name}
            if tool.custom.description:
                custom["description"] = tool.custom.description
            if tool.custom.HasField("grammar"):
                grammar = tool.custom.grammar
                custom["format"] = {
                    "type": "grammar",
                    "grammar": {"syntax": grammar.syntax, "definition": grammar.definition},
                }
            made = {"type": "custom", "custom": custom}
        elif kind == "server":
            _server_tool(tool.server, body, tools, dropped)
            continue
        if tool.namespace or tool.deferred or tool.allowed_callers:
            dropped.append("tools.namespace, deferred, allowed_callers")
        if tool.HasField("cache_mark"):
            dropped.append("tools.cache_mark")
        if DIALECT in tool.extensions.by_dialect:
            merge(made, orjson.loads(tool.extensions.by_dialect[DIALECT]))
        tools.append(made)
    if tools:
        body["tools"] = tools
    choice = request.tool_choice
    if choice.HasField("parallel") and tools:
        body["parallel_tool_calls"] = choice.parallel
    if choice.json and choice.dialect == DIALECT:
        body["tool_choice"] = raw(choice.json, "tool_choice")
    elif choice.mode and tools:
        custom_names = {tool.custom.name for tool in asked if tool.HasField("custom")}
        body["tool_choice"] = _tool_choice(choice, custom_names)
    elif choice.json:
        dropped.append("tool_choice.json")


def _function(function: tools_pb2.FunctionTool, dropped: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": function.name}
    if function.description:
        made["description"] = function.description
    if function.parameters_json:
        made["parameters"] = raw(function.parameters_json, "tools")
    if function.HasField("strict"):
        made["strict"] = function.strict
    dropped.extend(
        f"tools.function.{name}" for name in ("examples_json", "response_json", "behavior") if getattr(function, name)
    )
    return made


def _server_tool(
    tool: tools_pb2.ServerTool, body: dict[str, Any], tools: list[dict[str, Any]], dropped: list[str]
) -> None:
    if tool.dialect == DIALECT and tool.json and tool.kind != "web_search":
        tools.append(raw(tool.json, "tools"))
    elif tool.kind == "web_search":
        if tool.dialect == DIALECT and tool.json:
            body["web_search_options"] = raw(tool.json, "web_search_options")
            return
        options: dict[str, Any] = {}
        if tool.context_size:
            options["search_context_size"] = tool.context_size
        if tool.user_location_json:
            place = orjson.loads(tool.user_location_json)
            inner = {key: value for key, value in place.items() if key != "type" and value is not None}
            nested = place if "approximate" in place else {"type": "approximate", "approximate": inner}
            options["user_location"] = nested
        body["web_search_options"] = options
        dropped.extend(
            f"tools.web_search.{name}"
            for name in ("allowed_domains", "blocked_domains", "max_uses")
            if getattr(tool, name)
        )
    else:
        dropped.append(f"tools.{tool.kind or 'server'}")


def _named(name: str, custom: set[str]) -> dict[str, Any]:
    kind = "custom" if name in custom else "function"
    return {"type": kind, kind: {"name": name}}


def _tool_choice(choice: tools_pb2.ToolChoice, custom: set[str]) -> Any:
    if choice.mode == tools_pb2.TOOL_CHOICE_MODE_ONE and choice.names:
        return _named(choice.names[0], custom)
    mode = _MODES.get(choice.mode, "required")
    if choice.names and mode != "none":
        allowed = [_named(name, custom) for name in choice.names]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}
    return mode


def _sampling(request: chat_pb2.ChatRequest, body: dict[str, Any], row: Row, dropped: list[str]) -> None:
    sampling = request.sampling
    for name in _SAMPLING:
        if not sampling.HasField(name):  # type: ignore[arg-type]
            continue
        if name in _BEYOND and row.token_families:
            dropped.append(f"sampling.{name}")
        else:
            body[name] = getattr(sampling, name)
    if sampling.logit_bias:
        body["logit_bias"] = {
            key: int(value) if value == int(value) else value for key, value in sampling.logit_bias.items()
        }
    if row.allows and "random_seed" in row.allows and "seed" in body:
        body["random_seed"] = body.pop("seed")


def _reasoning(request: chat_pb2.ChatRequest, body: dict[str, Any], call: Call, row: Row, dropped: list[str]) -> None:
    reasoning = request.reasoning
    if DIALECT in reasoning.extensions.by_dialect:
        body.update(orjson.loads(reasoning.extensions.by_dialect[DIALECT]))
        return
    budget = reasoning.budget_tokens
    if row.suffixes == "openrouter" and budget > 0 and call.sent.startswith("anthropic"):
        body["reasoning"] = {"max_tokens": budget}
        return
    if row.thinking and _switched(reasoning, body, row.thinking, dropped):
        return
    if reasoning.effort:
        body["reasoning_effort"] = EFFORTS[reasoning.effort]
    elif reasoning.mode == chat_pb2.REASONING_MODE_OFF:
        body["reasoning_effort"] = "none"
    elif reasoning.HasField("budget_tokens") and budget >= 0:
        effort = "none" if budget == 0 else "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"
        body["reasoning_effort"] = effort
    if reasoning.HasField("budget_tokens"):
        dropped.append("reasoning.budget_tokens")
    dropped.extend(f"reasoning.{name}" for name in ("summary", "context") if getattr(reasoning, name))
    if reasoning.HasField("include_thoughts"):
        dropped.append("reasoning.include_thoughts")


def _switched(reasoning: chat_pb2.Reasoning, body: dict[str, Any], how: str, dropped: list[str]) -> bool:
    """Thinking where it has a switch of its own; False where the request says nothing of it.

    docs.bigmodel.cn, platform.moonshot.cn, api-docs.deepseek.com, volcengine.com/docs/82379: thinking {type};
    help.aliyun.com/zh/model-studio, docs.siliconflow.cn, cloud.baidu.com: enable_thinking, thinking_budget.
    """
    budget = reasoning.budget_tokens if reasoning.HasField("budget_tokens") else -1
    if not (reasoning.effort or reasoning.mode or reasoning.HasField("budget_tokens")):
        return False
    off = reasoning.effort == chat_pb2.EFFORT_NONE or reasoning.mode == chat_pb2.REASONING_MODE_OFF or budget == 0
    if how == "flag":
        body["enable_thinking"] = not off
        if budget > 0:
            body["thinking_budget"] = budget
    else:
        body["thinking"] = {"type": "disabled" if off else "enabled"}
        if budget > 0:
            dropped.append("reasoning.budget_tokens")
    if reasoning.effort and not off:
        if how == "effort":
            body["reasoning_effort"] = EFFORTS[reasoning.effort]
        else:
            dropped.append("reasoning.effort")
    return True


def _output(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    output = request.output
    kind = output.WhichOneof("structure")
    if kind == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif kind == "json_schema":
        schema: dict[str, Any] = {"name": output.json_schema.name or "answer"}
        if output.json_schema.description:
            schema["description"] = output.json_schema.description
        if output.json_schema.schema_json:
            schema["schema"] = raw(output.json_schema.schema_json, "response_format")
        if output.json_schema.HasField("strict"):
            schema["strict"] = output.json_schema.strict
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif kind == "grammar":
        dropped.append("output.grammar")
    elif output.text:
        body["response_format"] = {"type": "text"}
    if output.verbosity:
        body["verbosity"] = output.verbosity
    if output.modalities:
        body["modalities"] = list(output.modalities)
    if output.HasField("audio"):
        voice = output.audio.voice
        body["audio"] = {"format": output.audio.format}
        if voice:
            body["audio"]["voice"] = raw(voice.encode(), "audio") if voice.startswith("{") else voice
    if output.image_config_json:
        dropped.append("output.image_config")
    if output.mime_type and not kind:
        dropped.append("output.mime_type")


def _rest(request: chat_pb2.ChatRequest, body: dict[str, Any], row: Row, dropped: list[str]) -> None:
    if request.HasField("max_output_tokens"):
        body[row.max_tokens_name] = request.max_output_tokens
    if request.stop_sequences:
        body["stop"] = list(request.stop_sequences)
    if request.HasField("candidates"):
        body["n"] = request.candidates
    caching, state = request.caching, request.state
    told = {
        "prompt_cache_key": caching.key or (session_of(request.identity.user) if row.cache_key else ""),
        "prompt_cache_retention": caching.retention,
        "user": user_of(request.identity.user),
        "safety_identifier": request.identity.safety_identifier,
        "metadata": dict(request.identity.metadata),
        "service_tier": request.placement.service_tier,
        "speed": request.placement.speed,
        "inference_geo": request.placement.inference_geo,
    }
    body.update({name: value for name, value in told.items() if value})
    if told["user"] != request.identity.user:
        dropped.append("identity.user")
    if caching.options_json:
        body["prompt_cache_options"] = raw(caching.options_json, "prompt_cache_options")
    if state.HasField("store"):
        body["store"] = state.store
    if request.prediction:
        texts = [part.text.text for part in request.prediction if part.HasField("text")]
        content = texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]
        body["prediction"] = {"type": "content", "content": content}
    dropped.extend(
        f"state.{name}"
        for name in (
            "previous_response_id",
            "conversation_id",
            "truncation",
            "container",
            "continuation_token",
        )
        if getattr(state, name)
    )
    if state.context_management_json:
        dropped.append("state.context_management")
    if state.background:
        dropped.append("state.background")
    if request.safety:
        dropped.append("safety")
    if caching.cached_content or caching.HasField("mark"):
        dropped.append("caching.mark, cached_content")

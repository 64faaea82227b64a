"""Canonical requests in Gemini's form."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, tools_pb2

from core.errors import InvalidRequest
from core.vendors.gemini import schema as schemas
from core.vendors.gemini import thinking
from core.vendors.gemini.address import version
from core.vendors.gemini.decode import DIALECT
from core.vendors.gemini.encode_parts import Contents
from core.vendors.interface import Call
from core.vendors.shared.freeform import as_function
from core.vendors.shared.options import on, option, table

CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)
"""What safety settings are sent for where the request has none."""
SERVER_TOOLS = {
    "web_search": "googleSearch",
    "web_fetch": "urlContext",
    "code_interpreter": "codeExecution",
    "file_search": "fileSearch",
    "maps": "googleMaps",
    "computer": "computerUse",
    "mcp": "mcpServers",
}
"""Kinds of server tools, and the members of a Tool they are here."""
_ALONE = frozenset({"web_search", "web_fetch", "code_interpreter"})
"""Those that work without settings of this vendor's own."""
_MODES = {
    tools_pb2.TOOL_CHOICE_MODE_AUTO: "AUTO",
    tools_pb2.TOOL_CHOICE_MODE_NONE: "NONE",
    tools_pb2.TOOL_CHOICE_MODE_ANY: "ANY",
    tools_pb2.TOOL_CHOICE_MODE_ONE: "ANY",
}
_SAMPLING = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed",
    "frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty", "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}  # fmt: skip
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
_LABEL_NAME, _LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
_LABELS_MOST = 64


def raw(json: bytes, name: str) -> Any:
    """JSON bytes from the canonical message, parsed. Raises InvalidRequest."""
    try:
        return orjson.loads(json)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"{name} is not JSON.", param=name) from None


def encode(request: chat_pb2.ChatRequest, call: Call, model: str) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the canonical names of what it could not hold. Raises InvalidRequest."""
    dropped: list[str] = []
    most = call.house.gemini_images_most
    if most and sum(part.HasField("image") for message in request.messages for part in message.parts) > most:
        raise InvalidRequest(f"A request to Gemini holds at most {most} pictures.", param="messages")
    sign = on(call, "gemini.function_call_thought_signature_enabled")
    system, contents = Contents(call, model, sign, dropped).encode(request.messages)
    body: dict[str, Any] = {}
    if system is not None:
        body["systemInstruction"] = system
    body["contents"] = contents
    _tools(request, body, call, model, dropped)
    config: dict[str, Any] = {}
    _sampling(request, config, dropped)
    _output(request, config, dropped)
    made = thinking.config(request.reasoning, model, dropped)
    if made:
        config["thinkingConfig"] = made
    _rest(request, body, dropped)
    _safety(request, body, call, dropped)
    _own(request, body, config, dropped)
    if config:
        body["generationConfig"] = config
    return orjson.dumps(body), tuple(dict.fromkeys(dropped))


def _own(request: chat_pb2.ChatRequest, body: dict[str, Any], config: dict[str, Any], dropped: list[str]) -> None:
    """What this dialect said that has no field, at its place."""
    for dialect, json in request.extensions.by_dialect.items():
        if dialect != DIALECT:
            dropped.append(f"extensions.{dialect}")
            continue
        extra = orjson.loads(json)
        inner = extra.pop("generationConfig", None) or {}
        if "responseSchema" in inner:
            # The schema as it came, in place of what it was made into for other vendors.
            config.pop("responseJsonSchema", None)
        config.update({key: value for key, value in inner.items() if key not in config})
        body.update({key: value for key, value in extra.items() if key not in body})


def _tools(request: chat_pb2.ChatRequest, body: dict[str, Any], call: Call, model: str, dropped: list[str]) -> None:
    tools: list[dict[str, Any]] = []
    functions: list[dict[str, Any]] = []
    old = version(call, model) == "v1"
    for asked in request.tools:
        tool = as_function(asked, dropped)
        kind = tool.WhichOneof("kind")
        if kind == "function":
            if not functions:
                tools.append({"functionDeclarations": functions})
            functions.append(_function(tool, old, dropped))
        elif kind == "server":
            made = _server_tool(tool.server, dropped)
            if made:
                tools.append(made)
        else:
            dropped.append(f"tools.{kind or 'empty'}")
        if tool.namespace or tool.deferred or tool.allowed_callers:
            dropped.append("tools.namespace, deferred, allowed_callers")
        if tool.HasField("cache_mark"):
            dropped.append("tools.cache_mark")
    if tools:
        body["tools"] = tools
    choice = request.tool_choice
    if choice.HasField("parallel") and not choice.parallel and functions:
        dropped.append("tool_choice.parallel")
    if choice.json and choice.dialect == DIALECT:
        body["toolConfig"] = raw(choice.json, "tool_choice")
    elif choice.mode and functions:
        body["toolConfig"] = {"functionCallingConfig": _calling(choice)}
    elif choice.json:
        dropped.append("tool_choice.json")


def _calling(choice: tools_pb2.ToolChoice) -> dict[str, Any]:
    """functionCallingConfig; names are only taken with ANY and VALIDATED."""
    mode = _MODES.get(choice.mode, "AUTO")
    if not choice.names or mode == "NONE":
        return {"mode": mode}
    return {"mode": "VALIDATED" if mode == "AUTO" else mode, "allowedFunctionNames": list(choice.names)}


def _function(tool: tools_pb2.Tool, old: bool, dropped: list[str]) -> dict[str, Any]:
    """A functionDeclaration. v1 has no JSON schema fields."""
    function = tool.function
    made: dict[str, Any] = {"name": function.name}
    if function.description:
        made["description"] = function.description
    own = orjson.loads(tool.extensions.by_dialect[DIALECT]) if DIALECT in tool.extensions.by_dialect else {}
    for source, member, older in (
        ("parameters_json", "parametersJsonSchema", "parameters"),
        ("response_json", "responseJsonSchema", "response"),
    ):
        json = getattr(function, source)
        if not json or older in own:
            continue
        left: set[str] = set()
        parsed = raw(json, "tools")
        if old:
            converted = schemas.openapi(parsed, left)
            if converted.get("properties") or converted.get("type") != "OBJECT":
                made[older] = converted
        else:
            made[member] = schemas.json_schema(parsed, left)
        dropped.extend(f"tools.function.{source}.{keyword}" for keyword in sorted(left))
    if function.behavior:
        made["behavior"] = function.behavior
    if function.strict:
        dropped.append("tools.function.strict")
    if function.examples_json:
        dropped.append("tools.function.examples_json")
    made.update({key: value for key, value in own.items() if key not in made})
    return made


def _server_tool(tool: tools_pb2.ServerTool, dropped: list[str]) -> dict[str, Any]:
    """A tool the vendor runs; another dialect's where this vendor has the like of it."""
    if tool.dialect == DIALECT and tool.json:
        own: dict[str, Any] = raw(tool.json, "tools")
        return own
    if tool.kind not in _ALONE:
        dropped.append(f"tools.{tool.kind or 'server'}")
        return {}
    inner: dict[str, Any] = {}
    if tool.kind == "web_search" and tool.blocked_domains:
        inner["excludeDomains"] = list(tool.blocked_domains)
    elif tool.blocked_domains:
        dropped.append(f"tools.{tool.kind}.blocked_domains")
    dropped.extend(
        f"tools.{tool.kind}.{name}"
        for name in ("allowed_domains", "max_uses", "context_size", "user_location_json")
        if getattr(tool, name)
    )
    return {SERVER_TOOLS[tool.kind]: inner}


def _sampling(request: chat_pb2.ChatRequest, config: dict[str, Any], dropped: list[str]) -> None:
    sampling = request.sampling
    for name, member in _SAMPLING.items():
        if sampling.HasField(name):  # type: ignore[arg-type]
            config[member] = getattr(sampling, name)
    if config.get("topK", 1) < 1:
        # Elsewhere 0 and -1 mean: no limit.
        del config["topK"]
    dropped.extend(f"sampling.{name}" for name in ("min_p", "repetition_penalty") if sampling.HasField(name))
    if sampling.logit_bias:
        dropped.append("sampling.logit_bias")
    if request.HasField("max_output_tokens"):
        config["maxOutputTokens"] = request.max_output_tokens
    if request.stop_sequences:
        config["stopSequences"] = list(request.stop_sequences)
    if request.HasField("candidates"):
        config["candidateCount"] = request.candidates


def _output(request: chat_pb2.ChatRequest, config: dict[str, Any], dropped: list[str]) -> None:
    output = request.output
    kind = output.WhichOneof("structure")
    if kind == "grammar":
        dropped.append("output.grammar")
    elif kind is not None:
        config["responseMimeType"] = output.mime_type or "application/json"
    elif output.mime_type:
        config["responseMimeType"] = output.mime_type
    elif output.text:
        config["responseMimeType"] = "text/plain"
    if kind == "json_schema" and output.json_schema.schema_json:
        left: set[str] = set()
        config["responseJsonSchema"] = schemas.json_schema(raw(output.json_schema.schema_json, "response_format"), left)
        dropped.extend(f"output.json_schema.{keyword}" for keyword in sorted(left))
    if output.modalities:
        config["responseModalities"] = [modality.upper() for modality in output.modalities]
    if output.audio.config_json:
        config["speechConfig"] = raw(output.audio.config_json, "audio")
    elif output.audio.voice and not output.audio.voice.startswith("{"):
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": output.audio.voice}}}
    if output.audio.format:
        dropped.append("output.audio.format")
    if output.image_config_json:
        config["imageConfig"] = raw(output.image_config_json, "image_config")
    if output.verbosity:
        dropped.append("output.verbosity")


def _rest(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    caching, state, identity = request.caching, request.state, request.identity
    if caching.cached_content:
        body["cachedContent"] = caching.cached_content
    labels = {
        name: value
        for name, value in identity.metadata.items()
        if _LABEL_NAME.fullmatch(name) and _LABEL_VALUE.fullmatch(value)
    }
    if labels and len(labels) == len(identity.metadata) <= _LABELS_MOST:
        body["labels"] = labels
    elif identity.metadata:
        dropped.append("identity.metadata")
    tier = request.placement.service_tier
    if tier in _TIERS:
        body["serviceTier"] = _TIERS[tier]
    elif tier not in ("", "auto"):
        dropped.append("placement.service_tier")
    if state.HasField("store"):
        body["store"] = state.store
    if state.continuation_token:
        body["continuationToken"] = state.continuation_token
    unheld = {
        "identity.user": identity.user,
        "identity.safety_identifier": identity.safety_identifier,
        "placement.speed": request.placement.speed,
        "placement.inference_geo": request.placement.inference_geo,
        "caching.key": caching.key,
        "caching.retention": caching.retention,
        "caching.options": caching.options_json,
        "caching.mark": caching.HasField("mark"),
        "state.previous_response_id": state.previous_response_id,
        "state.conversation_id": state.conversation_id,
        "state.background": state.background,
        "state.truncation": state.truncation,
        "state.context_management": state.context_management_json,
        "state.container": state.container,
        "prediction": bool(request.prediction),
    }
    dropped.extend(name for name, value in unheld.items() if value)


def _safety(request: chat_pb2.ChatRequest, body: dict[str, Any], call: Call, dropped: list[str]) -> None:
    """The request's own settings, else the option's for each category."""
    if request.safety:
        body["safetySettings"] = [
            {"category": setting.category, "threshold": setting.threshold} for setting in request.safety
        ]
        if any(setting.method for setting in request.safety):
            dropped.append("safety.method")
        return
    settings = table(option(call, "gemini.safety_settings"))
    made = [
        {"category": category, "threshold": threshold}
        for category in CATEGORIES
        if (threshold := settings.get(category) or settings.get("default"))
    ]
    if made:
        body["safetySettings"] = made

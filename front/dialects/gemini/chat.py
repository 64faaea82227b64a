"""Gemini's generateContent: body -> envelope and canonical request. Source: the API reference and google-genai."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, tools_pb2

from front.dialects.gemini.parts import FORM, Ids, left, part, pick
from front.dialects.gemini.schema import json_schema
from front.dialects.strict import number, whole
from front.errors import bad

ROLES = {
    "user": chat_pb2.ROLE_USER, "model": chat_pb2.ROLE_ASSISTANT, "function": chat_pb2.ROLE_TOOL,
    "system": chat_pb2.ROLE_SYSTEM, "": chat_pb2.ROLE_UNSPECIFIED,
}  # fmt: skip
EFFORTS = {
    "MINIMAL": chat_pb2.EFFORT_MINIMAL, "LOW": chat_pb2.EFFORT_LOW, "MEDIUM": chat_pb2.EFFORT_MEDIUM,
    "HIGH": chat_pb2.EFFORT_HIGH, "XHIGH": chat_pb2.EFFORT_XHIGH,
}  # fmt: skip
MODES = {
    "AUTO": tools_pb2.TOOL_CHOICE_MODE_AUTO, "ANY": tools_pb2.TOOL_CHOICE_MODE_ANY,
    "NONE": tools_pb2.TOOL_CHOICE_MODE_NONE, "VALIDATED": tools_pb2.TOOL_CHOICE_MODE_AUTO,
    "MODE_UNSPECIFIED": tools_pb2.TOOL_CHOICE_MODE_UNSPECIFIED,
}  # fmt: skip
SERVER_TOOLS = {
    "googleSearch": "web_search", "googleSearchRetrieval": "web_search", "urlContext": "web_fetch",
    "codeExecution": "code_interpreter", "fileSearch": "file_search", "googleMaps": "maps",
    "computerUse": "computer", "mcpServers": "mcp",
}  # fmt: skip
"""Members of a Tool, and the kinds they are in canonical requests; unknown ones are kinds of their own."""
TIERS = {"standard": "default"}
MOST_TOKENS = 1 << 31
MOST_CHOICES = 128
MOST_TOOLS = 1024
_WHOLE = (
    ("topK", "top_k", 0, 1 << 31), ("seed", "seed", -(1 << 63), (1 << 63) - 1), ("logprobs", "top_logprobs", 0, 20),
)  # fmt: skip
_NUMBERS = (
    ("temperature", "temperature", 0, 2), ("topP", "top_p", 0, 1), ("frequencyPenalty", "frequency_penalty", -2, 2),
    ("presencePenalty", "presence_penalty", -2, 2),
)  # fmt: skip


def parse(
    source: dict[str, Any], raw: bytes, model: str, path: str, stream: bool, max_messages: int
) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
    """The envelope and the canonical request. Consumes source. Raises FrontError 400 naming the field."""
    chat = chat_pb2.ChatRequest()
    source.pop("model", None)
    messages(chat, source, raw, max_messages)
    _tools(chat, source)
    config = pick(source, "generationConfig", dict) or {}
    _config(chat, config)
    for at, item in enumerate(pick(source, "safetySettings", list) or ()):
        if not isinstance(item, dict):
            raise bad(f"safetySettings[{at}] must be an object.", "safetySettings")
        where = f"safetySettings[{at}]."
        chat.safety.add(
            category=pick(item, "category", str, where) or "",
            threshold=pick(item, "threshold", str, where) or "",
            method=pick(item, "method", str, where) or "",
        )
    chat.caching.cached_content = pick(source, "cachedContent", str) or ""
    for name, value in (pick(source, "labels", dict) or {}).items():
        if not isinstance(value, str):
            raise bad("labels must map strings to strings.", "labels")
        chat.identity.metadata[name] = value
    tier = pick(source, "serviceTier", str) or ""
    chat.placement.service_tier = TIERS.get(tier, tier)
    store = pick(source, "store", bool)
    if store is not None:
        chat.state.store = store
    chat.state.continuation_token = pick(source, "continuationToken", str) or ""
    _keep(chat, source, config)
    envelope = common_pb2.Envelope(
        operation=common_pb2.OPERATION_CHAT,
        model=model,
        stream=stream,
        max_output_tokens=chat.max_output_tokens,
        candidates=chat.candidates,
        path=path,
    )
    return envelope, chat


def messages(chat: chat_pb2.ChatRequest, source: dict[str, Any], raw: bytes, most: int) -> None:
    """The instruction and the contents. Raises FrontError 400."""
    contents = source.pop("contents", None)
    if isinstance(contents, dict):
        contents = [contents]
    if not isinstance(contents, list) or not contents:
        raise bad("contents must be an array with at least one content.", "contents")
    if len(contents) > most:
        raise bad(f"contents has more than {most} entries.", "contents")
    ids = Ids()
    system = source.pop("systemInstruction", None) or source.pop("system_instruction", None)
    if system is not None:
        if isinstance(system, str):
            system = {"parts": [{"text": system}]}
        message = chat.messages.add()
        _content(message, system, "systemInstruction", raw, ids)
        message.role = chat_pb2.ROLE_SYSTEM
    for at, item in enumerate(contents):
        _content(chat.messages.add(), item, f"contents[{at}]", raw, ids)


def _content(message: chat_pb2.Message, item: Any, path: str, raw: bytes, ids: Ids) -> None:
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    role = (pick(item, "role", str, path + ".") or "").lower()
    if role not in ROLES:
        raise bad(f"{path}.role must be user or model.", f"{path}.role")
    message.role = ROLES[role]
    parts = item.pop("parts", None)
    if isinstance(parts, dict):
        parts = [parts]
    if parts is not None and not isinstance(parts, list):
        raise bad(f"{path}.parts must be an array.", f"{path}.parts")
    made: list[parts_pb2.Part] = []
    for at, each in enumerate(parts or ()):
        found = parts_pb2.Part()
        part(found, each, f"{path}.parts[{at}]", raw, ids)
        # The last chunk of a stream has such a part; other vendors refuse it.
        if found.HasField("text") and not found.text.text and not found.thought_signature and len(parts or ()) > 1:
            continue
        if found.thinking.signed_by not in ("", "gemini"):
            _absorb(found.thinking, made)
        made.append(found)
    message.parts.extend(made)
    if extra := left(item):
        message.extensions.by_dialect[FORM] = extra


def _absorb(thought: parts_pb2.ThinkingPart, before: list[parts_pb2.Part]) -> None:
    """Another vendor signed the whole thought, which came in pieces."""
    pieces: list[str] = []
    while before and before[-1].HasField("thinking") and not before[-1].thinking.signed_by:
        pieces.insert(0, before.pop().thinking.text)
    thought.text = "".join(pieces) + thought.text


def _keep(chat: chat_pb2.ChatRequest, source: dict[str, Any], config: dict[str, Any]) -> None:
    unknown = {name: value for name, value in source.items() if value is not None}
    inner = {name: value for name, value in config.items() if value is not None}
    if inner:
        unknown["generationConfig"] = inner
    if unknown:
        chat.extensions.by_dialect[FORM] = orjson.dumps(unknown)


# -- tools ----------------------------------------------------------------------------------


def _tools(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    tools = source.pop("tools", None)
    tools = [tools] if isinstance(tools, dict) else tools
    if tools is not None and not isinstance(tools, list):
        raise bad("tools must be an array.", "tools")
    for at, item in enumerate(tools or ()):
        if not isinstance(item, dict):
            raise bad(f"tools[{at}] must be an object.", f"tools[{at}]")
        declared = pick(item, "functionDeclarations", list, f"tools[{at}].") or ()
        for number_, function in enumerate(declared):
            _function(chat.tools.add(), function, f"tools[{at}].functionDeclarations[{number_}]")
        for name, value in item.items():
            if value is not None:
                _server_tool(chat.tools.add().server, name, value)
    if len(chat.tools) > MOST_TOOLS:
        raise bad(f"tools has more than {MOST_TOOLS} entries.", "tools")
    config = pick(source, "toolConfig", dict)
    if config is not None:
        _choice(chat.tool_choice, config)


def _function(tool: tools_pb2.Tool, item: Any, path: str) -> None:
    """A function; its OpenAPI schemas are kept beside the JSON schemas made of them."""
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    path += "."
    function = tool.function
    function.name = pick(item, "name", str, path) or ""
    if not function.name:
        raise bad(f"{path}name is required.", path + "name")
    function.description = pick(item, "description", str, path) or ""
    function.behavior = pick(item, "behavior", str, path) or ""
    parameters = pick(item, "parametersJsonSchema", dict, path)
    if parameters is None and (older := item.get("parameters")) is not None:
        parameters = json_schema(older)
    if parameters is not None:
        function.parameters_json = orjson.dumps(parameters)
    response = pick(item, "responseJsonSchema", dict, path)
    if response is None and (older := item.get("response")) is not None:
        response = json_schema(older)
    if response is not None:
        function.response_json = orjson.dumps(response)
    if extra := left(item):
        tool.extensions.by_dialect[FORM] = extra


def _server_tool(tool: tools_pb2.ServerTool, name: str, value: Any) -> None:
    camel = next((known for known in SERVER_TOOLS if name in (known, _snake(known))), name)
    tool.kind, tool.vendor_type = SERVER_TOOLS.get(camel, camel), camel
    tool.json, tool.dialect = orjson.dumps({name: value}), FORM
    if isinstance(value, dict):
        domains = value.get("excludeDomains") or value.get("exclude_domains")
        if isinstance(domains, list):
            tool.blocked_domains.extend(domain for domain in domains if isinstance(domain, str))


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def _choice(choice: tools_pb2.ToolChoice, config: dict[str, Any]) -> None:
    """FunctionCallingConfig as fields; the whole object too, where it says more than they do."""
    whole_config = orjson.dumps(config)
    calling = pick(config, "functionCallingConfig", dict, "toolConfig.") or {}
    word = pick(calling, "mode", str, "toolConfig.functionCallingConfig.") or ""
    if word and word.upper() not in MODES:
        raise bad("toolConfig.functionCallingConfig.mode must be AUTO, ANY, NONE or VALIDATED.", "toolConfig")
    names = pick(calling, "allowedFunctionNames", list, "toolConfig.functionCallingConfig.") or []
    if not all(isinstance(name, str) for name in names):
        raise bad("toolConfig.functionCallingConfig.allowedFunctionNames must be an array of strings.", "toolConfig")
    choice.mode = MODES.get(word.upper(), tools_pb2.TOOL_CHOICE_MODE_UNSPECIFIED)
    choice.names.extend(names)
    if choice.mode == tools_pb2.TOOL_CHOICE_MODE_ANY and len(names) == 1:
        choice.mode = tools_pb2.TOOL_CHOICE_MODE_ONE
    if config or calling or word.upper() == "VALIDATED":
        choice.json, choice.dialect = whole_config, FORM


# -- generationConfig -----------------------------------------------------------------------


def _config(chat: chat_pb2.ChatRequest, config: dict[str, Any]) -> None:
    _sampling(chat, config)
    _output(chat, config)
    thinking = pick(config, "thinkingConfig", dict, "generationConfig.")
    if thinking is not None:
        _thinking(chat, thinking)
        if extra := {name: value for name, value in thinking.items() if value is not None}:
            config["thinkingConfig"] = extra


def _both(config: dict[str, Any], name: str) -> None:
    """Puts a member under its camelCase name."""
    other = _snake(name)
    if name not in config and other in config:
        config[name] = config.pop(other)


def _sampling(chat: chat_pb2.ChatRequest, config: dict[str, Any]) -> None:
    for name, field, low, high in _NUMBERS:
        _both(config, name)
        value = number(config, name, low, high)
        if value is not None:
            setattr(chat.sampling, field, value)
    for name, field, least, most in _WHOLE:
        _both(config, name)
        if isinstance(config.get(name), float) and config[name].is_integer():
            config[name] = int(config[name])
        count = whole(config, name, least, most)
        if count is not None:
            setattr(chat.sampling, field, count)
    logprobs = pick(config, "responseLogprobs", bool, "generationConfig.")
    if logprobs is not None:
        chat.sampling.logprobs = logprobs
    for name in ("maxOutputTokens", "candidateCount"):
        _both(config, name)
    limit = whole(config, "maxOutputTokens", 1, MOST_TOKENS)
    if limit is not None:
        chat.max_output_tokens = limit
    choices = whole(config, "candidateCount", 1, MOST_CHOICES)
    if choices is not None:
        chat.candidates = choices
    stops = pick(config, "stopSequences", list, "generationConfig.") or []
    if not all(isinstance(stop, str) for stop in stops):
        raise bad("generationConfig.stopSequences must be an array of strings.", "generationConfig.stopSequences")
    chat.stop_sequences.extend(stops)


def _output(chat: chat_pb2.ChatRequest, config: dict[str, Any]) -> None:
    output = chat.output
    mime = pick(config, "responseMimeType", str, "generationConfig.") or ""
    schema = pick(config, "responseJsonSchema", dict, "generationConfig.")
    if schema is None and (older := config.get("responseSchema") or config.pop("response_schema", None)) is not None:
        # Kept beside what is made of it: it goes back to this dialect as it came.
        config["responseSchema"] = older
        schema = json_schema(older)
    if schema is not None:
        output.json_schema.schema_json = orjson.dumps(schema)
        output.json_schema.name = "answer"
    elif mime == "application/json":
        output.json_object.SetInParent()
    elif mime == "text/plain":
        output.text = True
    if mime not in ("application/json", "text/plain"):
        output.mime_type = mime
    for modality in pick(config, "responseModalities", list, "generationConfig.") or ():
        if not isinstance(modality, str):
            raise bad("generationConfig.responseModalities must be an array of strings.", "generationConfig")
        output.modalities.append(modality.lower())
    speech = pick(config, "speechConfig", dict, "generationConfig.")
    if speech is not None:
        output.audio.config_json = orjson.dumps(speech)
        output.audio.voice = _voice(speech)
    image = pick(config, "imageConfig", dict, "generationConfig.")
    if image is not None:
        output.image_config_json = orjson.dumps(image)


def _voice(speech: dict[str, Any]) -> str:
    """The name of the one voice asked for, where it is one by name."""
    found: Any = speech
    for step in ("voiceConfig", "prebuiltVoiceConfig", "voiceName"):
        found = (found.get(step) or found.get(_snake(step))) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""


def _thinking(chat: chat_pb2.ChatRequest, thinking: dict[str, Any]) -> None:
    path = "generationConfig.thinkingConfig."
    level = pick(thinking, "thinkingLevel", str, path)
    if level is not None and level.upper() != "THINKING_LEVEL_UNSPECIFIED":
        if level.upper() not in EFFORTS:
            raise bad(f"{path}thinkingLevel must be one of {', '.join(EFFORTS)}.", path + "thinkingLevel")
        chat.reasoning.effort = EFFORTS[level.upper()]
    _both(thinking, "thinkingBudget")
    budget = whole(thinking, "thinkingBudget", -1, 1 << 31, path)
    if budget is not None:
        chat.reasoning.budget_tokens = budget
    chat.reasoning.include_thoughts = bool(pick(thinking, "includeThoughts", bool, path))

"""Anthropic's Messages: body -> envelope and canonical request. Source: platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, tools_pb2

from front.dialects.anthropic.parts import FORM, KINDS, Blocks, keep, mark
from front.dialects.strict import number, take, whole
from front.errors import bad

ROLES = {
    "user": chat_pb2.ROLE_USER, "assistant": chat_pb2.ROLE_ASSISTANT, "system": chat_pb2.ROLE_SYSTEM,
}  # fmt: skip
EFFORTS = {
    "low": chat_pb2.EFFORT_LOW, "medium": chat_pb2.EFFORT_MEDIUM, "high": chat_pb2.EFFORT_HIGH,
    "xhigh": chat_pb2.EFFORT_XHIGH, "max": chat_pb2.EFFORT_MAX,
}  # fmt: skip
THINKING = {
    "enabled": chat_pb2.REASONING_MODE_ON, "disabled": chat_pb2.REASONING_MODE_OFF,
    "adaptive": chat_pb2.REASONING_MODE_ADAPTIVE, "between_tools": chat_pb2.REASONING_MODE_BETWEEN_TOOLS,
}  # fmt: skip
CHOICES = {
    "auto": tools_pb2.TOOL_CHOICE_MODE_AUTO, "any": tools_pb2.TOOL_CHOICE_MODE_ANY,
    "none": tools_pb2.TOOL_CHOICE_MODE_NONE, "tool": tools_pb2.TOOL_CHOICE_MODE_ONE,
}  # fmt: skip
MOST_TOKENS = 1 << 31
MOST_TOOLS = 1024
_DATED = re.compile(r"(?:_tool)?_\d{8}$")
ATTRIBUTION = "x-anthropic-billing-header:"
"""How the block begins that Claude Code puts before its instructions: it changes with every request, and is for
Anthropic alone. As an opaque part it reaches no other vendor's prompt."""


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
    blocks = Blocks(raw)
    _system(chat, source, blocks)
    for index, item in enumerate(messages):
        _message(chat.messages.add(), item, f"messages[{index}]", blocks)
    streamed = bool(take(source, "stream", bool))
    limit = whole(source, "max_tokens", 0, MOST_TOKENS)
    if limit is not None:
        chat.max_output_tokens = limit
    _sampling(chat, source)
    _thinking(chat.reasoning, source)
    _output(chat, source)
    _tools(chat, source)
    _rest(chat, source)
    # Anthropic tells the input's tokens at the start of a stream: where the vendor does not, they are counted.
    chat.stream_options.count_input = streamed
    keep(chat.extensions, source)
    envelope = common_pb2.Envelope(
        operation=common_pb2.OPERATION_CHAT,
        model=model,
        stream=streamed,
        max_output_tokens=chat.max_output_tokens,
        path="/v1/messages",
    )
    return envelope, chat


def _system(chat: chat_pb2.ChatRequest, source: dict[str, Any], blocks: Blocks) -> None:
    system = source.pop("system", None)
    if system is None or system in ("", []):
        return
    message = chat.messages.add(role=chat_pb2.ROLE_SYSTEM)
    blocks.content(message.parts.add, system, "system")
    for part in message.parts:
        if part.text.text.startswith(ATTRIBUTION):
            told = orjson.dumps({"type": "text", "text": part.text.text})
            part.Clear()
            part.opaque.CopyFrom(parts_pb2.Opaque(dialect=FORM, kind="text", json=told))


def _message(message: chat_pb2.Message, item: Any, path: str, blocks: Blocks) -> None:
    if not isinstance(item, dict):
        raise bad(f"{path} must be an object.", path)
    role = item.pop("role", None)
    if not isinstance(role, str) or role not in ROLES:
        raise bad(f"{path}.role must be one of {', '.join(ROLES)}.", f"{path}.role")
    message.role = ROLES[role]
    if "content" not in item:
        raise bad(f"{path}.content is required.", f"{path}.content")
    blocks.content(message.parts.add, item.pop("content"), f"{path}.content")
    keep(message.extensions, item)


def _sampling(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    for name in ("temperature", "top_p"):
        value = number(source, name, 0, 1)
        if value is not None:
            setattr(chat.sampling, name, value)
    top_k = whole(source, "top_k", 0, 1 << 31)
    if top_k is not None:
        chat.sampling.top_k = top_k
    for text in take(source, "stop_sequences", list) or ():
        if not isinstance(text, str):
            raise bad("stop_sequences must be an array of strings.", "stop_sequences")
        chat.stop_sequences.append(text)


def _thinking(reasoning: chat_pb2.Reasoning, source: dict[str, Any]) -> None:
    """thinking, by its meaning, and whole for vendors of this form; null there: nothing was said of thinking."""
    told = take(source, "thinking", dict)
    if told is not None:
        kind = told.get("type")
        if not isinstance(kind, str):
            raise bad("thinking.type is required.", "thinking.type")
        reasoning.mode = THINKING.get(kind, chat_pb2.REASONING_MODE_UNSPECIFIED)
        budget = told.get("budget_tokens")
        if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0:
            reasoning.budget_tokens = budget
        elif kind == "enabled":
            raise bad("thinking.budget_tokens must be a positive integer.", "thinking.budget_tokens")
        if told.get("display") in ("summarized", "omitted"):
            reasoning.include_thoughts = told["display"] == "summarized"
    reasoning.extensions.by_dialect[FORM] = orjson.dumps({"thinking": told})


def _output(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    config = take(source, "output_config", dict)
    if config is None:
        return
    effort = config.get("effort")
    if isinstance(effort, str) and effort in EFFORTS:
        chat.reasoning.effort = EFFORTS[effort]
        del config["effort"]
    wanted = config.get("format")
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema" and isinstance(wanted.get("schema"), dict):
        chat.output.json_schema.schema_json = orjson.dumps(wanted.pop("schema"))
        del wanted["type"]
        if name := take(wanted, "name", str):
            chat.output.json_schema.name = name
        if not wanted:
            del config["format"]
    if left := {name: value for name, value in config.items() if value is not None}:
        source["output_config"] = left


def _tools(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    tools = take(source, "tools", list) or []
    if len(tools) > MOST_TOOLS:
        raise bad(f"tools has more than {MOST_TOOLS} entries.", "tools")
    for index, item in enumerate(tools):
        if not isinstance(item, dict):
            raise bad(f"tools[{index}] must be an object.", f"tools[{index}]")
        if item.get("type") in (None, "custom"):
            _function(chat.tools.add(), item, f"tools[{index}].")
        else:
            _server_tool(chat.tools.add().server, item)
    choice = take(source, "tool_choice", dict)
    if choice is not None:
        _choice(chat.tool_choice, choice)


def _function(tool: tools_pb2.Tool, item: dict[str, Any], path: str) -> None:
    name = take(item, "name", str, path)
    if not name:
        raise bad(f"{path}name is required.", f"{path}name")
    tool.function.name = name
    tool.function.description = take(item, "description", str, path) or ""
    schema = take(item, "input_schema", dict, path)
    if schema is None:
        raise bad(f"{path}input_schema is required.", f"{path}input_schema")
    tool.function.parameters_json = orjson.dumps(schema)
    strict = take(item, "strict", bool, path)
    if strict is not None:
        tool.function.strict = strict
    examples = take(item, "input_examples", list, path)
    if examples:
        tool.function.examples_json = orjson.dumps(examples)
    tool.deferred = bool(take(item, "defer_loading", bool, path))
    for caller in take(item, "allowed_callers", list, path) or ():
        tool.allowed_callers.append(str(caller))
    if mark(found := parts_pb2.CacheMark(), item):
        tool.cache_mark.CopyFrom(found)
    keep(tool.extensions, item)


def _server_tool(tool: tools_pb2.ServerTool, item: dict[str, Any]) -> None:
    """A tool with a dated type: kept whole, and what other vendors can be told of it by name."""
    tool.vendor_type = str(item["type"])
    kind = _DATED.sub("", tool.vendor_type)
    tool.kind = KINDS.get(kind, kind)
    for name in ("allowed_domains", "blocked_domains"):
        found = item.get(name)
        getattr(tool, name).extend(text for text in found or () if isinstance(text, str))
    uses = item.get("max_uses")
    tool.max_uses = uses if isinstance(uses, int) and 0 < uses < 1 << 31 else 0
    if isinstance(item.get("user_location"), dict):
        tool.user_location_json = orjson.dumps(item["user_location"])
    tool.json, tool.dialect = orjson.dumps(item), FORM


def _choice(choice: tools_pb2.ToolChoice, found: dict[str, Any]) -> None:
    kind = found.get("type")
    if kind not in CHOICES:
        raise bad(f"tool_choice.type must be one of {', '.join(CHOICES)}.", "tool_choice.type")
    choice.mode = CHOICES[kind]
    if found.keys() - {"type", "name", "disable_parallel_tool_use"}:
        choice.json, choice.dialect = orjson.dumps(found), FORM
    if kind == "tool":
        name = take(found, "name", str, "tool_choice.")
        if not name:
            raise bad("tool_choice.name is required.", "tool_choice.name")
        choice.names.append(name)
    single = take(found, "disable_parallel_tool_use", bool, "tool_choice.")
    if single is not None:
        choice.parallel = not single


def _rest(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    metadata = take(source, "metadata", dict)
    if metadata is not None:
        chat.identity.user = take(metadata, "user_id", str, "metadata.") or ""
        if left := {name: value for name, value in metadata.items() if value is not None}:
            source["metadata"] = left
    for name in ("service_tier", "speed", "inference_geo"):
        setattr(chat.placement, name, take(source, name, str) or "")
    if mark(found := parts_pb2.CacheMark(), source):
        chat.caching.mark.CopyFrom(found)
    container = source.pop("container", None)
    if isinstance(container, str):
        chat.state.container = container
    elif container is not None:
        chat.state.container = orjson.dumps(container).decode()
    managed = take(source, "context_management", dict)
    if managed is not None:
        chat.state.context_management_json = orjson.dumps(managed)

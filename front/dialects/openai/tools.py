"""Tools and the choice among them, as OpenAI chat requests tell them."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, tools_pb2

from front.dialects.openai.parts import FORM, keep
from front.dialects.strict import take
from front.errors import bad

MOST_TOOLS = 1024


def tools(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    """tools, the older functions, web_search_options; tool_choice, the older function_call; parallel_tool_calls.

    Raises FrontError 400.
    """
    given = take(source, "tools", list) or []
    functions = take(source, "functions", list) or []
    if len(given) + len(functions) > MOST_TOOLS:
        raise bad(f"tools has more than {MOST_TOOLS} entries.", "tools")
    for index, item in enumerate(given):
        _tool(chat.tools.add(), item, f"tools[{index}]")
    for index, item in enumerate(functions):
        tool = chat.tools.add()
        _tool(tool, {"type": "function", "function": item}, f"functions[{index}]")
        tool.function.legacy = True
    search = take(source, "web_search_options", dict)
    if search is not None:
        _web_search(chat.tools.add(), search)
    choice = source.pop("tool_choice", None)
    if choice is None:
        choice = source.pop("function_call", None)
        if isinstance(choice, dict):
            choice = {"type": "function", "function": choice}
    if choice is not None:
        _choice(chat.tool_choice, choice)
    parallel = take(source, "parallel_tool_calls", bool)
    if parallel is not None:
        chat.tool_choice.parallel = parallel


def _tool(tool: tools_pb2.Tool, item: Any, path: str) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise bad(f"{path} must be an object with a type.", path)
    kind = item["type"]
    if kind == "function":
        function = item.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise bad(f"{path}.function.name must be a string.", f"{path}.function.name")
        tool.function.name = function["name"]
        tool.function.description = take(function, "description", str, path + ".function.") or ""
        parameters = take(function, "parameters", dict, path + ".function.")
        if parameters is not None:
            tool.function.parameters_json = orjson.dumps(parameters)
        strict = take(function, "strict", bool, path + ".function.")
        if strict is not None:
            tool.function.strict = strict
        del function["name"]
        keep(tool, item, "type", "function")
    elif kind == "custom" and isinstance(item.get("custom"), dict):
        custom = item["custom"]
        tool.custom.name = take(custom, "name", str, path + ".custom.") or ""
        tool.custom.description = take(custom, "description", str, path + ".custom.") or ""
        shape = custom.get("format")
        grammar = shape.get("grammar") if isinstance(shape, dict) else None
        if isinstance(grammar, dict):
            tool.custom.grammar.syntax = str(grammar.get("syntax", ""))
            tool.custom.grammar.definition = str(grammar.get("definition", ""))
            del custom["format"]
        keep(tool, item, "type", "custom")
    else:
        tool.server.kind = tool.server.vendor_type = kind
        tool.server.json = orjson.dumps(item)
        tool.server.dialect = FORM


def _choice(choice: tools_pb2.ToolChoice, value: Any) -> None:
    modes = {
        "auto": tools_pb2.TOOL_CHOICE_MODE_AUTO,
        "none": tools_pb2.TOOL_CHOICE_MODE_NONE,
        "required": tools_pb2.TOOL_CHOICE_MODE_ANY,
    }
    if isinstance(value, str) and value in modes:
        choice.mode = modes[value]
        return
    if isinstance(value, dict):
        named = value.get(str(value.get("type")))
        if isinstance(named, dict) and isinstance(named.get("name"), str):
            choice.mode = tools_pb2.TOOL_CHOICE_MODE_ONE
            choice.names.append(named["name"])
            return
        if value.get("type") == "allowed_tools":
            choice.json, choice.dialect = orjson.dumps(value), FORM
            return
    raise bad("tool_choice must be none, auto, required, or name a tool.", "tool_choice")


def _web_search(tool: tools_pb2.Tool, options: dict[str, Any]) -> None:
    """OpenAI's web search of chat models: how much context, and where the user is."""
    tool.server.kind, tool.server.vendor_type, tool.server.dialect = "web_search", "web_search_options", FORM
    tool.server.json = orjson.dumps(options)
    if isinstance(options.get("search_context_size"), str):
        tool.server.context_size = options["search_context_size"]
    if isinstance(options.get("user_location"), dict):
        tool.server.user_location_json = orjson.dumps(options["user_location"])

"""Tools and the choice among them in the Responses form: read, and shown again in answers."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, tools_pb2

from front.dialects.responses.parts import FORM, keep
from front.dialects.strict import take
from front.errors import bad

MOST_TOOLS = 1024
KINDS = {
    "web_search": "web_search", "web_search_2025_08_26": "web_search", "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search", "computer_use": "computer", "computer_use_preview": "computer",
    "local_shell": "shell", "apply_patch": "patch",
}  # fmt: skip
"""Types of server tools whose canonical kind has another name."""
MODES = {
    "auto": tools_pb2.TOOL_CHOICE_MODE_AUTO,
    "none": tools_pb2.TOOL_CHOICE_MODE_NONE,
    "required": tools_pb2.TOOL_CHOICE_MODE_ANY,
}


def tools(chat: chat_pb2.ChatRequest, source: dict[str, Any]) -> None:
    """tools, tool_choice, parallel_tool_calls. Raises FrontError 400."""
    given = take(source, "tools", list) or []
    for index, item in enumerate(given):
        path = f"tools[{index}]"
        if not isinstance(item, dict) or not isinstance(item.get("type"), str):
            raise bad(f"{path} must be an object with a type.", path)
        if item["type"] == "namespace":
            _namespace(chat, item, path)
        else:
            _tool(chat.tools.add(), item, path)
        if len(chat.tools) > MOST_TOOLS:
            raise bad(f"tools has more than {MOST_TOOLS} entries.", "tools")
    choice = source.pop("tool_choice", None)
    if choice is not None:
        _choice(chat.tool_choice, choice)
    parallel = take(source, "parallel_tool_calls", bool)
    if parallel is not None:
        chat.tool_choice.parallel = parallel


def _namespace(chat: chat_pb2.ChatRequest, item: dict[str, Any], path: str) -> None:
    name = take(item, "name", str, path + ".")
    inner = take(item, "tools", list, path + ".") or []
    if not name:
        raise bad(f"{path}.name is required.", f"{path}.name")
    item.pop("type")
    for index, each in enumerate(inner):
        where = f"{path}.tools[{index}]"
        if not isinstance(each, dict) or not isinstance(each.get("type"), str):
            raise bad(f"{where} must be an object with a type.", where)
        tool = chat.tools.add(namespace=name)
        if index == 0:
            each["namespace"] = item
        _tool(tool, each, where)


def _tool(tool: tools_pb2.Tool, item: dict[str, Any], path: str) -> None:
    kind = item["type"]
    if kind not in ("function", "custom"):
        _server(tool.server, item, kind)
        return
    name = take(item, "name", str, path + ".")
    if not name:
        raise bad(f"{path}.name is required.", f"{path}.name")
    description = take(item, "description", str, path + ".") or ""
    if kind == "function":
        function = tool.function
        function.name, function.description = name, description
        for member, field in (("parameters", "parameters_json"), ("output_schema", "response_json")):
            schema = take(item, member, dict, path + ".")
            if schema is not None:
                setattr(function, field, orjson.dumps(schema))
        strict = take(item, "strict", bool, path + ".")
        if strict is not None:
            function.strict = strict
    else:
        tool.custom.name, tool.custom.description = name, description
        shape = item.get("format")
        if isinstance(shape, dict) and shape.get("type") == "grammar":
            tool.custom.grammar.syntax = take(shape, "syntax", str, path + ".format.") or ""
            tool.custom.grammar.definition = take(shape, "definition", str, path + ".format.") or ""
            del item["format"]
    tool.deferred = bool(take(item, "defer_loading", bool, path + "."))
    for caller in take(item, "allowed_callers", list, path + ".") or ():
        if not isinstance(caller, str):
            raise bad(f"{path}.allowed_callers must be an array of strings.", f"{path}.allowed_callers")
        tool.allowed_callers.append(caller)
    del item["type"]
    keep(tool, item)


def _server(tool: tools_pb2.ServerTool, item: dict[str, Any], kind: str) -> None:
    """A tool the vendor runs travels whole; what other vendors know of web search has fields, too."""
    tool.kind, tool.vendor_type, tool.dialect = KINDS.get(kind, kind), kind, FORM
    tool.json = orjson.dumps(item)
    if tool.kind != "web_search":
        return
    filters, place = item.get("filters"), item.get("user_location")
    domains = filters.get("allowed_domains") if isinstance(filters, dict) else None
    if isinstance(domains, list):
        tool.allowed_domains.extend(each for each in domains if isinstance(each, str))
    if isinstance(item.get("search_context_size"), str):
        tool.context_size = item["search_context_size"]
    if isinstance(place, dict):
        tool.user_location_json = orjson.dumps(place)


def _choice(choice: tools_pb2.ToolChoice, value: Any) -> None:
    if isinstance(value, str) and value in MODES:
        choice.mode = MODES[value]
        return
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise bad("tool_choice must be none, auto, required, or an object that names a tool.", "tool_choice")
    name = _plain_name(value)
    if name:
        choice.mode = tools_pb2.TOOL_CHOICE_MODE_ONE
        choice.names.append(name)
        return
    if value["type"] == "allowed_tools" and value.get("mode") in ("auto", "required"):
        listed = value.get("tools")
        names = [_plain_name(each) for each in listed] if isinstance(listed, list) else []
        choice.mode = MODES[value["mode"]]
        if names and all(names):
            choice.names.extend(names)
            return
    choice.json, choice.dialect = orjson.dumps(value), FORM


def _plain_name(value: Any) -> str:
    """The name where the object names a function or a free-form tool and says no more."""
    plain = isinstance(value, dict) and value.get("type") in ("function", "custom") and set(value) == {"type", "name"}
    return value["name"] if plain and isinstance(value["name"], str) else ""


# -- shown again ------------------------------------------------------------------------------


def shown(given: Any) -> list[Any]:
    """The tools as an answer shows them."""
    out: list[Any] = []
    for tool in given:
        made = _shown_tool(tool)
        if not tool.namespace:
            out.append(made)
            continue
        space = made.pop("namespace", None)
        if space is not None or not out or out[-1].get("name") != tool.namespace:
            out.append({"type": "namespace", "name": tool.namespace, "description": "", **(space or {}), "tools": []})
        out[-1]["tools"].append(made)
    return out


def _shown_tool(tool: tools_pb2.Tool) -> dict[str, Any]:
    if tool.HasField("server"):
        return dict(orjson.loads(tool.server.json)) if tool.server.json else {"type": tool.server.kind}
    made: dict[str, Any]
    if tool.HasField("custom"):
        grammar = tool.custom.grammar
        made = {"type": "custom", "name": tool.custom.name, "description": tool.custom.description}
        if tool.custom.HasField("grammar"):
            made["format"] = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    else:
        function = tool.function
        made = {
            "type": "function",
            "name": function.name,
            "description": function.description or None,
            "parameters": orjson.loads(function.parameters_json) if function.parameters_json else None,
            "strict": function.strict,
        }
        if function.response_json:
            made["output_schema"] = orjson.loads(function.response_json)
    if tool.deferred:
        made["defer_loading"] = True
    if tool.allowed_callers:
        made["allowed_callers"] = list(tool.allowed_callers)
    json = tool.extensions.by_dialect.get(FORM)
    return {**(orjson.loads(json) if json else {}), **made}


def shown_choice(chat: chat_pb2.ChatRequest) -> Any:
    """The choice as an answer shows it."""
    choice = chat.tool_choice
    if choice.json and choice.dialect == FORM:
        return orjson.loads(choice.json)
    words = {mode: word for word, mode in MODES.items()}
    custom = {tool.custom.name for tool in chat.tools if tool.HasField("custom")}

    def named(name: str) -> dict[str, str]:
        return {"type": "custom" if name in custom else "function", "name": name}

    if choice.mode == tools_pb2.TOOL_CHOICE_MODE_ONE and choice.names:
        return named(choice.names[0])
    word = words.get(choice.mode, "auto")
    if choice.names:
        return {"type": "allowed_tools", "mode": word, "tools": [named(name) for name in choice.names]}
    return word

"""Canonical tools and the choice among them in the Responses form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from isthmus.v1 import tools_pb2

from core.errors import InvalidRequest
from core.vendors.responses.encode_items import merged, own
from core.vendors.responses.names import DIALECT

_MODES = {
    tools_pb2.TOOL_CHOICE_MODE_AUTO: "auto",
    tools_pb2.TOOL_CHOICE_MODE_NONE: "none",
    tools_pb2.TOOL_CHOICE_MODE_ANY: "required",
}


def raw(json: bytes, name: str) -> Any:
    """JSON bytes from the canonical message, put into the body as they are. Raises InvalidRequest."""
    try:
        orjson.loads(json)
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"{name} is not JSON.", param=name) from None
    return orjson.Fragment(json)


def tools(given: Iterable[tools_pb2.Tool], same: bool, dropped: list[str]) -> list[Any]:
    """The tools; those of one namespace that follow each other stand in one namespace tool.

    same: the client speaks this form, so that what it left out stays left out.
    """
    out: list[Any] = []
    space: dict[str, Any] | None = None
    for tool in given:
        made = _tool(tool, same, dropped)
        if made is None:
            continue
        if not tool.namespace:
            space = None
            out.append(made)
            continue
        if space is None or space["name"] != tool.namespace:
            space = {"type": "namespace", "name": tool.namespace, "description": "", "tools": []}
            out.append(space)
        if isinstance(made, dict):
            space.update(made.pop("namespace", None) or {})
        space["tools"].append(made)
    return out


def _tool(tool: tools_pb2.Tool, same: bool, dropped: list[str]) -> Any:
    kind = tool.WhichOneof("kind")
    if kind == "server":
        return _server(tool.server, dropped)
    made: dict[str, Any] = {}
    if kind == "function":
        made = _function(tool.function, same, dropped)
    elif kind == "custom":
        made = {"type": "custom", "name": tool.custom.name}
        if tool.custom.description:
            made["description"] = tool.custom.description
        if tool.custom.HasField("grammar"):
            grammar = tool.custom.grammar
            made["format"] = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    if tool.deferred:
        made["defer_loading"] = True
    if tool.allowed_callers and same:
        made["allowed_callers"] = list(tool.allowed_callers)
    elif tool.allowed_callers:
        dropped.append("tools.allowed_callers")
    if tool.HasField("cache_mark"):
        dropped.append("tools.cache_mark")
    return merged(made, own(tool.extensions))


def _function(function: tools_pb2.FunctionTool, same: bool, dropped: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "function", "name": function.name}
    if function.description:
        made["description"] = function.description
    if function.parameters_json:
        made["parameters"] = raw(function.parameters_json, "tools")
    elif not same:
        made["parameters"] = {"type": "object", "properties": {}}
    if function.HasField("strict"):
        made["strict"] = function.strict
    elif not same:
        # Here strict is what holds when nothing is said; in the other dialects it is not.
        made["strict"] = False
    if function.response_json:
        made["output_schema"] = raw(function.response_json, "tools")
    dropped.extend(f"tools.function.{name}" for name in ("examples_json", "behavior") if getattr(function, name))
    return made


def _server(tool: tools_pb2.ServerTool, dropped: list[str]) -> Any:
    if tool.dialect == DIALECT and tool.json:
        return raw(tool.json, "tools")
    if tool.kind == "code_interpreter":
        return {"type": "code_interpreter", "container": {"type": "auto"}}
    if tool.kind != "web_search":
        dropped.append(f"tools.{tool.kind or 'server'}")
        return None
    made: dict[str, Any] = {"type": "web_search"}
    if tool.allowed_domains:
        made["filters"] = {"allowed_domains": list(tool.allowed_domains)}
    if tool.context_size:
        made["search_context_size"] = tool.context_size
    if tool.user_location_json:
        place = orjson.loads(tool.user_location_json)
        inner = place.get("approximate") if isinstance(place.get("approximate"), dict) else place
        made["user_location"] = {"type": "approximate", **inner}
    dropped.extend(f"tools.web_search.{name}" for name in ("blocked_domains", "max_uses") if getattr(tool, name))
    return made


def choice(given: tools_pb2.ToolChoice, all_tools: Iterable[tools_pb2.Tool], dropped: list[str]) -> Any:
    """tool_choice; None where nothing is said."""
    if given.json and given.dialect == DIALECT:
        return raw(given.json, "tool_choice")
    if given.json:
        dropped.append("tool_choice.json")
    if not given.mode:
        return None
    custom = {tool.custom.name for tool in all_tools if tool.HasField("custom")}

    def named(name: str) -> dict[str, Any]:
        return {"type": "custom" if name in custom else "function", "name": name}

    if given.mode == tools_pb2.TOOL_CHOICE_MODE_ONE and given.names:
        return named(given.names[0])
    mode = _MODES.get(given.mode, "required")
    if given.names and mode != "none":
        return {"type": "allowed_tools", "mode": mode, "tools": [named(name) for name in given.names]}
    return mode

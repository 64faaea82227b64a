"""Tools of free-form text before vendors that call tools with objects only: functions with that text as "input".

The dialects that know such tools make the object the text again (front/dialects/responses/output.py).
"""

from __future__ import annotations

import orjson
from isthmus.v1 import parts_pb2, tools_pb2

SCHEMA = b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'


def as_function(tool: tools_pb2.Tool, dropped: list[str]) -> tools_pb2.Tool:
    """A function that stands for a free-form tool, named in dropped; other tools as they are."""
    if not tool.HasField("custom"):
        return tool
    dropped.append("tools.custom")
    custom = tool.custom
    description = custom.description
    if custom.HasField("grammar"):
        description += f"\nThe input must follow this {custom.grammar.syntax} grammar:\n{custom.grammar.definition}"
    made = tools_pb2.Tool(namespace=tool.namespace, deferred=tool.deferred, allowed_callers=tool.allowed_callers)
    made.function.name, made.function.description = custom.name, description.strip()
    made.function.parameters_json = SCHEMA
    if tool.HasField("cache_mark"):
        made.cache_mark.CopyFrom(tool.cache_mark)
    return made


def arguments(call: parts_pb2.ToolCall) -> str:
    """A call's arguments as JSON text, where its tool was told as a function."""
    return orjson.dumps({"input": call.arguments}).decode() if call.free_form else call.arguments

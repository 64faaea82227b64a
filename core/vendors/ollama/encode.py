"""Canonical requests in Ollama's chat form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.vendors.interface import Call
from core.vendors.openai.encode import EFFORTS, raw
from core.vendors.shared.freeform import as_function
from core.vendors.shared.media import base64_of

FORM = "ollama.chat"
ROLES = {
    chat_pb2.ROLE_SYSTEM: "system", chat_pb2.ROLE_DEVELOPER: "system", chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}  # fmt: skip
OPTIONS = (
    ("temperature", "temperature"), ("top_p", "top_p"), ("top_k", "top_k"), ("min_p", "min_p"), ("seed", "seed"),
    ("repetition_penalty", "repeat_penalty"), ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
)  # fmt: skip
"""Canonical name and Ollama's; both mean the same, within the same bounds."""
THINKS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
"""Ollama's levels; models that know none take any as yes."""


def encode(request: chat_pb2.ChatRequest, call: Call) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, and the canonical names of what it could not hold. Raises InvalidRequest."""
    dropped: list[str] = []
    body: dict[str, Any] = {"model": call.sent}
    body["messages"] = [made for message in request.messages for made in _messages(message, call, dropped)]
    _name_results(body["messages"])
    _tools(request, body, dropped)
    kind = request.output.WhichOneof("structure")
    if kind == "json_object":
        body["format"] = "json"
    elif kind == "json_schema":
        body["format"] = raw(request.output.json_schema.schema_json or b'{"type":"object"}', "response_format")
    elif kind == "grammar":
        dropped.append("output.grammar")
    _thinking(request.reasoning, body, dropped)
    body["stream"] = call.stream
    options = _options(request)
    for name in ("logprobs", "top_logprobs"):
        if request.sampling.HasField(name):
            body[name] = getattr(request.sampling, name)
    for dialect, json in request.extensions.by_dialect.items():
        if dialect == FORM:
            extra = orjson.loads(json)
            options = {**extra.pop("options", {}), **options}
            body.update({key: value for key, value in extra.items() if key not in body})
        else:
            dropped.append(f"extensions.{dialect}")
    if options:
        body["options"] = options
    _rest(request, dropped)
    return body, tuple(dict.fromkeys(dropped))


def _messages(message: chat_pb2.Message, call: Call, dropped: list[str]) -> list[dict[str, Any]]:
    """A message; results of tools are messages of their own."""
    results = [part for part in message.parts if part.HasField("tool_result")]
    out = [_result(part.tool_result, call, dropped) for part in results]
    others = [part for part in message.parts if not part.HasField("tool_result")]
    if not others and results:
        return out
    if message.name:
        dropped.append("messages.name")
    made: dict[str, Any] = {"role": ROLES.get(message.role, "user"), "content": ""}
    _parts(made, others, call, dropped)
    if FORM in message.extensions.by_dialect:
        made.update(orjson.loads(message.extensions.by_dialect[FORM]))
    return [*out, made]


def _name_results(messages: list[dict[str, Any]]) -> None:
    """Results say which tool they are of; other dialects tell only the call's id."""
    names: dict[str, str] = {}
    for message in messages:
        names.update((made["id"], made["function"]["name"]) for made in message.get("tool_calls", ()) if "id" in made)
        name = names.get(message.get("tool_call_id", ""))
        if name and "tool_name" not in message:
            message["tool_name"] = name


def _parts(made: dict[str, Any], parts: Sequence[parts_pb2.Part], call: Call, dropped: list[str]) -> None:
    """Text, pictures, thoughts and calls, each in its member: their order among each other is not told."""
    for part in parts:
        kind = part.WhichOneof("kind")
        if kind in ("text", "refusal"):
            _add(made, "content", getattr(part, kind).text)
        elif kind == "thinking":
            _add(made, "thinking", part.thinking.text or "\n".join(part.thinking.summary))
            if part.thinking.signature or part.thinking.encrypted:
                dropped.append("parts.thinking.signature")
        elif kind == "image" and part.image.media.WhichOneof("source") not in ("url", "file_id"):
            made.setdefault("images", []).append(base64_of(part.image.media, call))
        elif kind == "tool_call":
            made.setdefault("tool_calls", []).append(_call(part.tool_call))
        elif kind == "file" and part.file.media.WhichOneof("source") == "text":
            _add(made, "content", part.file.media.text)
        elif kind == "search_result":
            inner = "\n".join(piece.text.text for piece in part.search_result.content)
            _add(made, "content", f"{part.search_result.title or part.search_result.source}\n{inner}\n")
        else:
            dropped.append(f"parts.{kind or 'empty'}")
        if part.thought_signature:
            dropped.append("parts.thought_signature")


def _add(made: dict[str, Any], name: str, said: str) -> None:
    if said:
        made[name] = made.get(name, "") + said


def _call(made: parts_pb2.ToolCall) -> dict[str, Any]:
    """A call; its arguments are an object here."""
    try:
        told = orjson.loads(made.arguments or b"{}")
    except orjson.JSONDecodeError:
        told = None
    function = {"name": made.name, "arguments": told if isinstance(told, dict) else {"input": made.arguments}}
    return {"id": made.id, "function": function} if made.id else {"function": function}


def _result(result: parts_pb2.ToolResult, call: Call, dropped: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"role": "tool", "content": ""}
    if result.name:
        made["tool_name"] = result.name
    if result.call_id:
        made["tool_call_id"] = result.call_id
    _parts(made, result.content, call, dropped)
    made["content"] = made["content"] or result.json.decode("utf-8", "replace")
    if result.is_error:
        dropped.append("parts.tool_result.is_error")
    return made


def _tools(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    made = []
    for asked in request.tools:
        tool = as_function(asked, dropped)
        if not tool.HasField("function"):
            dropped.append(f"tools.{tool.server.kind or 'server'}")
            continue
        function: dict[str, Any] = {"name": tool.function.name}
        if tool.function.description:
            function["description"] = tool.function.description
        parameters = tool.function.parameters_json or b'{"type":"object","properties":{}}'
        function["parameters"] = raw(parameters, "tools")
        made.append({"type": "function", "function": function})
        if tool.function.strict:
            dropped.append("tools.function.strict")
    if made:
        body["tools"] = made
    if request.tool_choice.mode > 1 or request.tool_choice.names or request.tool_choice.HasField("parallel"):
        dropped.append("tool_choice")


def _thinking(reasoning: chat_pb2.Reasoning, body: dict[str, Any], dropped: list[str]) -> None:
    """Yes, no, or a level."""
    word = EFFORTS.get(reasoning.effort, "")
    budget = reasoning.HasField("budget_tokens")
    if word == "none" or reasoning.mode == chat_pb2.REASONING_MODE_OFF or (budget and not reasoning.budget_tokens):
        body["think"] = False
    elif word:
        body["think"] = THINKS[word]
        if THINKS[word] != word:
            dropped.append("reasoning.effort")
    elif reasoning.mode or budget:
        body["think"] = True
    if budget and reasoning.budget_tokens > 0:
        dropped.append("reasoning.budget_tokens")
    dropped.extend(f"reasoning.{name}" for name in ("summary", "context") if getattr(reasoning, name))


def _options(request: chat_pb2.ChatRequest) -> dict[str, Any]:
    sampling = request.sampling
    options = {
        other: getattr(sampling, name)
        for name, other in OPTIONS
        if sampling.HasField(name)  # type: ignore[arg-type]
    }
    if request.HasField("max_output_tokens"):
        options["num_predict"] = request.max_output_tokens
    if request.stop_sequences:
        options["stop"] = list(request.stop_sequences)
    return options


def _rest(request: chat_pb2.ChatRequest, dropped: list[str]) -> None:
    """What the form has no place for."""
    if request.candidates > 1:
        dropped.append("candidates")
    if request.sampling.logit_bias:
        dropped.append("sampling.logit_bias")
    if request.output.verbosity:
        dropped.append("output.verbosity")
    for name in ("caching", "identity", "placement", "state"):
        held = getattr(request, name)
        dropped.extend(f"{name}.{field.name}" for field, _ in held.ListFields())
    dropped.extend(name for name in ("safety", "prediction") if getattr(request, name))

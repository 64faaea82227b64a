"""Canonical requests in Cohere's chat form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, tools_pb2

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.openai.encode import raw
from core.vendors.shared.freeform import arguments, as_function
from core.vendors.shared.media import address_of

FORM = "cohere.chat"
ROLES = {
    chat_pb2.ROLE_SYSTEM: "system", chat_pb2.ROLE_DEVELOPER: "system", chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}  # fmt: skip
MOST_STOPS = 5
BUDGETS = {chat_pb2.EFFORT_MINIMAL: 1024, chat_pb2.EFFORT_LOW: 1024, chat_pb2.EFFORT_MEDIUM: 8192}
"""Tokens of thinking for an effort, as for Gemini; above, all there is."""
THINKS = "reasoning"
"""In the names of models that think; others refuse to be told of it."""
_SAMPLING = (
    ("temperature", "temperature", 0.0, float("inf")),
    ("top_p", "p", 0.01, 0.99),
    ("top_k", "k", 0, 500),
    ("frequency_penalty", "frequency_penalty", 0.0, 1.0),
    ("presence_penalty", "presence_penalty", 0.0, 1.0),
    ("seed", "seed", -(1 << 63), 1 << 64),
    ("logprobs", "logprobs", False, True),
)
"""Canonical name, the vendor's, and its bounds."""


def encode(request: chat_pb2.ChatRequest, call: Call) -> tuple[bytes, tuple[str, ...]]:
    """The body, and the canonical names of what it could not hold. Raises InvalidRequest."""
    dropped: list[str] = []
    documents: list[Any] = []
    body: dict[str, Any] = {"model": call.sent}
    body["messages"] = [made for message in request.messages for made in _messages(message, call, documents, dropped)]
    if documents:
        body["documents"] = documents
    _tools(request, body, dropped)
    _sampling(request, body, dropped)
    _reasoning(request.reasoning, call.sent, body, dropped)
    _output(request.output, body, dropped)
    if request.HasField("max_output_tokens"):
        body["max_tokens"] = request.max_output_tokens
    if request.stop_sequences:
        body["stop_sequences"] = list(request.stop_sequences[:MOST_STOPS])
    if call.stream:
        body["stream"] = True
    _rest(request, dropped)
    for dialect, json in request.extensions.by_dialect.items():
        if dialect == FORM:
            body.update({key: value for key, value in orjson.loads(json).items() if key not in body})
        else:
            dropped.append(f"extensions.{dialect}")
    return orjson.dumps(body), tuple(dict.fromkeys(dropped))


def _messages(message: chat_pb2.Message, call: Call, documents: list[Any], dropped: list[str]) -> list[dict[str, Any]]:
    """A message; results of tools are messages of their own."""
    results = [part for part in message.parts if part.HasField("tool_result")]
    out = [_result(part.tool_result, dropped) for part in results]
    others = [part for part in message.parts if not part.HasField("tool_result")]
    if not others and results:
        return out
    if message.name:
        dropped.append("messages.name")
    role = ROLES.get(message.role, "user")
    made: dict[str, Any] = {"role": role}
    if role == "assistant":
        _assistant(made, others, call, dropped)
    else:
        made["content"] = _content(others, call, documents, dropped)
    if FORM in message.extensions.by_dialect:
        made.update(orjson.loads(message.extensions.by_dialect[FORM]))
    return [*out, made]


def _assistant(made: dict[str, Any], parts: Sequence[parts_pb2.Part], call: Call, dropped: list[str]) -> None:
    """Words before calls are the plan, as Cohere's models tell it, where they did not come as content."""
    calls = [part.tool_call for part in parts if part.HasField("tool_call")]
    spoken, plan = [], ""
    for part in parts:
        kind = part.WhichOneof("kind")
        if kind == "thinking" and (said := part.thinking.text or "\n".join(part.thinking.summary)):
            spoken.append({"type": "thinking", "thinking": said})
        elif kind == "text" and calls and FORM not in part.extensions.by_dialect:
            plan += part.text.text
        elif kind in ("text", "refusal"):
            spoken.append({"type": "text", "text": getattr(part, kind).text})
        elif kind != "tool_call":
            dropped.append(f"parts.{kind or 'empty'}")
        if part.thought_signature or part.thinking.signature or part.thinking.encrypted:
            dropped.append("parts.thinking.signature")
    if plan:
        made["tool_plan"] = plan
    if len(spoken) == 1 and spoken[0]["type"] == "text":
        made["content"] = spoken[0]["text"]
    elif spoken:
        made["content"] = spoken
    if calls:
        made["tool_calls"] = [
            {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": arguments(each) or "{}"}}
            for each in calls
        ]
    elif not spoken:
        made["content"] = ""


def _result(result: parts_pb2.ToolResult, dropped: list[str]) -> dict[str, Any]:
    pieces: list[dict[str, Any]] = []
    for part in result.content:
        if part.HasField("text"):
            pieces.append({"type": "text", "text": part.text.text})
        elif (found := _document(part)) is not None:
            pieces.append({"type": "document", "document": found})
        else:
            dropped.append("parts.tool_result.media")
    if result.is_error:
        dropped.append("parts.tool_result.is_error")
    content: Any = pieces
    if len(pieces) == 1 and pieces[0]["type"] == "text":
        content = pieces[0]["text"]
    elif not pieces:
        content = result.json.decode("utf-8", "replace")
    return {"role": "tool", "tool_call_id": result.call_id, "content": content}


def _document(part: parts_pb2.Part) -> Any:
    """A document, as it came where it was Cohere's; None where the part is none."""
    if FORM in part.extensions.by_dialect:
        return orjson.loads(part.extensions.by_dialect[FORM])
    if part.HasField("search_result"):
        found = part.search_result
        data = {"title": found.title, "url": found.source} if found.source else {"title": found.title}
        data["snippet"] = "\n".join(piece.text.text for piece in found.content)
    elif part.HasField("file") and (part.file.media.WhichOneof("source") == "text" or part.file.content):
        data = {"title": part.file.title or part.file.name}
        data["snippet"] = part.file.media.text or "\n".join(piece.text.text for piece in part.file.content)
    else:
        return None
    return {"data": {name: value for name, value in data.items() if value}}


def _content(parts: Sequence[parts_pb2.Part], call: Call, documents: list[Any], dropped: list[str]) -> Any:
    """A string where it is one text, else a list; documents go to the request's."""
    pieces: list[dict[str, Any]] = []
    for part in parts:
        kind = part.WhichOneof("kind")
        if kind in ("text", "refusal"):
            pieces.append({"type": "text", "text": getattr(part, kind).text})
        elif kind == "image" and part.image.media.WhichOneof("source") != "file_id":
            inner = {"url": address_of(part.image.media, "image/png", call)}
            if part.image.detail in ("auto", "low", "high"):
                inner["detail"] = part.image.detail
            pieces.append({"type": "image_url", "image_url": inner})
        elif kind == "opaque" and part.opaque.dialect == FORM:
            pieces.append(orjson.loads(part.opaque.json))
        elif (found := _document(part)) is not None:
            documents.append(found)
        else:
            dropped.append(f"parts.{kind or 'empty'}")
    return pieces[0]["text"] if len(pieces) == 1 and pieces[0]["type"] == "text" else pieces or ""


def _tools(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    """Functions; where only some may be used, the others are not told."""
    choice, made, strict = request.tool_choice, [], False
    for asked in request.tools:
        tool = as_function(asked, dropped)
        function = tool.function
        if not tool.HasField("function"):
            dropped.append(f"tools.{tool.server.kind or 'server'}")
            continue
        if choice.names and function.name not in choice.names:
            continue
        told: dict[str, Any] = {"name": function.name}
        if function.description:
            told["description"] = function.description
        told["parameters"] = raw(function.parameters_json or b'{"type":"object","properties":{}}', "tools")
        made.append({"type": "function", "function": told})
        strict = strict or function.strict
    if not made:
        if choice.mode == tools_pb2.TOOL_CHOICE_MODE_ONE:
            raise InvalidRequest("tool_choice names a tool that is not among the functions.", param="tool_choice")
        return
    body["tools"] = made
    if strict:
        body["strict_tools"] = True
    if choice.mode in (tools_pb2.TOOL_CHOICE_MODE_ANY, tools_pb2.TOOL_CHOICE_MODE_ONE):
        body["tool_choice"] = "REQUIRED"
    elif choice.mode == tools_pb2.TOOL_CHOICE_MODE_NONE:
        body["tool_choice"] = "NONE"
    if choice.HasField("parallel") and not choice.parallel:
        dropped.append("tool_choice.parallel")


def _sampling(request: chat_pb2.ChatRequest, body: dict[str, Any], dropped: list[str]) -> None:
    """What the vendor has, within its bounds; a changed value is named."""
    sampling = request.sampling
    for name, other, least, most in _SAMPLING:
        if not sampling.HasField(name):  # type: ignore[arg-type]
            continue
        value = getattr(sampling, name)
        body[other] = min(max(value, least), most)
        if body[other] != value:
            dropped.append(f"sampling.{name}")
    beyond = ("min_p", "repetition_penalty", "top_logprobs")
    dropped.extend(f"sampling.{name}" for name in beyond if sampling.HasField(name))  # type: ignore[arg-type]
    if sampling.logit_bias:
        dropped.append("sampling.logit_bias")


def _reasoning(reasoning: chat_pb2.Reasoning, model: str, body: dict[str, Any], dropped: list[str]) -> None:
    """Thinking on, off, or with a budget."""
    off = reasoning.effort == chat_pb2.EFFORT_NONE or reasoning.mode == chat_pb2.REASONING_MODE_OFF
    told: dict[str, Any] = {}
    if off or (reasoning.HasField("budget_tokens") and reasoning.budget_tokens == 0):
        told["type"] = "disabled"
    elif reasoning.HasField("budget_tokens") and reasoning.budget_tokens > 0:
        told.update(type="enabled", token_budget=reasoning.budget_tokens)
    elif reasoning.effort:
        told["type"] = "enabled"
        if reasoning.effort in BUDGETS:
            told["token_budget"] = BUDGETS[reasoning.effort]
    elif reasoning.mode or reasoning.HasField("budget_tokens"):
        told["type"] = "enabled"
    by_client = reasoning.mode or reasoning.HasField("budget_tokens")
    if told and (by_client or THINKS in model):
        body["thinking"] = told
    elif told and told["type"] == "enabled":
        dropped.append("reasoning.effort")
    dropped.extend(f"reasoning.{name}" for name in ("summary", "context") if getattr(reasoning, name))
    if reasoning.HasField("include_thoughts") and not reasoning.include_thoughts:
        dropped.append("reasoning.include_thoughts")


def _output(output: chat_pb2.OutputFormat, body: dict[str, Any], dropped: list[str]) -> None:
    kind = output.WhichOneof("structure")
    if kind == "json_object":
        body["response_format"] = {"type": "json_object"}
    elif kind == "json_schema":
        schema = raw(output.json_schema.schema_json or b'{"type":"object"}', "response_format")
        body["response_format"] = {"type": "json_object", "json_schema": schema}
    elif kind == "grammar":
        dropped.append("output.grammar")
    elif output.text:
        body["response_format"] = {"type": "text"}
    if output.verbosity:
        dropped.append("output.verbosity")
    if any(modality != "text" for modality in output.modalities):
        dropped.append("output.modalities")


def _rest(request: chat_pb2.ChatRequest, dropped: list[str]) -> None:
    """What the form has no place for."""
    if request.candidates > 1:
        dropped.append("candidates")
    if len(request.stop_sequences) > MOST_STOPS:
        dropped.append("stop_sequences")
    for name in ("caching", "identity", "placement", "state"):
        held = getattr(request, name)
        dropped.extend(f"{name}.{field.name}" for field, _ in held.ListFields())
    dropped.extend(name for name in ("safety", "prediction") if getattr(request, name))

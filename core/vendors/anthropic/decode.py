"""Whole answers of the Messages form, as canonical messages."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.vendors.anthropic import usage as usages
from core.vendors.interface import BadAnswer, Call
from core.vendors.shared.values import place, text

DIALECT = "anthropic.messages"
SIGNER = "anthropic"
FINISH = {
    "end_turn": chat_pb2.FINISH_REASON_STOP,
    "stop_sequence": chat_pb2.FINISH_REASON_STOP_SEQUENCE,
    "max_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "model_context_window_exceeded": chat_pb2.FINISH_REASON_CONTEXT_WINDOW,
    "tool_use": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "pause_turn": chat_pb2.FINISH_REASON_PAUSE,
    "compaction": chat_pb2.FINISH_REASON_PAUSE,
    "refusal": chat_pb2.FINISH_REASON_REFUSAL,
}
_ANSWER = frozenset(
    ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage", "container"]
)
RESULT = "_tool_result"
KINDS = {"code_execution": "code_interpreter"}
"""Anthropic's names of server tools where the canonical one differs."""


def finish(word: str) -> chat_pb2.FinishReason.ValueType:
    """The vendor's word for why it stopped."""
    return FINISH.get(word, chat_pb2.FINISH_REASON_STOP if word else chat_pb2.FINISH_REASON_UNSPECIFIED)


def citation(found: dict[str, Any]) -> parts_pb2.Citation:
    """A citation of any of the five kinds; the object itself is kept."""
    kind = text(found.get("type"))
    unit = {"char_location": "char_index", "page_location": "page_number"}.get(kind, "block_index")
    return parts_pb2.Citation(
        kind=kind,
        start=place(found.get(f"start_{unit}")),
        end=place(found.get(f"end_{unit}")),
        url=text(found.get("url")) or text(found.get("source")),
        title=text(found.get("title")) or text(found.get("document_title")),
        cited_text=text(found.get("cited_text")),
        json=orjson.dumps(found),
        dialect=DIALECT,
    )


def arguments(value: Any) -> str:
    """A tool's input as the text of its JSON."""
    return value if isinstance(value, str) else "{}" if value is None else orjson.dumps(value).decode()


def block(found: dict[str, Any]) -> parts_pb2.Part:
    """One block of content. Unknown kinds travel whole; unknown members go into the extensions."""
    kind = text(found.get("type"))
    part = parts_pb2.Part()
    known = _BLOCKS.get(kind)
    if known is not None:
        names = known(part, found)
    elif kind in ("server_tool_use", "mcp_tool_use"):
        names = _server_call(part, found, kind)
    elif kind.endswith(RESULT) and kind != "tool_result":
        names = _server_result(part, found, kind)
    else:
        part.opaque.dialect, part.opaque.kind, part.opaque.json = DIALECT, kind, orjson.dumps(found)
        return part
    unknown = {key: value for key, value in found.items() if key not in names and key != "type" and value is not None}
    if unknown:
        part.extensions.by_dialect[DIALECT] = orjson.dumps(unknown)
    return part


def _text(part: parts_pb2.Part, found: dict[str, Any]) -> tuple[str, ...]:
    part.text.text = text(found.get("text"))
    citations = found.get("citations")
    for item in citations if isinstance(citations, list) else ():
        if isinstance(item, dict):
            part.text.citations.append(citation(item))
    return "text", "citations"


def _thinking(part: parts_pb2.Part, found: dict[str, Any]) -> tuple[str, ...]:
    part.thinking.text = text(found.get("thinking"))
    if signature := text(found.get("signature")):
        part.thinking.signature = signature.encode()
        part.thinking.signed_by = SIGNER
    return "thinking", "signature"


def _redacted(part: parts_pb2.Part, found: dict[str, Any]) -> tuple[str, ...]:
    part.thinking.encrypted = text(found.get("data")).encode()
    part.thinking.signed_by = SIGNER
    part.thinking.redacted = True
    return ("data",)


def _call(part: parts_pb2.Part, found: dict[str, Any]) -> tuple[str, ...]:
    part.tool_call.id, part.tool_call.name = text(found.get("id")), text(found.get("name"))
    part.tool_call.arguments = arguments(found.get("input"))
    part.tool_call.namespace = text(found.get("toolset_name"))
    if isinstance(found.get("caller"), dict):
        part.tool_call.caller_json = orjson.dumps(found["caller"])
    return "id", "name", "input", "toolset_name", "caller"


def _server_call(part: parts_pb2.Part, found: dict[str, Any], kind: str) -> tuple[str, ...]:
    made = part.server_tool_call
    made.id, made.name, made.dialect = text(found.get("id")), text(found.get("name")), DIALECT
    made.kind = "mcp" if kind == "mcp_tool_use" else KINDS.get(made.name, made.name)
    made.input_json = arguments(found.get("input")).encode()
    if isinstance(found.get("caller"), dict):
        made.caller_json = orjson.dumps(found["caller"])
    return "id", "name", "input", "caller"


def _server_result(part: parts_pb2.Part, found: dict[str, Any], kind: str) -> tuple[str, ...]:
    made, content = part.server_tool_result, found.get("content")
    made.call_id, made.dialect = text(found.get("tool_use_id")), DIALECT
    name = kind.removesuffix(RESULT)
    made.kind = KINDS.get(name, name)
    made.output_json = orjson.dumps(content)
    told = text(content.get("type")) if isinstance(content, dict) else ""
    made.is_error = found.get("is_error") is True or told.endswith("_error")
    return ("tool_use_id", "content", "is_error") if made.kind == "mcp" else ("tool_use_id", "content")


def _upload(part: parts_pb2.Part, found: dict[str, Any]) -> tuple[str, ...]:
    part.container_upload.file_id = text(found.get("file_id"))
    return ("file_id",)


def _compaction(part: parts_pb2.Part, found: dict[str, Any]) -> tuple[str, ...]:
    part.compaction.content = text(found.get("content"))
    part.compaction.encrypted = text(found.get("encrypted_content")).encode()
    return "content", "encrypted_content"


_BLOCKS = {
    "text": _text,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _call,
    "container_upload": _upload,
    "compaction": _compaction,
}


def parse(body: bytes) -> dict[str, Any]:
    """The answer as an object with content. Raises BadAnswer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not an object")
    if not isinstance(answer.get("content"), list):
        raise BadAnswer("there is no content")
    return answer


def usage_of(answer: dict[str, Any]) -> Any:
    """The answer's usage; None where there is none."""
    told = answer.get("usage")
    return usages.normalise(told) if isinstance(told, dict) and told else None


def decode(body: bytes, call: Call) -> chat_pb2.ChatResponse:
    """A whole answer. Raises BadAnswer."""
    answer = parse(body)
    response = chat_pb2.ChatResponse(id=text(answer.get("id")), model=call.asked, created=call.created)
    choice = response.choices.add()
    for found in answer["content"]:
        if not isinstance(found, dict):
            raise BadAnswer("a block is not an object")
        choice.parts.append(block(found))
    choice.vendor_finish = text(answer.get("stop_reason"))
    choice.finish = finish(choice.vendor_finish)
    choice.stop_sequence = text(answer.get("stop_sequence"))
    if isinstance(answer.get("stop_details"), dict):
        choice.safety_json = orjson.dumps(answer["stop_details"])
    usage = usage_of(answer)
    if usage is not None:
        response.usage.CopyFrom(usage)
        response.service_tier = text(answer["usage"].get("service_tier"))
    if isinstance(answer.get("container"), dict):
        response.container_json = orjson.dumps(answer["container"])
    unknown = {key: value for key, value in answer.items() if key not in _ANSWER and value is not None}
    if unknown:
        response.extensions.by_dialect[DIALECT] = orjson.dumps(unknown)
    return response

"""Whole answers of Converse, as canonical messages."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.vendors.bedrock import usage as usages
from core.vendors.interface import BadAnswer, Call
from core.vendors.shared.values import place, text

DIALECT = "bedrock.converse"
SIGNER = "bedrock"
"""ThinkingPart.signed_by of what models behind Converse sign."""
FINISH = {
    "end_turn": chat_pb2.FINISH_REASON_STOP,
    "tool_use": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "max_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "stop_sequence": chat_pb2.FINISH_REASON_STOP_SEQUENCE,
    "guardrail_intervened": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "content_filtered": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "malformed_model_output": chat_pb2.FINISH_REASON_ERROR,
    "malformed_tool_use": chat_pb2.FINISH_REASON_MALFORMED_TOOL_CALL,
    "model_context_window_exceeded": chat_pb2.FINISH_REASON_CONTEXT_WINDOW,
}
_ANSWER = frozenset(["output", "stopReason", "usage", "serviceTier", "metrics"])
_MIMES = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}


def finish(word: str) -> chat_pb2.FinishReason.ValueType:
    """The vendor's word for why it stopped."""
    return FINISH.get(word, chat_pb2.FINISH_REASON_STOP if word else chat_pb2.FINISH_REASON_UNSPECIFIED)


def citation(found: dict[str, Any]) -> parts_pb2.Citation:
    """A citation with any of the five kinds of places; the object itself is kept."""
    places = found.get("location")
    places = places if isinstance(places, dict) else {}
    kind = next((name for name, value in places.items() if isinstance(value, dict)), "")
    where: dict[str, Any] = places.get(kind) or {}
    cited = found.get("sourceContent")
    words = [text(item.get("text")) for item in cited if isinstance(item, dict)] if isinstance(cited, list) else []
    return parts_pb2.Citation(
        kind=kind,
        start=place(where.get("start")),
        end=place(where.get("end")),
        url=text(where.get("url")) or text(found.get("source")),
        title=text(found.get("title")),
        cited_text="".join(words),
        json=orjson.dumps(found),
        dialect=DIALECT,
    )


def block(found: Any) -> parts_pb2.Part:
    """One content block. Unknown kinds travel whole. Raises BadAnswer."""
    if not isinstance(found, dict) or not found:
        raise BadAnswer("a block is not an object")
    kind, value = next(iter(found.items()))
    part = parts_pb2.Part()
    if kind == "text":
        part.text.text = text(value)
        return part
    known = _BLOCKS.get(kind)
    if known is None or not isinstance(value, dict) or not known(part, value):
        part = parts_pb2.Part()
        part.opaque.dialect, part.opaque.kind, part.opaque.json = DIALECT, kind, orjson.dumps(found)
    return part


def _reasoning(part: parts_pb2.Part, value: dict[str, Any]) -> bool:
    said = value.get("reasoningText")
    if isinstance(said, dict):
        part.thinking.text = text(said.get("text"))
        if signature := text(said.get("signature")):
            part.thinking.signature = signature.encode()
            part.thinking.signed_by = SIGNER
        return True
    if redacted := text(value.get("redactedContent")):
        part.thinking.encrypted = redacted.encode()
        part.thinking.signed_by = SIGNER
        part.thinking.redacted = True
        return True
    return False


def _call(part: parts_pb2.Part, value: dict[str, Any]) -> bool:
    if value.get("type"):
        # The vendor's own tool.
        return False
    part.tool_call.id, part.tool_call.name = text(value.get("toolUseId")), text(value.get("name"))
    given = value.get("input")
    part.tool_call.arguments = "{}" if given is None else orjson.dumps(given).decode()
    return True


def _cited(part: parts_pb2.Part, value: dict[str, Any]) -> bool:
    content, citations = value.get("content"), value.get("citations")
    words = [text(item.get("text")) for item in content if isinstance(item, dict)] if isinstance(content, list) else []
    part.text.text = "".join(words)
    for item in citations if isinstance(citations, list) else ():
        if isinstance(item, dict):
            part.text.citations.append(citation(item))
    return True


def _image(part: parts_pb2.Part, value: dict[str, Any]) -> bool:
    source = value.get("source")
    data = text(source.get("bytes")) if isinstance(source, dict) else ""
    part.image.media.base64 = data
    part.image.media.mime_type = _MIMES.get(text(value.get("format")), "image/png")
    return bool(data)


_BLOCKS = {"reasoningContent": _reasoning, "toolUse": _call, "citationsContent": _cited, "image": _image}


def tier(answer: dict[str, Any]) -> str:
    """The tier it was served in."""
    told = answer.get("serviceTier")
    return text(told.get("type")) if isinstance(told, dict) else ""


def parse(body: bytes) -> dict[str, Any]:
    """The answer as an object with an output message. Raises BadAnswer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not an object")
    output = answer.get("output")
    message = output.get("message") if isinstance(output, dict) else None
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        raise BadAnswer("there is no message")
    return answer


def decode(body: bytes, call: Call) -> chat_pb2.ChatResponse:
    """A whole answer. Raises BadAnswer."""
    answer = parse(body)
    response = chat_pb2.ChatResponse(model=call.asked, created=call.created, service_tier=tier(answer))
    choice = response.choices.add()
    choice.parts.extend(block(found) for found in answer["output"]["message"]["content"])
    choice.vendor_finish = text(answer.get("stopReason"))
    choice.finish = finish(choice.vendor_finish)
    usage = usages.normalise(answer.get("usage"))
    if usage is not None:
        response.usage.CopyFrom(usage)
    unknown = {key: value for key, value in answer.items() if key not in _ANSWER and value is not None}
    if unknown:
        response.extensions.by_dialect[DIALECT] = orjson.dumps(unknown)
    return response

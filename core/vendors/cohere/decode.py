"""Whole answers of Cohere's chat form, as canonical messages."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.cohere.encode import FORM
from core.vendors.interface import BadAnswer, Call
from core.vendors.shared.counts import Reader
from core.vendors.shared.values import arguments, place, text

FINISH = {
    "COMPLETE": chat_pb2.FINISH_REASON_STOP,
    "STOP_SEQUENCE": chat_pb2.FINISH_REASON_STOP_SEQUENCE,
    "MAX_TOKENS": chat_pb2.FINISH_REASON_LENGTH,
    "TOOL_CALL": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "ERROR": chat_pb2.FINISH_REASON_ERROR,
    "TIMEOUT": chat_pb2.FINISH_REASON_ERROR,
    "ERROR_TOXIC": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "ERROR_LIMIT": chat_pb2.FINISH_REASON_CONTEXT_WINDOW,
}
_ANSWER = frozenset(("id", "finish_reason", "message", "usage", "logprobs"))


def finish(word: str) -> chat_pb2.FinishReason.ValueType:
    """The vendor's word for why the answer ended."""
    return FINISH.get(word, chat_pb2.FINISH_REASON_STOP if word else chat_pb2.FINISH_REASON_UNSPECIFIED)


def parse(body: bytes) -> dict[str, Any]:
    """The answer as an object with a message. Raises BadAnswer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("message"), dict):
        raise BadAnswer("there is no message")
    return answer


def decode(body: bytes, call: Call) -> chat_pb2.ChatResponse:
    """A whole answer. Raises BadAnswer."""
    answer = parse(body)
    message: dict[str, Any] = answer["message"]
    response = chat_pb2.ChatResponse(id=text(answer.get("id")), model=call.asked, created=call.created)
    choice = response.choices.add()
    choice.vendor_finish = text(answer.get("finish_reason"))
    choice.finish = finish(choice.vendor_finish)
    places: dict[int, parts_pb2.Part] = {}
    content = message.get("content")
    for number, piece in enumerate(content if isinstance(content, list) else ()):
        if isinstance(piece, dict):
            places[number] = choice.parts.add()
            _piece(places[number], piece)
    if plan := text(message.get("tool_plan")):
        choice.parts.add().text.text = plan
    for found in dicts(message.get("citations")):
        at = places.get(found.get("content_index") or 0)
        texts = [part for part in choice.parts if part.HasField("text")]
        target = at if at is not None and at.HasField("text") else texts[-1] if texts else choice.parts.add()
        target.text.citations.append(citation(found))
    for number, made in enumerate(dicts(message.get("tool_calls"))):
        choice.parts.add().tool_call.CopyFrom(tool_call(made, response.id, number))
        choice.parts[-1].tool_call.arguments = call_text(made)
    if answer.get("logprobs"):
        choice.logprobs.dialect, choice.logprobs.json = FORM, orjson.dumps(answer["logprobs"])
    found_usage = usage(answer.get("usage"))
    if found_usage is not None:
        response.usage.CopyFrom(found_usage)
    unknown = {key: value for key, value in answer.items() if key not in _ANSWER and value is not None}
    if unknown:
        response.extensions.by_dialect[FORM] = orjson.dumps(unknown)
    return response


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, or of one that stands alone (streams)."""
    several = value if isinstance(value, list) else [value]
    return [item for item in several if isinstance(item, dict)]


def _piece(part: parts_pb2.Part, piece: dict[str, Any]) -> None:
    kind = text(piece.get("type"))
    if kind == "thinking":
        part.thinking.text = text(piece.get("thinking"))
    elif kind == "text" or "text" in piece:
        part.text.text = text(piece.get("text"))
    else:
        part.opaque.dialect, part.opaque.kind, part.opaque.json = FORM, kind, orjson.dumps(piece)


def citation(found: dict[str, Any]) -> parts_pb2.Citation:
    """A citation; its title and address are those of its first source."""
    sources = dicts(found.get("sources"))
    held = (sources[0].get("document") or sources[0].get("tool_output")) if sources else None
    held = held if isinstance(held, dict) else {}
    return parts_pb2.Citation(
        kind="document",
        start=place(found.get("start")),
        end=place(found.get("end")),
        url=text(held.get("url")),
        title=text(held.get("title")),
        cited_text=text(found.get("text")),
        json=orjson.dumps(found),
        dialect=FORM,
    )


def tool_call(made: dict[str, Any], answer_id: str, number: int) -> parts_pb2.ToolCall:
    """A call, whole or its beginning; arguments are not set."""
    function = made.get("function")
    name = text(function.get("name")) if isinstance(function, dict) else ""
    return parts_pb2.ToolCall(id=text(made.get("id")) or f"call_{answer_id[-24:]}_{number}", name=name)


def call_text(made: dict[str, Any]) -> str:
    """The arguments."""
    function = made.get("function")
    return arguments(function.get("arguments")) if isinstance(function, dict) else ""


def usage(raw: Any) -> usage_pb2.Usage | None:
    """What the vendor bills (billed_units), else what it counted (tokens, with its own template)."""
    if not isinstance(raw, dict) or not raw:
        return None
    read = Reader()
    billed, tokens = raw.get("billed_units"), raw.get("tokens")
    chosen = billed if isinstance(billed, dict) and ("input_tokens" in billed or "output_tokens" in billed) else tokens
    given, output = read.count(chosen, "input_tokens"), read.count(chosen, "output_tokens")
    found = usage_pb2.Usage(
        input_tokens=given,
        output_tokens=output,
        cached_tokens=read.within("cached tokens", read.count(raw, "cached_tokens"), given, "input tokens"),
        search_units=read.count(billed, "search_units"),
        raw=orjson.dumps(raw),
        convention=usage_pb2.USAGE_CONVENTION_OPENAI,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )
    found.corrections.extend(read.corrections)
    return found

"""Whole answers of the Responses form, as canonical messages."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2

from core.vendors.interface import BadAnswer, Call
from core.vendors.responses import decode_items
from core.vendors.responses import usage as usages
from core.vendors.responses.names import DIALECT, INCOMPLETE
from core.vendors.shared import refusal
from core.vendors.shared.values import text, whole

_ECHOES = frozenset(
    [
        "id", "object", "created_at", "completed_at", "model", "output", "usage", "status", "error",
        "incomplete_details", "service_tier", "background", "conversation", "include", "input", "instructions",
        "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "previous_response_id", "prompt",
        "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier",
        "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
        "output_text", "frequency_penalty", "presence_penalty", "image", "billing",
    ]
)  # fmt: skip
"""Members that have fields, or that only say again what was asked."""
_UNFINISHED = frozenset({"queued", "in_progress"})


def parse(body: bytes) -> dict[str, Any]:
    """The response object. Raises BadAnswer where it is none, or tells that it failed."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not an object")
    if not isinstance(answer.get("output"), list) and answer.get("status") not in ("failed", *_UNFINISHED):
        raise BadAnswer("there is no output")
    return answer


def failure(answer: dict[str, Any], secret: str) -> str:
    """Why a response failed, masked; empty where it did not."""
    status = answer.get("status")
    if status not in ("failed", "cancelled"):
        return ""
    said = refusal.fault(answer.get("error") or {}, secret)
    code = f" ({said.vendor_code})" if said.vendor_code else ""
    return f"the response {status}{code}: {said.message}"


def finish_of(answer: dict[str, Any], calls: bool) -> tuple[chat_pb2.FinishReason.ValueType, str]:
    """Why the answer ended, and the vendor's word for it. calls: it holds calls of the client's tools."""
    status = text(answer.get("status"))
    if status == "incomplete":
        details = answer.get("incomplete_details")
        word = text(details.get("reason")) if isinstance(details, dict) else ""
        return INCOMPLETE.get(word, chat_pb2.FINISH_REASON_LENGTH), word or status
    if status in ("failed", "cancelled"):
        return chat_pb2.FINISH_REASON_ERROR, status
    if calls:
        return chat_pb2.FINISH_REASON_TOOL_CALLS, status
    return chat_pb2.FINISH_REASON_STOP, status


def decode(body: bytes, call: Call) -> chat_pb2.ChatResponse:
    """A whole answer. Raises BadAnswer; a response that failed is a bad answer, too."""
    answer = parse(body)
    if said := failure(answer, call.secret):
        raise BadAnswer(said)
    response = chat_pb2.ChatResponse(
        id=text(answer.get("id")),
        model=call.asked,
        created=whole(answer.get("created_at")) or call.created,
        service_tier=text(answer.get("service_tier")),
    )
    choice = response.choices.add()
    for number, item in enumerate(answer.get("output") or ()):
        choice.parts.extend(decode_items.parts(item, f"call_{response.id[-24:]}_{number}"))
        if not choice.id and isinstance(item, dict) and item.get("type") == "message":
            choice.id = text(item.get("id"))
    calls = any(part.HasField("tool_call") for part in choice.parts)
    choice.finish, choice.vendor_finish = finish_of(answer, calls)
    usage = usages.of_response(answer)
    if usage is not None:
        response.usage.CopyFrom(usage)
    if extra := unknown(answer):
        response.extensions.by_dialect[DIALECT] = orjson.dumps(extra)
    return response


def unknown(answer: dict[str, Any]) -> dict[str, Any]:
    """Members of a response object that have no field."""
    return {key: value for key, value in answer.items() if key not in _ECHOES and value is not None}

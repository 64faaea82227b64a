"""Whole answers of OpenAI's chat form, as canonical messages."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2

from core.vendors.interface import BadAnswer, Call
from core.vendors.openai import usage as usages
from core.vendors.shared import told
from core.vendors.shared.values import arguments, place, text, whole

DIALECT = "openai.chat"
FINISH = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "eos": chat_pb2.FINISH_REASON_STOP,
    "eos_token": chat_pb2.FINISH_REASON_STOP,
    "end_turn": chat_pb2.FINISH_REASON_STOP,
    "stop_sequence": chat_pb2.FINISH_REASON_STOP_SEQUENCE,
    "length": chat_pb2.FINISH_REASON_LENGTH,
    "max_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "model_context_window_exceeded": chat_pb2.FINISH_REASON_CONTEXT_WINDOW,
    "tool_calls": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "tool_use": chat_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "sensitive": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "refusal": chat_pb2.FINISH_REASON_REFUSAL,
    "error": chat_pb2.FINISH_REASON_ERROR,
    "network_error": chat_pb2.FINISH_REASON_ERROR,
    "insufficient_system_resource": chat_pb2.FINISH_REASON_ERROR,
}
ANSWER = frozenset(
    [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "service_tier",
        "system_fingerprint",
        "x_groq",
        "timings",
        "error",
        "base_resp",
    ]
)
CHOICE = frozenset(
    ["index", "message", "delta", "finish_reason", "logprobs", "usage", "text", "stop_reason", "matched_stop"]
)
MESSAGE = frozenset(
    [
        "role",
        "content",
        "refusal",
        "reasoning_content",
        "reasoning",
        "tool_calls",
        "function_call",
        "annotations",
        "audio",
    ]
)


def finish(word: str) -> chat_pb2.FinishReason.ValueType:
    """The vendor's word for why a choice ended."""
    return FINISH.get(word, chat_pb2.FINISH_REASON_STOP if word else chat_pb2.FINISH_REASON_UNSPECIFIED)


def extend(target: common_pb2.Extensions, source: dict[str, Any], known: frozenset[str]) -> None:
    """Keeps members without a field."""
    unknown = {key: value for key, value in source.items() if key not in known and value is not None}
    if unknown:
        target.by_dialect[DIALECT] = orjson.dumps(unknown)


def citation(annotation: dict[str, Any]) -> parts_pb2.Citation:
    """An annotation; url_citation is the kind OpenAI has."""
    inner = annotation.get(text(annotation.get("type")))
    inner = inner if isinstance(inner, dict) else annotation
    return parts_pb2.Citation(
        kind="url" if annotation.get("type") == "url_citation" else text(annotation.get("type")),
        start=place(inner.get("start_index")),
        end=place(inner.get("end_index")),
        url=text(inner.get("url")),
        title=text(inner.get("title")),
        cited_text=text(inner.get("content")),
        json=orjson.dumps(annotation),
        dialect=DIALECT,
    )


def logprobs(value: Any) -> parts_pb2.LogProbabilities | None:
    """Log-probabilities in their own JSON."""
    return parts_pb2.LogProbabilities(dialect=DIALECT, json=orjson.dumps(value)) if value else None


def call_id(answer_id: str, choice: int, number: int) -> str:
    """An id for a call that came without one; the same for the same answer."""
    tail = "".join(letter for letter in answer_id if letter.isalnum())[-24:]
    return f"call_{tail}_{choice}_{number}"


def tool_call(call: dict[str, Any], made_id: str) -> parts_pb2.ToolCall:
    """A tool call, whole or its beginning; arguments are not set."""
    custom = call.get("custom")
    function = custom if isinstance(custom, dict) else call.get("function")
    function = function if isinstance(function, dict) else {}
    return parts_pb2.ToolCall(
        id=text(call.get("id")) or made_id,
        name=text(function.get("name")),
        free_form=isinstance(custom, dict),
    )


def call_text(call: dict[str, Any]) -> str:
    """The arguments, or the free-form input."""
    custom = call.get("custom")
    if isinstance(custom, dict):
        return text(custom.get("input"))
    function = call.get("function")
    return arguments(function.get("arguments")) if isinstance(function, dict) else ""


def decode(body: bytes, call: Call) -> chat_pb2.ChatResponse:
    """A whole answer. Raises BadAnswer."""
    answer = parse(body)
    choices = choices_of(answer, call)
    response = chat_pb2.ChatResponse(
        id=text(answer.get("id")),
        model=call.asked,
        created=whole(answer.get("created")) or call.created,
        service_tier=text(answer.get("service_tier")),
        system_fingerprint=text(answer.get("system_fingerprint")),
    )
    for number, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise BadAnswer("a choice is not an object")
        _choice(response.choices.add(), choice, number, response.id)
    usage = usages.of_answer(answer)
    if usage is not None:
        response.usage.CopyFrom(usage)
    extend(response.extensions, answer, ANSWER)
    if not response.extensions.by_dialect:
        response.ClearField("extensions")
    return response


def choices_of(answer: dict[str, Any], call: Call) -> list[Any]:
    """The choices. Raises ToldRefusal where the answer tells an error, BadAnswer where there are none."""
    choices = answer.get("choices")
    error = told.error_of(answer)
    if error is not None and not choices:
        raise told.refused(error, call.secret)
    if not isinstance(choices, list):
        raise BadAnswer("there are no choices")
    return choices


def parse(body: bytes) -> dict[str, Any]:
    """The answer as an object; an envelope {success, data} is opened. Raises BadAnswer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not an object")
    inner = answer.get("data")
    if "choices" not in answer and "success" in answer and isinstance(inner, dict):
        return inner
    return answer


def _choice(out: chat_pb2.Choice, choice: dict[str, Any], number: int, answer_id: str) -> None:
    index = choice.get("index")
    out.index = index if isinstance(index, int) and 0 <= index < 1 << 16 else number
    out.vendor_finish = text(choice.get("finish_reason"))
    out.finish = finish(out.vendor_finish)
    matched = choice.get("stop_reason", choice.get("matched_stop"))
    out.stop_sequence = text(matched) if out.vendor_finish == "stop" else ""
    message = choice.get("message")
    if not isinstance(message, dict):
        message = choice.get("delta") if isinstance(choice.get("delta"), dict) else {}
    assert isinstance(message, dict)
    _message(out, message, answer_id)
    found = logprobs(choice.get("logprobs"))
    if found is not None:
        out.logprobs.CopyFrom(found)
    unknown = {key: value for key, value in choice.items() if key not in CHOICE and value is not None}
    extra = {key: value for key, value in message.items() if key not in MESSAGE and value is not None}
    if extra:
        unknown["message"] = extra
    if unknown:
        out.extensions.by_dialect[DIALECT] = orjson.dumps(unknown)


def _message(out: chat_pb2.Choice, message: dict[str, Any], answer_id: str) -> None:
    thoughts = text(message.get("reasoning_content")) or text(message.get("reasoning"))
    if thoughts:
        out.parts.add().thinking.text = thoughts
    content = message.get("content")
    if isinstance(content, str) and content:
        out.parts.add().text.text = content
    elif isinstance(content, list):
        for piece in content:
            _piece(out, piece)
    annotations = message.get("annotations")
    if isinstance(annotations, list) and annotations:
        texts = [part for part in out.parts if part.WhichOneof("kind") == "text"]
        target = texts[-1] if texts else out.parts.add()
        target.text.citations.extend(citation(item) for item in annotations if isinstance(item, dict))
    if refusal := text(message.get("refusal")):
        out.parts.add().refusal.text = refusal
    audio = message.get("audio")
    if isinstance(audio, dict):
        part = out.parts.add().audio
        part.id = text(audio.get("id"))
        part.transcript = text(audio.get("transcript"))
        part.expires_at = whole(audio.get("expires_at"))
        if data := text(audio.get("data")):
            part.media.base64 = data
    calls = message.get("tool_calls")
    calls = list(calls) if isinstance(calls, list) else []
    legacy = message.get("function_call")
    if isinstance(legacy, dict) and not calls:
        calls.append({"function": legacy})
    for number, made in enumerate(calls):
        if isinstance(made, dict):
            part_call = tool_call(made, call_id(answer_id, out.index, number))
            part_call.arguments = call_text(made)
            out.parts.add().tool_call.CopyFrom(part_call)


def _piece(out: chat_pb2.Choice, piece: Any) -> None:
    """Content in pieces (Mistral: text and thinking)."""
    if not isinstance(piece, dict):
        return
    kind = text(piece.get("type"))
    if kind == "text":
        out.parts.add().text.text = text(piece.get("text"))
    elif kind == "refusal":
        out.parts.add().refusal.text = text(piece.get("refusal"))
    elif kind == "thinking":
        out.parts.add().thinking.text = thinking_text(piece)
    else:
        out.parts.add().opaque.CopyFrom(parts_pb2.Opaque(dialect=DIALECT, kind=kind, json=orjson.dumps(piece)))


def thinking_text(piece: dict[str, Any]) -> str:
    """The thoughts of Mistral's thinking piece: a text, or a list of text pieces."""
    inner = piece.get("thinking")
    if isinstance(inner, list):
        return "".join(text(item.get("text")) for item in inner if isinstance(item, dict))
    return text(inner)

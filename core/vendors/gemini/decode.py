"""Whole answers of Gemini's form, as canonical messages."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.vendors.gemini import usage as usages
from core.vendors.interface import BadAnswer, Call
from core.vendors.shared import carry
from core.vendors.shared.values import place, text, whole

DIALECT = "gemini.generate"
SIGNER = "gemini"
"""Whose form signatures have."""
FINISH = {
    "STOP": chat_pb2.FINISH_REASON_STOP,
    "MAX_TOKENS": chat_pb2.FINISH_REASON_LENGTH,
    "SAFETY": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "RECITATION": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "LANGUAGE": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "BLOCKLIST": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "PROHIBITED_CONTENT": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "SPII": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "IMAGE_SAFETY": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "IMAGE_RECITATION": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "MODEL_ARMOR": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "ESCALATION": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "PUP_LIMITED_DISABLED": chat_pb2.FINISH_REASON_CONTENT_FILTER,
    "MALFORMED_FUNCTION_CALL": chat_pb2.FINISH_REASON_MALFORMED_TOOL_CALL,
    "UNEXPECTED_TOOL_CALL": chat_pb2.FINISH_REASON_MALFORMED_TOOL_CALL,
    "CONTINUATION": chat_pb2.FINISH_REASON_PAUSE,
    "OTHER": chat_pb2.FINISH_REASON_ERROR,
    "IMAGE_OTHER": chat_pb2.FINISH_REASON_ERROR,
    "NO_IMAGE": chat_pb2.FINISH_REASON_ERROR,
    "TOO_MANY_TOOL_CALLS": chat_pb2.FINISH_REASON_ERROR,
    "MISSING_THOUGHT_SIGNATURE": chat_pb2.FINISH_REASON_ERROR,
    "MALFORMED_RESPONSE": chat_pb2.FINISH_REASON_ERROR,
}
"""Every reason of the SDK's FinishReason but the unspecified one."""
TOOL_TYPES = {
    "GOOGLE_SEARCH_WEB": "web_search",
    "GOOGLE_SEARCH_IMAGE": "image_search",
    "URL_CONTEXT": "web_fetch",
    "GOOGLE_MAPS": "maps",
    "FILE_SEARCH": "file_search",
    "MEDIA_PROCESSING": "media_processing",
}
"""The vendor's own tools, and their kinds in canonical messages."""
ANSWER = frozenset({"candidates", "usageMetadata", "promptFeedback", "responseId"})
"""Members of an answer that have fields; the rest (modelVersion, createTime, modelStatus) are extensions."""
_CANDIDATE = frozenset({"content", "finishReason", "index", "safetyRatings", "groundingMetadata", "logprobsResult"})
_MEDIA = {"image": "image", "audio": "audio", "video": "video"}
_INNER = {
    "functionCall": frozenset({"id", "name", "args", "partialArgs", "willContinue"}),
    "inlineData": frozenset({"mimeType", "data"}),
    "fileData": frozenset({"mimeType", "fileUri"}),
    "executableCode": frozenset({"language", "code", "id"}),
    "codeExecutionResult": frozenset({"outcome", "output", "id"}),
    "toolCall": frozenset({"id", "toolType", "args"}),
    "toolResponse": frozenset({"id", "toolType", "response"}),
}
"""What is read of a part's members; the rest is kept."""
_PART = frozenset({"text", "thought", "thoughtSignature"})
_BLOCKED = frozenset({"BLOCKED_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", ""})


def parse(body: bytes) -> dict[str, Any]:
    """The answer as an object. Raises BadAnswer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict):
        raise BadAnswer("it is not an object")
    if not isinstance(answer.get("candidates"), list) and not isinstance(answer.get("promptFeedback"), dict):
        raise BadAnswer("there are no candidates")
    return answer


def decode(body: bytes, call: Call) -> chat_pb2.ChatResponse:
    """A whole answer. Raises BadAnswer."""
    answer = parse(body)
    response = chat_pb2.ChatResponse(id=text(answer.get("responseId")), model=call.asked, created=call.created)
    for number, candidate in enumerate(answer.get("candidates") or ()):
        if not isinstance(candidate, dict):
            raise BadAnswer("a candidate is not an object")
        _candidate(response.choices.add(), candidate, number, response.id)
    feedback = answer.get("promptFeedback")
    if isinstance(feedback, dict):
        response.prompt_feedback_json = orjson.dumps(feedback)
        if not response.choices and (reason := blocked(feedback)):
            response.choices.add(finish=chat_pb2.FINISH_REASON_CONTENT_FILTER, vendor_finish=reason)
    usage = usages.of_answer(answer)
    if usage is not None:
        response.usage.CopyFrom(usage)
    response.service_tier = tier(answer)
    if extra := unknown(answer, ANSWER):
        response.extensions.by_dialect[DIALECT] = extra
    return response


def blocked(feedback: dict[str, Any]) -> str:
    """Why a prompt was blocked; empty where it was not."""
    reason = text(feedback.get("blockReason"))
    return "" if reason in _BLOCKED else reason


def tier(answer: dict[str, Any]) -> str:
    """The tier the answer was served in, where the vendor tells it."""
    usage = answer.get("usageMetadata")
    return text(usage.get("serviceTier")) if isinstance(usage, dict) else ""


def unknown(source: dict[str, Any], known: frozenset[str]) -> bytes:
    """Members without a field, as JSON; nothing where there are none."""
    extra = {key: value for key, value in source.items() if key not in known and value is not None}
    return orjson.dumps(extra) if extra else b""


def finish(word: str, calls: bool) -> chat_pb2.FinishReason.ValueType:
    """Why a candidate ended; Gemini says STOP, too, where tools are to be called."""
    if calls and word in ("STOP", ""):
        return chat_pb2.FINISH_REASON_TOOL_CALLS
    return FINISH.get(word, chat_pb2.FINISH_REASON_ERROR if word else chat_pb2.FINISH_REASON_UNSPECIFIED)


def parts_of(candidate: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a candidate that are objects."""
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def extras(candidate: dict[str, Any]) -> bytes:
    """What a candidate tells beside its fields: citations, url context, counts, the continuation token."""
    return unknown(candidate, _CANDIDATE)


def _candidate(out: chat_pb2.Choice, candidate: dict[str, Any], number: int, answer_id: str) -> None:
    index = candidate.get("index")
    out.index = index if isinstance(index, int) and 0 <= index < 1 << 16 else number
    calls = 0
    for raw in parts_of(candidate):
        made = part(raw, call_id(answer_id, out.index, calls))
        calls += made.HasField("tool_call")
        out.parts.append(made)
    out.vendor_finish = text(candidate.get("finishReason"))
    out.finish = finish(out.vendor_finish, bool(calls))
    if isinstance(candidate.get("safetyRatings"), list):
        out.safety_json = orjson.dumps(candidate["safetyRatings"])
    if isinstance(candidate.get("groundingMetadata"), dict):
        out.grounding_json = orjson.dumps(candidate["groundingMetadata"])
    if isinstance(candidate.get("logprobsResult"), dict):
        out.logprobs.dialect, out.logprobs.json = DIALECT, orjson.dumps(candidate["logprobsResult"])
    texts = [(at, each.text.text) for at, each in enumerate(out.parts) if each.HasField("text")]
    for at, citation in citations(candidate, texts):
        out.parts[at].text.citations.append(citation)
    if extra := extras(candidate):
        out.extensions.by_dialect[DIALECT] = extra


def call_id(answer_id: str, choice: int, number: int) -> str:
    """An id for a call that came without one; the same for the same answer."""
    tail = "".join(letter for letter in answer_id if letter.isalnum() and letter.isascii())[-24:]
    return f"{carry.MADE}{tail}_{choice}_{number}"


def signature(raw: dict[str, Any]) -> bytes:
    """A part's thoughtSignature; standard and URL-safe base64 are both read. Raises BadAnswer."""
    told = raw.get("thoughtSignature")
    if not isinstance(told, str) or not told:
        return b""
    plain = told.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadAnswer("a thought signature is not base64") from None


def part(raw: dict[str, Any], made_id: str) -> parts_pb2.Part:
    """One part of an answer; unknown kinds travel whole."""
    out = parts_pb2.Part()
    signed = signature(raw)
    known = set(_PART)
    if isinstance(raw.get("functionCall"), dict):
        known.add("functionCall")
        out.tool_call.CopyFrom(tool_call(raw["functionCall"], made_id))
        out.tool_call.arguments = arguments(raw["functionCall"].get("args"))
    elif isinstance(raw.get("inlineData"), dict) or isinstance(raw.get("fileData"), dict):
        known |= _media(out, raw)
    elif isinstance(raw.get("executableCode"), dict):
        known.add("executableCode")
        code = raw["executableCode"]
        out.code.language, out.code.code = text(code.get("language")), text(code.get("code"))
        out.code.id = text(code.get("id"))
    elif isinstance(raw.get("codeExecutionResult"), dict):
        known.add("codeExecutionResult")
        result = raw["codeExecutionResult"]
        out.code_outcome.outcome, out.code_outcome.output = text(result.get("outcome")), text(result.get("output"))
        out.code_outcome.id = text(result.get("id"))
    elif isinstance(raw.get("toolCall"), dict):
        known.add("toolCall")
        _server_call(out.server_tool_call, raw["toolCall"])
    elif isinstance(raw.get("toolResponse"), dict):
        known.add("toolResponse")
        _server_result(out.server_tool_result, raw["toolResponse"])
    elif isinstance(raw.get("text"), str):
        if raw.get("thought") is True:
            out.thinking.text = raw["text"]
            if signed:
                out.thinking.signature, out.thinking.signed_by = signed, SIGNER
        else:
            out.text.text = raw["text"]
    else:
        kind = next((key for key in raw if key not in _PART), "")
        if not kind and signed:
            out.text.text = ""
        else:
            out.opaque.dialect, out.opaque.kind, out.opaque.json = DIALECT, kind, orjson.dumps(raw)
            return out
    if signed:
        out.thought_signature = signed
    left = {key: value for key, value in raw.items() if key not in known and value is not None}
    for member, read in _INNER.items():
        inner = raw.get(member)
        if member in known and isinstance(inner, dict):
            more = {key: value for key, value in inner.items() if key not in read and value is not None}
            left.update({member: more} if more else {})
    if left:
        out.extensions.by_dialect[DIALECT] = orjson.dumps(left)
    return out


def tool_call(raw: dict[str, Any], made_id: str) -> parts_pb2.ToolCall:
    """A call without its arguments."""
    return parts_pb2.ToolCall(id=text(raw.get("id")) or made_id, name=text(raw.get("name")))


def arguments(args: Any) -> str:
    """The arguments as text."""
    return orjson.dumps(args).decode() if isinstance(args, dict) else "{}"


def _media(out: parts_pb2.Part, raw: dict[str, Any]) -> set[str]:
    """Puts media into the part; gives the members that were read."""
    member = "inlineData" if isinstance(raw.get("inlineData"), dict) else "fileData"
    inner = raw[member]
    mime = text(inner.get("mimeType"))
    kind = _MEDIA.get(mime.partition("/")[0], "file")
    target = getattr(out, kind)
    target.media.mime_type = mime
    if member == "inlineData":
        target.media.base64 = text(inner.get("data"))
    else:
        target.media.url = text(inner.get("fileUri"))
    if kind == "audio":
        target.format = mime.partition("/")[2].partition(";")[0]
    if kind == "file":
        target.name = text(inner.get("displayName"))
    return {member}


def _server_call(out: parts_pb2.ServerToolCall, raw: dict[str, Any]) -> None:
    out.name = text(raw.get("toolType"))
    out.kind = TOOL_TYPES.get(out.name, out.name.lower())
    out.id, out.dialect = text(raw.get("id")), DIALECT
    if raw.get("args") is not None:
        out.input_json = orjson.dumps(raw["args"])


def _server_result(out: parts_pb2.ServerToolResult, raw: dict[str, Any]) -> None:
    kind = text(raw.get("toolType"))
    out.kind = TOOL_TYPES.get(kind, kind)
    out.call_id, out.dialect = text(raw.get("id")), DIALECT
    if raw.get("response") is not None:
        out.output_json = orjson.dumps(raw["response"])


def citations(candidate: dict[str, Any], texts: list[tuple[int, str]]) -> list[tuple[int, parts_pb2.Citation]]:
    """What the texts of a candidate (by their parts' numbers) rest on, each with its part's number."""
    if not texts:
        return []
    return _grounded(candidate.get("groundingMetadata"), texts) + [
        (texts[-1][0], _citation(source, place(source.get("startIndex")), place(source.get("endIndex"))))
        for source in _sources(candidate.get("citationMetadata"))
    ]


def _grounded(grounding: Any, texts: list[tuple[int, str]]) -> list[tuple[int, parts_pb2.Citation]]:
    """Supports of grounding, whose places count bytes of a part's text."""
    chunks = grounding.get("groundingChunks") if isinstance(grounding, dict) else None
    supports = grounding.get("groundingSupports") if isinstance(grounding, dict) else None
    listed = chunks if isinstance(chunks, list) else []
    found: list[tuple[int, parts_pb2.Citation]] = []
    for support in supports if isinstance(supports, list) else ():
        segment = support.get("segment") if isinstance(support, dict) else None
        if not isinstance(segment, dict):
            continue
        wanted = whole(segment.get("partIndex"))
        at, said = next((each for each in reversed(texts) if each[0] <= wanted), texts[0])
        raw = said.encode()
        start = len(raw[: whole(segment.get("startIndex"))].decode("utf-8", "ignore"))
        end = len(raw[: whole(segment.get("endIndex"))].decode("utf-8", "ignore"))
        for number in support.get("groundingChunkIndices") or ():
            chunk = listed[number] if isinstance(number, int) and 0 <= number < len(listed) else None
            inner = chunk.values() if isinstance(chunk, dict) else ()
            source = next((each for each in inner if isinstance(each, dict)), {})
            found.append((at, _citation(source, start, end, text(segment.get("text")))))
    return found


def _sources(metadata: Any) -> list[dict[str, Any]]:
    """The sources of citation metadata; two names for the list are in use."""
    listed = (metadata.get("citationSources") or metadata.get("citations")) if isinstance(metadata, dict) else None
    return [source for source in listed if isinstance(source, dict)] if isinstance(listed, list) else []


def _citation(source: dict[str, Any], start: int, end: int, words: str = "") -> parts_pb2.Citation:
    return parts_pb2.Citation(
        kind="url",
        start=start,
        end=end,
        url=text(source.get("uri")),
        title=text(source.get("title")),
        cited_text=words,
        dialect=DIALECT,
    )

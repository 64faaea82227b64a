"""Canonical answers as Gemini's: parts, usage, whole answers. Streams: gemini_stream.py."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from front.dialects.gemini.parts import FORM, KINDS, MADE, carried

FINISH = {
    chat_pb2.FINISH_REASON_LENGTH: "MAX_TOKENS",
    chat_pb2.FINISH_REASON_CONTEXT_WINDOW: "MAX_TOKENS",
    chat_pb2.FINISH_REASON_REFUSAL: "SAFETY",
    chat_pb2.FINISH_REASON_CONTENT_FILTER: "SAFETY",
    chat_pb2.FINISH_REASON_MALFORMED_TOOL_CALL: "MALFORMED_FUNCTION_CALL",
    chat_pb2.FINISH_REASON_ERROR: "OTHER",
}
"""Everything else is STOP: tool calls and stop sequences, too."""
OWN_WORDS = frozenset(
    {
        "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
        "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE",
        "IMAGE_RECITATION", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE", "ESCALATION", "PUP_LIMITED_DISABLED", "CONTINUATION", "MODEL_ARMOR",
    }
)  # fmt: skip
"""Finish reasons of this dialect: a vendor's own word that is one of them goes out as it is."""
_TYPES = {kind: name for name, kind in KINDS.items()}
AUDIO = {"mp3": "audio/mpeg", "": "audio/wav", "pcm16": "audio/pcm"}


def finish(reason: chat_pb2.FinishReason.ValueType, word: str) -> str:
    """The finish reason in this dialect."""
    return word if word in OWN_WORDS else FINISH.get(reason, "STOP")


def usage(found: usage_pb2.Usage) -> dict[str, Any]:
    """usageMetadata: the vendor's own where it counts this way."""
    if found.convention == usage_pb2.USAGE_CONVENTION_GEMINI and found.raw:
        own: dict[str, Any] = orjson.loads(found.raw)
        return own
    made: dict[str, Any] = {
        "promptTokenCount": found.input_tokens - found.tool_use_prompt_tokens,
        "candidatesTokenCount": found.output_tokens - found.reasoning_tokens,
        "totalTokenCount": found.input_tokens + found.output_tokens,
    }
    extra = {
        "cachedContentTokenCount": found.cached_tokens,
        "thoughtsTokenCount": found.reasoning_tokens,
        "toolUsePromptTokenCount": found.tool_use_prompt_tokens,
    }
    made.update({name: count for name, count in extra.items() if count})
    media = {"AUDIO": found.input_audio_tokens, "IMAGE": found.input_image_tokens, "VIDEO": found.input_video_tokens}
    if any(media.values()):
        media = {"TEXT": max(0, made["promptTokenCount"] - sum(media.values())), **media}
        made["promptTokensDetails"] = _details(media)
    spoken = {"AUDIO": found.output_audio_tokens, "IMAGE": found.output_image_tokens}
    if any(spoken.values()):
        spoken = {"TEXT": max(0, made["candidatesTokenCount"] - sum(spoken.values())), **spoken}
        made["candidatesTokensDetails"] = _details(spoken)
    return made


def _details(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]


def part(found: parts_pb2.Part) -> dict[str, Any] | None:
    """One part; None where the dialect has no place for it."""
    kind = found.WhichOneof("kind")
    encode = _PARTS.get(str(kind))
    made: dict[str, Any] | None = encode(found) if encode is not None else None
    if made is None:
        return None
    if found.thought_signature:
        made["thoughtSignature"] = base64.b64encode(found.thought_signature).decode()
    if FORM in found.extensions.by_dialect:
        for key, value in orjson.loads(found.extensions.by_dialect[FORM]).items():
            if isinstance(value, dict) and isinstance(made.get(key), dict):
                made[key] = {**value, **made[key]}
            else:
                made.setdefault(key, value)
    return made


def _thinking(found: parts_pb2.Part) -> dict[str, Any]:
    """A thought; another vendor's signature goes with it, marked, so that it comes back."""
    thought = found.thinking
    made: dict[str, Any] = {"text": thought.text or "\n".join(thought.summary), "thought": True}
    if signature := carried(thought):
        made["thoughtSignature"] = base64.b64encode(signature).decode()
    return made


def arguments(text: str) -> Any:
    """Arguments as the object this dialect wants; text that is none is put into one."""
    try:
        parsed = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {"input": text}
    return parsed if isinstance(parsed, dict) else {"input": text}


def _tool_call(found: parts_pb2.Part) -> dict[str, Any]:
    call = found.tool_call
    inner: dict[str, Any] = {"name": call.name, "args": arguments(call.arguments)}
    if call.id and not call.id.startswith(MADE):
        inner["id"] = call.id
    return {"functionCall": inner}


def _media(media: parts_pb2.Media, default: str, name: str = "") -> dict[str, Any] | None:
    source = media.WhichOneof("source")
    mime = media.mime_type or default
    if source in ("url", "file_id"):
        return {"fileData": {"fileUri": media.url or media.file_id, "mimeType": mime}}
    data = media.base64 if source == "base64" else base64.b64encode(media.data).decode() if source == "data" else ""
    if not data:
        return None
    inner = {"mimeType": mime, "data": data}
    if name:
        inner["displayName"] = name
    return {"inlineData": inner}


def _audio(found: parts_pb2.Part) -> dict[str, Any] | None:
    audio = found.audio
    made = _media(audio.media, AUDIO.get(audio.format, f"audio/{audio.format}"))
    return made if made is not None else {"text": audio.transcript} if audio.transcript else None


def _code(found: parts_pb2.Part) -> dict[str, Any]:
    inner = {"language": found.code.language or "PYTHON", "code": found.code.code}
    return {"executableCode": {**inner, "id": found.code.id} if found.code.id else inner}


def _outcome(found: parts_pb2.Part) -> dict[str, Any]:
    inner = {"outcome": found.code_outcome.outcome or "OUTCOME_OK", "output": found.code_outcome.output}
    return {"codeExecutionResult": {**inner, "id": found.code_outcome.id} if found.code_outcome.id else inner}


def _server_call(found: parts_pb2.Part) -> dict[str, Any] | None:
    call = found.server_tool_call
    name = call.name if call.dialect == FORM else _TYPES.get(call.kind)
    if not name:
        return None
    inner: dict[str, Any] = {"toolType": name}
    if call.id:
        inner["id"] = call.id
    if call.input_json:
        inner["args"] = orjson.loads(call.input_json)
    return {"toolCall": inner}


def _server_result(found: parts_pb2.Part) -> dict[str, Any] | None:
    result = found.server_tool_result
    if result.dialect != FORM:
        return None
    inner: dict[str, Any] = {"toolType": _TYPES.get(result.kind, result.kind)}
    if result.call_id:
        inner["id"] = result.call_id
    if result.output_json:
        inner["response"] = orjson.loads(result.output_json)
    return {"toolResponse": inner}


def _opaque(found: parts_pb2.Part) -> dict[str, Any] | None:
    return orjson.loads(found.opaque.json) if found.opaque.dialect == FORM else None


_PARTS: dict[str, Any] = {
    "text": lambda found: {"text": found.text.text},
    "refusal": lambda found: {"text": found.refusal.text},
    "thinking": _thinking,
    "tool_call": _tool_call,
    "image": lambda found: _media(found.image.media, "image/png"),
    "audio": _audio,
    "video": lambda found: _media(found.video.media, "video/mp4"),
    "file": lambda found: _media(found.file.media, "application/octet-stream", found.file.name),
    "code": _code,
    "code_outcome": _outcome,
    "server_tool_call": _server_call,
    "server_tool_result": _server_result,
    "opaque": _opaque,
}


def logprobs(found: parts_pb2.LogProbabilities) -> dict[str, Any] | None:
    """logprobsResult: its own, or made of OpenAI's."""
    if not found.json:
        return None
    told = orjson.loads(found.json)
    if found.dialect == FORM:
        own: dict[str, Any] = told
        return own
    content = told.get("content") if isinstance(told, dict) else None
    if not isinstance(content, list):
        return None
    chosen = [_likely(item) for item in content]
    others = [{"candidates": [_likely(each) for each in item.get("top_logprobs") or ()]} for item in content]
    return {"chosenCandidates": chosen, "topCandidates": others}


def _likely(item: dict[str, Any]) -> dict[str, Any]:
    return {"token": item.get("token"), "logProbability": item.get("logprob")}


def citations(found: list[parts_pb2.Citation]) -> dict[str, Any] | None:
    """CitationMetadata of other vendors' citations; this dialect's own are in its extensions."""
    sources = [
        {
            name: value
            for name, value in (
                ("startIndex", each.start if each.start >= 0 else None),
                ("endIndex", each.end if each.end >= 0 else None),
                ("uri", each.url or None),
                ("title", each.title or None),
            )
            if value is not None
        }
        for each in found
        if each.dialect != FORM and (each.url or each.title)
    ]
    return {"citationSources": sources} if sources else None


def tell(made: dict[str, Any], source: chat_pb2.Choice | chat_pb2.ChoiceFinished) -> None:
    """What a candidate tells beside its content."""
    if source.safety_json and isinstance(ratings := orjson.loads(source.safety_json), list):
        made["safetyRatings"] = ratings
    own = FORM in source.extensions.by_dialect
    if source.grounding_json and isinstance(grounding := orjson.loads(source.grounding_json), dict):
        made["groundingMetadata"] = grounding
    if own:
        made.update(orjson.loads(source.extensions.by_dialect[FORM]))


def whole(chat: chat_pb2.ChatResponse) -> bytes:
    """A whole answer."""
    candidates = []
    for choice in chat.choices:
        parts = [told for each in choice.parts if (told := part(each)) is not None]
        made: dict[str, Any] = {
            "content": {"parts": parts, "role": "model"},
            "finishReason": finish(choice.finish, choice.vendor_finish),
            "index": choice.index,
        }
        if (found := logprobs(choice.logprobs)) is not None:
            made["logprobsResult"] = found
        cited = citations([each for one in choice.parts if one.HasField("text") for each in one.text.citations])
        if cited is not None:
            made["citationMetadata"] = cited
        tell(made, choice)
        candidates.append(made)
    body: dict[str, Any] = {"candidates": candidates}
    if chat.prompt_feedback_json:
        body["promptFeedback"] = orjson.loads(chat.prompt_feedback_json)
        candidates[:] = [each for each in candidates if each["content"]["parts"] or chat.usage.output_tokens]
    body["usageMetadata"] = usage(chat.usage)
    if chat.service_tier:
        body["usageMetadata"].setdefault("serviceTier", chat.service_tier)
    if FORM in chat.extensions.by_dialect:
        body.update(orjson.loads(chat.extensions.by_dialect[FORM]))
    body["modelVersion"] = chat.model
    if chat.id:
        body["responseId"] = chat.id
    return orjson.dumps(body)

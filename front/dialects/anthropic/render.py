"""Canonical answers as Anthropic's: whole messages, and what whole messages and streams share."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, usage_pb2

from front.dialects import call_ids, carry
from front.dialects.anthropic.parts import FORM, KINDS, RESULT, SIGNER

STOP_REASONS = {
    chat_pb2.FINISH_REASON_STOP: "end_turn",
    chat_pb2.FINISH_REASON_STOP_SEQUENCE: "stop_sequence",
    chat_pb2.FINISH_REASON_LENGTH: "max_tokens",
    chat_pb2.FINISH_REASON_CONTEXT_WINDOW: "model_context_window_exceeded",
    chat_pb2.FINISH_REASON_TOOL_CALLS: "tool_use",
    chat_pb2.FINISH_REASON_PAUSE: "pause_turn",
    chat_pb2.FINISH_REASON_REFUSAL: "refusal",
    chat_pb2.FINISH_REASON_CONTENT_FILTER: "refusal",
}
_OWN = ("compaction",)
"""Stop reasons that no canonical one stands for."""
_SILENT = (chat_pb2.REASONING_MODE_UNSPECIFIED, chat_pb2.REASONING_MODE_OFF)
NAMES = {canonical: name for name, canonical in KINDS.items()}
_USAGE = frozenset(
    [
        "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation",
        "output_tokens_details", "server_tool_use",
    ]
)  # fmt: skip


def usage(found: usage_pb2.Usage) -> dict[str, Any]:
    """Anthropic's usage object: cache reads and writes stand beside input_tokens, not inside."""
    written = found.cache_write_5m_tokens + found.cache_write_1h_tokens + found.cache_write_other_tokens
    told: dict[str, Any] = {
        "input_tokens": max(0, found.input_tokens - found.cached_tokens - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": found.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": found.cache_write_5m_tokens + found.cache_write_other_tokens,
            "ephemeral_1h_input_tokens": found.cache_write_1h_tokens,
        },
        "output_tokens": found.output_tokens,
    }
    if found.reasoning_tokens:
        told["output_tokens_details"] = {"thinking_tokens": found.reasoning_tokens}
    tools = {f"{name}_requests": found.tool_calls.get(name, 0) for name in ("web_search", "web_fetch")}
    if any(tools.values()):
        told["server_tool_use"] = tools
    if found.convention == usage_pb2.USAGE_CONVENTION_ANTHROPIC and found.raw:
        raw = orjson.loads(found.raw)
        told.update({name: value for name, value in raw.items() if name not in _USAGE})
    return told


def stop(finish: chat_pb2.FinishReason.ValueType, word: str, *, called: bool, refused: bool) -> str:
    """The stop reason. Agents go on where it is tool_use, whatever else the vendor called it."""
    if word in _OWN:
        return word
    if finish in (chat_pb2.FINISH_REASON_STOP, chat_pb2.FINISH_REASON_UNSPECIFIED):
        return "tool_use" if called else "refusal" if refused else "end_turn"
    return STOP_REASONS.get(finish, word or "end_turn")


def details(safety: bytes) -> Any:
    """stop_details, where the vendor told Anthropic's."""
    told = orjson.loads(safety) if safety else None
    return told if isinstance(told, dict) and told.get("type") == "refusal" else None


def unknown(extensions: common_pb2.Extensions) -> dict[str, Any]:
    """What the vendor said in Anthropic's form without a field for it."""
    json = extensions.by_dialect.get(FORM)
    return dict(orjson.loads(json)) if json else {}


def citation(found: parts_pb2.Citation) -> dict[str, Any] | None:
    """A citation, as it came where it was Anthropic's; an address becomes a search result's."""
    if found.dialect == FORM and found.json:
        return dict(orjson.loads(found.json))
    if not found.url:
        return None
    place = {"url": found.url, "title": found.title or None, "cited_text": found.cited_text, "encrypted_index": ""}
    return {"type": "web_search_result_location", **place}


def tool_input(arguments: str, free_form: bool) -> dict[str, Any]:
    """A call's input as an object."""
    if free_form:
        return {"input": arguments}
    try:
        parsed = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": arguments}
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def seals(chat: chat_pb2.ChatRequest) -> bool:
    """Whether the client expects blocks beside text: redacted ones come from Anthropic only where a turn thinks.

    Clients that asked for neither thoughts nor tools warn of others, or take the last block for the answer.
    """
    thinks = chat.reasoning.effort or chat.reasoning.mode not in _SILENT
    return bool(chat.tools or thinks)


def blocks(part: parts_pb2.Part, sealed: bool = True) -> list[dict[str, Any]]:
    """The blocks of one part: mostly one; none where Anthropic has no such kind. sealed: see seals()."""
    kind = part.WhichOneof("kind") or ""
    made = _MAKERS[kind](part) if kind in _MAKERS else None
    if made is None:
        return []
    told = unknown(part.extensions)
    made.update({name: value for name, value in told.items() if name not in made})
    if kind == "text" and part.thought_signature:
        return ([made] if part.text.text else []) + ([signed(part)] if sealed else [])
    return [made]


def signed(text: parts_pb2.Part) -> dict[str, Any]:
    """Gemini's signature of a text, as a block after it, or in place of an empty text, which Anthropic refuses."""
    data = carry.text_signature(text.thought_signature, alone=not text.text.text)
    return {"type": "redacted_thinking", "data": data}


def _text(part: parts_pb2.Part) -> dict[str, Any] | None:
    cited = [made for found in part.text.citations if (made := citation(found)) is not None]
    if not part.text.text and not cited and not part.thought_signature:
        return None
    return {"type": "text", "text": part.text.text, **({"citations": cited} if cited else {})}


def signature(found: parts_pb2.ThinkingPart) -> str:
    """A thinking block's signature: Anthropic's own, or what another vendor's thoughts need to come back whole."""
    if found.signed_by == SIGNER:
        return found.signature.decode("ascii", "replace")
    return carry.thinking(found)


def _thinking(part: parts_pb2.Part) -> dict[str, Any] | None:
    found = part.thinking
    words = carry.said(found)
    if found.signed_by == SIGNER and found.encrypted:
        return {"type": "redacted_thinking", "data": found.encrypted.decode("ascii", "replace")}
    signed = signature(found)
    if not words and found.redacted and signed:
        return {"type": "redacted_thinking", "data": signed}
    if not words and not signed:
        return None
    return {"type": "thinking", "thinking": words, "signature": signed}


def _tool_call(part: parts_pb2.Part) -> dict[str, Any]:
    call = part.tool_call
    made: dict[str, Any] = {"type": "tool_use", "id": call_ids.join(call.id, part.thought_signature)}
    made.update(name=call.name, input=tool_input(call.arguments, call.free_form))
    if call.caller_json:
        made["caller"] = orjson.loads(call.caller_json)
    if call.namespace:
        made["toolset_name"] = call.namespace
    return made


def _server_call(part: parts_pb2.Part) -> dict[str, Any] | None:
    call = part.server_tool_call
    if call.dialect != FORM:
        return None
    kind = "mcp_tool_use" if call.kind == "mcp" else "server_tool_use"
    given = tool_input(call.input_json.decode("utf-8", "replace"), False)
    made = {"type": kind, "id": call.id, "name": call.name or NAMES.get(call.kind, call.kind), "input": given}
    if call.caller_json:
        made["caller"] = orjson.loads(call.caller_json)
    return made


def _server_result(part: parts_pb2.Part) -> dict[str, Any] | None:
    result = part.server_tool_result
    if result.dialect != FORM:
        return None
    kind = NAMES.get(result.kind, result.kind) + RESULT
    made = {"type": kind, "tool_use_id": result.call_id, "content": orjson.loads(result.output_json)}
    if result.kind == "mcp":
        made["is_error"] = result.is_error
    return made


def _image(part: parts_pb2.Part) -> dict[str, Any]:
    """A picture the model made, as text: answers of Anthropic's form hold none."""
    media = part.image.media
    data = media.base64 or base64.b64encode(media.data).decode()
    address = media.url or f"data:{media.mime_type or 'image/png'};base64,{data}"
    return {"type": "text", "text": f"![image]({address})"}


def _code(part: parts_pb2.Part) -> dict[str, Any]:
    text = f"\n```{part.code.language.lower()}\n{part.code.code}\n```\n"
    if part.HasField("code_outcome"):
        text = f"\n```output\n{part.code_outcome.output}\n```\n"
    return {"type": "text", "text": text}


def _compaction(part: parts_pb2.Part) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "compaction", "content": part.compaction.content or None}
    if part.compaction.encrypted:
        made["encrypted_content"] = part.compaction.encrypted.decode("ascii", "replace")
    return made


_MAKERS: dict[str, Any] = {
    "text": _text,
    "thinking": _thinking,
    "refusal": lambda part: {"type": "text", "text": part.refusal.text} if part.refusal.text else None,
    "tool_call": _tool_call,
    "server_tool_call": _server_call,
    "server_tool_result": _server_result,
    "image": _image,
    "audio": lambda part: {"type": "text", "text": part.audio.transcript} if part.audio.transcript else None,
    "code": _code,
    "code_outcome": _code,
    "compaction": _compaction,
    "container_upload": lambda part: {"type": "container_upload", "file_id": part.container_upload.file_id},
    "opaque": lambda part: dict(orjson.loads(part.opaque.json)) if part.opaque.dialect == FORM else None,
}


def whole(chat: chat_pb2.ChatResponse, now: int, sealed: bool = True) -> bytes:
    """A whole message: the first choice, for Anthropic knows no others.

    now: Unix seconds, for an id of our own; sealed: see seals().
    """
    choice = chat.choices[0] if chat.choices else chat_pb2.Choice()
    told = usage(chat.usage)
    if chat.service_tier:
        told.setdefault("service_tier", chat.service_tier)
    reason = stop(
        choice.finish,
        choice.vendor_finish,
        called=any(part.HasField("tool_call") for part in choice.parts),
        refused=any(part.HasField("refusal") for part in choice.parts),
    )
    message = {
        "id": chat.id or f"msg_{now}",
        "type": "message",
        "role": "assistant",
        "model": chat.model,
        "content": [made for part in choice.parts for made in blocks(part, sealed)],
        "stop_reason": reason,
        "stop_sequence": choice.stop_sequence or None,
        "usage": told,
    }
    if (more := details(choice.safety_json)) is not None:
        message["stop_details"] = more
    if chat.container_json:
        message["container"] = orjson.loads(chat.container_json)
    return orjson.dumps({**message, **{k: v for k, v in unknown(chat.extensions).items() if k not in message}})

"""Output items of the Responses form as canonical parts."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import parts_pb2

from core.vendors.responses.names import DIALECT, SERVER_CALLS, SIGNER
from core.vendors.shared.values import arguments, place, text

_MESSAGE = frozenset({"type", "role", "content"})
_OUTPUT_TEXT = frozenset({"type", "text", "annotations", "logprobs"})
_REASONING = frozenset({"type", "id", "summary", "content", "encrypted_content"})
_CALL = frozenset(
    ["type", "id", "call_id", "name", "arguments", "input", "namespace", "caller", "async", "status"]
)  # fmt: skip
_COMPACTION = frozenset({"type", "id", "encrypted_content"})
_INPUTS = {
    "web_search_call": "action",
    "computer_call": "action",
    "local_shell_call": "action",
    "shell_call": "action",
    "apply_patch_call": "operation",
    "file_search_call": "queries",
    "code_interpreter_call": "code",
    "mcp_call": "arguments",
    "tool_search_call": "arguments",
    "image_generation_call": "revised_prompt",
}
"""Where a call's item holds its input."""
_OUTPUTS = {"file_search_call": "results", "code_interpreter_call": "outputs", "mcp_call": "output"}
"""Where a call's item holds what came out."""


def keep(part: parts_pb2.Part, extra: dict[str, Any]) -> None:
    """Puts what has no field into the part's extensions."""
    kept = {key: value for key, value in extra.items() if value is not None}
    if kept:
        part.extensions.by_dialect[DIALECT] = orjson.dumps(kept)


def parts(item: Any, made_id: str) -> list[parts_pb2.Part]:
    """An item's parts. made_id names a call that has no id."""
    if not isinstance(item, dict):
        return []
    kind = text(item.get("type"))
    if kind == "message":
        return _message(item)
    if kind == "reasoning":
        return [reasoning(item)]
    if kind in ("function_call", "custom_tool_call"):
        return [tool_call(item, made_id, whole=True)]
    if kind == "image_generation_call" and text(item.get("result")):
        return [picture(item)]
    if kind in SERVER_CALLS:
        return [server_call(item), *server_result(item)]
    part = parts_pb2.Part()
    if kind == "compaction" and text(item.get("encrypted_content")):
        part.compaction.encrypted = text(item.get("encrypted_content")).encode()
        part.compaction.id = text(item.get("id"))
        keep(part, {key: value for key, value in item.items() if key not in _COMPACTION})
    else:
        part.opaque.CopyFrom(parts_pb2.Opaque(dialect=DIALECT, kind=kind, json=orjson.dumps(item)))
    return [part]


def head(item: dict[str, Any]) -> dict[str, Any]:
    """What a message item says beside its content: id, status, phase and what is new."""
    return {key: value for key, value in item.items() if key not in _MESSAGE and value is not None}


def _message(item: dict[str, Any]) -> list[parts_pb2.Part]:
    content = item.get("content")
    return [
        content_part(piece, head(item))
        for piece in (content if isinstance(content, list) else ())
        if isinstance(piece, dict)
    ]


def content_part(piece: dict[str, Any], message: dict[str, Any]) -> parts_pb2.Part:
    """Text, a refusal, or what has no field; the message's head goes with each of its pieces."""
    part = parts_pb2.Part()
    kind = text(piece.get("type"))
    extra = {"message": message} if message else {}
    if kind == "refusal":
        part.refusal.text = text(piece.get("refusal"))
    elif kind in ("output_text", "text"):
        part.text.text = text(piece.get("text"))
        annotations = piece.get("annotations")
        part.text.citations.extend(
            citation(each) for each in (annotations if isinstance(annotations, list) else ()) if isinstance(each, dict)
        )
        if piece.get("logprobs"):
            part.text.logprobs.CopyFrom(logprobs(piece["logprobs"]))
        extra.update({key: value for key, value in piece.items() if key not in _OUTPUT_TEXT})
    else:
        part.opaque.CopyFrom(parts_pb2.Opaque(dialect=DIALECT, kind=kind, json=orjson.dumps(piece)))
    keep(part, extra)
    return part


def logprobs(value: Any) -> parts_pb2.LogProbabilities:
    """Log-probabilities in their own JSON."""
    return parts_pb2.LogProbabilities(dialect=DIALECT, json=orjson.dumps(value))


def citation(annotation: dict[str, Any]) -> parts_pb2.Citation:
    """An annotation; url_citation and file_citation are the common kinds."""
    kind = text(annotation.get("type"))
    return parts_pb2.Citation(
        kind={"url_citation": "url", "file_citation": "file"}.get(kind, kind),
        start=place(annotation.get("start_index")),
        end=place(annotation.get("end_index")),
        url=text(annotation.get("url")),
        title=text(annotation.get("title")) or text(annotation.get("filename")),
        json=orjson.dumps(annotation),
        dialect=DIALECT,
    )


def reasoning(item: dict[str, Any]) -> parts_pb2.Part:
    """A reasoning item: summary, plain thoughts, encrypted ones."""
    part = parts_pb2.Part()
    thinking = part.thinking
    thinking.id = text(item.get("id"))
    thinking.signed_by = SIGNER
    summary, content = item.get("summary"), item.get("content")
    for each in summary if isinstance(summary, list) else ():
        if isinstance(each, dict):
            thinking.summary.append(text(each.get("text")))
    pieces = [each for each in (content if isinstance(content, list) else ()) if isinstance(each, dict)]
    thinking.text = "".join(text(each.get("text")) for each in pieces)
    thinking.encrypted = text(item.get("encrypted_content")).encode()
    extra = {key: value for key, value in item.items() if key not in _REASONING}
    if len(pieces) > 1:
        extra["content"] = pieces
    keep(part, extra)
    return part


def tool_call(item: dict[str, Any], made_id: str, whole: bool) -> parts_pb2.Part:
    """A call of a function or a free-form tool; without its arguments where it is not whole."""
    part = parts_pb2.Part()
    call = part.tool_call
    call.free_form = item.get("type") == "custom_tool_call"
    call.id = text(item.get("call_id")) or text(item.get("id")) or made_id
    call.item_id = text(item.get("id"))
    call.name = text(item.get("name"))
    call.namespace = text(item.get("namespace"))
    call.asynchronous = item.get("async") is True
    if item.get("caller"):
        call.caller_json = orjson.dumps(item["caller"])
    if whole:
        call.arguments = call_text(item)
        call.status = text(item.get("status"))
    keep(part, {key: value for key, value in item.items() if key not in _CALL})
    return part


def call_text(item: dict[str, Any]) -> str:
    """The arguments, or the free-form input."""
    return arguments(item.get("input" if item.get("type") == "custom_tool_call" else "arguments"))


def picture(item: dict[str, Any]) -> parts_pb2.Part:
    """What an image_generation_call made; the rest of its item goes with it."""
    part = parts_pb2.Part()
    part.image.media.base64 = text(item.get("result"))
    part.image.media.mime_type = f"image/{text(item.get('output_format')) or 'png'}"
    keep(part, {key: value for key, value in item.items() if key != "result"})
    return part


def server_call(item: dict[str, Any]) -> parts_pb2.Part:
    """A call of a tool that is no function of the client's; the whole item goes with it."""
    part = parts_pb2.Part()
    kind = text(item.get("type"))
    call = part.server_tool_call
    call.id = text(item.get("call_id")) or text(item.get("id"))
    call.kind = SERVER_CALLS.get(kind, kind)
    call.name = text(item.get("name"))
    call.status = text(item.get("status"))
    call.dialect = DIALECT
    told = item.get(_INPUTS.get(kind, ""))
    if told is not None:
        call.input_json = orjson.dumps(told)
    keep(part, item)
    return part


def server_result(item: dict[str, Any]) -> list[parts_pb2.Part]:
    """What the tool gave, where the item tells it."""
    kind = text(item.get("type"))
    told = item.get(_OUTPUTS.get(kind, ""))
    failed = bool(item.get("error"))
    if told is None and not failed:
        return []
    part = parts_pb2.Part()
    result = part.server_tool_result
    result.call_id = text(item.get("call_id")) or text(item.get("id"))
    result.kind = SERVER_CALLS.get(kind, kind)
    result.output_json = orjson.dumps(told if told is not None else item.get("error"))
    result.is_error = failed
    result.dialect = DIALECT
    return [part]

"""Anthropic's wire form: messages, count_tokens and models. https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import json
from typing import Any

from front.sandbox import anthropic_read
from front.sandbox.answer import Answer, Question, answer, pieces, prompt_tokens
from front.sandbox.forms import MODELS, Refused, Reply, Request, not_served, sse
from front.sandbox.sign import sign

REQUEST_ID = "req_sandbox"
KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "stop_sequence": "stop_sequence",
    "refusal": "refusal",
    "filter": "refusal",
}


def serve(request: Request) -> Reply:
    """POST /v1/messages and /v1/messages/count_tokens, GET /v1/models and /v1/models/{name}; as a Form."""
    if not request.key:
        raise Refused("x-api-key header is required", 401)
    if "anthropic-version" not in request.headers:
        raise Refused("anthropic-version: header is required")
    if request.method == "GET" and request.path == "/v1/models":
        made = [_model(name) for name in MODELS]
        reply = Reply({"data": made, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})
    elif request.method == "GET" and request.path.startswith("/v1/models/"):
        reply = Reply(_model(request.path.removeprefix("/v1/models/")))
    elif request.method == "POST" and request.path == "/v1/messages":
        reply = messages(request)
    elif request.method == "POST" and request.path == "/v1/messages/count_tokens":
        question = anthropic_read.question(request.body, request.order)
        reply = Reply({"input_tokens": prompt_tokens(question)}, controls=question.controls)
    else:
        raise not_served(request)
    reply.headers = f"request-id: {REQUEST_ID}\r\n"
    return reply


def error(request: Request, refused: Refused) -> Reply:
    """https://platform.claude.com/docs/en/api/errors; as a Form."""
    return Reply(
        _envelope(
            KINDS.get(refused.status, "api_error" if refused.status >= 500 else "invalid_request_error"), refused
        ),
        status=refused.status,
        headers=f"request-id: {REQUEST_ID}\r\n",
    )


def _envelope(kind: str, refused: Refused) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": refused.message}, "request_id": REQUEST_ID}


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
        "capabilities": None,
    }


def messages(request: Request) -> Reply:
    """POST /v1/messages."""
    anthropic_read.check_limits(request.body)
    question = anthropic_read.question(request.body, request.order)
    made = answer(question)
    blocks = _blocks(request.body, made)
    if not question.stream:
        return Reply(_message(question, made, blocks, request.body), controls=question.controls)
    broken = sse(_envelope("overloaded_error", Refused("Overloaded")), "error")
    events = _events(question, made, blocks, request.body)
    return Reply(None, events, broken, content_type="text/event-stream; charset=utf-8", controls=question.controls)


def _blocks(body: dict[str, Any], made: Answer) -> list[dict[str, Any]]:
    """The answer's content blocks, whole."""
    blocks: list[dict[str, Any]] = []
    if made.thought:
        omitted = anthropic_read.thinking(body).get("display") == "omitted"
        shown = "" if omitted else made.thought
        signature = sign("omitted" if omitted else "thinking", shown, made.id)
        blocks.append({"type": "thinking", "thinking": shown, "signature": signature})
    if made.text:
        blocks.append({"type": "text", "text": made.text, "citations": None})
    for call in made.calls:
        name = f"toolu_{call.id.removeprefix('call_')}"
        blocks.append({"type": "tool_use", "id": name, "name": call.name, "input": json.loads(call.arguments)})
    return blocks


def _usage(made: Answer, body: dict[str, Any]) -> dict[str, Any]:
    """Input without what was read from or written to the cache; output with thoughts."""
    written = {"ephemeral_5m_input_tokens": made.written, "ephemeral_1h_input_tokens": 0}
    if anthropic_read.hour_cached(body):
        written = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": made.written}
    return {
        "input_tokens": made.input - made.cached - made.written,
        "cache_creation_input_tokens": made.written,
        "cache_read_input_tokens": made.cached,
        "cache_creation": written,
        "output_tokens": made.output,
        "output_tokens_details": {"thinking_tokens": made.reasoning},
        "service_tier": "standard",
    }


def _stop(made: Answer) -> dict[str, Any]:
    """Why the answer ended."""
    reason = STOP_REASONS[made.finish]
    details = {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None
    return {"stop_reason": reason, "stop_sequence": made.stopped_at or None, "stop_details": details}


def _message(
    question: Question, made: Answer, blocks: list[dict[str, Any]], body: dict[str, Any], *, begun: bool = False
) -> dict[str, Any]:
    """The message: whole, or as a stream begins it."""
    out: dict[str, Any] = {
        "id": f"msg_{made.id}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": [] if begun else blocks,
        **({"stop_reason": None, "stop_sequence": None, "stop_details": None} if begun else _stop(made)),
    }
    if not question.controls.no_usage:
        out["usage"] = _usage(made, body)
        if begun:
            # As the vendor does: output is told as far as it went, which is one token.
            out["usage"] |= {"output_tokens": 1, "output_tokens_details": None}
    return out


def _events(question: Question, made: Answer, blocks: list[dict[str, Any]], body: dict[str, Any]) -> list[bytes]:
    """https://platform.claude.com/docs/en/build-with-claude/streaming."""
    out = [_event("message_start", message=_message(question, made, blocks, body, begun=True))]
    out.append(_event("ping"))
    for index, block in enumerate(blocks):
        start, deltas = _deltas(block, question.controls.chunks)
        out.append(_event("content_block_start", index=index, content_block=start))
        out += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        out.append(_event("content_block_stop", index=index))
    last: dict[str, Any] = {"delta": _stop(made)}
    if not question.controls.no_usage:
        usage = _usage(made, body)
        last["usage"] = {name: usage[name] for name in usage if name not in ("cache_creation", "service_tier")}
    out += [_event("message_delta", **last), _event("message_stop")]
    return out


def _event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _deltas(block: dict[str, Any], chunks: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it starts, and what fills it."""
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"], chunks)]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], chunks)]
    parts = ["", *pieces(json.dumps(block["input"]), chunks)]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in parts]

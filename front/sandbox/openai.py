"""OpenAI's wire forms: chat, embeddings and models; Responses are in responses.py."""

from __future__ import annotations

import base64
import re
import struct
from typing import Any

from front.sandbox.answer import Answer, Question, answer, count, pieces, vector
from front.sandbox.controls import parse
from front.sandbox.forms import (
    CREATED,
    MODELS,
    Refused,
    Reply,
    Request,
    dicts,
    not_served,
    number,
    picture_bytes,
    sse,
    strings,
    texts_of,
    token_logprobs,
)

_FUNCTION = re.compile(r"[a-zA-Z0-9_-]{1,64}")

MAX_DIMENSIONS = 65_536
MAX_CHOICES = 128
KINDS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


def serve(request: Request) -> Reply:
    """POST /v1/chat/completions, /v1/embeddings; GET /v1/models and /; as a Form."""
    if request.method == "GET":
        return _get(request)
    if request.path == "/v1/chat/completions":
        return chat(request.body, request.order)
    if request.path == "/v1/embeddings":
        return embeddings(request.body, request.order)
    raise not_served(request)


def _get(request: Request) -> Reply:
    """Lists of models, and a sign of life at /."""
    if request.path == "/v1/models":
        return Reply({"object": "list", "data": [_model(name) for name in MODELS]})
    if request.path.startswith("/v1/models/"):
        return Reply(_model(request.path.removeprefix("/v1/models/")))
    if request.path == "/":
        return Reply({"service": "isthmus sandbox"})
    raise not_served(request)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "sandbox"}


def error(request: Request, refused: Refused) -> Reply:
    """https://platform.openai.com/docs/guides/error-codes; as a Form."""
    status = refused.status
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = refused.code or CODES.get(status)
    body = {"message": refused.message, "type": kind, "param": refused.param, "code": code}
    return Reply({"error": body}, status=status)


def read_chat(body: dict[str, Any], header: str) -> Question:
    """The question of a chat request. Raises Refused where it has no messages."""
    messages = dicts(body.get("messages"), "messages")
    if not messages:
        raise Refused("messages must be a list that is not empty", param="messages")
    texts: list[str] = []
    results: list[str] = []
    images, last = [], ""
    for message in messages:
        content, role = message.get("content"), message.get("role")
        text = texts_of(content)
        texts.append(text)
        if role == "user":
            last, results = text, []
        elif role == "tool":
            results.append(text)
        parts = content if isinstance(content, list) else ()
        images += [picture_bytes(_address(part, body)) for part in parts if part.get("type") == "image_url"]
    controls, last = parse(last, header)
    chosen, form = body.get("tool_choice"), body.get("response_format") or {}
    functions = [tool["function"] for tool in dicts(body.get("tools"), "tools") if "function" in tool]
    for place, function in enumerate(functions):
        if not _FUNCTION.fullmatch(str(function.get("name"))):
            param = f"tools[{place}].function.name"
            raise Refused(f"Invalid '{param}': expected a string like '^[a-zA-Z0-9_-]+$', at most 64.", param=param)
    return Question(
        model=str(body.get("model", "")),
        text=last,
        prompt="\n".join(texts),
        controls=controls,
        stream=bool(body.get("stream")),
        images=images,
        results=results,
        tools={tool["name"]: tool.get("parameters") or {} for tool in functions},
        must=chosen == "required",
        only=chosen.get("function", {}).get("name", "") if isinstance(chosen, dict) else "",
        no_tools=chosen == "none",
        json_object=form.get("type") == "json_object",
        schema=(form.get("json_schema") or {}).get("schema"),
        single=body.get("parallel_tool_calls") is False,
        choices=number(body, "n", 1, MAX_CHOICES) or 1,
        logprobs=bool(body.get("logprobs")),
        stop=[body["stop"]] if isinstance(body.get("stop"), str) else strings(body.get("stop"), "stop"),
        limit=number(body, "max_completion_tokens") or number(body, "max_tokens"),
        thinking=body.get("reasoning_effort") not in (None, "none"),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def chat(body: dict[str, Any], header: str) -> Reply:
    """POST /v1/chat/completions."""
    question = read_chat(body, header)
    made = answer(question)
    if not question.stream:
        return Reply(_whole(question, made), controls=question.controls)
    broken = sse({"error": {"message": "The sandbox broke.", "type": "server_error", "param": None, "code": None}})
    events = _events(question, made)
    return Reply(None, events, broken, content_type="text/event-stream", controls=question.controls)


FINISHES = {"tool": "tool_calls", "stop_sequence": "stop", "refusal": "stop", "filter": "content_filter"}


def usage(made: Answer) -> dict[str, Any]:
    """What an answer used."""
    details = {"cached_tokens": made.cached, "audio_tokens": 0}
    if made.written:
        details["cache_write_tokens"] = made.written
    return {
        "prompt_tokens": made.input,
        "completion_tokens": made.output,
        "total_tokens": made.input + made.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": made.reasoning, "audio_tokens": 0},
    }


def finish(made: Answer) -> str:
    """Why it ended."""
    return FINISHES.get(made.finish, made.finish)


def _logprobs(text: str) -> dict[str, Any]:
    return {"content": token_logprobs(text), "refusal": None}


def _tool_calls(made: Answer) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in made.calls
    ]


def _whole(question: Question, made: Answer) -> dict[str, Any]:
    refused = made.finish == "refusal"
    content = None if made.calls or refused else made.text
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": made.text if refused else None}
    if made.thought:
        message["reasoning_content"] = made.thought
    if made.calls:
        message["tool_calls"] = _tool_calls(made)
    out: dict[str, Any] = {
        "id": f"chatcmpl-{made.id}",
        "object": "chat.completion",
        "created": CREATED,
        "model": question.model,
        "choices": [
            {
                "index": index,
                "message": message,
                "logprobs": _logprobs(made.text) if question.logprobs else None,
                "finish_reason": finish(made),
            }
            for index in range(question.choices)
        ],
    }
    if not question.controls.no_usage:
        out["usage"] = usage(made)
    return out


def _events(question: Question, made: Answer) -> list[bytes]:
    base = {
        "id": f"chatcmpl-{made.id}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": question.model,
    }

    def event(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish}
        if question.logprobs and delta.get("content"):
            choice["logprobs"] = _logprobs(delta["content"])
        return sse({**base, "choices": [choice]})

    out, field = [], "refusal" if made.finish == "refusal" else "content"
    for index in range(question.choices):
        out.append(event(index, {"role": "assistant", "content": ""}))
        if made.thought:
            out.append(event(index, {"reasoning_content": made.thought}))
        out += [event(index, {field: piece}) for piece in pieces(made.text, question.controls.chunks)]
        for at, call in enumerate(_tool_calls(made)):
            function = {"name": call["function"]["name"], "arguments": ""}
            out.append(event(index, {"tool_calls": [{**call, "index": at, "function": function}]}))
            for piece in pieces(call["function"]["arguments"], question.controls.chunks):
                out.append(event(index, {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}))
        out.append(event(index, {}, finish(made)))
    if question.include_usage and not question.controls.no_usage:
        out.append(sse({**base, "choices": [], "usage": usage(made)}))
    out.append(b"data: [DONE]\n\n")
    return out


def _address(part: dict[str, Any], body: dict[str, Any]) -> str:
    """A picture's; Mistral's models take it plain."""
    address = part["image_url"]
    return str(address if isinstance(address, str) and "mistral" in str(body.get("model")) else address["url"])


def embeddings(body: dict[str, Any], header: str) -> Reply:
    """POST /v1/embeddings."""
    given = body.get("input")
    if not given:
        raise Refused("input must not be empty", param="input")
    inputs = given if isinstance(given, list) and not isinstance(given[0], int) else [given]
    controls, _ = parse(str(inputs[-1]), header)
    dimensions = number(body, "dimensions", 1, MAX_DIMENSIONS) or 256
    tokens, data = 0, []
    for index, text in enumerate(inputs):
        tokens += len(text) if isinstance(text, list) else count(str(text))
        values: Any = vector(str(text), dimensions)
        if body.get("encoding_format") == "base64":
            values = base64.b64encode(struct.pack(f"<{dimensions}f", *values)).decode()
        data.append({"object": "embedding", "index": index, "embedding": values})
    out = {"object": "list", "model": body.get("model"), "data": data}
    if "mistral" in str(body.get("model")):
        out["id"] = "embd-sandbox"
    if not controls.no_usage:
        tokens = controls.usage_lie or tokens
        out["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(out, controls=controls)

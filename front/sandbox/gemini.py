"""Gemini's wire form. https://ai.google.dev/api/generate-content, /api/embeddings, /api/tokens, /api/models."""

from __future__ import annotations

import json
import re
from typing import Any

from front.sandbox import gemini_read
from front.sandbox.answer import Answer, Question, answer, count, pieces, prompt_tokens, vector
from front.sandbox.controls import parse
from front.sandbox.forms import MODELS, Refused, Reply, Request, dicts, dump, not_served, number, sse
from front.sandbox.gemini_read import call_text, get
from front.sandbox.sign import sign

_PATH = re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+):(\w+)")
MAX_DIMENSIONS = 65_536
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
FINISHES = {"length": "MAX_TOKENS", "filter": "SAFETY"}
"""All others are STOP."""


def serves(request: Request) -> bool:
    """Whether a request is Gemini's: /v1/models is so where the key came in Google's place."""
    if request.path.startswith("/v1/"):
        google = "x-goog-api-key" in request.headers or "key" in request.query
        return bool(_PATH.fullmatch(request.path)) or (google and request.path.startswith("/v1/models"))
    return request.path.startswith(("/v1beta/", "/v1alpha/"))


def serve(request: Request) -> Reply:
    """POST models/{name}:{verb}; GET models and models/{name}; as a Form."""
    if not request.key:
        raise Refused("Method doesn't allow unregistered callers. Please use API Key or other identity.", 403)
    if request.method == "GET":
        name = request.path.split("/", 2)[2]
        if name == "models":
            return Reply({"models": [_model(each) for each in MODELS]})
        if name.startswith("models/"):
            return Reply(_model(name.removeprefix("models/")))
    found = _PATH.fullmatch(request.path)
    if request.method != "POST" or found is None or found[2] not in _VERBS:
        raise not_served(request)
    return _VERBS[found[2]](request, found[1])


def error(request: Request, refused: Refused) -> Reply:
    """https://ai.google.dev/gemini-api/docs/troubleshooting; in an array where a stream is one; as a Form."""
    status, message, details = refused.status, refused.message, []
    if refused.code == "invalid_api_key":
        status, message = 400, "API key not valid. Please pass a valid API key."
        info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info})
    if refused.retry_after:
        delay = {"retryDelay": f"{refused.retry_after}s"}
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", **delay})
    body: Any = {"error": {"code": status, "message": message, "status": _status(status)}}
    if details:
        body["error"]["details"] = details
    if request.path.endswith(":streamGenerateContent") and request.query.get("alt") != "sse":
        body = [body]
    return Reply(body, status=status)


def _status(status: int) -> str:
    return STATUSES.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "1",
        "displayName": name,
        "description": "A model of the Sandbox",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
    }


def _generate(request: Request, model: str) -> Reply:
    """:generateContent."""
    question = gemini_read.question(request.body, model, request.order)
    made = answer(question)
    parts = _parts(question, made, shown=gemini_read.thoughts_shown(request.body, question))
    return Reply(_response(question, made, parts, last=True), controls=question.controls)


def _stream(request: Request, model: str) -> Reply:
    """:streamGenerateContent: events with alt=sse, else one JSON array."""
    question = gemini_read.question(request.body, model, request.order)
    made = answer(question)
    parts = _stream_parts(question, _parts(question, made, shown=gemini_read.thoughts_shown(request.body, question)))
    bodies = [_response(question, made, group, last=at == len(parts)) for at, group in enumerate(parts, 1)]
    failed = {"error": {"code": 503, "message": "The sandbox broke.", "status": "UNAVAILABLE"}}
    if request.query.get("alt") == "sse":
        return Reply(
            events=[sse(body) for body in bodies],
            error_event=sse(failed),
            content_type="text/event-stream",
            controls=question.controls,
        )
    events = [(b",\r\n" if at else b"[") + dump(body) for at, body in enumerate(bodies)]
    return Reply(
        events=[*events, b"]"],
        error_event=b",\r\n" + dump(failed) + b"]",
        broken_event=b',\r\n{"broken": ',
        controls=question.controls,
    )


def _parts(question: Question, made: Answer, *, shown: bool) -> list[dict[str, Any]]:
    """The answer's parts, whole; where the model thought, the first call, or else the text, carries the signature."""
    if made.finish == "refusal":
        return []
    parts: list[dict[str, Any]] = []
    if made.thought and shown:
        signature = sign("thought", made.thought, made.id)
        parts.append({"text": made.thought, "thought": True, "thoughtSignature": signature})
    if made.text:
        parts.append({"text": made.text})
        if made.thought:
            parts[-1]["thoughtSignature"] = sign("text", "", made.id)
    for at, call in enumerate(made.calls):
        function = {"id": call.id, "name": call.name, "args": json.loads(call.arguments)}
        if question.controls.no_ids:
            del function["id"]
        parts.append({"functionCall": function})
        if made.thought and not at:
            parts[-1]["thoughtSignature"] = sign("call", call_text(function), made.id)
    return parts


def _stream_parts(question: Question, parts: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The parts of each piece: texts in pieces, a text's signature with an empty one at last, as the vendor does."""
    out: list[list[dict[str, Any]]] = []
    for part in parts:
        if "text" not in part or part.get("thought"):
            out.append([part])
            continue
        out += [[{"text": piece}] for piece in pieces(part["text"], question.controls.chunks)]
        if "thoughtSignature" in part:
            out.append([{"text": "", "thoughtSignature": part["thoughtSignature"]}])
    return out or [[]]


def _response(question: Question, made: Answer, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    """One GenerateContentResponse; only the last says why it ended, and tells the whole usage."""
    out: dict[str, Any] = {}
    if made.finish == "refusal":
        out["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
    else:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"} if parts else {"role": "model"}}
        if last:
            candidate["finishReason"] = FINISHES.get(made.finish, "STOP")
        if last and made.finish == "filter":
            rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
            candidate["safetyRatings"] = [rating]
        out["candidates"] = [{**candidate, "index": index} for index in range(question.choices)]
    if not question.controls.no_usage:
        out["usageMetadata"] = _usage(question, made, last=last)
    return {**out, "modelVersion": question.model, "responseId": made.id}


def _usage(question: Question, made: Answer, *, last: bool) -> dict[str, Any]:
    """The prompt with what came from the cache; thoughts beside the candidates, not among them."""
    out: dict[str, Any] = {"promptTokenCount": made.input}
    total = made.input
    if last and made.finish != "refusal":
        out["candidatesTokenCount"] = made.output - made.reasoning
        total += made.output - made.reasoning
    if made.reasoning:
        out["thoughtsTokenCount"] = made.reasoning
        total += made.reasoning
    if made.cached:
        out["cachedContentTokenCount"] = made.cached
    pictures = 85 * len(question.images)
    out["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": made.input - pictures}]
    if pictures:
        out["promptTokensDetails"].append({"modality": "IMAGE", "tokenCount": pictures})
    return {**out, "totalTokenCount": total}


def _count(request: Request, model: str) -> Reply:
    """:countTokens, of contents or of a whole request."""
    body = get(request.body, "generateContentRequest") or request.body
    question = gemini_read.question(body, model, request.order)
    return Reply({"totalTokens": prompt_tokens(question)}, controls=question.controls)


def _embed(request: Request, model: str) -> Reply:
    """:embedContent."""
    values, tokens = _vector(request.body)
    controls = parse(_text(request.body), request.order)[0]
    usage = {} if controls.no_usage else {"usageMetadata": {"promptTokenCount": controls.usage_lie or tokens}}
    return Reply({"embedding": {"values": values}, **usage}, controls=controls)


def _embed_batch(request: Request, model: str) -> Reply:
    """:batchEmbedContents."""
    requests = dicts(request.body.get("requests"), "requests")
    if not requests:
        raise Refused("* BatchEmbedContentsRequest.requests: requests is not specified")
    made = [_vector(each) for each in requests]
    controls = parse(_text(requests[-1]), request.order)[0]
    tokens = controls.usage_lie or sum(each for _, each in made)
    usage = {} if controls.no_usage else {"usageMetadata": {"promptTokenCount": tokens}}
    return Reply({"embeddings": [{"values": values} for values, _ in made], **usage}, controls=controls)


def _text(body: dict[str, Any]) -> str:
    """The text of a content to embed. Raises Refused."""
    parts = dicts((body.get("content") or {}).get("parts"), "content.parts")
    if not parts:
        raise Refused("* EmbedContentRequest.content: contents is not specified")
    return " ".join(str(part.get("text") or "") for part in parts)


def _vector(body: dict[str, Any]) -> tuple[list[float], int]:
    """One text's embedding, and its tokens."""
    name = "outputDimensionality"
    dimensions = number({name: get(body, name)}, name, 1, MAX_DIMENSIONS) or 256
    return vector(_text(body), dimensions), count(_text(body))


_VERBS = {
    "generateContent": _generate,
    "streamGenerateContent": _stream,
    "countTokens": _count,
    "embedContent": _embed,
    "batchEmbedContents": _embed_batch,
}

"""OpenAI's wire forms: chat, embeddings and models; and rerank as Jina and Cohere speak it."""

from __future__ import annotations

import base64
import struct
from typing import Any

from front.sandbox.answer import Answer, Question, answer, count, pieces, relevance, vector
from front.sandbox.controls import parse
from front.sandbox.forms import CREATED, Reply, picture_bytes, sse, texts_of

MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "claude-sonnet-4-5",
    "gemini-2.5-flash",
    "text-embedding-3-small",
    "sandbox",
)


def read_chat(body: dict[str, Any], header: str) -> Question:
    """The question of a chat request. Raises ValueError where it has no messages."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ValueError("messages must be a list that is not empty")
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
        images += [picture_bytes(part["image_url"]["url"]) for part in parts if part.get("type") == "image_url"]
    controls, last = parse(last, header)
    chosen, form = body.get("tool_choice"), body.get("response_format") or {}
    functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
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
        choices=int(body.get("n") or 1),
        logprobs=bool(body.get("logprobs")),
        stop=[body["stop"]] if isinstance(body.get("stop"), str) else list(body.get("stop") or ()),
        limit=int(body.get("max_completion_tokens") or body.get("max_tokens") or 0),
        thinking=body.get("reasoning_effort") not in (None, "none"),
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def chat(body: dict[str, Any], header: str) -> Reply:
    """POST /v1/chat/completions."""
    question = read_chat(body, header)
    made = answer(question)
    if not question.stream:
        return Reply(_whole(question, made), controls=question.controls)
    error = sse({"error": {"message": "The sandbox broke.", "type": "server_error", "param": None, "code": None}})
    events = _events(question, made)
    return Reply(None, events, error, "text/event-stream", controls=question.controls)


def _usage(made: Answer) -> dict[str, Any]:
    return {
        "prompt_tokens": made.input,
        "completion_tokens": made.output,
        "total_tokens": made.input + made.output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": made.reasoning, "audio_tokens": 0},
    }


def _finish(made: Answer) -> str:
    return {"tool": "tool_calls", "stop_sequence": "stop"}.get(made.finish, made.finish)


def _logprobs(text: str) -> dict[str, Any]:
    """Every token with the same probability."""
    tokens = [
        {"token": piece, "logprob": -0.5, "bytes": list(piece.encode()), "top_logprobs": []}
        for piece in pieces(text, 0)
    ]
    return {"content": tokens, "refusal": None}


def _tool_calls(made: Answer) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in made.calls
    ]


def _whole(question: Question, made: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": made.text or None, "refusal": None}
    if not made.calls:
        message["content"] = made.text
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
                "finish_reason": _finish(made),
            }
            for index in range(question.choices)
        ],
    }
    if not question.controls.no_usage:
        out["usage"] = _usage(made)
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

    out = []
    for index in range(question.choices):
        out.append(event(index, {"role": "assistant", "content": ""}))
        if made.thought:
            out.append(event(index, {"reasoning_content": made.thought}))
        out += [event(index, {"content": piece}) for piece in pieces(made.text, question.controls.chunks)]
        for number, call in enumerate(_tool_calls(made)):
            function = {"name": call["function"]["name"], "arguments": ""}
            out.append(event(index, {"tool_calls": [{**call, "index": number, "function": function}]}))
            for piece in pieces(call["function"]["arguments"], question.controls.chunks):
                out.append(event(index, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}))
        out.append(event(index, {}, _finish(made)))
    if question.include_usage and not question.controls.no_usage:
        out.append(sse({**base, "choices": [], "usage": _usage(made)}))
    out.append(b"data: [DONE]\n\n")
    return out


def embeddings(body: dict[str, Any], header: str) -> Reply:
    """POST /v1/embeddings."""
    given = body.get("input")
    inputs = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    controls, _ = parse(str(inputs[-1]), header)
    dimensions = int(body.get("dimensions") or 256)
    tokens, data = 0, []
    for index, text in enumerate(inputs):
        tokens += len(text) if isinstance(text, list) else count(str(text))
        values: Any = vector(str(text), dimensions)
        if body.get("encoding_format") == "base64":
            values = base64.b64encode(struct.pack(f"<{dimensions}f", *values)).decode()
        data.append({"object": "embedding", "index": index, "embedding": values})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply({"object": "list", "model": body.get("model"), "data": data, "usage": usage}, controls=controls)


def models() -> dict[str, Any]:
    """GET /v1/models."""
    return {"object": "list", "data": [model(name) for name in MODELS]}


def model(name: str) -> dict[str, Any]:
    """GET /v1/models/{name}."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "sandbox"}


def rerank(body: dict[str, Any], header: str, version: int) -> Reply:
    """POST /v1/rerank (Jina, Cohere v1) and /v2/rerank (Cohere v2)."""
    controls, query = parse(str(body.get("query", "")), header)
    documents = [str(each.get("text", "")) if isinstance(each, dict) else str(each) for each in body["documents"]]
    scored = [(relevance(query, text), -index) for index, text in enumerate(documents)]
    ranked = sorted(scored, reverse=True)[: int(body.get("top_n") or len(scored))]
    results: list[dict[str, Any]] = [{"index": -minus, "relevance_score": score} for score, minus in ranked]
    if body.get("return_documents"):
        for result in results:
            result["document"] = {"text": documents[result["index"]]}
    tokens = count(query) * len(documents) + sum(map(count, documents))
    out: dict[str, Any] = {"id": "rerank-sandbox", "model": body.get("model"), "results": results}
    out["meta"] = {"api_version": {"version": str(version)}, "billed_units": {"search_units": 1}}
    if version == 1:
        out["usage"] = {"total_tokens": tokens, "prompt_tokens": tokens}
    return Reply(out, controls=controls)

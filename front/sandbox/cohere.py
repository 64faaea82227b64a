"""Cohere's chat, version 2.

https://docs.cohere.com/reference/chat, https://docs.cohere.com/docs/streaming
"""

from __future__ import annotations

from typing import Any

from front.sandbox.answer import Answer, Question, answer, count, pieces, vector
from front.sandbox.controls import parse
from front.sandbox.forms import (
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
)

KNOWN = frozenset(
    [
        "model", "messages", "tools", "strict_tools", "documents", "citation_options", "response_format",
        "safety_mode", "max_tokens", "stop_sequences", "temperature", "seed", "frequency_penalty", "presence_penalty",
        "k", "p", "logprobs", "tool_choice", "thinking", "priority", "stream",
    ]
)  # fmt: skip
FINISHES = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool": "TOOL_CALL", "stop_sequence": "STOP_SEQUENCE"}


def serve(request: Request) -> Reply:
    """POST /v2/chat, /v2/embed; as a Form."""
    if request.method != "POST":
        raise not_served(request)
    body = request.body
    if request.path == "/v2/embed":
        return _embed(body, request.order)
    for name in body:
        if name not in KNOWN:
            raise Refused(f"unknown field: parameter '{name}' is not a valid field", 422)
    question = _question(body, request.order)
    made = answer(question)
    if not question.stream:
        return Reply(_whole(body, question, made), controls=question.controls)
    delta = {"finish_reason": "ERROR", "error": "The sandbox broke."}
    broken = sse({"type": "message-end", "id": made.id, "delta": delta}, "message-end")
    events = _events(body, question, made)
    return Reply(None, events, broken, content_type="text/event-stream", controls=question.controls)


def _embed(body: dict[str, Any], order: str) -> Reply:
    if not body.get("input_type"):
        raise Refused("invalid request: valid input_type must be provided with the provided model")
    texts = strings(body.get("texts"), "texts")
    texts += [texts_of(item["content"]) for item in dicts(body.get("inputs"), "inputs")]
    if not texts:
        raise Refused("invalid request: at least one of texts, images or inputs must be provided")
    controls, _ = parse(texts[-1], order)
    size = number(body, "output_dimension", 1, 4096) or 256
    floats = [vector(text, size) for text in texts]
    ints = [[round(value * 127) for value in one] for one in floats]
    kinds = strings(body.get("embedding_types"), "embedding_types") or ["float"]
    made = {kind: floats if kind == "float" else ints for kind in kinds}
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": sum(map(count, texts))}}
    return Reply({"id": "embed-sandbox", "embeddings": made, "texts": texts, "meta": meta}, controls=controls)


def error(request: Request, refused: Refused) -> Reply:
    """As https://docs.cohere.com/reference/errors shows; as a Form."""
    return Reply({"id": "error-sandbox", "message": refused.message}, status=refused.status)


def _question(body: dict[str, Any], order: str) -> Question:
    texts: list[str] = []
    results: list[str] = []
    images, last = [], ""
    for message in dicts(body.get("messages"), "messages"):
        role, content = message.get("role"), message.get("content")
        text = texts_of(content)
        if role not in ("user", "assistant", "system", "tool"):
            raise Refused("invalid role in messages")
        if role == "assistant" and not (content or message.get("tool_calls")):
            raise Refused("all elements in messages must have content or tool_calls")
        texts.append(text or str(message.get("tool_plan") or ""))
        if role == "user":
            last, results = text, []
        elif role == "tool":
            results.append(text)
        parts = content if isinstance(content, list) else ()
        images += [picture_bytes(part["image_url"]["url"]) for part in parts if part.get("type") == "image_url"]
    if not texts:
        raise Refused("messages must not be empty")
    controls, last = parse(last, order)
    form, choice = body.get("response_format") or {}, body.get("tool_choice")
    functions = [tool["function"] for tool in dicts(body.get("tools"), "tools")]
    return Question(
        model=str(body.get("model", "")),
        text=last,
        prompt="\n".join(texts),
        controls=controls,
        stream=bool(body.get("stream")),
        images=images,
        results=results,
        tools={function["name"]: function["parameters"] for function in functions},
        must=choice == "REQUIRED",
        no_tools=choice == "NONE",
        json_object=form.get("type") == "json_object",
        schema=form.get("json_schema"),
        stop=strings(body.get("stop_sequences"), "stop_sequences"),
        limit=number(body, "max_tokens"),
        thinking=(body.get("thinking") or {}).get("type") == "enabled",
    )


def _usage(made: Answer) -> dict[str, Any]:
    billed = {"input_tokens": made.input, "output_tokens": made.output}
    tokens = {"input_tokens": made.input + 500, "output_tokens": made.output}
    return {"billed_units": billed, "tokens": tokens, "cached_tokens": made.cached}


def _citations(body: dict[str, Any], made: Answer) -> list[dict[str, Any]]:
    """The first document, cited for the answer's first word."""
    documents = body.get("documents") or []
    word = made.text.split(" ")[0]
    if not documents or not word:
        return []
    first = documents[0] if isinstance(documents[0], dict) else {"data": {"text": documents[0]}}
    named = str(first.get("id") or "doc:0")
    source = {"type": "document", "id": named, "document": {"id": named, **first["data"]}}
    return [{"start": 0, "end": len(word), "text": word, "sources": [source], "type": "TEXT_CONTENT"}]


def _content(made: Answer) -> list[tuple[str, str]]:
    told = (("thinking", made.thought), ("text", "" if made.calls else made.text))
    return [(kind, said) for kind, said in told if said]


def _calls(made: Answer) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in made.calls
    ]


def _whole(body: dict[str, Any], question: Question, made: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    if made.calls:
        message.update(tool_plan="I will call a tool.", tool_calls=_calls(made))
    content = [{"type": kind, kind: said} for kind, said in _content(made)]
    if content:
        message["content"] = content
    if cited := _citations(body, made):
        message["citations"] = cited
    out = {"id": made.id, "finish_reason": FINISHES.get(made.finish, "ERROR"), "message": message}
    return out if question.controls.no_usage else {**out, "usage": _usage(made)}


def _event(kind: str, **members: Any) -> bytes:
    return sse({"type": kind, **members}, kind)


def _events(body: dict[str, Any], question: Question, made: Answer) -> list[bytes]:
    chunks = question.controls.chunks
    empty = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    out = [_event("message-start", id=made.id, delta={"message": empty})]
    for index, (kind, said) in enumerate(_content(made)):
        out.append(_event("content-start", index=index, delta={"message": {"content": {"type": kind, kind: ""}}}))
        deltas = ({"message": {"content": {kind: piece}}} for piece in pieces(said, chunks))
        out += [_event("content-delta", index=index, delta=delta) for delta in deltas]
        out.append(_event("content-end", index=index))
    if made.calls:
        out.append(_event("tool-plan-delta", delta={"message": {"tool_plan": "I will call a tool."}}))
    for index, call in enumerate(_calls(made)):
        begun = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        out.append(_event("tool-call-start", index=index, delta={"message": {"tool_calls": begun}}))
        for piece in pieces(call["function"]["arguments"], chunks):
            told = {"tool_calls": {"function": {"arguments": piece}}}
            out.append(_event("tool-call-delta", index=index, delta={"message": told}))
        out.append(_event("tool-call-end", index=index))
    for index, cited in enumerate(_citations(body, made)):
        out.append(_event("citation-start", index=index, delta={"message": {"citations": cited}}))
        out.append(_event("citation-end", index=index))
    delta: dict[str, Any] = {"finish_reason": FINISHES.get(made.finish, "ERROR")}
    if not question.controls.no_usage:
        delta["usage"] = _usage(made)
    return [*out, _event("message-end", id=made.id, delta=delta), b"data: [DONE]\n\n"]

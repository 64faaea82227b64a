"""Ollama's chat, generate and embed.

https://docs.ollama.com/api
"""

from __future__ import annotations

from typing import Any

import orjson

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
    strings,
    token_logprobs,
)

CREATED = "2023-11-14T22:13:20.123456789Z"
PATHS = ("/api/chat", "/api/generate", "/api/embed")


def serve(request: Request) -> Reply:
    """POST /api/chat, /api/generate, /api/embed; as a Form."""
    if request.method != "POST":
        raise not_served(request)
    body = request.body
    if not body.get("model"):
        raise Refused("model is required")
    if request.path == "/api/embed":
        return _embed(body, request.order)
    generate = request.path == "/api/generate"
    question = _generated(body, request.order) if generate else _asked(body, request.order)
    made = answer(question)
    if not question.stream:
        return Reply(_line(question, made, _said(made), generate, done=True), controls=question.controls)
    broken = orjson.dumps({"error": "The sandbox broke."}) + b"\n"
    return Reply(
        None,
        _lines(question, made, generate),
        broken,
        broken_event=b'{"broken": \n',
        content_type="application/x-ndjson",
        controls=question.controls,
    )


def error(request: Request, refused: Refused) -> Reply:
    """As https://docs.ollama.com/api/errors shows; as a Form."""
    return Reply({"error": refused.message}, status=refused.status)


def _embed(body: dict[str, Any], order: str) -> Reply:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else strings(given, "input")
    controls, _ = parse(texts[-1] if texts else "", order)
    size = number(body, "dimensions", 1, 4096) or 256
    out: dict[str, Any] = {"model": body["model"], "embeddings": [vector(text, size) for text in texts]}
    if not controls.no_usage:
        out["prompt_eval_count"] = sum(map(count, texts))
    return Reply(out, controls=controls)


def _common(body: dict[str, Any]) -> dict[str, Any]:
    """What chat and generate share."""
    options, form = body.get("options") or {}, body.get("format")
    stop = options.get("stop")
    return {
        "model": str(body["model"]),
        "stream": body.get("stream") is not False,
        "json_object": form == "json",
        "schema": form if isinstance(form, dict) else None,
        "logprobs": bool(body.get("logprobs")),
        "stop": [stop] if isinstance(stop, str) else strings(stop, "stop"),
        "limit": max(number(options, "num_predict", -2), 0),
        "thinking": bool(body.get("think")),
    }


def _generated(body: dict[str, Any], order: str) -> Question:
    controls, text = parse(str(body.get("prompt") or ""), order)
    images = [picture_bytes(image) for image in strings(body.get("images"), "images")]
    prompt = f"{body.get('system') or ''}\n{body.get('prompt') or ''}".strip()
    return Question(text=text, prompt=prompt, controls=controls, images=images, **_common(body))


def _asked(body: dict[str, Any], order: str) -> Question:
    texts: list[str] = []
    results: list[str] = []
    images, last = [], ""
    for message in dicts(body.get("messages"), "messages"):
        role, text = message.get("role"), message.get("content")
        if not isinstance(text, str):
            raise Refused("json: cannot unmarshal messages.content into Go struct field of type string")
        for made in dicts(message.get("tool_calls"), "tool_calls"):
            if not isinstance(made["function"]["arguments"], dict):
                raise Refused("json: cannot unmarshal arguments into Go value of type map")
        texts.append(text)
        images += [picture_bytes(image) for image in strings(message.get("images"), "images")]
        if role == "user":
            last, results = text, []
        elif role == "tool":
            results.append(text)
    controls, last = parse(last, order)
    functions = [tool["function"] for tool in dicts(body.get("tools"), "tools")]
    tools = {function["name"]: function["parameters"] for function in functions}
    prompt = "\n".join(texts)
    return Question(
        text=last, prompt=prompt, controls=controls, images=images, results=results, tools=tools, **_common(body)
    )


def _said(made: Answer) -> dict[str, Any]:
    told: dict[str, Any] = {"content": made.text}
    if made.thought:
        told["thinking"] = made.thought
    if made.calls:
        told["tool_calls"] = [
            {"id": call.id, "function": {"index": at, "name": call.name, "arguments": orjson.loads(call.arguments)}}
            for at, call in enumerate(made.calls)
        ]
    return told


def _line(question: Question, made: Answer, said: dict[str, Any], generate: bool, *, done: bool) -> dict[str, Any]:
    """A line of a stream, or, with everything in it, a whole answer."""
    out: dict[str, Any] = {"model": question.model, "created_at": CREATED}
    if generate:
        out["response"] = said["content"]
        out.update({"thinking": said["thinking"]} if "thinking" in said else {})
    else:
        out["message"] = {"role": "assistant", **said}
    if question.logprobs and said["content"]:
        out["logprobs"] = token_logprobs(said["content"])
    out["done"] = done
    if done:
        out["done_reason"] = "length" if made.finish == "length" else "stop"
        out.update(total_duration=5, load_duration=1, prompt_eval_duration=1, eval_duration=3)
        if not question.controls.no_usage:
            out.update(prompt_eval_count=made.input, eval_count=made.output)
    return out


def _lines(question: Question, made: Answer, generate: bool) -> list[bytes]:
    chunks = question.controls.chunks
    said: list[dict[str, Any]] = [{"content": "", "thinking": piece} for piece in pieces(made.thought, chunks)]
    said += [{"content": piece} for piece in pieces(made.text, chunks)]
    if made.calls:
        said.append({"content": "", "tool_calls": _said(made)["tool_calls"]})
    out = [_line(question, made, each, generate, done=False) for each in said]
    out.append(_line(question, made, {"content": ""}, generate, done=True))
    return [orjson.dumps(line) + b"\n" for line in out]

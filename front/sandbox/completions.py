"""OpenAI's legacy completions.

https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from typing import Any

from front.sandbox.answer import Answer, Question, answer, pieces
from front.sandbox.controls import parse
from front.sandbox.forms import CREATED, Refused, Reply, Request, not_served, number, sse, strings
from front.sandbox.openai import MAX_CHOICES, error, finish, usage

__all__ = ["error", "serve"]
KNOWN = frozenset(
    [
        "model", "prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n",
        "presence_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature", "top_p", "user",
    ]
)  # fmt: skip
"""OpenAI refuses members it does not know."""


def serve(request: Request) -> Reply:
    """POST /v1/completions; as a Form."""
    if request.method != "POST":
        raise not_served(request)
    body = request.body
    for name in body:
        if name not in KNOWN:
            raise Refused(f"Unrecognized request argument supplied: {name}", param=name)
    given = body.get("prompt")
    prompts = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    if not all(isinstance(each, str | list) for each in prompts):
        raise Refused("prompt must be a string, a list of strings, or tokens", param="prompt")
    made = [(question, answer(question)) for question in (_question(body, each, request.order) for each in prompts)]
    controls = made[0][0].controls
    if not body.get("stream"):
        return Reply(_whole(body, made), controls=controls)
    broken = sse({"error": {"message": "The sandbox broke.", "type": "server_error", "param": None, "code": None}})
    return Reply(None, _events(body, made), broken, content_type="text/event-stream", controls=controls)


def _question(body: dict[str, Any], prompt: Any, order: str) -> Question:
    controls, text = parse(prompt if isinstance(prompt, str) else str(len(prompt)), order)
    stop = body.get("stop")
    return Question(
        model=str(body.get("model", "")),
        text=f"{text}...{body['suffix']}" if body.get("suffix") else text,
        prompt=prompt if isinstance(prompt, str) else "word" * len(prompt),
        controls=controls,
        choices=number(body, "n", 1, MAX_CHOICES) or 1,
        logprobs=body.get("logprobs") is not None,
        stop=[stop] if isinstance(stop, str) else strings(stop, "stop"),
        limit=number(body, "max_tokens", 0),
    )


def _choices(body: dict[str, Any], made: list[tuple[Question, Answer]]) -> list[tuple[int, Question, Answer, str]]:
    """Number, question, answer and text of every choice: those of a prompt together."""
    out: list[tuple[int, Question, Answer, str]] = []
    for question, found in made:
        text = question.prompt + found.text if body.get("echo") else found.text
        out += [(len(out) + index, question, found, text) for index in range(question.choices)]
    return out


def _usage(made: list[tuple[Question, Answer]]) -> dict[str, Any]:
    told = [usage(found) for _, found in made]
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: sum(each[name] for each in told) for name in names}


def _logprobs(text: str, offset: int = 0) -> dict[str, Any]:
    tokens = pieces(text, 0)
    offsets = [offset + 4 * index for index in range(len(tokens))]
    alternatives = [{token: -0.5} for token in tokens]
    probabilities = [-0.5] * len(tokens)
    return {
        "tokens": tokens, "token_logprobs": probabilities, "top_logprobs": alternatives, "text_offset": offsets,
    }  # fmt: skip


def _whole(body: dict[str, Any], made: list[tuple[Question, Answer]]) -> dict[str, Any]:
    choices = [
        {
            "text": text,
            "index": index,
            "logprobs": _logprobs(text) if question.logprobs else None,
            "finish_reason": finish(found),
        }
        for index, question, found, text in _choices(body, made)
    ]
    out = {**_head(body, made), "choices": choices}
    if not made[0][0].controls.no_usage:
        out["usage"] = _usage(made)
    return out


def _head(body: dict[str, Any], made: list[tuple[Question, Answer]]) -> dict[str, Any]:
    return {
        "id": f"cmpl-{made[0][1].id}",
        "object": "text_completion",
        "created": CREATED,
        "model": body.get("model"),
    }


def _events(body: dict[str, Any], made: list[tuple[Question, Answer]]) -> list[bytes]:
    head, out = _head(body, made), []
    for index, question, found, text in _choices(body, made):
        at = 0
        for piece in pieces(text, question.controls.chunks):
            told = _logprobs(piece, at) if question.logprobs else None
            choice = {"text": piece, "index": index, "logprobs": told, "finish_reason": None}
            out.append(sse({**head, "choices": [choice]}))
            at += len(piece)
        last = {"text": "", "index": index, "logprobs": None, "finish_reason": finish(found)}
        out.append(sse({**head, "choices": [last]}))
    if (body.get("stream_options") or {}).get("include_usage") and not made[0][0].controls.no_usage:
        out.append(sse({**head, "choices": [], "usage": _usage(made)}))
    out.append(b"data: [DONE]\n\n")
    return out

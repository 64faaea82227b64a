"""OpenAI Responses. https://platform.openai.com/docs/api-reference/responses and /responses-streaming."""

from __future__ import annotations

from typing import Any

from front.sandbox import openai, responses_read
from front.sandbox.answer import Answer, Question, answer, pieces, prompt_tokens
from front.sandbox.forms import CREATED, Refused, Reply, Request, middle, not_served, sse, token_logprobs
from front.sandbox.sign import sign

FAILURE = {"code": "server_error", "message": "The sandbox broke."}
REASONS = {"length": "max_output_tokens", "filter": "content_filter"}
"""Why an answer is incomplete."""
ECHOED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what it says where the request was silent."""


def serve(request: Request) -> Reply:
    """POST /v1/responses and /v1/responses/input_tokens; as a Form."""
    if request.method != "POST" or request.path not in ("/v1/responses", "/v1/responses/input_tokens"):
        raise not_served(request)
    body = request.body
    question = responses_read.question(body, request.order)
    if request.path == "/v1/responses/input_tokens":
        tokens = prompt_tokens(question)
        return Reply({"object": "response.input_tokens", "input_tokens": tokens}, controls=question.controls)
    made = answer(question)
    items = _items(body, question, made)
    if not question.stream:
        return Reply(_response(body, question, made, items), controls=question.controls)
    stream = _Stream(body, question, made)
    events = stream.all(items)
    return Reply(
        events=events,
        error_event=stream.failure(middle(events)),
        content_type="text/event-stream; charset=utf-8",
        controls=question.controls,
    )


def error(request: Request, refused: Refused) -> Reply:
    """As all of OpenAI's; as a Form."""
    return openai.error(request, refused)


def _items(body: dict[str, Any], question: Question, made: Answer) -> list[dict[str, Any]]:
    """The output items, whole."""
    items: list[dict[str, Any]] = []
    if made.thought:
        item: dict[str, Any] = {"id": f"rs_{made.id}", "type": "reasoning", "summary": []}
        if question.controls.thinking or (body.get("reasoning") or {}).get("summary"):
            item["summary"] = [{"type": "summary_text", "text": made.thought}]
        if "reasoning.encrypted_content" in (body.get("include") or ()):
            item["encrypted_content"] = sign("reasoning", item["id"], made.id)
        items.append(item)
    status = "incomplete" if made.finish in REASONS else "completed"
    if made.finish == "refusal":
        part: dict[str, Any] = {"type": "refusal", "refusal": made.text}
    else:
        logprobs = token_logprobs(made.text) if question.logprobs else []
        part = {"type": "output_text", "text": made.text, "annotations": [], "logprobs": logprobs}
    if not made.calls and (made.text or status == "completed"):
        message = {"id": f"msg_{made.id}", "type": "message", "status": status, "role": "assistant", "content": [part]}
        items.append(message)
    for call in made.calls:
        item = {"id": f"fc_{call.id.removeprefix('call_')}", "type": "function_call", "status": "completed"}
        items.append({**item, "call_id": call.id, "name": call.name, "arguments": call.arguments})
    return items


def _response(
    body: dict[str, Any], question: Question, made: Answer, items: list[dict[str, Any]], status: str = ""
) -> dict[str, Any]:
    """The response object; status tells one that is not at its end."""
    reason = None if status else REASONS.get(made.finish)
    status = status or ("incomplete" if reason else "completed")
    ended = status in ("completed", "incomplete")
    reasoning, text = body.get("reasoning") or {}, body.get("text") or {}
    tokens = {
        "input_tokens": made.input,
        "input_tokens_details": {"cached_tokens": made.cached, "cache_write_tokens": made.written},
        "output_tokens": made.output,
        "output_tokens_details": {"reasoning_tokens": made.reasoning},
        "total_tokens": made.input + made.output,
    }
    return {
        "id": f"resp_{made.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "completed_at": CREATED if status == "completed" else None,
        "error": FAILURE if status == "failed" else None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": question.model,
        "output": items,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "service_tier": "default",
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
        **{name: silent if body.get(name) is None else body[name] for name, silent in ECHOED.items()},
        "usage": tokens if ended and not question.controls.no_usage else None,
    }


class _Stream:
    """The events of one response; each has the next sequence number."""

    def __init__(self, body: dict[str, Any], question: Question, made: Answer) -> None:
        self._body, self._question, self._made = body, question, made
        self._events: list[bytes] = []
        self._place: dict[str, Any] = {}

    def all(self, items: list[dict[str, Any]]) -> list[bytes]:
        """Every event in its order."""
        for status in ("created", "in_progress"):
            begun = _response(self._body, self._question, self._made, [], "in_progress")
            self._add(f"response.{status}", response=begun)
        for index, item in enumerate(items):
            self._place = {"output_index": index, "item_id": item["id"]}
            empty: dict[str, list[Any] | str] = {"arguments": "", "content": [], "summary": []}
            begun = {**item, **{name: empty[name] for name in empty if name in item}}
            if "status" in item:
                begun["status"] = "in_progress"
            self._add("response.output_item.added", output_index=index, item=begun)
            self._fill(item)
            self._add("response.output_item.done", output_index=index, item=item)
        whole = _response(self._body, self._question, self._made, items)
        self._add(f"response.{whole['status']}", response=whole)
        return self._events

    def failure(self, number: int) -> bytes:
        """What a response that fails in its midst ends with, from this sequence number on."""
        failed = _response(self._body, self._question, self._made, [], "failed")
        kind = "response.failed"
        told = {"type": "error", **FAILURE, "param": None, "sequence_number": number}
        return sse(told, "error") + sse({"type": kind, "response": failed, "sequence_number": number + 1}, kind)

    def _add(self, kind: str, **fields: Any) -> None:
        self._events.append(sse({"type": kind, **fields, "sequence_number": len(self._events)}, kind))

    def _fill(self, item: dict[str, Any]) -> None:
        """The events between an item's first and last."""
        for index, part in enumerate(item.get("summary", ())):
            place = {**self._place, "summary_index": index}
            self._add("response.reasoning_summary_part.added", **place, part={**part, "text": ""})
            self._text("response.reasoning_summary_text", place, "text", part["text"])
            self._add("response.reasoning_summary_part.done", **place, part=part)
        for index, part in enumerate(item.get("content", ())):
            place = {**self._place, "content_index": index}
            name = "refusal" if part["type"] == "refusal" else "text"
            begun = {**part, name: "", **({"logprobs": []} if name == "text" else {})}
            self._add("response.content_part.added", **place, part=begun)
            kind = "response.refusal" if name == "refusal" else "response.output_text"
            self._text(kind, place, name, part[name], logprobs=part.get("logprobs"))
            self._add("response.content_part.done", **place, part=part)
        if "arguments" in item:
            self._text("response.function_call_arguments", self._place, "arguments", item["arguments"])

    def _text(self, kind: str, place: dict[str, Any], field: str, text: str, logprobs: list[Any] | None = None) -> None:
        """A text's pieces, and the whole; output text comes with log-probabilities, be there any or not."""
        for piece in pieces(text, self._question.controls.chunks):
            each = {} if logprobs is None else {"logprobs": token_logprobs(piece) if logprobs else []}
            self._add(f"{kind}.delta", **place, delta=piece, **each)
        done = {} if logprobs is None else {"logprobs": logprobs}
        self._add(f"{kind}.done", **place, **{field: text}, **done)

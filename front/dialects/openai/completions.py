"""OpenAI's legacy Completions: a prompt as a user's message, answers as text.

https://platform.openai.com/docs/api-reference/completions
Several prompts, and prompts in tokens, only go to vendors that have the form themselves.
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, parts_pb2, usage_pb2

from front.dialects.interface import Ask, StreamRenderer
from front.dialects.openai import chat as openai_chat
from front.dialects.openai import errors as openai_errors
from front.dialects.openai import render as openai_render
from front.dialects.openai.dialect import OpenAIErrors
from front.dialects.strict import take, whole
from front.errors import FrontError, bad

FORM = "openai.completions"
MOST_PROMPTS = 2048
"""OpenAI's own limit."""
MOST_LOGPROBS = 20
NAMED = "prompt must be a string, an array of strings, or token ids."


class OpenAICompletions(OpenAIErrors):
    """Implements ChatDialect: POST /v1/completions."""

    form = FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        source = ask.source
        model = take(source, "model", str)
        if not model or not model.strip():
            raise bad("model is required.", "model")
        chat = chat_pb2.ChatRequest()
        left: dict[str, Any] = {}
        prompts = _prompts(chat, source.pop("prompt", None), left)
        streamed = bool(take(source, "stream", bool))
        limit = whole(source, "max_tokens", 0, openai_chat.MOST_TOKENS)
        if limit:
            chat.max_output_tokens = limit
        elif limit == 0:
            left["max_tokens"] = 0
        choices = whole(source, "n", 1, openai_chat.MOST_CHOICES)
        if choices is not None:
            chat.candidates = choices
        best = whole(source, "best_of", 0, openai_chat.MOST_CHOICES)
        if best is not None:
            left["best_of"] = best
        told = whole(source, "logprobs", 0, MOST_LOGPROBS)
        if told is not None:
            chat.sampling.logprobs, chat.sampling.top_logprobs = True, told
        chat.echo = bool(take(source, "echo", bool))
        chat.identity.user = take(source, "user", str) or ""
        openai_chat.stream_options(chat, source)
        openai_chat.sampling(chat, source)
        left.update({name: value for name, value in source.items() if value is not None})
        if left:
            chat.extensions.by_dialect[FORM] = orjson.dumps(left)
        envelope = common_pb2.Envelope(
            operation=common_pb2.OPERATION_CHAT,
            model=model,
            stream=streamed,
            max_output_tokens=chat.max_output_tokens,
            candidates=max(choices or 1, best or 1) * prompts,
            path=ask.path,
        )
        return envelope, chat

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """See the interface."""
        before = echoed(chat)
        choices = []
        for choice in answer.choices:
            said = before + "".join(map(spoken, choice.parts))
            choices.append(
                {
                    "text": said,
                    "index": choice.index,
                    "logprobs": logprobs(choice.logprobs, len(before)),
                    "finish_reason": openai_render.finish(choice.finish, legacy=False),
                }
            )
        body: dict[str, Any] = {
            "id": answer.id or f"cmpl-{now}",
            "object": "text_completion",
            "created": answer.created or now,
            "model": answer.model,
            "choices": choices,
            "usage": openai_render.usage(answer.usage),
        }
        if answer.system_fingerprint:
            body["system_fingerprint"] = answer.system_fingerprint
        return orjson.dumps(body)

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """See the interface."""
        return CompletionsRenderer(envelope.model, chat, request_id, now)


def _prompts(chat: chat_pb2.ChatRequest, value: Any, left: dict[str, Any]) -> int:
    """The prompts as messages of the user; how many. What no conversation holds stays in left as it came."""
    if isinstance(value, str):
        chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = value
        return 1
    if not isinstance(value, list) or not value:
        raise bad(NAMED, "prompt")
    several = [value] if _are_tokens(value) else value
    if len(several) > MOST_PROMPTS:
        raise bad(f"prompt has more than {MOST_PROMPTS} entries.", "prompt")
    for item in several:
        part = chat.messages.add(role=chat_pb2.ROLE_USER).parts.add()
        if isinstance(item, str):
            part.text.text = item
        elif isinstance(item, list) and item and _are_tokens(item):
            part.opaque.dialect, part.opaque.kind, part.opaque.json = FORM, "tokens", orjson.dumps(item)
        else:
            raise bad(NAMED, "prompt")
    if len(several) > 1 or not isinstance(several[0], str):
        left["prompt"] = value
    return len(several)


def _are_tokens(items: list[Any]) -> bool:
    return all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 1 << 32 for item in items)


def echoed(chat: chat_pb2.ChatRequest) -> str:
    """The prompt where it is told before each choice."""
    if not chat.echo:
        return ""
    return "".join(part.text.text for message in chat.messages for part in message.parts)


def spoken(part: parts_pb2.Part) -> str:
    """What a part of an answer says; thoughts have no place in this form."""
    kind = part.WhichOneof("kind")
    if kind in ("code", "code_outcome"):
        return openai_render.fenced(part)
    return part.text.text or part.refusal.text


def logprobs(found: parts_pb2.LogProbabilities, offset: int) -> dict[str, Any] | None:
    """Log-probabilities in this form; offset: characters before the first token. None where they are others'."""
    if not found.json:
        return None
    told = orjson.loads(found.json)
    if found.dialect == FORM:
        return dict(told)
    if found.dialect != openai_chat.FORM or not isinstance(told.get("content"), list):
        return None
    made: dict[str, Any] = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for token in told["content"]:
        made["tokens"].append(token["token"])
        made["token_logprobs"].append(token["logprob"])
        made["top_logprobs"].append({other["token"]: other["logprob"] for other in token.get("top_logprobs") or ()})
        made["text_offset"].append(offset)
        offset += len(token["token"])
    if not any(made["top_logprobs"]):
        made["top_logprobs"] = None
    return made


class CompletionsRenderer:
    """Canonical events as text_completion events. Implements the interface's StreamRenderer."""

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, chat: chat_pb2.ChatRequest, request_id: str, now: int) -> None:
        self._head: dict[str, Any] = {
            "id": f"cmpl-{request_id}",
            "object": "text_completion",
            "created": now,
            "model": model,
        }
        self._request_id = request_id
        self._include_usage = chat.stream_options.include_usage
        self._echo = echoed(chat)
        self._told: dict[int, int] = {}
        """Choice -> characters told of it."""
        self._usage: usage_pb2.Usage | None = None

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if kind == "delta":
            delta = event.delta
            if delta.text or delta.refusal or delta.HasField("logprobs"):
                return self._chunk(delta.choice, delta.text or delta.refusal, delta.logprobs)
        elif kind == "part_started":
            begun = event.part_started
            if said := spoken(begun.part):
                return self._chunk(begun.choice, said)
        elif kind == "finished":
            return self._chunk(
                event.finished.choice, "", finish=openai_render.finish(event.finished.finish, legacy=False)
            )
        elif kind == "started":
            head = self._head
            head["id"] = event.started.id or head["id"]
            head["created"] = event.started.created or head["created"]
            if event.started.system_fingerprint:
                head["system_fingerprint"] = event.started.system_fingerprint
        elif kind == "usage":
            self._usage = event.usage.usage
        elif kind == "ended":
            return self._end()
        return b""

    def _chunk(
        self, choice: int, said: str, found: parts_pb2.LogProbabilities | None = None, finish: str | None = None
    ) -> bytes:
        before = ""
        if choice not in self._told:
            before = self._echo
            self._told[choice] = len(before)
        told = logprobs(found, self._told[choice]) if found is not None else None
        self._told[choice] += len(said)
        made = {"text": before + said, "index": choice, "logprobs": told, "finish_reason": finish}
        return b"data: " + orjson.dumps({**self._head, "choices": [made]}) + b"\n\n"

    def native(self, data: bytes) -> bytes:
        """As they came."""
        return data

    def fault(self, error: FrontError) -> bytes:
        """The envelope as an event."""
        return openai_errors.event(error, self._request_id)

    def close(self) -> bytes:
        """[DONE] has been sent, or a fault."""
        return b""

    def ping(self) -> bytes:
        """A comment."""
        return b": ping\n\n"

    def _end(self) -> bytes:
        """Usage, where it was asked for, and [DONE]."""
        last = b"data: [DONE]\n\n"
        if self._include_usage and self._usage is not None:
            body = {**self._head, "choices": [], "usage": openai_render.usage(self._usage)}
            return b"data: " + orjson.dumps(body) + b"\n\n" + last
        return last

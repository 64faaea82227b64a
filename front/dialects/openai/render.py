"""Canonical answers as OpenAI's: whole answers, and streams by a small state machine.

Shapes are those of the openai SDK's types (chat.completion, chat.completion.chunk, CompletionUsage); beyond
them reasoning_content (DeepSeek's name, which most clients know), images (OpenRouter's) and extra_content
(Google's, for thought signatures).
"""

from __future__ import annotations

import base64
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from front.dialects import call_ids
from front.dialects.openai import errors as openai_errors
from front.dialects.openai import reasoning as openai_reasoning
from front.dialects.openai.parts import FORM
from front.errors import FrontError

FINISH = {
    chat_pb2.FINISH_REASON_LENGTH: "length",
    chat_pb2.FINISH_REASON_CONTEXT_WINDOW: "length",
    chat_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
    chat_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    chat_pb2.FINISH_REASON_REFUSAL: "content_filter",
}


def usage(found: usage_pb2.Usage) -> dict[str, Any]:
    """OpenAI's usage object; counts that few answers have only where there are any."""
    written = found.cache_write_5m_tokens + found.cache_write_1h_tokens + found.cache_write_other_tokens
    prompt = {"cached_tokens": found.cached_tokens, "audio_tokens": found.input_audio_tokens}
    answer = {
        "reasoning_tokens": found.reasoning_tokens,
        "audio_tokens": found.output_audio_tokens,
        "accepted_prediction_tokens": found.accepted_prediction_tokens,
        "rejected_prediction_tokens": found.rejected_prediction_tokens,
    }
    if written:
        prompt["cache_write_tokens"] = written
    if found.input_image_tokens:
        prompt["image_tokens"] = found.input_image_tokens
    if found.output_image_tokens:
        answer["image_tokens"] = found.output_image_tokens
    told: dict[str, Any] = {
        "prompt_tokens": found.input_tokens,
        "completion_tokens": found.output_tokens,
        "total_tokens": found.input_tokens + found.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": answer,
    }
    if found.convention == usage_pb2.USAGE_CONVENTION_ANTHROPIC:
        # New API's names: a gateway behind us bills by them.
        prompt["cached_creation_tokens"] = written
        told["usage_source"] = "anthropic"
        told["claude_cache_creation_5_m_tokens"] = found.cache_write_5m_tokens
        told["claude_cache_creation_1_h_tokens"] = found.cache_write_1h_tokens
    return told


def call(part: parts_pb2.Part) -> dict[str, Any]:
    """A tool call."""
    found = part.tool_call
    call_id = call_ids.join(found.id, part.thought_signature)
    if found.free_form:
        return {"id": call_id, "type": "custom", "custom": {"name": found.name, "input": found.arguments}}
    made: dict[str, Any] = {
        "id": call_id,
        "type": "function",
        "function": {"name": found.name, "arguments": found.arguments},
    }
    if part.thought_signature:
        signature = base64.b64encode(part.thought_signature).decode()
        made["extra_content"] = {"google": {"thought_signature": signature}}
    return made


def annotation(found: parts_pb2.Citation) -> Any:
    """An annotation, as it came where it was OpenAI's; None where OpenAI has no such kind."""
    if found.dialect == FORM and found.json:
        return orjson.loads(found.json)
    if not found.url:
        return None
    place = {"start_index": max(found.start, 0), "end_index": max(found.end, 0)}
    return {"type": "url_citation", "url_citation": {**place, "url": found.url, "title": found.title}}


def image(found: parts_pb2.ImagePart) -> dict[str, Any]:
    """A picture the model made, as OpenRouter tells it."""
    media = found.media
    source = media.WhichOneof("source")
    address = media.url
    if source in ("base64", "data"):
        data = media.base64 if source == "base64" else base64.b64encode(media.data).decode()
        address = f"data:{media.mime_type or 'image/png'};base64,{data}"
    return {"type": "image_url", "image_url": {"url": address}}


def sound(found: parts_pb2.AudioPart) -> dict[str, Any]:
    """Audio the model made."""
    return {
        "id": found.id,
        "data": found.media.base64,
        "expires_at": found.expires_at,
        "transcript": found.transcript,
    }


def fenced(part: parts_pb2.Part) -> str:
    """Code the model ran, or its outcome, as text: OpenAI's chat has no place for it."""
    if part.HasField("code"):
        return f"\n```{part.code.language.lower()}\n{part.code.code}\n```\n"
    return f"\n```output\n{part.code_outcome.output}\n```\n"


def logprobs(found: parts_pb2.LogProbabilities) -> Any:
    """Log-probabilities, where they are OpenAI's."""
    return orjson.loads(found.json) if found.json and found.dialect == FORM else None


def _extra(extensions: Any) -> dict[str, Any]:
    """What the vendor said in OpenAI's form without a field for it."""
    json = extensions.by_dialect.get(FORM)
    return dict(orjson.loads(json)) if json else {}


def is_legacy(chat: chat_pb2.ChatRequest) -> bool:
    """Whether the client offered `functions` and so expects a function_call."""
    return any(tool.function.legacy for tool in chat.tools)


def _message(choice: chat_pb2.Choice, legacy: bool) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    refusals: list[str] = []
    calls: list[dict[str, Any]] = []
    annotations: list[Any] = []
    images: list[dict[str, Any]] = []
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for part in choice.parts:
        kind = part.WhichOneof("kind")
        if kind == "text":
            texts.append(part.text.text)
            annotations += filter(None, map(annotation, part.text.citations))
        elif kind == "thinking":
            thoughts.append(part.thinking.text or "\n".join(part.thinking.summary))
        elif kind == "refusal":
            refusals.append(part.refusal.text)
        elif kind == "tool_call":
            calls.append(call(part))
        elif kind == "image":
            images.append(image(part.image))
        elif kind in ("code", "code_outcome"):
            texts.append(fenced(part))
        elif kind == "audio":
            message["audio"] = sound(part.audio)
    told = {
        "content": "".join(texts),
        "refusal": "".join(refusals),
        "reasoning_content": "".join(thoughts),
        "reasoning_details": openai_reasoning.details(choice.parts),
        "annotations": annotations,
        "images": images,
    }
    message.update({name: value for name, value in told.items() if value})
    if calls and legacy and "function" in calls[0]:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    if message["content"] is None and (texts or not choice.parts):
        message["content"] = ""
    return message


def finish(reason: chat_pb2.FinishReason.ValueType, legacy: bool) -> str:
    """OpenAI's word for why a choice ended."""
    word = FINISH.get(reason, "stop")
    return "function_call" if legacy and word == "tool_calls" else word


def whole(chat: chat_pb2.ChatResponse, asked: chat_pb2.ChatRequest, now: int) -> bytes:
    """A whole answer; now: Unix seconds, where the vendor told none."""
    legacy = is_legacy(asked)
    choices = []
    for choice in chat.choices:
        extra = _extra(choice.extensions)
        message = _message(choice, legacy)
        message.update({name: value for name, value in extra.pop("message", {}).items() if name not in message})
        made = {
            "index": choice.index,
            "message": message,
            "logprobs": logprobs(choice.logprobs),
            "finish_reason": finish(choice.finish, legacy),
        }
        if choice.stop_sequence:
            made["stop_reason"] = choice.stop_sequence
        choices.append({**extra, **made})
    answer: dict[str, Any] = {
        "id": chat.id or f"chatcmpl-{now}",
        "object": "chat.completion",
        "created": chat.created or now,
        "model": chat.model,
        "choices": choices,
        "usage": usage(chat.usage),
    }
    for name in ("service_tier", "system_fingerprint"):
        if value := getattr(chat, name):
            answer[name] = value
    return orjson.dumps({**answer, **{k: v for k, v in _extra(chat.extensions).items() if k not in answer}})


class StreamRenderer:
    """Canonical events as chat.completion.chunk events. Implements the interface's StreamRenderer."""

    content_type = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, chat: chat_pb2.ChatRequest, request_id: str, now: int) -> None:
        self._head: dict[str, Any] = {
            "id": f"chatcmpl-{request_id}",
            "object": "chat.completion.chunk",
            "created": now,
            "model": model,
        }
        self._request_id = request_id
        self._include_usage = chat.stream_options.include_usage
        self._legacy = is_legacy(chat)
        self._calls: dict[tuple[int, int], tuple[int, bool]] = {}
        """(choice, part) -> the call's number, and whether its input is free-form."""
        self._begun: set[int] = set()
        self._thoughts = openai_reasoning.Streamed()
        self._usage: usage_pb2.Usage | None = None
        self._plain = b""
        """What stands before a piece of text of choice 0 that comes without anything else; empty: not begun."""

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one event; may be none."""
        kind = event.WhichOneof("event")
        if kind == "delta":
            return self._delta(event.delta)
        if kind == "part_started":
            return self._started(event.part_started)
        if kind == "part_ended":
            return self._ended(event.part_ended)
        if kind == "finished":
            done = event.finished
            extra = _extra(done.extensions)
            if done.stop_sequence:
                extra["stop_reason"] = done.stop_sequence
            return self._chunk(done.choice, {}, finish(done.finish, self._legacy), **extra)
        if kind == "started":
            return self._begin(event.started)
        if kind == "usage":
            self._usage = event.usage.usage
        if kind == "ended":
            return self._end()
        return b""

    def _begin(self, started: chat_pb2.StreamStarted) -> bytes:
        head = self._head
        head["id"] = started.id or head["id"]
        head["created"] = started.created or head["created"]
        for name in ("service_tier", "system_fingerprint"):
            if value := getattr(started, name):
                head[name] = value
        first = self._chunk(0, {"content": ""})
        self._plain = b"data: " + orjson.dumps(head)[:-1] + b',"choices":[{"index":0,"delta":{"content":'
        if extra := _extra(started.extensions):
            return first[: -len(b"}\n\n")] + b"," + orjson.dumps(extra)[1:] + b"\n\n"
        return first

    def _started(self, started: chat_pb2.PartStarted) -> bytes:
        part = started.part
        kind = part.WhichOneof("kind")
        if kind == "tool_call":
            number = sum(1 for choice, _ in self._calls if choice == started.choice)
            self._calls[(started.choice, started.index)] = (number, part.tool_call.free_form)
            made = call(part)
            if self._legacy and "function" in made:
                return self._chunk(started.choice, {"function_call": made["function"]})
            return self._chunk(started.choice, {"tool_calls": [{"index": number, **made}]})
        if kind == "audio" and part.audio.id:
            return self._chunk(started.choice, {"audio": {"id": part.audio.id}})
        if kind == "image" and part.image.media.WhichOneof("source"):
            return self._chunk(started.choice, {"images": [image(part.image)]})
        if kind in ("code", "code_outcome"):
            return self._chunk(started.choice, {"content": fenced(part)})
        if kind == "text" and part.text.text:
            return self._chunk(started.choice, {"content": part.text.text})
        if kind == "thinking" and (said := self._thoughts.begin((started.choice, started.index), part.thinking)):
            return self._chunk(started.choice, {"reasoning_content": said})
        return b""

    def _ended(self, ended: chat_pb2.PartEnded) -> bytes:
        told = self._thoughts.end((ended.choice, ended.index))
        return self._chunk(ended.choice, {"reasoning_details": told}) if told else b""

    def _delta(self, delta: chat_pb2.PartDelta) -> bytes:
        kind = delta.WhichOneof("delta")
        made: dict[str, Any] = {}
        if kind == "text":
            if self._plain and not (delta.choice or delta.HasField("logprobs") or delta.HasField("extensions")):
                return self._plain + orjson.dumps(delta.text) + b'},"finish_reason":null}]}\n\n'
            made["content"] = delta.text
        elif kind in ("thinking", "summary", "signature", "encrypted"):
            said = self._thoughts.grow(delta)
            made = {"reasoning_content": said} if said else {}
        elif kind == "refusal":
            made["refusal"] = delta.refusal
        elif kind == "arguments" and (delta.choice, delta.index) in self._calls:
            number, free = self._calls[(delta.choice, delta.index)]
            named = {"custom": {"input": delta.arguments}} if free else {"function": {"arguments": delta.arguments}}
            made = {"tool_calls": [{"index": number, **named}]}
            if self._legacy and not free:
                made = {"function_call": named["function"]}
        elif kind == "audio_base64":
            made["audio"] = {"data": delta.audio_base64}
        elif kind == "transcript":
            made["audio"] = {"transcript": delta.transcript}
        elif kind == "citation":
            found = annotation(delta.citation)
            made = {"annotations": [found]} if found is not None else {}
        if delta.HasField("extensions"):
            made = {**_extra(delta.extensions), **made}
        told = logprobs(delta.logprobs) if delta.HasField("logprobs") else None
        if told is not None:
            return self._chunk(delta.choice, made, logprobs=told)
        return self._chunk(delta.choice, made) if made else b""

    def _chunk(self, choice: int, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", **delta}
        body = {**self._head, "choices": [{"index": choice, "delta": delta, **more, "finish_reason": finish}]}
        return b"data: " + orjson.dumps(body) + b"\n\n"

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
            body = {**self._head, "choices": [], "usage": usage(self._usage)}
            return b"data: " + orjson.dumps(body) + b"\n\n" + last
        return last

"""Ollama's answers, whole and in lines, as canonical messages and events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.ollama.encode import FORM
from core.vendors.shared import refusal
from core.vendors.shared.counts import Reader
from core.vendors.shared.sse import Lines
from core.vendors.shared.values import arguments, text

LOGPROBS = "openai.chat"
"""Ollama's log-probabilities are those of OpenAI's chat, without the object around them."""
CALLS_LIMIT = 1024


def parse(body: bytes, what: str = "it") -> dict[str, Any]:
    """An answer or a line as an object. Raises BadAnswer."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer(f"{what} is not JSON") from None
    if not isinstance(found, dict):
        raise BadAnswer(f"{what} is not an object")
    return found


def message_of(found: dict[str, Any]) -> dict[str, Any]:
    """What is said in an answer or line: of chat, or of generate."""
    message = found.get("message")
    if isinstance(message, dict):
        return message
    return {"content": found.get("response"), "thinking": found.get("thinking")}


def created(found: dict[str, Any], call: Call) -> int:
    """Unix seconds of created_at."""
    told = text(found.get("created_at"))
    try:
        return int(datetime.fromisoformat(told[:19] + "+00:00").timestamp()) if told else call.created
    except ValueError:
        return call.created


def finish(found: dict[str, Any], called: bool) -> chat_pb2.FinishReason.ValueType:
    """Why the answer ended; calls are told by their being there."""
    if called:
        return chat_pb2.FINISH_REASON_TOOL_CALLS
    return chat_pb2.FINISH_REASON_LENGTH if found.get("done_reason") == "length" else chat_pb2.FINISH_REASON_STOP


def usage(found: dict[str, Any]) -> usage_pb2.Usage | None:
    """The counts of a last line; None where the prompt's is missing: some versions leave it out of a cached one."""
    if not found.get("prompt_eval_count"):
        return None
    read = Reader()
    made = usage_pb2.Usage(
        input_tokens=read.count(found, "prompt_eval_count"),
        output_tokens=read.count(found, "eval_count"),
        raw=orjson.dumps({name: value for name, value in found.items() if name.endswith(("_count", "_duration"))}),
        convention=usage_pb2.USAGE_CONVENTION_OPENAI,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )
    made.corrections.extend(read.corrections)
    return made


def tool_call(made: Any, number: int, told_at: str) -> parts_pb2.ToolCall:
    """A call, whole; older versions tell no id: one is made of when it was told, which they say to the nanosecond."""
    function = made.get("function") if isinstance(made, dict) else None
    if not isinstance(function, dict):
        raise BadAnswer("a tool call has no function")
    return parts_pb2.ToolCall(
        id=text(made.get("id")) or f"call_{''.join(filter(str.isdigit, told_at))[-16:]}_{number}",
        name=text(function.get("name")),
        arguments=arguments(function.get("arguments") or {}),
    )


def logprobs(value: Any) -> parts_pb2.LogProbabilities | None:
    """Log-probabilities as OpenAI's."""
    if not isinstance(value, list) or not value:
        return None
    return parts_pb2.LogProbabilities(dialect=LOGPROBS, json=orjson.dumps({"content": value}))


def decode(body: bytes, call: Call) -> chat_pb2.ChatResponse:
    """A whole answer. Raises BadAnswer."""
    found = parse(body)
    if not isinstance(found.get("message"), dict) and not isinstance(found.get("response"), str):
        raise BadAnswer("there is no message")
    message = message_of(found)
    response = chat_pb2.ChatResponse(model=call.asked, created=created(found, call))
    choice = response.choices.add()
    if said := text(message.get("thinking")):
        choice.parts.add().thinking.text = said
    if said := text(message.get("content")):
        choice.parts.add().text.text = said
    calls = message.get("tool_calls")
    for number, made in enumerate(calls if isinstance(calls, list) else ()):
        choice.parts.add().tool_call.CopyFrom(tool_call(made, number, text(found.get("created_at"))))
    choice.vendor_finish = text(found.get("done_reason"))
    choice.finish = finish(found, bool(calls))
    told = logprobs(found.get("logprobs"))
    if told is not None:
        choice.logprobs.CopyFrom(told)
    counted = usage(found)
    if counted is not None:
        response.usage.CopyFrom(counted)
    if isinstance(found.get("context"), list):
        response.extensions.by_dialect[FORM] = orjson.dumps({"context": found["context"]})
    return response


class OllamaDecoder:
    """Implements ChatDecoder."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._lines = Lines(call.house.event_limit)
        self._started = False
        self._parts = 0
        self._open = ""
        self._called = 0
        self.usage: usage_pb2.Usage | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events of lines that became whole. Raises BadAnswer where they are not of this form."""
        return self._read(self._lines.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where no line said that it is done."""
        out = self._read([self._lines.rest()])
        if not self.finished:
            raise BadAnswer("the stream was cut")
        return out

    def _read(self, lines: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for line in lines:
            if line.strip() and not self.finished:
                self._line(parse(line, "a line of the stream"), out)
        return out

    def _line(self, found: dict[str, Any], out: list[ChatEvent]) -> None:
        if found.get("error"):
            self.finished = True
            out.append(ChatEvent(fault=refusal.fault({"message": text(found["error"])}, self._call.secret)))
            return
        if not self._started:
            self._started = True
            started = chat_pb2.StreamStarted(model=self._call.asked, created=created(found, self._call))
            out.append(ChatEvent(started=started))
        message = message_of(found)
        self._say("thinking", text(message.get("thinking")), out)
        self._say("text", text(message.get("content")), out)
        told = logprobs(found.get("logprobs"))
        if told is not None:
            self._say("text", "", out, empty=not out or not out[-1].HasField("delta"))
            out[-1].delta.logprobs.CopyFrom(told)
        calls = message.get("tool_calls")
        for made in calls if isinstance(calls, list) else ():
            self._call_made(made, text(found.get("created_at")), out)
        if found.get("done") is True:
            self._done(found, out)

    def _say(self, kind: str, words: str, out: list[ChatEvent], empty: bool = False) -> None:
        if not words and not empty:
            return
        if self._open != kind:
            self._shut(out)
            part = parts_pb2.Part()
            getattr(part, kind).SetInParent()
            self._open = kind
            self._parts += 1
            out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=self._parts - 1, part=part)))
        made = chat_pb2.PartDelta(index=self._parts - 1, **{kind: words})  # type: ignore[arg-type]
        out.append(ChatEvent(delta=made))

    def _shut(self, out: list[ChatEvent]) -> None:
        if self._open:
            self._open = ""
            out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=self._parts - 1)))

    def _call_made(self, made: Any, told_at: str, out: list[ChatEvent]) -> None:
        """A call comes whole."""
        if self._called >= CALLS_LIMIT:
            raise BadAnswer("there are too many tool calls")
        self._shut(out)
        whole = tool_call(made, self._called, told_at)
        self._called += 1
        begun = parts_pb2.ToolCall(id=whole.id, name=whole.name)
        at = self._parts
        self._parts += 1
        out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=at, part=parts_pb2.Part(tool_call=begun))))
        out.append(ChatEvent(delta=chat_pb2.PartDelta(index=at, arguments=whole.arguments)))
        out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=at)))

    def _done(self, found: dict[str, Any], out: list[ChatEvent]) -> None:
        self._shut(out)
        done = chat_pb2.ChoiceFinished(
            finish=finish(found, self._called > 0), vendor_finish=text(found.get("done_reason"))
        )
        out.append(ChatEvent(finished=done))
        self.usage = usage(found)
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage, final=True)))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))
        self.finished = True

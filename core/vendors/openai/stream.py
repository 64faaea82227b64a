"""Streams of OpenAI's chat form, as canonical events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.openai import decode
from core.vendors.openai import usage as usages
from core.vendors.shared import refusal, told
from core.vendors.shared.sse import Events
from core.vendors.shared.values import text, whole
from core.vendors.shared.words import words_event

_CHUNK = decode.ANSWER | {"obfuscation"}
_DELTA = decode.MESSAGE
_TELLING = frozenset(("error", "base_resp", "x_groq", "timings"))
"""Members beside the choices that say more than they do."""
CALLS_LIMIT = 1024
"""Tool calls one choice may hold."""


@dataclass(slots=True)
class _ToolPart:
    """A call that is being told: its part's number, its id, and its arguments so far."""

    index: int
    id: str
    said: list[str] = field(default_factory=list)

    def so_far(self) -> str:
        """The arguments told."""
        if len(self.said) > 1:
            self.said = ["".join(self.said)]
        return self.said[0] if self.said else ""


@dataclass(slots=True)
class _Choice:
    """What is open in one choice."""

    index: int
    parts: int = 0
    open_kind: str = ""
    open_index: int = 0
    calls: dict[object, _ToolPart] = field(default_factory=dict)
    ended: bool = False


class OpenAIDecoder:
    """Implements ChatDecoder."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._events = Events(call.house.event_limit)
        self._choices: dict[int, _Choice] = {}
        self._started = False
        self._early: dict[str, Any] = {}
        """Members of chunks that came before the answer began (Azure's prompt_filter_results)."""
        self._answer_id = ""
        self.usage: usage_pb2.Usage | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._read(self._events.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where neither [DONE] nor a finish reason came."""
        out = self._read(self._events.end())
        if self.finished:
            return out
        if not self._choices or not all(choice.ended for choice in self._choices.values()):
            raise BadAnswer("the stream was cut")
        return out + self._done()

    def _read(self, whole: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for data in whole:
            if self.finished:
                break
            if data.strip() == b"[DONE]":
                out += self._done()
            elif data.strip():
                self._chunk(data, out)
        return out

    def _done(self) -> list[ChatEvent]:
        self.finished = True
        out: list[ChatEvent] = []
        for choice in self._choices.values():
            if not choice.ended:
                self._close(choice, out)
        if self.usage is not None:
            report = chat_pb2.UsageReport(usage=self.usage, final=True)
            out.append(ChatEvent(usage=report))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))
        return out

    def _chunk(self, data: bytes, out: list[ChatEvent]) -> None:
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise BadAnswer("an event of the stream is not JSON") from None
        if not isinstance(chunk, dict):
            raise BadAnswer("an event of the stream is not an object")
        if self._more_words(chunk, out):
            return
        error = chunk.get("error") if "base_resp" not in chunk else told.error_of(chunk)
        if error:
            self.finished = True
            out.append(ChatEvent(fault=refusal.fault(error, self._call.secret)))
            return
        usage = usages.of_answer(chunk)
        if usage is not None:
            self.usage = usage
        choices = chunk.get("choices")
        if not self._started and (choices or chunk.get("id")):
            self._start({**self._early, **chunk}, out)
        elif not self._started:
            self._early.update((key, value) for key, value in chunk.items() if key not in _CHUNK)
        for number, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                self._choice(choice, number, out)

    def _more_words(self, chunk: dict[str, Any], out: list[ChatEvent]) -> bool:
        """The chunk most streams are made of: some more text of a part that is open. False where it is another."""
        choices = chunk.get("choices")
        if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
            return False
        raw = choices[0]
        delta, index = raw.get("delta"), raw.get("index")
        if type(delta) is not dict or len(delta) != 1 or type(index) is not int:
            return False
        words, choice = delta.get("content"), self._choices.get(index)
        if type(words) is not str or choice is None or choice.open_kind != "text" or choice.ended:
            return False
        if raw.get("finish_reason") or raw.get("logprobs") or raw.get("usage") or chunk.get("usage"):
            return False
        if not _TELLING.isdisjoint(chunk):
            return False
        if words:
            out.append(words_event(index, choice.open_index, "text", words))
        return True

    def _start(self, chunk: dict[str, Any], out: list[ChatEvent]) -> None:
        self._started = True
        self._answer_id = text(chunk.get("id"))
        started = chat_pb2.StreamStarted(
            id=self._answer_id,
            model=self._call.asked,
            created=whole(chunk.get("created")) or self._call.created,
            service_tier=text(chunk.get("service_tier")),
            system_fingerprint=text(chunk.get("system_fingerprint")),
        )
        if any(key not in _CHUNK and value is not None for key, value in chunk.items()):
            decode.extend(started.extensions, chunk, _CHUNK)
        out.append(ChatEvent(started=started))

    def _choice(self, raw: dict[str, Any], number: int, out: list[ChatEvent]) -> None:
        told = raw.get("index")
        index = told if isinstance(told, int) and 0 <= told < 1 << 16 else number
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index)
        delta = raw.get("delta")
        if not isinstance(delta, dict):
            delta = raw.get("message") if isinstance(raw.get("message"), dict) and not choice.parts else {}
        assert isinstance(delta, dict)
        if not choice.ended:
            self._delta(choice, delta, raw, out)
        word = text(raw.get("finish_reason"))
        if word and not choice.ended:
            self._close(choice, out)
            matched = raw.get("stop_reason", raw.get("matched_stop"))
            finished = chat_pb2.ChoiceFinished(
                choice=index,
                finish=decode.finish(word),
                vendor_finish=word,
                stop_sequence=text(matched) if word == "stop" else "",
            )
            decode.extend(finished.extensions, raw, decode.CHOICE)
            if not finished.extensions.by_dialect:
                finished.ClearField("extensions")
            out.append(ChatEvent(finished=finished))

    def _delta(self, choice: _Choice, delta: dict[str, Any], raw: dict[str, Any], out: list[ChatEvent]) -> None:
        words = delta.get("content")
        if isinstance(words, str) and len(delta) == 1 and not raw.get("logprobs"):
            self._say(choice, "text", words, out)
            return
        thoughts = text(delta.get("reasoning_content")) or text(delta.get("reasoning"))
        if thoughts:
            self._say(choice, "thinking", thoughts, out)
        content = delta.get("content")
        self._content(choice, content, out)
        found = decode.logprobs(raw.get("logprobs"))
        if found is not None:
            if not content:
                self._say(choice, "text", "", out, empty=True)
            out[-1].delta.logprobs.CopyFrom(found)
        for item in delta.get("annotations") or ():
            if isinstance(item, dict):
                at = self._open(choice, "text", out)
                out.append(_delta_event(choice.index, at, citation=decode.citation(item)))
        if words := text(delta.get("refusal")):
            self._say(choice, "refusal", words, out)
        if isinstance(delta.get("audio"), dict):
            self._audio(choice, delta["audio"], out)
        unknown = {key: value for key, value in delta.items() if key not in _DELTA and value is not None}
        if unknown:
            at = self._open(choice, choice.open_kind or "text", out)
            event = _delta_event(choice.index, at)
            event.delta.extensions.by_dialect[decode.DIALECT] = orjson.dumps(unknown)
            out.append(event)
        self._calls(choice, delta, out)

    def _calls(self, choice: _Choice, delta: dict[str, Any], out: list[ChatEvent]) -> None:
        calls = delta.get("tool_calls")
        for number, made in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(made, dict):
                self._call_delta(choice, made, number, out)
        if isinstance(delta.get("function_call"), dict) and not calls:
            self._call_delta(choice, {"index": 0, "function": delta["function_call"]}, 0, out)

    def _content(self, choice: _Choice, content: Any, out: list[ChatEvent]) -> None:
        """Text, or pieces of text and thinking (Mistral)."""
        if isinstance(content, list):
            for piece in content:
                if isinstance(piece, dict) and piece.get("type") == "thinking":
                    self._say(choice, "thinking", decode.thinking_text(piece), out)
                elif isinstance(piece, dict):
                    self._say(choice, "text", text(piece.get("text")), out)
        elif isinstance(content, str) and content:
            self._say(choice, "text", content, out)

    def _open(self, choice: _Choice, kind: str, out: list[ChatEvent]) -> int:
        """The number of the open part of a kind; another kind's part ends."""
        if choice.open_kind == kind:
            return choice.open_index
        self._shut(choice, out)
        part = parts_pb2.Part()
        getattr(part, kind).SetInParent()
        choice.open_kind, choice.open_index = kind, choice.parts
        choice.parts += 1
        out.append(_part_started(choice.index, choice.open_index, part))
        return choice.open_index

    def _say(self, choice: _Choice, kind: str, words: str, out: list[ChatEvent], empty: bool = False) -> None:
        if words or empty:
            out.append(words_event(choice.index, self._open(choice, kind, out), kind, words))

    def _audio(self, choice: _Choice, audio: dict[str, Any], out: list[ChatEvent]) -> None:
        if choice.open_kind != "audio":
            self._shut(choice, out)
            part = parts_pb2.Part(audio=parts_pb2.AudioPart(id=text(audio.get("id"))))
            choice.open_kind, choice.open_index = "audio", choice.parts
            choice.parts += 1
            out.append(_part_started(choice.index, choice.open_index, part))
        at = choice.open_index
        if data := text(audio.get("data")):
            out.append(_delta_event(choice.index, at, audio_base64=data))
        if words := text(audio.get("transcript")):
            out.append(_delta_event(choice.index, at, transcript=words))
        if expires := whole(audio.get("expires_at")):
            event = _delta_event(choice.index, at)
            event.delta.extensions.by_dialect[decode.DIALECT] = orjson.dumps({"audio": {"expires_at": expires}})
            out.append(event)

    def _call_delta(self, choice: _Choice, made: dict[str, Any], number: int, out: list[ChatEvent]) -> None:
        """A piece of a call. Vendors leave out the index, reuse it, or tell the whole call again."""
        told, given = made.get("index"), text(made.get("id"))
        key: object = told if isinstance(told, int) else given or ("nth", number)
        known = choice.calls.get(key)
        begun = decode.tool_call(made, decode.call_id(self._answer_id, choice.index, len(choice.calls)))
        if known is None or (given and known.id and given != known.id and begun.name):
            if len(choice.calls) >= CALLS_LIMIT:
                raise BadAnswer("there are too many tool calls")
            if known is not None:
                choice.calls[("closed", known.index)] = known
            self._shut(choice, out)
            known = choice.calls[key] = _ToolPart(choice.parts, begun.id)
            choice.parts += 1
            out.append(_part_started(choice.index, known.index, parts_pb2.Part(tool_call=begun)))
        words = decode.call_text(made)
        before = known.so_far() if given and begun.name else ""
        if before.startswith("{") and words.startswith(before):
            words = words[len(before) :]
        if words:
            known.said.append(words)
            out.append(_delta_event(choice.index, known.index, arguments=words))

    def _shut(self, choice: _Choice, out: list[ChatEvent]) -> None:
        if choice.open_kind:
            out.append(_part_ended(choice.index, choice.open_index))
            choice.open_kind = ""

    def _close(self, choice: _Choice, out: list[ChatEvent]) -> None:
        """Ends every open part: calls may interleave, so they stay open until the choice ends."""
        self._shut(choice, out)
        out += [_part_ended(choice.index, at) for at in sorted(call.index for call in choice.calls.values())]
        choice.calls.clear()
        choice.ended = True


def _delta_event(choice: int, index: int, **what: Any) -> ChatEvent:
    return ChatEvent(delta=chat_pb2.PartDelta(choice=choice, index=index, **what))


def _part_started(choice: int, index: int, part: parts_pb2.Part) -> ChatEvent:
    return ChatEvent(part_started=chat_pb2.PartStarted(choice=choice, index=index, part=part))


def _part_ended(choice: int, index: int) -> ChatEvent:
    return ChatEvent(part_ended=chat_pb2.PartEnded(choice=choice, index=index))

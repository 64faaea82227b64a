"""Streams of Gemini's form, as canonical events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.gemini import decode, refusal
from core.vendors.gemini import usage as usages
from core.vendors.gemini.chunks import Chunks
from core.vendors.gemini.partial import PartialArguments
from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.shared.values import text
from core.vendors.shared.words import words_event

PARTS_LIMIT = 65_536
"""Parts one candidate may hold."""
WORDS_LIMIT = 1 << 18
"""Characters of a candidate's text that are kept for citations, whose places count bytes; longer ones get none."""


@dataclass(slots=True)
class _Candidate:
    """What is open in one candidate, and what was told of its end: the form may tell it again and again."""

    index: int
    parts: int = 0
    calls: int = 0
    open_kind: str = ""
    open_index: int = 0
    signed: bool = False
    """Whether the open part has its signature: what follows is another part."""
    words: dict[int, list[str]] = field(default_factory=dict)
    kept: int = 0
    partial: PartialArguments | None = None
    partial_index: int = 0
    finish: str = ""
    told: dict[str, Any] = field(default_factory=dict)


class GeminiDecoder:
    """Implements ChatDecoder. A candidate ends with the stream, because later chunks may still tell of it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._chunks = Chunks(call.house.event_limit)
        self._candidates: dict[int, _Candidate] = {}
        self._answer_id = ""
        self._started = False
        self._feedback: dict[str, Any] | None = None
        self._searches = 0
        self._usage: usage_pb2.Usage | None = None
        self._told: dict[str, Any] | None = None
        """The latest usageMetadata, as long as nobody has asked what it means: every chunk tells it anew."""
        self.finished = False

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's, so far; None while it told none."""
        if self._told is not None:
            self._usage, self._told = usages.normalise(self._told), None
            if self._searches:
                self._usage.tool_calls["google_search"] = self._searches
        return self._usage

    @usage.setter
    def usage(self, usage: usage_pb2.Usage | None) -> None:
        self._told, self._usage = None, usage

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._read(self._chunks.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left and the end. Raises BadAnswer where no finish reason came."""
        out = self._read(self._chunks.end())
        if self.finished:
            return out
        reason = decode.blocked(self._feedback) if self._feedback is not None else ""
        candidates = self._candidates.values()
        if not reason and not (candidates and all(candidate.finish for candidate in candidates)):
            raise BadAnswer("the stream was cut")
        self.finished = True
        for candidate in candidates:
            self._close(candidate, out)
        if reason and not self._candidates:
            finished = chat_pb2.ChoiceFinished(finish=chat_pb2.FINISH_REASON_CONTENT_FILTER, vendor_finish=reason)
            out.append(ChatEvent(finished=finished))
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage, final=True)))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))
        return out

    def _read(self, objects: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for data in objects:
            if self.finished:
                break
            if data.strip() not in (b"", b"[DONE]"):
                self._chunk(data, out)
        return out

    def _chunk(self, data: bytes, out: list[ChatEvent]) -> None:
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise BadAnswer("an event of the stream is not JSON") from None
        if not isinstance(chunk, dict):
            raise BadAnswer("an event of the stream is not an object")
        if chunk.get("error"):
            self.finished = True
            out.append(ChatEvent(fault=refusal.fault(chunk["error"], self._call.secret)))
            return
        if found := usages.searches(chunk):
            self._searches = max(self._searches, found)
        told = chunk.get("usageMetadata")
        if told and isinstance(told, dict):
            self._told = told
        if isinstance(chunk.get("promptFeedback"), dict):
            self._feedback = chunk["promptFeedback"]
        if not self._started:
            self._start(chunk, out)
        candidates = chunk.get("candidates")
        for number, candidate in enumerate(candidates if isinstance(candidates, list) else ()):
            if isinstance(candidate, dict):
                self._candidate(candidate, number, out)

    def _start(self, chunk: dict[str, Any], out: list[ChatEvent]) -> None:
        self._started = True
        self._answer_id = text(chunk.get("responseId"))
        started = chat_pb2.StreamStarted(
            id=self._answer_id,
            model=self._call.asked,
            created=self._call.created,
            service_tier=decode.tier(chunk),
        )
        if self.usage is not None:
            started.usage.CopyFrom(self.usage)
        known = decode.ANSWER - {"promptFeedback"}
        if extra := decode.unknown(chunk, known):
            started.extensions.by_dialect[decode.DIALECT] = extra
        out.append(ChatEvent(started=started))

    def _candidate(self, raw: dict[str, Any], number: int, out: list[ChatEvent]) -> None:
        told = raw.get("index")
        index = told if isinstance(told, int) and 0 <= told < 1 << 16 else number
        candidate = self._candidates.setdefault(index, _Candidate(index))
        logprobs = raw.get("logprobsResult")
        first = len(out)
        for part in decode.parts_of(raw):
            self._part(candidate, part, out)
        if isinstance(logprobs, dict):
            self._logprobs(candidate, logprobs, out, first)
        candidate.finish = text(raw.get("finishReason")) or candidate.finish
        for key, value in raw.items():
            if key not in ("content", "finishReason", "index", "logprobsResult") and value is not None:
                candidate.told[key] = value

    def _logprobs(self, candidate: _Candidate, logprobs: dict[str, Any], out: list[ChatEvent], first: int) -> None:
        """With the last piece of text of the chunk, or a piece of its own."""
        spoken = [event for event in out[first:] if event.HasField("delta") and event.delta.HasField("text")]
        if not spoken:
            spoken = [_delta(candidate.index, self._open(candidate, "text", out), text="")]
            out.append(spoken[0])
        spoken[-1].delta.logprobs.dialect = decode.DIALECT
        spoken[-1].delta.logprobs.json = orjson.dumps(logprobs)

    def _part(self, candidate: _Candidate, raw: dict[str, Any], out: list[ChatEvent]) -> None:
        words = raw.get("text")
        if isinstance(words, str) and len(raw) == 1 and candidate.partial is None:
            self._say(candidate, "text", words, b"", out)
            return
        called = raw.get("functionCall")
        if isinstance(called, dict) and (candidate.partial is not None or _is_partial(called)):
            self._piece(candidate, raw, called, out)
            return
        part = decode.part(raw, decode.call_id(self._answer_id, candidate.index, candidate.calls))
        kind = part.WhichOneof("kind")
        plain = not part.extensions.by_dialect
        if kind in ("text", "thinking") and plain:
            said = part.text.text if kind == "text" else part.thinking.text
            self._say(candidate, kind, said, part.thought_signature, out)
            return
        self._shut(candidate, out)
        at = self._next(candidate)
        words = ""
        if kind == "tool_call":
            candidate.calls += 1
            words, part.tool_call.arguments = part.tool_call.arguments, ""
        elif kind == "text":
            self._keep(candidate, at, part.text.text)
            words, part.text.text = part.text.text, ""
        elif kind == "thinking":
            words, part.thinking.text = part.thinking.text, ""
        out.append(_started(candidate.index, at, part))
        if words:
            name = {"tool_call": "arguments"}.get(str(kind), str(kind))
            out.append(_delta(candidate.index, at, **{name: words}))
        out.append(_ended(candidate.index, at))

    def _say(self, candidate: _Candidate, kind: str, words: str, signed: bytes, out: list[ChatEvent]) -> None:
        """A piece of text or thought; a signature belongs to the part it comes with."""
        if not words and not signed:
            return
        if candidate.signed:
            self._shut(candidate, out)
        at = self._open(candidate, kind, out)
        if words:
            if kind == "text":
                self._keep(candidate, at, words)
            out.append(words_event(candidate.index, at, kind, words))
        if signed:
            out.append(_delta(candidate.index, at, signature=signed))
            candidate.signed = True

    def _keep(self, candidate: _Candidate, at: int, words: str) -> None:
        candidate.kept += len(words)
        if candidate.kept <= WORDS_LIMIT:
            candidate.words.setdefault(at, []).append(words)
        else:
            candidate.words.clear()

    def _piece(self, candidate: _Candidate, raw: dict[str, Any], called: dict[str, Any], out: list[ChatEvent]) -> None:
        """A call told in pieces: its arguments are passed on when they are whole."""
        if candidate.partial is None:
            self._shut(candidate, out)
            signed = decode.signature(raw)
            made_id = decode.call_id(self._answer_id, candidate.index, candidate.calls)
            part = parts_pb2.Part(tool_call=decode.tool_call(called, made_id), thought_signature=signed)
            candidate.calls += 1
            candidate.partial = PartialArguments()
            candidate.partial_index = self._next(candidate)
            out.append(_started(candidate.index, candidate.partial_index, part))
        candidate.partial.take(called)
        if not called.get("willContinue"):
            self._end_piece(candidate, out)

    def _end_piece(self, candidate: _Candidate, out: list[ChatEvent]) -> None:
        if candidate.partial is not None:
            words, candidate.partial = candidate.partial.text(), None
            out.append(_delta(candidate.index, candidate.partial_index, arguments=words))
            out.append(_ended(candidate.index, candidate.partial_index))

    def _next(self, candidate: _Candidate) -> int:
        if candidate.parts >= PARTS_LIMIT:
            raise BadAnswer("there are too many parts")
        candidate.parts += 1
        return candidate.parts - 1

    def _open(self, candidate: _Candidate, kind: str, out: list[ChatEvent]) -> int:
        """The number of the open part of a kind; another kind's part ends."""
        if candidate.open_kind == kind:
            return candidate.open_index
        self._shut(candidate, out)
        part = parts_pb2.Part()
        getattr(part, kind).SetInParent()
        if kind == "thinking":
            part.thinking.signed_by = decode.SIGNER
        candidate.open_kind, candidate.open_index = kind, self._next(candidate)
        out.append(_started(candidate.index, candidate.open_index, part))
        return candidate.open_index

    def _shut(self, candidate: _Candidate, out: list[ChatEvent]) -> None:
        self._end_piece(candidate, out)
        if candidate.open_kind:
            out.append(_ended(candidate.index, candidate.open_index))
            candidate.open_kind, candidate.signed = "", False

    def _close(self, candidate: _Candidate, out: list[ChatEvent]) -> None:
        """Ends the candidate: its open part, what its texts rest on, its finish."""
        told = candidate.told
        if told.get("groundingMetadata") or told.get("citationMetadata"):
            texts = [(at, "".join(words)) for at, words in sorted(candidate.words.items())]
            for at, citation in decode.citations(told, texts):
                if at == candidate.open_index and candidate.open_kind == "text":
                    out.append(_delta(candidate.index, at, citation=citation))
        self._shut(candidate, out)
        finished = chat_pb2.ChoiceFinished(
            choice=candidate.index,
            finish=decode.finish(candidate.finish, bool(candidate.calls)),
            vendor_finish=candidate.finish,
        )
        if isinstance(told.get("safetyRatings"), list):
            finished.safety_json = orjson.dumps(told["safetyRatings"])
        if isinstance(told.get("groundingMetadata"), dict):
            finished.grounding_json = orjson.dumps(told["groundingMetadata"])
        if extra := decode.extras(told):
            finished.extensions.by_dialect[decode.DIALECT] = extra
        out.append(ChatEvent(finished=finished))


def _is_partial(called: dict[str, Any]) -> bool:
    return bool(called.get("willContinue") or called.get("partialArgs"))


def _delta(choice: int, index: int, **what: Any) -> ChatEvent:
    return ChatEvent(delta=chat_pb2.PartDelta(choice=choice, index=index, **what))


def _started(choice: int, index: int, part: parts_pb2.Part) -> ChatEvent:
    return ChatEvent(part_started=chat_pb2.PartStarted(choice=choice, index=index, part=part))


def _ended(choice: int, index: int) -> ChatEvent:
    return ChatEvent(part_ended=chat_pb2.PartEnded(choice=choice, index=index))

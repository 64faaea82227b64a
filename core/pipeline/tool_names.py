"""Names of tools that a vendor forbids: written as it takes them, and read back as the client calls them.

A name that fits stays. Another becomes the same one with every forbidden character as _; where it is too long, or two
would be one, its end is the beginning of its hash. So the same tools have the same names in every turn, whatever their
order, and prompts stay in the vendor's cache.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import chat_pb2, usage_pb2

from core.vendors.interface import Call

MOST = 64
"""Characters that every vendor takes."""
HASH = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """Which names a form takes."""

    fits: re.Pattern[str]
    forbidden: re.Pattern[str]
    starts: re.Pattern[str] | None = None
    """What the first character must be."""


_PLAIN = Rule(re.compile(r"[A-Za-z0-9_-]{1,64}"), re.compile(r"[^A-Za-z0-9_-]"))
_GOOGLE = Rule(re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}"), re.compile(r"[^A-Za-z0-9_.:-]"), re.compile(r"[A-Za-z_]"))
RULES: Mapping[str, Rule] = {
    "openai.chat": _PLAIN, "openai.responses": _PLAIN, "anthropic.messages": _PLAIN, "bedrock.converse": _PLAIN,
    "cohere.chat": _PLAIN, "gemini.generate": _GOOGLE,
}  # fmt: skip
"""By the vendors' API references; other forms say nothing of names."""


def legal(chat: chat_pb2.ChatRequest, form: str) -> tuple[chat_pb2.ChatRequest, Mapping[str, str]]:
    """The request with names that a form takes, and what they are called by the client; itself where all fit."""
    rule = RULES.get(form)
    if rule is None or all(rule.fits.fullmatch(name) for name in _names(chat)):
        return chat, {}
    known = dict.fromkeys(_names(chat))
    taken = {name for name in known if rule.fits.fullmatch(name)}
    # In an order of their own: which of two that would be one keeps the plain name must not change between turns.
    written = {name: _written(name, rule, taken) for name in sorted(known) if name not in taken}
    made = chat_pb2.ChatRequest()
    made.CopyFrom(chat)
    for holder, field in _holders(made):
        setattr(holder, field, written.get(getattr(holder, field), getattr(holder, field)))
    made.tool_choice.names[:] = [written.get(name, name) for name in made.tool_choice.names]
    if not chat.HasField("tool_choice"):
        made.ClearField("tool_choice")
    return made, {new: old for old, new in written.items()}


def _written(name: str, rule: Rule, taken: set[str]) -> str:
    plain = rule.forbidden.sub("_", name)
    if rule.starts is not None and rule.starts.match(plain) is None:
        plain = "_" + plain
    if not rule.fits.fullmatch(plain) or plain in taken:
        tail = hashlib.sha256(name.encode()).hexdigest()[:HASH]
        plain = f"{plain[: MOST - HASH - 1]}_{tail}"
    taken.add(plain)
    return plain


def _holders(chat: chat_pb2.ChatRequest) -> Iterator[tuple[Any, str]]:
    """Whatever holds a tool's name."""
    for tool in chat.tools:
        if tool.HasField("function"):
            yield tool.function, "name"
        elif tool.HasField("custom"):
            yield tool.custom, "name"
    for message in chat.messages:
        for part in message.parts:
            kind = part.WhichOneof("kind")
            if kind == "tool_call" and part.tool_call.name:
                yield part.tool_call, "name"
            elif kind == "tool_result" and part.tool_result.name:
                yield part.tool_result, "name"


def _names(chat: chat_pb2.ChatRequest) -> Iterator[str]:
    for holder, field in _holders(chat):
        yield getattr(holder, field)


class Renamed:
    """A wire form whose answers call tools by the client's names; all else is the form's own."""

    def __init__(self, form: Any, back: Mapping[str, str]) -> None:
        self._form = form
        self._back = back

    def __getattr__(self, name: str) -> Any:
        return getattr(self._form, name)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        answer: chat_pb2.ChatResponse = self._form.decode(body, call)
        for choice in answer.choices:
            for part in choice.parts:
                if part.HasField("tool_call"):
                    part.tool_call.name = self._back.get(part.tool_call.name, part.tool_call.name)
        return answer

    def decoder(self, call: Call) -> RenamedDecoder:
        """For a stream."""
        return RenamedDecoder(self._form.decoder(call), self._back)


class RenamedDecoder:
    """Implements ChatDecoder over another. A call's name comes whole, when its part begins."""

    def __init__(self, decoder: Any, back: Mapping[str, str]) -> None:
        self._decoder = decoder
        self._back = back

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's, so far."""
        usage: usage_pb2.Usage | None = self._decoder.usage
        return usage

    @property
    def finished(self) -> bool:
        """Whether the form's own end was seen."""
        return bool(self._decoder.finished)

    def feed(self, chunk: bytes) -> list[chat_pb2.ChatEvent]:
        """Events that became whole."""
        return self._told(self._decoder.feed(chunk))

    def end(self) -> list[chat_pb2.ChatEvent]:
        """What is left."""
        return self._told(self._decoder.end())

    def _told(self, events: list[chat_pb2.ChatEvent]) -> list[chat_pb2.ChatEvent]:
        for event in events:
            if event.HasField("part_started") and event.part_started.part.HasField("tool_call"):
                made = event.part_started.part.tool_call
                made.name = self._back.get(made.name, made.name)
        return events

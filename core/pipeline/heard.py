"""What a decoder made of one read, on its way to the client: counted, and told in as few events as say the same."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.v1 import chat_pb2

from core.vendors.interface import ChatEvent

COUNTED = frozenset(("text", "thinking", "arguments", "refusal", "summary"))
"""Kinds of deltas whose tokens are counted."""
JOINED = frozenset(("text", "thinking", "arguments", "refusal"))
"""Kinds of deltas of which two in a row say what one says: a summary's stretches have numbers of their own."""


class Joined:
    """Events of one read, in order: words of a part that came together leave together.

    A vendor under load, or one that is ahead of the network, sends many events in a write. All of them are here at
    the same time and reach the client at the same time: as one event they cost it, and the gateway, a tenth.
    Whatever a delta tells beside its words (log-probabilities, extensions) keeps it apart.
    """

    __slots__ = ("_first", "_part", "_words", "events")

    def __init__(self) -> None:
        self.events: list[ChatEvent] = []
        self._first: chat_pb2.PartDelta | None = None
        self._part: tuple[int, int, str] | None = None
        self._words: list[str] = []

    def words(self, event: ChatEvent, told: chat_pb2.PartDelta, kind: str, words: str) -> None:
        """A delta of a kind in JOINED."""
        if told.HasField("extensions") or told.HasField("logprobs"):
            self.other(event)
            return
        part = (told.choice, told.index, kind)
        if part == self._part:
            self._words.append(words)
            return
        self.other(event)
        self._first, self._part, self._words = told, part, [words]

    def other(self, event: ChatEvent) -> None:
        """Any event."""
        self.end()
        self.events.append(event)

    def end(self) -> None:
        """Nothing follows."""
        if self._first is not None and self._part is not None and len(self._words) > 1:
            setattr(self._first, self._part[2], "".join(self._words))
        self._first, self._part = None, None


def joined(events: Iterable[ChatEvent]) -> list[ChatEvent]:
    """The events, neighbouring words of a part as one. Changes the first of those it joins."""
    out = Joined()
    for event in events:
        if event.HasField("delta"):
            told = event.delta
            kind = told.WhichOneof("delta") or ""
            if kind in JOINED:
                out.words(event, told, kind, getattr(told, kind))
                continue
        out.other(event)
    out.end()
    return out.events

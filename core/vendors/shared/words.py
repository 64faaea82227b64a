"""The most frequent event of all, made fast: a piece of text, thought or arguments."""

from __future__ import annotations

from core.vendors.interface import ChatEvent


def words_event(choice: int, index: int, kind: str, words: str) -> ChatEvent:
    """A delta of a part. Set field by field: messages made from keywords cost three times as much."""
    event = ChatEvent()
    delta = event.delta
    if choice:
        delta.choice = choice
    if index:
        delta.index = index
    if kind == "text":
        delta.text = words
    else:
        setattr(delta, kind, words)
    return event

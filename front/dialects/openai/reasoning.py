"""Signed and encrypted thoughts in OpenAI's chat dialect: reasoning_details, as OpenRouter's clients know it.

reasoning_content holds words alone. Where thoughts carry more (a signature, encrypted data), an answer tells them a
second time in this list, and a client that sends its assistant message back as it came brings them back whole.
Source: openrouter.ai/docs, reasoning tokens: preserving reasoning blocks.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from isthmus.v1 import chat_pb2, parts_pb2

FORMATS = {"anthropic": "anthropic-claude-v1", "openai": "openai-responses-v1", "gemini": "google-gemini-v1"}
_SIGNERS = {name: signer for signer, name in FORMATS.items()}
_BYTES = ("gemini",)
"""Signers whose signatures are bytes; the others' are texts."""


def opaque(signer: str, data: bytes) -> str:
    """A signature or encrypted data as text."""
    if signer in _BYTES or not data.isascii():
        return base64.b64encode(data).decode()
    return data.decode("ascii")


def _bytes(signer: str, text: str) -> bytes:
    if signer not in _BYTES:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def head(found: parts_pb2.ThinkingPart, index: int, kind: str = "text") -> dict[str, Any]:
    """What every entry says of its thoughts."""
    made: dict[str, Any] = {"type": f"reasoning.{kind}", "index": index}
    if found.signed_by:
        made["format"] = FORMATS.get(found.signed_by, found.signed_by)
    if found.id:
        made["id"] = found.id
    return made


def entries(found: parts_pb2.ThinkingPart, index: int) -> list[dict[str, Any]]:
    """The entries of one part. Those of the same part have the same index."""
    made: list[dict[str, Any]] = []
    if found.text or found.signature:
        entry = {**head(found, index), "text": found.text}
        if found.signature:
            entry["signature"] = opaque(found.signed_by, found.signature)
        made.append(entry)
    made.extend({**head(found, index, "summary"), "summary": piece} for piece in found.summary)
    if found.encrypted:
        made.append({**head(found, index, "encrypted"), "data": opaque(found.signed_by, found.encrypted)})
    return made


def details(parts: Iterable[parts_pb2.Part]) -> list[dict[str, Any]]:
    """The list for a message: empty where reasoning_content says all there is."""
    thoughts = [part.thinking for part in parts if part.HasField("thinking")]
    if not any(found.signature or found.encrypted for found in thoughts):
        return []
    return [entry for index, found in enumerate(thoughts) for entry in entries(found, index)]


def read(told: list[Any]) -> list[parts_pb2.ThinkingPart]:
    """The thoughts of a list that came back; entries of one index are one part."""
    found: dict[Any, parts_pb2.ThinkingPart] = {}
    for number, entry in enumerate(told):
        if not isinstance(entry, dict):
            continue
        index = entry.get("index")
        part = found.setdefault(index if isinstance(index, int) else ("nth", number), parts_pb2.ThinkingPart())
        told_format = str(entry.get("format") or "")
        if told_format and told_format != "unknown":
            part.signed_by = _SIGNERS.get(told_format, told_format)
        part.id = part.id or str(entry.get("id") or "")
        if isinstance(entry.get("text"), str):
            part.text += entry["text"]
        if isinstance(entry.get("summary"), str):
            part.summary.append(entry["summary"])
        if isinstance(entry.get("signature"), str):
            part.signature = _bytes(part.signed_by, entry["signature"])
        if isinstance(entry.get("data"), str):
            part.encrypted = _bytes(part.signed_by, entry["data"])
    for part in found.values():
        part.redacted = bool(part.encrypted) and not part.text and not part.summary
    return [part for part in found.values() if part.ByteSize()]


@dataclass(slots=True)
class _Open:
    """Thoughts that are not whole yet: their words are apart, so that each piece costs its own length."""

    found: parts_pb2.ThinkingPart
    text: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    paragraph: int = 0
    """Which part of the summary was told last."""


class Streamed:
    """The thoughts of a stream: an entry each, told once, when they are whole.

    Clients put streams together in two ways: Python's SDK adds up the pieces of one index, JavaScript's keeps the
    list that came last. What is told once is whole for both.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], _Open] = {}
        """(choice, part) -> the thoughts so far."""
        self._told: Counter[int] = Counter()
        """Choice -> how many thoughts have an entry: the next one's index."""

    def begin(self, place: tuple[int, int], found: parts_pb2.ThinkingPart) -> str:
        """Thoughts begin: the words of them that are known."""
        thought = self._open[place] = _Open(parts_pb2.ThinkingPart())
        thought.found.CopyFrom(found)
        thought.text += [found.text] if found.text else []
        thought.summary += ["\n".join(found.summary)] if found.summary else []
        thought.paragraph = max(0, len(found.summary) - 1)
        return found.text or "\n".join(found.summary)

    def grow(self, delta: chat_pb2.PartDelta) -> str:
        """A piece of thoughts: its words; none where it is something else."""
        place, kind = (delta.choice, delta.index), delta.WhichOneof("delta")
        thought = self._open.setdefault(place, _Open(parts_pb2.ThinkingPart()))
        if kind == "thinking":
            thought.text.append(delta.thinking)
            return delta.thinking
        if kind == "summary":
            apart = "\n" if thought.summary and delta.summary_index != thought.paragraph else ""
            thought.paragraph = delta.summary_index
            thought.summary.append(apart + delta.summary)
            return thought.summary[-1]
        if kind == "encrypted":
            thought.found.encrypted = delta.encrypted
        elif thought.found.signed_by in _BYTES:
            thought.found.signature += delta.signature
        else:
            thought.found.signature = delta.signature
        return ""

    def end(self, place: tuple[int, int]) -> list[dict[str, Any]]:
        """Thoughts are whole: their entries; none where their words are all there is."""
        thought = self._open.pop(place, None)
        if thought is None or not (thought.found.signature or thought.found.encrypted):
            return []
        thought.found.text = "".join(thought.text)
        thought.found.summary[:] = ["".join(thought.summary)] if thought.summary else []
        index = self._told[place[0]]
        self._told[place[0]] += 1
        told = entries(thought.found, index)
        for entry in told[1:]:
            # Python's SDK adds texts of one index up, these too.
            entry.pop("format", None)
            entry.pop("id", None)
        return told

"""What a client's dialect cannot hold, carried in a text that it sends back as it came.

Anthropic's dialect has one place for opaque text: a thinking block's signature, or a redacted block's data. What
another vendor signed or encrypted travels there and becomes itself again when the client's next turn brings it
back. Vendors of Anthropic's form are never shown such a text (core/vendors/anthropic/signature.py).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson
from isthmus.v1 import parts_pb2

PREFIX = "isthmus."


def _seal(content: dict[str, Any]) -> str:
    return PREFIX + base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def _open(text: str) -> dict[str, Any]:
    """What the text carries; empty where it carries nothing."""
    if not text.startswith(PREFIX):
        return {}
    packed = text.removeprefix(PREFIX)
    try:
        content = orjson.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text) if isinstance(text, str) else b""
    except binascii.Error:
        return b""


def thinking(found: parts_pb2.ThinkingPart) -> str:
    """What another vendor added to its thoughts, as one text; empty where it added nothing."""
    if not found.signature and not found.encrypted and not found.id:
        return ""
    told = {
        "by": found.signed_by,
        "signature": _text(found.signature),
        "encrypted": _text(found.encrypted),
        "id": found.id,
        "summary": [len(piece) for piece in found.summary],
    }
    return _seal({name: value for name, value in told.items() if value})


def said(found: parts_pb2.ThinkingPart) -> str:
    """The words of thoughts: their text, else their summary, whose pieces thinking() tells apart."""
    return found.text or "".join(found.summary)


def restore(target: parts_pb2.ThinkingPart, text: str) -> bool:
    """Puts what a carried text holds back into the thoughts, whose words are there; whether it held anything."""
    content = _open(text)
    if not content or "part" in content:
        return False
    target.signed_by = str(content.get("by") or "")
    target.signature = _bytes(content.get("signature"))
    target.encrypted = _bytes(content.get("encrypted"))
    target.id = str(content.get("id") or "")
    lengths = content.get("summary")
    if isinstance(lengths, list) and all(isinstance(length, int) for length in lengths) and lengths:
        words, at = target.text, 0
        for length in lengths:
            target.summary.append(words[at : at + length])
            at += length
        target.text = ""
    return True


def part_signature(signature: bytes) -> str:
    """The signature of the part that follows (Gemini signs calls and texts, too)."""
    return _seal({"part": _text(signature)})


def signature_of_next(text: str) -> bytes:
    """The signature that a carried text holds for the part after it; empty: it holds none."""
    return _bytes(_open(text).get("part"))

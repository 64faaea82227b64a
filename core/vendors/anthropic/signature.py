"""Signatures of thinking: which of them Anthropic may be shown."""

from __future__ import annotations

import re
from typing import Any

import orjson

from core.vendors.shared.scan import Member

CARRIED = "isthmus.v1."
"""How signatures begin that are another vendor's, carried by an Anthropic client (front/dialects/carry.py)."""
SIGNERS = frozenset(["anthropic", "sandbox"])
"""Owners that look at signatures. Other vendors of the form sign as they like."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}|[A-Za-z0-9_-]+={0,2}")
_SIGNATURE = re.compile(rb'"signature"\s*:\s*"((?:[^"\\]++|\\.)*+)"')
_CARRIED_DATA = re.compile(rb'"data"\s*:\s*"' + CARRIED.encode())


def sound(signature: str, strict: bool) -> bool:
    """Whether the vendor may be shown a signature: it is not another vendor's; strict: it is whole base64, too.

    Vendors that only speak Anthropic's form (not strict) sign as they like, or not at all.
    """
    if signature.startswith(CARRIED):
        return False
    return not strict or (bool(signature) and len(signature) % 4 == 0 and _BASE64.fullmatch(signature) is not None)


def without_unsound(body: bytes, messages: Member | None, strict: bool) -> bytes | None:
    """The messages without thinking whose signature is not sound; None where nothing changes.

    The bytes are looked at first: they are parsed only where something must go.
    """
    if messages is None:
        return None
    area = memoryview(body)[messages.value : messages.end]
    told = (match[1].decode("ascii", "replace").replace("\\/", "/") for match in _SIGNATURE.finditer(area))
    found = _CARRIED_DATA.search(area) is not None or any(not sound(signature, strict) for signature in told)
    if not found:
        return None
    try:
        parsed = orjson.loads(area)
    except orjson.JSONDecodeError:
        return None
    changed = False
    for message in parsed if isinstance(parsed, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            kept = [block for block in content if not _unsound(block, strict)]
            changed = changed or len(kept) < len(content)
            message["content"] = kept
    if not changed:
        return None
    # A turn that said nothing but thoughts of another vendor is gone with them.
    return orjson.dumps([turn for turn in parsed if not isinstance(turn, dict) or turn.get("content") != []])


def _unsound(block: Any, strict: bool) -> bool:
    if not isinstance(block, dict):
        return False
    if block.get("type") == "thinking":
        return not sound(str(block.get("signature") or ""), strict)
    return block.get("type") == "redacted_thinking" and str(block.get("data") or "").startswith(CARRIED)

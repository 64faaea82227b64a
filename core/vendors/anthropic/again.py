"""What Claude refuses to be shown again: the request once more, without the thoughts whose signature was refused.

Texts of refusals: "messages.1.content.0: Invalid `signature` in `thinking` block", "thinking or redacted_thinking
blocks in the latest assistant message cannot be modified", "Expected `thinking` or `redacted_thinking`, but found
`tool_use`" (docs.anthropic.com, extended thinking; the SDKs' issue trackers). Bedrock and Vertex AI say the same.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson

from core.errors import InvalidRequest
from core.vendors.anthropic.reasoning import bare_call
from core.vendors.interface import VendorRefusal, VendorRequest
from core.vendors.shared import scan

_REFUSED = re.compile(
    r"signature.{0,60}thinking|thinking.{0,80}(signature|cannot be modified|but found)|reasoning.{0,60}signature",
    re.IGNORECASE | re.DOTALL,
)
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
DROPPED = "parts.thinking"


def without_thoughts(refusal: VendorRefusal, wire: VendorRequest) -> VendorRequest | None:
    """The request without thoughts, where it was refused for one; None where another try would change nothing."""
    if refusal.status != 400 or _REFUSED.search(refusal.message) is None:
        return None
    try:
        members = {member.name: member for member in scan.members(wire.body)}
        at = members["messages"]
        messages = orjson.loads(wire.body[at.value : at.end])
        thinking = members.get("thinking")
        told = orjson.loads(wire.body[thinking.value : thinking.end]) if thinking is not None else None
    except (InvalidRequest, orjson.JSONDecodeError, KeyError):
        return None
    kept = _stripped(messages)
    if kept is None:
        return None
    enabled = isinstance(told, dict) and told.get("type") == "enabled"
    gone = {"thinking"} if enabled and bare_call(kept) else set()
    body = scan.change(wire.body, {"messages": orjson.dumps(kept)}, gone, {})
    named = [DROPPED, *(["reasoning.mode"] if gone else [])]
    return replace(wire, body=body, dropped=(*wire.dropped, *(name for name in named if name not in wire.dropped)))


def _stripped(messages: Any) -> list[Any] | None:
    """The turns without thoughts; None where they hold none."""
    if not isinstance(messages, list):
        return None
    out: list[Any] = []
    changed = False
    for turn in messages:
        content = turn.get("content") if isinstance(turn, dict) else None
        if not isinstance(content, list):
            out.append(turn)
            continue
        kept = [block for block in content if not _is_thought(block)]
        changed = changed or len(kept) < len(content)
        if kept or not content:
            out.append({**turn, "content": kept} if len(kept) < len(content) else turn)
    return out if changed else None


def _is_thought(block: Any) -> bool:
    """Of the Messages form, or of Bedrock's Converse."""
    return isinstance(block, dict) and (block.get("type") in _THOUGHTS or "reasoningContent" in block)

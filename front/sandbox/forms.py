"""What the dialects share: the shape of a reply, server-sent events, pictures and texts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from front.sandbox.controls import Controls

CREATED = 1700000000
"""Unix seconds: when every answer was made."""


@dataclass(slots=True)
class Reply:
    """What a request is answered with: body, or events where it streams."""

    body: Any = None
    events: list[bytes] | None = None
    error_event: bytes = b""
    content_type: str = "application/json"
    status: int = 200
    controls: Controls = field(default_factory=Controls)


def dump(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def sse(value: Any, event: str = "") -> bytes:
    """One server-sent event."""
    head = b"event: " + event.encode() + b"\n" if event else b""
    return head + b"data: " + dump(value) + b"\n\n"


def picture_bytes(url: str) -> int:
    """The size of a data URL's or base64 text's picture; 0 for an address elsewhere."""
    if url.startswith(("http://", "https://")):
        return 0
    raw = url.rpartition(",")[2].rstrip("=")
    return len(raw) * 3 // 4


def texts_of(content: Any) -> str:
    """The text of a content that is a string or a list of parts with a text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(str(part.get("text") or "") for part in content if isinstance(part, dict)).strip()

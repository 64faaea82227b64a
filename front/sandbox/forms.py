"""What the wire forms share: requests, replies, refusals, server-sent events, pictures and texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from front.sandbox.answer import pieces
from front.sandbox.controls import NONE, Controls

CREATED = 1700000000
"""Unix seconds: when every answer was made."""

MODELS = (
    "gpt-4o",
    "gpt-4o-mini",
    "claude-sonnet-4-5",
    "claude-sonnet-5-5",
    "gemini-2.5-flash",
    "gemini-3-flash",
    "text-embedding-3-small",
    "sandbox",
)


class Refused(Exception):
    """A request the vendor refuses: its words and status; code, param and retry_after where the form tells them."""

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.code, self.param, self.retry_after = message, status, code, param, retry_after


@dataclass(slots=True)
class Request:
    """One HTTP request; header names are in lower case, the body is empty until it was read."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> str:
        """The words of the header x-sandbox."""
        return self.headers.get("x-sandbox", "")

    @property
    def key(self) -> str:
        """The API key, in whichever of the vendors' places it came."""
        found = self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or self.query.get("key")
        return found or self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(slots=True)
class Reply:
    """What a request is answered with: body, or events where it streams. raw is the body in bytes, once it was written.

    error_event and broken_event are what the faults put into the stream; headers are whole lines.
    """

    body: Any = None
    events: list[bytes] | None = None
    error_event: bytes = b""
    broken_event: bytes = b'data: {"broken": \n\n'
    content_type: str = "application/json"
    status: int = 200
    headers: str = ""
    controls: Controls = NONE
    raw: bytes = b""


class Form(Protocol):
    """One vendor's wire form; its modules are."""

    def serve(self, request: Request) -> Reply:
        """The reply. Raises Refused, or what reading nonsense raises (ValueError, TypeError, LookupError ...)."""

    def error(self, request: Request, refused: Refused) -> Reply:
        """The vendor's own error envelope."""


def not_served(request: Request) -> Refused:
    """For a path or method the vendor does not have."""
    return Refused(f"The sandbox does not serve {request.method} {request.path}.", 404)


def dump(value: Any) -> bytes:
    """Compact JSON. Raises TypeError where a request's own values, repeated, are nested too deeply."""
    return orjson.dumps(value)


def sse(value: Any, event: str = "") -> bytes:
    """One server-sent event."""
    head = b"event: " + event.encode() + b"\n" if event else b""
    return head + b"data: " + dump(value) + b"\n\n"


def middle(events: list[bytes]) -> int:
    """How many events come before a fault in the middle of a stream."""
    return len(events) // 2


def token_logprobs(text: str) -> list[dict[str, Any]]:
    """Every token with the same probability."""
    return [
        {"token": piece, "logprob": -0.5, "bytes": list(piece.encode("utf-8", "replace")), "top_logprobs": []}
        for piece in pieces(text, 0)
    ]


def number(body: dict[str, Any], name: str, least: int = 1, most: int = 10_000_000) -> int:
    """An optional whole number of the body; 0 where it is absent. Raises Refused."""
    value = body.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise Refused(f"{name} must be a whole number", param=name)
    if not least <= value <= most:
        raise Refused(f"{name} must be from {least} to {most}", param=name)
    return int(value)


def dicts(value: Any, what: str) -> list[dict[str, Any]]:
    """The objects of a list; None is an empty one. Raises Refused for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Refused(f"{what}: must be a list of objects", param=what)
    return value


def strings(value: Any, what: str) -> list[str]:
    """The texts of a list; None is an empty one. Raises Refused for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Refused(f"{what}: must be a list of strings", param=what)
    return value


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

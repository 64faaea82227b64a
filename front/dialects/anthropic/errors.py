"""Anthropic's error envelope. Source: platform.claude.com/docs/en/api/errors."""

from __future__ import annotations

import orjson

from front.errors import FrontError

TYPES = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    408: "timeout_error", 409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error",
    503: "overloaded_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def body(error: FrontError, request_id: str) -> bytes:
    """{"type": "error", "error": {type, message}, "request_id"}; the message names the request, too."""
    kind = TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    if error.reason in ("INSUFFICIENT_QUOTA", "KEY_QUOTA_EXCEEDED"):
        kind = "billing_error"
    told = {"type": kind, "message": f"{error.message} (request id: {request_id})"}
    return orjson.dumps({"type": "error", "error": told, "request_id": request_id})


def event(error: FrontError, request_id: str) -> bytes:
    """The envelope inside a stream."""
    return b"event: error\ndata: " + body(error, request_id) + b"\n\n"

"""OpenAI's error envelope."""

from __future__ import annotations

from typing import Any

import orjson

from front.errors import FrontError

TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "invalid_request_error",
    408: "invalid_request_error", 413: "invalid_request_error", 415: "invalid_request_error",
    429: "rate_limit_error", 503: "service_unavailable_error",
}  # fmt: skip


def envelope(error: FrontError, request_id: str) -> dict[str, Any]:
    """{"error": {message, type, param, code}}; the message names the request."""
    kind = TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    if error.reason in ("INSUFFICIENT_QUOTA", "KEY_QUOTA_EXCEEDED"):
        kind = "insufficient_quota"
    return {
        "error": {
            "message": f"{error.message} (request id: {request_id})",
            "type": kind,
            "param": error.param or None,
            "code": error.code or None,
        }
    }


def body(error: FrontError, request_id: str) -> bytes:
    """The envelope as bytes."""
    return orjson.dumps(envelope(error, request_id))


def event(error: FrontError, request_id: str) -> bytes:
    """The envelope inside a stream."""
    return b"data: " + body(error, request_id) + b"\n\n"

"""Gemini's error envelope: google.rpc's status by name, details as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from front.errors import FrontError

STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "FAILED_PRECONDITION", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT",
    416: "OUT_OF_RANGE", 422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL",
    501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}  # fmt: skip
"""The names that google.rpc.Code has for HTTP statuses."""
_TYPE = "type.googleapis.com/google.rpc."


def envelope(error: FrontError, request_id: str) -> dict[str, Any]:
    """{"error": {code, message, status, details}}; the message names the request."""
    info: dict[str, Any] = {"@type": _TYPE + "ErrorInfo", "reason": error.reason, "domain": "isthmus"}
    metadata = {"code": error.code, "param": error.param, "request_id": request_id}
    info["metadata"] = {name: value for name, value in metadata.items() if value}
    details = [info]
    if error.param:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": _TYPE + "BadRequest", "fieldViolations": [violation]})
    if error.retry_after_ms:
        seconds = f"{error.retry_after_ms / 1000:.3f}".rstrip("0").rstrip(".")
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{seconds}s"})
    status = STATUS.get(error.status, "INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT")
    message = f"{error.message} (request id: {request_id})"
    return {"error": {"code": error.status, "message": message, "status": status, "details": details}}


def body(error: FrontError, request_id: str) -> bytes:
    """The envelope as bytes."""
    return orjson.dumps(envelope(error, request_id))

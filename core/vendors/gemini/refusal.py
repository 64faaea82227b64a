"""Gemini's errors: {"error": {code, message, status, details}}, alone or in an array."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from isthmus.v1 import common_pb2

from core.vendors.interface import VendorRefusal
from core.vendors.shared import refusal

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")
_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
"""Told with status 400, though the key is at fault: routing must see 401."""
_STATUS = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ABORTED": 409, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499, "INTERNAL": 500, "UNKNOWN": 500, "DATA_LOSS": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}  # fmt: skip


def read(status: int, headers: Mapping[str, str], body: bytes, secret: str = "") -> VendorRefusal:
    """An error answer: of this form with its details read, or of any other shape."""
    found = refusal.read(status, headers, body, secret)
    error = _error(body)
    if error is None:
        return found
    reason, param, wait = _details(error)
    kind = error.get("status")
    return replace(
        found,
        status=401 if reason in _KEY_REASONS else status,
        kind=kind if isinstance(kind, str) else found.kind,
        code=refusal.mask(reason)[:128] or (kind if isinstance(kind, str) else found.code),
        param=refusal.mask(param)[:128] or found.param,
        retry_after_ms=wait or found.retry_after_ms,
    )


def fault(error: Any, secret: str = "") -> common_pb2.Fault:
    """An error object inside a stream."""
    told = refusal.fault(error, secret)
    if isinstance(error, dict):
        reason, param, wait = _details(error)
        kind = error.get("status")
        status = _STATUS.get(str(kind), told.http_status)
        told.http_status = 401 if reason in _KEY_REASONS else status
        told.vendor_code = refusal.mask(reason)[:128] or (kind if isinstance(kind, str) else told.vendor_code)
        told.param = refusal.mask(param)[:128] or told.param
        told.retry_after_ms = wait or told.retry_after_ms
    return told


def _error(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    inner = parsed.get("error") if isinstance(parsed, dict) else None
    return inner if isinstance(inner, dict) else None


def _details(error: dict[str, Any]) -> tuple[str, str, int]:
    """ErrorInfo's reason, the field BadRequest names, RetryInfo's wait in milliseconds."""
    reason, param, wait = "", "", 0
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        kind = detail.get("@type") if isinstance(detail, dict) else None
        if not isinstance(kind, str):
            continue
        if kind.endswith("google.rpc.ErrorInfo"):
            reason = reason or str(detail.get("reason") or "")
        elif kind.endswith("google.rpc.BadRequest"):
            for violation in detail.get("fieldViolations") or ():
                if isinstance(violation, dict):
                    param = param or str(violation.get("field") or "")
        elif kind.endswith("google.rpc.RetryInfo"):
            told = _DELAY.fullmatch(str(detail.get("retryDelay") or ""))
            milliseconds = int(float(told[1]) * 1000) if told else 0
            wait = milliseconds if 0 < milliseconds <= refusal.WAIT_LIMIT_MS else 0
    return reason, param, wait

"""Errors inside streams of the Responses form."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import common_pb2

from core.vendors.shared import refusal
from core.vendors.shared.values import text


def fault_of(event: dict[str, Any], secret: str) -> common_pb2.Fault:
    """An error event, flat or nested, or response.failed: masked."""
    response = event.get("response")
    error: Any = response.get("error") if isinstance(response, dict) else None
    error = error or event.get("error") or event
    if isinstance(error, dict):
        kind = text(error.get("type"))
        code = error.get("code") or ("" if kind == "error" else kind)
        # The status is read from the type, which this form's own errors do not always have.
        error = {"message": error.get("message"), "code": code, "param": error.get("param"), "type": code or kind}
    return refusal.fault(error, secret)

"""Errors that vendors tell inside an answer whose status says success."""

from __future__ import annotations

from typing import Any

import orjson

from core.vendors.interface import ToldRefusal
from core.vendors.shared import refusal

_MINIMAX = {
    1000: 500, 1001: 504, 1002: 429, 1004: 401, 1008: 402, 1013: 500, 1024: 500, 1026: 400, 1027: 400, 1033: 500,
    1039: 429, 1041: 429, 1042: 400, 1043: 400, 1044: 400, 2013: 400, 2037: 400, 2039: 400, 2042: 403, 2045: 429,
    2048: 400, 2049: 401, 2056: 429,
}  # fmt: skip
"""base_resp.status_code -> HTTP status (platform.minimaxi.com/document/error-codes)."""


def error_of(answer: dict[str, Any]) -> Any:
    """The error an answer or a stream's chunk tells (error, MiniMax's base_resp); None where it tells none."""
    if error := answer.get("error"):
        return error
    base = answer.get("base_resp")
    if not isinstance(base, dict) or not (code := base.get("status_code")):
        return None
    status = _MINIMAX.get(code, 502) if isinstance(code, int) else 502
    return {"message": base.get("status_msg"), "code": code, "http_status": status}


def refused(error: Any, secret: str) -> ToldRefusal:
    """The error as an exception; its status is told, or is that of its type, else 502."""
    return ToldRefusal(refusal.read(refusal.status_of(error), {}, orjson.dumps({"error": error}), secret))

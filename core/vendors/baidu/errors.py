"""Errors of Wenxin Workshop, told with status 200 (cloud.baidu.com/doc/WENXINWORKSHOP/s/tlmyncueh)."""

from __future__ import annotations

from typing import Any

_STATUS = {
    1: 500, 2: 503, 3: 404, 4: 429, 6: 403, 13: 401, 14: 401, 15: 401, 17: 429, 18: 429, 19: 429, 100: 400, 110: 401,
    111: 401, 336000: 500, 336001: 400, 336002: 400, 336003: 400, 336004: 401, 336005: 400, 336006: 400, 336007: 400,
    336100: 503, 336101: 400, 336102: 400, 336103: 400, 336104: 400, 336105: 400, 336106: 400, 336200: 500,
    336303: 400, 337006: 400, 17000: 402,
}  # fmt: skip


def error_of(answer: dict[str, Any]) -> dict[str, Any] | None:
    """The error an answer tells; None where it tells none."""
    code = answer.get("error_code")
    if not code:
        return None
    status = _STATUS.get(code, 502) if isinstance(code, int) else 502
    return {"message": answer.get("error_msg"), "code": code, "http_status": status}

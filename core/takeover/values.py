"""What three databases make of the same column: text, bytes, numbers, truths, times, JSON. Pure."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

LEAST, MOST = -(1 << 63), (1 << 63) - 1
_ZONE = re.compile(r"\s*([+-]\d{2}):?(\d{2})?(?:\s+[A-Z]+)?$")
"""Go writes `2024-05-01 10:00:00.123456 +0000 UTC`, its SQLite driver `...+08:00`."""
_FRACTION = re.compile(r"\.(\d{6})\d+")


def text(value: Any) -> str:
    """A text; null is none. Without NUL, which PostgreSQL refuses; PostgreSQL's padding is taken off."""
    if value is None:
        return ""
    if isinstance(value, (bytes, bytearray, memoryview)):
        value = bytes(value).decode("utf-8", "replace")
    return str(value).replace("\0", "").strip()


def whole(value: Any) -> int:
    """A number, 0 for null. Raises ValueError where it is none, or has more than 64 bits."""
    if value is None or value == "":
        return 0
    found = int(value) if isinstance(value, (int, Decimal, float)) else int(text(value))
    if not LEAST <= found <= MOST:
        raise ValueError(f"{found} has more than 64 bits")
    return found


def flag(value: Any) -> bool:
    """A truth: 0 and 1, or one of its own, or a word."""
    return text(value).lower() in ("1", "true", "t") if isinstance(value, (str, bytes)) else bool(value)


def moment(value: Any) -> int:
    """Unix seconds of a time; 0 for null. Raises ValueError where it is none."""
    if value is None or value == "":
        return 0
    if isinstance(value, (int, float, Decimal)):
        return int(value)
    if not isinstance(value, datetime):
        told = _FRACTION.sub(r".\1", text(value))
        zone = _ZONE.search(told)
        if zone and ":" in told[: zone.start()]:
            told = f"{told[: zone.start()]}{zone[1]}:{zone[2] or '00'}"
        value = datetime.fromisoformat(told.replace("Z", "+00:00"))
    return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())


def document(value: Any) -> str:
    """JSON as text, whatever the driver made of it; "" for null."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    told = text(value)
    return "" if told == "null" else told

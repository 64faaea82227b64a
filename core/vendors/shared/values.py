"""Values out of JSON that vendors sent: right in type, or nothing."""

from __future__ import annotations

from typing import Any

import orjson


def text(value: Any) -> str:
    """A string, or nothing."""
    return value if isinstance(value, str) else ""


def whole(value: Any) -> int:
    """A whole number below 2^62 and not below 0, or 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return 0
    return int(value) if 0 <= value < 1 << 62 else 0


def place(value: Any) -> int:
    """A place in a text, or -1 where none is told."""
    return whole(value) if isinstance(value, int | float) and not isinstance(value, bool) else -1


def arguments(value: Any) -> str:
    """The arguments as text; some vendors send an object."""
    return value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()

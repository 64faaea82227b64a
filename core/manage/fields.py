"""Limits on what callers write: lengths, ranges, JSON. Both faces go through here."""

from __future__ import annotations

import json
from typing import Any

from core.errors import InvalidRequest

TEXT_MOST = 255
LONG_MOST = 65_536
"""Characters of lists and JSON texts of one field."""
IDS_MOST = 1000
"""Ids named in one request."""
NUMBER_MOST = 1 << 53
"""What JSON numbers hold exactly."""


def text(value: str, param: str, most: int = TEXT_MOST) -> str:
    """The text, if it is short enough and without NUL, which PostgreSQL refuses. Raises InvalidRequest."""
    if len(value) > most:
        raise InvalidRequest(f"{param} has more than {most} characters.", param=param)
    if "\0" in value:
        raise InvalidRequest(f"{param} holds a NUL character.", param=param)
    return value


def whole(value: int, param: str, least: int = 0, most: int = NUMBER_MOST) -> int:
    """The number, if it is within bounds. Raises InvalidRequest."""
    if not least <= value <= most:
        raise InvalidRequest(f"{param} must be between {least} and {most}.", param=param)
    return value


def json_object(value: str, param: str, most: int = LONG_MOST) -> dict[str, Any]:
    """A JSON object; "" counts as none. Raises InvalidRequest."""
    text(value, param, most)
    if not value.strip():
        return {}
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{param} is not JSON.", param=param) from error
    if not isinstance(parsed, dict):
        raise InvalidRequest(f"{param} must be a JSON object.", param=param)
    return parsed


def ids(values: Any, param: str = "ids", most: int = IDS_MOST) -> list[int]:
    """Ids without repeats, 1 to most of them. Raises InvalidRequest."""
    found = list(dict.fromkeys(int(value) for value in values))
    if not 1 <= len(found) <= most:
        raise InvalidRequest(f"{param} names 1 to {most} ids.", param=param)
    return found

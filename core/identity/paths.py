"""Values inside a provider's answer, by path: names joined by dots, numbers for places in lists, `\\.` for a dot."""

from __future__ import annotations

import re
from typing import Any, Final

PATH_MOST = 128
DEEP_MOST = 16
_PIECES = re.compile(r"(?:\\.|[^.\\])+")


class Missing:
    """The type of MISSING."""


MISSING: Final = Missing()
"""Nothing is there; null is something."""


def pieces(path: str) -> list[str]:
    """The names of a path. Raises ValueError."""
    found = _PIECES.findall(path)
    if not path or len(path) > PATH_MOST or not 1 <= len(found) <= DEEP_MOST or ".".join(found) != path:
        raise ValueError(f"{path[:PATH_MOST]!r} is no path")
    return [piece.replace("\\.", ".").replace("\\\\", "\\") for piece in found]


def value_at(document: Any, path: str) -> Any:
    """What stands there, or MISSING. Raises ValueError for what is no path."""
    found = document
    for piece in pieces(path):
        if isinstance(found, dict) and piece in found:
            found = found[piece]
        elif isinstance(found, list) and piece.isascii() and piece.isdecimal() and int(piece[:9]) < len(found):
            found = found[int(piece[:9])]
        else:
            return MISSING
    return found


def text_at(document: Any, path: str, most: int) -> str:
    """A text or a whole number as text; "" for all else, and for what is too long or holds control characters."""
    try:
        found = value_at(document, path) if path else MISSING
    except ValueError:
        return ""
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found) if -(10**40) < found < 10**40 else ""
    if not isinstance(found, str) or len(found) > most or not found.isprintable():
        return ""
    return found

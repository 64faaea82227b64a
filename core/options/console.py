"""Lists that the console shows: announcements, questions, addresses, status pages. Bounds are New API's."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from core.options.kinds import Kind, loads

COLOURS = frozenset(
    {
        "blue", "green", "cyan", "purple", "pink", "red", "orange", "amber", "yellow", "lime", "light-green", "teal",
        "light-blue", "indigo", "violet", "grey", "slate",
    }
)  # fmt: skip
TYPES = frozenset({"default", "ongoing", "success", "warning", "error"})
_SCRIPT = re.compile(r"<\s*(?:script|iframe|object|embed|form)\b|javascript\s*:|vbscript\s*:|\bon\w+\s*=\s*[\"']", re.I)
_SLUG = re.compile(r"[A-Za-z0-9_-]+")

Field = Callable[[str, Any], None]
"""Takes the entry's path and a value. Raises ValueError."""


def text(most: int, least: int = 1) -> Field:
    """A text; none that a browser would run."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, str) or not least <= len(value.strip()) or len(value) > most:
            raise ValueError(f"{path}: a text of {least} to {most} characters is wanted")
        if _SCRIPT.search(value):
            raise ValueError(f"{path}: it holds something that a browser would run")

    return check


def address(most: int) -> Field:
    """An http or https address."""
    plain = text(most)

    def check(path: str, value: Any) -> None:
        plain(path, value)
        try:
            parts = urlsplit(value)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"{path}: an http or https address is wanted")

    return check


def one_of(names: frozenset[str]) -> Field:
    """One of some words."""

    def check(path: str, value: Any) -> None:
        if value not in names:
            raise ValueError(f"{path}: one of {', '.join(sorted(names))} is wanted")

    return check


def _slug(path: str, value: Any) -> None:
    text(100)(path, value)
    if not _SLUG.fullmatch(value):
        raise ValueError(f"{path}: letters, digits, _ and - are wanted")


def _time(path: str, value: Any) -> None:
    text(64)(path, value)
    try:
        found = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{path}: a time such as 2026-01-31T12:00:00Z is wanted") from None
    if found.tzinfo is None:
        raise ValueError(f"{path}: the time has no zone")


def rows(words: str, most: int, fields: dict[str, Field], optional: dict[str, Field], unique: str = "") -> Kind:
    """A list of objects with these members; others are kept as they are, if they are short texts, numbers, switches."""

    def check(value: str) -> None:
        parsed = loads(value or "[]")
        if not isinstance(parsed, list) or len(parsed) > most:
            raise ValueError(f"a JSON array of at most {most} is wanted")
        seen = set()
        for place, row in enumerate(parsed):
            if not isinstance(row, dict):
                raise ValueError(f"{place}: an object is wanted")
            for name, held in row.items():
                path = f"{place}.{name}"
                if name in fields:
                    continue
                if name in optional:
                    if held not in (None, ""):
                        optional[name](path, held)
                elif not isinstance(held, bool | int | float):
                    text(100, 0)(path, held)
            for name, field in fields.items():
                field(f"{place}.{name}", row.get(name))
            if unique and row[unique] in seen:
                raise ValueError(f"{place}.{unique}: it is there twice")
            seen.add(row.get(unique))

    return Kind(f"JSON array: {words}, at most {most}", check, 1 << 20)


ANNOUNCEMENTS = rows(
    "{content, publishDate, type?, extra?}", 100, {"content": text(500), "publishDate": _time},
    {"type": one_of(TYPES), "extra": text(200)},
)  # fmt: skip
API_INFO = rows(
    "{url, route, description, color}", 50,
    {"url": address(500), "route": text(100), "description": text(200), "color": one_of(COLOURS)}, {},
)  # fmt: skip
FAQ = rows("{question, answer}", 100, {"question": text(200), "answer": text(1000)}, {})
UPTIME = rows(
    "{categoryName, url, slug, description?}", 20, {"categoryName": text(50), "url": address(500), "slug": _slug},
    {"description": text(200)}, "categoryName",
)  # fmt: skip

"""What a client sent, typed: members of a JSON object and of the query, within what a message holds."""

from __future__ import annotations

from typing import Any

from front.errors import bad

INT64 = (1 << 63) - 1
INT32 = (1 << 31) - 1
IDS_MOST = 10_000
"""Numbers in a list; core says how many it takes."""
QUERY_MOST = 1024
"""Characters of a text in the query."""


class Sent:
    """Null counts as absent. Every getter raises FrontError 400 for another type."""

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def has(self, name: str) -> bool:
        """Whether it was sent, and not as null."""
        return self._members.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self._members.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise bad(f"{name} must be a text.", name)
        return value

    def number(self, name: str, default: int = 0, most: int = INT64) -> int:
        """A whole number; 3.0 counts as 3."""
        value = self._members.get(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise bad(f"{name} must be a whole number.", name)
        if not -most <= value <= most:
            raise bad(f"{name} is out of range.", name)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self._members.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise bad(f"{name} must be true or false.", name)
        return value

    def ids(self, name: str = "ids") -> list[int]:
        """Whole numbers above 0."""
        value = self._members.get(name)
        if not isinstance(value, list) or len(value) > IDS_MOST:
            raise bad(f"{name} must be a list of numbers.", name)
        for item in value:
            if not isinstance(item, int) or isinstance(item, bool) or not 0 < item <= INT64:
                raise bad(f"{name} must hold whole numbers above 0.", name)
        return value

    def texts(self, name: str, most: int) -> list[str]:
        """At most so many texts; absent: none."""
        value = self._members.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > most or not all(isinstance(text, str) for text in value):
            raise bad(f"{name} must be an array of at most {most} texts.", name)
        return list(value)

    def part(self, name: str) -> Sent:
        """An object."""
        value = self._members.get(name)
        if not isinstance(value, dict):
            raise bad(f"{name} must be an object.", name)
        return Sent(value)

    def members(self) -> dict[str, Any]:
        """All of them, as they came."""
        return self._members

    def raw(self, name: str) -> Any:
        """As it came."""
        return self._members.get(name)


def query_number(value: str | None) -> int:
    """A number of the query, 0 for what is none; -1 and below count, too."""
    digits = (value or "").removeprefix("-")
    return int(value or "0") if digits.isascii() and digits.isdecimal() and len(digits) < 18 else 0

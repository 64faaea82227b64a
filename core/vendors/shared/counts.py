"""Counts out of the usage that vendors tell; what is implausible is corrected and named."""

from __future__ import annotations

from typing import Any

LIMIT = 1 << 27
"""More tokens than any answer has, ten times the longest context: such a number is a mistake, and counted here."""


class Reader:
    """Reads counts; notes what was implausible."""

    __slots__ = ("corrections",)

    def __init__(self) -> None:
        self.corrections: list[str] = []

    def count(self, holder: Any, *names: str) -> int:
        """The first of the names that holds a number; 0 where none does."""
        if not holder or not isinstance(holder, dict):
            return 0
        for name in names:
            value = holder.get(name)
            if value is None:
                continue
            if type(value) is int and 0 <= value <= LIMIT:
                return value
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if value != value or value < 0 or value > LIMIT:
                self.corrections.append(f"{name} was {value}, taken as 0")
                continue
            return int(value)
        return 0

    def within(self, name: str, part: int, whole: int, of: str) -> int:
        """The part, at most the whole."""
        if part > whole:
            self.corrections.append(f"{name} {part} exceeded {of} {whole}")
            return whole
        return part

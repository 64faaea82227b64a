"""What an option's value may be: each kind has words for it and a check that says what is wrong."""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TEXT_MOST = 1 << 20
JSON_MOST = 4 << 20
"""Characters of a value."""
NUMBER_MOST = 1 << 53
"""What JSON numbers hold exactly."""
RATIO_MOST = 1_000_000_000
TRUE, FALSE = "true", "false"

Check = Callable[[str], None]
"""Raises ValueError, which says what is wrong."""


@dataclass(frozen=True, slots=True)
class Kind:
    """words: what it is called in docs/options.md.

    form: how it is best written: text, lines, number, switch, choice, json. names: of a choice.
    """

    words: str
    check: Check
    most: int = TEXT_MOST
    form: str = "text"
    names: tuple[str, ...] = ()


def loads(value: str) -> Any:
    """JSON without NaN and Infinity. Raises ValueError."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(value, parse_constant=refuse)


def status_set(text: str) -> frozenset[int]:
    """Status codes of "401-407,429". Raises ValueError."""
    found: set[int] = set()
    for piece in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = piece.partition("-")
        low, high = int(first), int(last or first)
        if not 100 <= low <= high <= 599:
            raise ValueError(f"{piece} is no range of status codes")
        found.update(range(low, high + 1))
    return frozenset(found)


def _any(value: str) -> None:
    """Any text."""


def _switch(value: str) -> None:
    if value not in (TRUE, FALSE):
        raise ValueError("true or false is wanted")


def _statuses(value: str) -> None:
    status_set(value)


def _address(value: str) -> None:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("an http or https address is wanted")


SWITCH = Kind("true or false", _switch, 5, "switch")
TEXT = Kind("text", _any)
ADDRESS = Kind("http or https address", _address, 2048)
LINES = Kind("texts, one a line", _any, form="lines")
COMMAS = Kind("texts, by comma", _any)
STATUSES = Kind("status codes such as 401-407,429", _statuses)


def whole(low: int, high: int = NUMBER_MOST) -> Kind:
    """A whole number within bounds."""

    def check(value: str) -> None:
        if not (re.fullmatch(r"-?[0-9]{1,19}", value) and low <= int(value) <= high):
            raise ValueError(f"a whole number from {low} to {high} is wanted")

    words = f"whole number, {low} or more" if high == NUMBER_MOST else f"whole number, {low} to {high}"
    return Kind(words, check, 20, "number")


def number(low: float, high: float = math.inf, above: bool = False) -> Kind:
    """A number within bounds. above: low itself is too little."""
    bounds = f"above {low:g}" if above else f"of {low:g} or more"
    if high != math.inf:
        bounds += f", at most {high:g}"

    def check(value: str) -> None:
        try:
            found = float(value)
        except ValueError:
            found = math.nan
        if not (math.isfinite(found) and (found > low if above else found >= low) and found <= high):
            raise ValueError(f"a number {bounds} is wanted")

    return Kind(f"number {bounds}", check, 64, "number")


def choice(*names: str) -> Kind:
    """One of a few words."""

    def check(value: str) -> None:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)} is wanted")

    return Kind("one of " + ", ".join(name or '""' for name in names), check, 64, "choice", names)


# -- JSON -----------------------------------------------------------------------------------------

Entry = Callable[[str, Any], None]
"""Checks one entry: its name or place, its value."""


def ratio(entry: str, value: Any) -> None:
    """A number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= RATIO_MOST:
        raise ValueError(f"{entry} needs a number from 0 to {RATIO_MOST}")


def string(entry: str, value: Any) -> None:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"{entry} needs a text")


def counted(entry: str, value: Any) -> None:
    """A whole number of 0 or more."""
    if type(value) is not int or not 0 <= value <= NUMBER_MOST:
        raise ValueError(f"{entry} needs a whole number of 0 or more")


def positive(entry: str, value: Any) -> None:
    """A whole number of 1 or more."""
    if type(value) is not int or not 1 <= value <= NUMBER_MOST:
        raise ValueError(f"{entry} needs a whole number of 1 or more")


def factor(entry: str, value: Any) -> None:
    """What an amount is multiplied by: above 0, at most 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise ValueError(f"{entry} needs a number above 0, at most 1")


def limits(entry: str, value: Any) -> None:
    """[requests, successes]."""
    pair = value if isinstance(value, list) and len(value) == 2 else []
    if not pair or any(type(count) is not int for count in pair) or pair[0] < 0 or pair[1] < 1:
        raise ValueError(f"{entry} needs [requests of 0 or more, successes of 1 or more]")


def object_(entry: str, value: Any) -> None:
    """An object."""
    if not isinstance(value, dict):
        raise ValueError(f"{entry} needs an object")


def network(entry: str, value: Any) -> None:
    """An address or a network."""
    string(entry, value)
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is no address or network") from None


def port_range(entry: str, value: Any) -> None:
    """A port or a range of ports, such as "8000-8100"."""
    first, _, last = str(value).partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and 1 <= int(first) <= int(last or first) <= 65_535):
        raise ValueError(f"{value!r} is no port or range of ports")


def nested(inner: Entry) -> Entry:
    """An object whose entries are checked, too."""

    def check(entry: str, value: Any) -> None:
        object_(entry, value)
        for name, held in value.items():
            inner(f"{entry}.{name}", held)

    return check


def listed(inner: Entry) -> Entry:
    """An array whose elements are checked, too."""

    def check(entry: str, value: Any) -> None:
        if not isinstance(value, list):
            raise ValueError(f"{entry} needs an array")
        for place, held in enumerate(value):
            inner(f"{entry}.{place}", held)

    return check


def mapping(words: str, entry: Entry) -> Kind:
    """A JSON object, checked entry by entry."""

    def check(value: str) -> None:
        parsed = loads(value or "{}")
        if not isinstance(parsed, dict):
            raise ValueError("a JSON object is wanted")
        for name, held in parsed.items():
            entry(name, held)

    return Kind(f"JSON object: {words}", check, JSON_MOST, "json")


def array(words: str, entry: Entry) -> Kind:
    """A JSON array, checked element by element."""

    def check(value: str) -> None:
        parsed = loads(value or "[]")
        if not isinstance(parsed, list):
            raise ValueError("a JSON array is wanted")
        for place, held in enumerate(parsed):
            entry(str(place), held)

    return Kind(f"JSON array: {words}", check, JSON_MOST, "json")


def free(words: str = "any JSON") -> Kind:
    """JSON of any shape, or nothing."""

    def check(value: str) -> None:
        if value:
            loads(value)

    return Kind(words, check, JSON_MOST, "json")


def checked(words: str, parse: Callable[[str], object]) -> Kind:
    """What a reader of its own understands."""

    def check(value: str) -> None:
        parse(value)

    return Kind(words, check, JSON_MOST, "json")


RATIOS = mapping("name -> number of 0 or more", ratio)
TEXTS = mapping("name -> text", string)
STRINGS = array("texts", string)
OBJECTS = array("objects", object_)
Rows = Mapping[str, str]

"""Reading JSON that clients sent: strict types, limits on depth, errors that name the field."""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, TypeVar

import orjson

from front.errors import FrontError, bad

T = TypeVar("T")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""Possessive, and matching strings that never end: else hostile bodies take quadratic time."""
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_OTHERS = bytes(set(range(256)) - set(b"[{]}"))
VALUES_MOST = 1 << 20
"""Values of a body. Each takes some 60 bytes in memory, and packed, 128 MB of "[]," are a request of 130 kB."""
QUOTES_MOST = 1 << 23
"""Quotes of a body, those inside of texts included: more are not even looked at."""
DEEP = 100
MEANT = frozenset({
    "model", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "max_output_tokens", "background",
    "messages", "input", "system", "instructions", "service_tier", "inference_geo", "speed", "safety_identifier",
    "store",
})  # fmt: skip
"""Members that decide what a request costs, what filters read, and what a channel keeps back."""
_SPELT = re.compile(rb"\\u00[4-7]")
"""A letter written as an escape, as no encoder writes it."""


def _deepest(bare: bytes) -> int:
    """How deep brackets nest. No step of Python for each: a body may hold a million."""
    return max(accumulate(memoryview(bare.translate(_STEPS, _OTHERS)).cast("b")), default=0)


def check_shape(raw: bytes, limit: int) -> None:
    """Raises FrontError 400 for what nests too deeply, or is of too many values to be held. raw need not be JSON."""
    opened, commas = raw.count(b"[") + raw.count(b"{"), raw.count(b",")
    if opened <= limit and opened + commas <= VALUES_MOST:
        return
    if raw.count(b'"') > QUOTES_MOST:
        raise bad("The JSON body holds too many values.")
    bare = _STRING.sub(b"", raw)
    if opened + commas > VALUES_MOST and bare.count(b"[") + bare.count(b"{") + bare.count(b",") > VALUES_MOST:
        raise bad(f"The JSON body holds more than {VALUES_MOST} values.")
    if opened > limit and _deepest(bare) > limit:
        raise bad(f"The JSON body nests deeper than {limit} levels.")


def load_object(raw: bytes, limit: int = DEEP) -> dict[str, Any]:
    """The body as a JSON object. Raises FrontError 400: no JSON, NaN, lone surrogates, bad UTF-8, too deep."""
    if not raw:
        raise bad("The request body is empty; a JSON object is wanted.")
    check_shape(raw, limit)
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad(f"The request body is not valid JSON: {str(error)[:200]}") from error
    if not isinstance(parsed, dict):
        raise bad("The request body must be a JSON object.")
    return parsed


def check_names(raw: bytes, source: dict[str, Any]) -> None:
    """Raises FrontError 400 where a vendor may read another request than was read here.

    Of two members of one name most parsers see the last, some the first, and those of
    Go take names in any letters: what is relayed as it came must mean one thing.
    """
    for name in source:
        if name not in MEANT and name.casefold() in MEANT:
            raise bad(f"{name} must be written {name.casefold()}.", name)
    # Counting is quick; only where it tells of a second one, be it deep inside, is the body read again.
    spelt = b"\\u00" in raw and _SPELT.search(raw) is not None
    if spelt or any(raw.count(b'"%b"' % name.encode()) > 1 for name in MEANT & source.keys()):
        names = json.loads(raw, object_pairs_hook=_names, parse_int=str, parse_float=str)
        if name := next((name for name in source if names.count(name) > 1), ""):
            raise bad(f"The request body holds {name} more than once.", name)


def _names(pairs: list[tuple[str, Any]]) -> list[str]:
    """The names of an object's members; the outermost object is asked last."""
    return [name for name, _ in pairs]


NAMES: dict[Any, str] = {
    str: "a string", bool: "a boolean", int: "an integer", float: "a number", dict: "an object", list: "an array",
}  # fmt: skip


def take(source: dict[str, Any], name: str, kind: type[T], path: str = "") -> T | None:
    """A member of the type, taken out of the object; None where it is absent or null. Raises FrontError 400."""
    value = source.pop(name, None)
    if value is None:
        return None
    fits = isinstance(value, kind)
    if kind is float:
        fits = isinstance(value, int | float)
    if isinstance(value, bool) and kind is not bool:
        fits = False
    if not fits:
        raise bad(f"{path}{name} must be {NAMES.get(kind, kind.__name__)}.", f"{path}{name}")
    return value  # type: ignore[no-any-return]


def whole(source: dict[str, Any], name: str, least: int, most: int, path: str = "") -> int | None:
    """An integer within bounds. Raises FrontError 400."""
    value = take(source, name, int, path)
    if value is not None and not least <= value <= most:
        raise bad(f"{path}{name} must be between {least} and {most}.", f"{path}{name}")
    return value


def number(source: dict[str, Any], name: str, least: float, most: float) -> float | None:
    """A number within bounds. Raises FrontError 400."""
    value = take(source, name, float)
    if value is not None and not least <= value <= most:
        raise bad(f"{name} must be between {least:g} and {most:g}.", name)
    return value


__all__ = ["FrontError", "check_names", "check_shape", "load_object", "number", "take", "whole"]

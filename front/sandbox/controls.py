"""What the sandbox is told to do: `[[sandbox chunks=20 status=429]]` in the last user text, or `x-sandbox`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

_DIRECTIVE = re.compile(r"\[\[sandbox([^\]]*)\]\]")


@dataclass(frozen=True, slots=True)
class Controls:
    """One request's orders; 0, False and "" leave a thing as it is. docs/sandbox.md tells each."""

    chunks: int = 0
    delay_ms: int = 0
    tokens: int = 0
    first_byte_ms: int = 0
    status: int = 0
    retry_after: int = 0
    cut_after: int = 0
    content_type: str = ""
    tool: str = ""
    calls: int = 0
    cached: int = 0
    cache_write: int = 0
    usage_lie: int = 0
    broken_json: bool = False
    html: bool = False
    gzip_garbage: bool = False
    reset: bool = False
    hang: bool = False
    endless_line: bool = False
    one_byte: bool = False
    no_usage: bool = False
    no_ids: bool = False
    thinking: bool = False
    refuse: bool = False
    filter: bool = False
    error_in_stream: bool = False


NONE = Controls()
"""No orders. parse gives this very object, so that `is` tells it."""

_DEFAULTS = {field.name: field.default for field in fields(Controls)}
_MOST = {"tokens": 1_000_000, "calls": 128, "status": 599}
"""Where a greater number would cost memory, or be no status."""
_MOST_OTHERS = 1_000_000_000


def parse(text: str, header: str = "") -> tuple[Controls, str]:
    """The orders, and the text without directives. The header wins; unknown words are ignored.

    Raises ValueError for a number that is none, or too great.
    """
    found = [match[1] for match in _DIRECTIVE.finditer(text)] if "[[sandbox" in text else []
    if not found and not header:
        return NONE, text.strip()
    orders: dict[str, object] = {}
    for word in " ".join([*found, header]).split():
        name, _, value = word.partition("=")
        default = _DEFAULTS.get(name)
        if default is None:
            continue
        if isinstance(default, bool):
            orders[name] = value.lower() not in ("0", "false")
        elif isinstance(default, int):
            orders[name] = _number(name, value)
        else:
            orders[name] = value
    made = Controls(**orders)  # type: ignore[arg-type]
    return (NONE if made == NONE else made), _DIRECTIVE.sub("", text).strip()


def _number(name: str, value: str) -> int:
    """A word's number; less than 0 is 0."""
    try:
        given = max(0, int(value))
    except ValueError:
        raise ValueError(f"sandbox: {name} needs a number, not {value!r}") from None
    if given > _MOST.get(name, _MOST_OTHERS) or (name == "status" and 0 < given < 400):
        raise ValueError(f"sandbox: {name}={given} is out of range")
    return given

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
    broken_json: bool = False
    html: bool = False
    gzip_garbage: bool = False
    reset: bool = False
    endless_line: bool = False
    one_byte: bool = False
    no_usage: bool = False
    thinking: bool = False
    error_in_stream: bool = False


_DEFAULTS = {field.name: field.default for field in fields(Controls)}


def parse(text: str, header: str = "") -> tuple[Controls, str]:
    """The orders, and the text without directives. The header wins; unknown words are ignored.

    Raises ValueError for a number that is none.
    """
    orders: dict[str, object] = {}
    found = [match[1] for match in _DIRECTIVE.finditer(text)]
    for word in " ".join([*found, header]).split():
        name, _, value = word.partition("=")
        default = _DEFAULTS.get(name)
        if default is None:
            continue
        if isinstance(default, bool):
            orders[name] = value.lower() not in ("0", "false")
        elif isinstance(default, int):
            orders[name] = max(0, int(value))
        else:
            orders[name] = value
    return Controls(**orders), _DIRECTIVE.sub("", text).strip()  # type: ignore[arg-type]

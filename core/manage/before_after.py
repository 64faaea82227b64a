"""What an administrator's action changed: names with what stood there before and after, secrets masked.

The audit opens the box, the functions of core/manage put in what they change; outside of an action nothing is kept.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from core.options.row import is_secret

VALUE_MOST = 500
"""Characters of a value that are kept."""
NAMES_MOST = 100
MASK = "***"
SECRETS = frozenset(
    {
        "password", "key", "secret", "client_secret", "token", "access_token", "access_token_hash",
        # What holds proxies with passwords, and headers with keys.
        "setting", "settings", "header_override", "param_override", "other",
    }
)  # fmt: skip
_USERINFO = re.compile(r"(?<=://)[^/@\s\"']*@")
_box: ContextVar[dict[str, list[Any]] | None] = ContextVar("changes", default=None)


@contextlib.contextmanager
def kept() -> Iterator[dict[str, list[Any]]]:
    """Name -> [before, after], filled while the block runs."""
    box: dict[str, list[Any]] = {}
    token = _box.set(box)
    try:
        yield box
    finally:
        _box.reset(token)


def changed(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> None:
    """Tells what a change writes; what stays as it was is left out. None: there was nothing, or nothing is left."""
    box = _box.get()
    if box is None:
        return
    for name, value in after.items():
        old = before.get(name)
        if old != value and len(box) < NAMES_MOST:
            box[prefix + name] = [shown(name, old), shown(name, value)]


def shown(name: str, value: Any) -> Any:
    """A value as it may be kept: secrets as MASK, texts without credentials in addresses and not too long."""
    if value is None or value == "" or isinstance(value, bool | int | float):
        return MASK if _secret(name) and value not in (None, "") else value
    if _secret(name):
        return MASK
    text = _USERINFO.sub(MASK + "@", value if isinstance(value, str) else json.dumps(value, default=str))
    return text if len(text) <= VALUE_MOST else text[:VALUE_MOST] + "…"


def _secret(name: str) -> bool:
    return name in SECRETS or is_secret(name)

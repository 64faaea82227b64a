"""What the options say about a call, whatever the wire form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from core.vendors.interface import Call


@lru_cache(maxsize=256)
def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def option(call: Call, name: str) -> str:
    """An option's text; empty where it is not set."""
    return call.options.get(name, "")


def on(call: Call, name: str) -> bool:
    """Whether a switch is on; switches nobody set are."""
    return option(call, name) != "false"


def table(text: str) -> dict[str, Any]:
    """An option that is a JSON object, not to be changed; empty where it is none."""
    parsed = _json(text)
    return parsed if isinstance(parsed, dict) else {}


def is_whole_name(call: Call) -> bool:
    """Whether what looks like a suffix is part of the model's name (global.thinking_model_blacklist)."""
    listed = _json(option(call, "global.thinking_model_blacklist"))
    return isinstance(listed, list) and (call.sent in listed or call.asked in listed)


def passes_through(call: Call) -> bool:
    """Whether bodies go out as the client sent them, where the vendor speaks the client's form."""
    if option(call, "global.pass_through_request_enabled") == "true":
        return True
    return bool(call.channel.setting.get("pass_through_body_enabled"))

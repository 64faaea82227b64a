"""Addresses of Gemini's methods, and what the channel and the options say about a call."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from core.vendors.interface import Call

VERSION = "v1beta"
_OURS = frozenset({"alt", "$alt", "key", "fields", "prettyPrint", "pretty"})
"""Query parameters that are not passed on: this house asks for its own framing and reads whole answers."""


@lru_cache(maxsize=64)
def table(text: str) -> dict[str, Any]:
    """An option that is a JSON object; empty where it is none."""
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def option(call: Call, name: str) -> str:
    """An option's text; empty where it is not set."""
    return call.options.get(name, "")


def on(call: Call, name: str) -> bool:
    """Whether a switch is on; switches nobody set are."""
    return option(call, name) != "false"


def version(call: Call, model: str) -> str:
    """The API's version: the channel's, else the option's for the model, else its default."""
    if call.channel.other:
        return call.channel.other
    settings = table(option(call, "gemini.version_settings"))
    found = settings.get(model) or settings.get("default")
    return found if isinstance(found, str) else VERSION


def url(call: Call, model: str, method: str, streamed: bool = False) -> str:
    """The address of a method of a model; streams are always asked for as server-sent events."""
    path = quote(model if "/" in model else f"models/{model}", safe="/@:")
    address = f"{call.channel.base_url.rstrip('/')}/{quote(version(call, model), safe='')}/{path}:{method}"
    query = ["alt=sse"] if streamed else []
    if call.native is not None and call.native.form.startswith("gemini.") and call.native.query:
        query += [pair for pair in call.native.query.split("&") if pair and pair.partition("=")[0] not in _OURS]
    return address + ("?" + "&".join(query) if query else "")

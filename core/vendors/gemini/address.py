"""Addresses of Gemini's methods, and what the channel and the options say about a call."""

from __future__ import annotations

import re
from urllib.parse import quote

from core.vendors.interface import Call
from core.vendors.shared.options import option, table

VERSION = "v1beta"
GOOGLES = re.compile(
    r"https://(generativelanguage\.googleapis\.com/|(www\.|m\.)?youtube\.com/|youtu\.be/)", re.IGNORECASE
)
"""Addresses of what Google holds: uploaded files, and films that it looks up itself."""
_OURS = frozenset({"alt", "$alt", "key", "fields", "prettyPrint", "pretty"})
"""Query parameters that are not passed on: this house asks for its own framing and reads whole answers."""


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

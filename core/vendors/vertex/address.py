"""Addresses and headers of Vertex AI: regions, publishers, projects."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

from core.errors import ChannelError
from core.vendors.interface import Call
from core.vendors.shared import headers as shared
from core.vendors.table import Row
from core.vendors.vertex.keys import account_of, is_api_key

GLOBAL = "global"
_REGION = re.compile(r"[a-z]+(?:-[a-z]+\d+)?")
_WIDE = {
    GLOBAL: "https://aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
}
"""Regions whose host is not made of their name (anthropic's SDK, lib/vertex/_client.py)."""


def region(call: Call, model: str) -> str:
    """Where a model is asked for: the channel's field `other`, plain or {model: region, default}; empty: global."""
    said = _regions(call.channel.other.strip())
    found = said if isinstance(said, str) else said.get(call.asked) or said.get(model) or said.get("default")
    if not found:
        return GLOBAL
    if not isinstance(found, str) or not _REGION.fullmatch(found):
        raise ChannelError("The channel names no region of Vertex AI.")
    return found


@lru_cache(maxsize=256)
def _regions(text: str) -> str | dict[str, Any]:
    if not text.startswith("{"):
        return text
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ChannelError("The channel's regions are not a JSON object.")
    return parsed


def publisher(call: Call, house: str, model: str, method: str, query: str = "") -> str:
    """The address of a method of a publisher's model; API keys know no project."""
    place = region(call, call.sent)
    path = f"publishers/{house}/models/{quote(model, safe='@-._~')}:{method}"
    if not is_api_key(call):
        path = f"projects/{quote(account_of(call).project_id, safe=':')}/locations/{place}/{path}"
    return f"{_base(call, place)}/v1/{path}" + (f"?{query}" if query else "")


def endpoint(call: Call) -> str:
    """The address of OpenAI's chat form, in which open models are served. Raises ChannelError for API keys."""
    if is_api_key(call):
        raise ChannelError("Open models of Vertex AI are served to service accounts only.")
    place = region(call, call.sent)
    project = quote(account_of(call).project_id, safe=":")
    return f"{_base(call, place)}/v1beta1/projects/{project}/locations/{place}/endpoints/openapi/chat/completions"


def _base(call: Call, place: str) -> str:
    base = call.channel.base_url.rstrip("/")
    if "{region}" not in base:
        return base
    return _WIDE.get(place) or base.replace("{region}", place)


def headers(row: Row, call: Call, more: dict[str, str] | None = None) -> tuple[tuple[str, str], ...]:
    """Content type, the API key or the project that is charged, the form's own, the channel's own.

    The key goes into a header, where it is in nobody's logs of addresses (as google-genai sends it).
    """
    extra = dict(more or {})
    if is_api_key(call):
        return shared.headers(row, call, "x-goog-api-key", extra.items())
    extra["x-goog-user-project"] = account_of(call).project_id
    return shared.headers(row, call, "none", extra.items())


def masked(message: str, call: Call) -> str:
    """Without the service account's name and project."""
    if is_api_key(call):
        return message
    try:
        account = account_of(call)
    except ChannelError:
        return message
    return message.replace(account.client_email, "***").replace(account.project_id, "***")

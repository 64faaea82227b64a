"""Addresses and headers of Bedrock's runtime."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

from core.vendors.bedrock.keys import parse
from core.vendors.bedrock.models import foundation_id, model_id, without_area
from core.vendors.interface import Call
from core.vendors.shared import headers as shared
from core.vendors.table import Row

STREAM = "application/vnd.amazon.eventstream"
_CHINA = re.compile(r"^cn-")


def url(call: Call, model: str, method: str) -> str:
    """The address of a method of a model. Every byte of the id that a signature would quote is quoted."""
    region = parse(call).region
    base = call.channel.base_url.rstrip("/").replace("{region}", region)
    if "{region}" in call.channel.base_url and _CHINA.match(region):
        base += ".cn"
    return f"{base}/model/{quote(model, safe='')}/{method}"


def id_of(call: Call, model: str) -> str:
    """The id to call, by the key's region."""
    return model_id(model, parse(call).region)


def counted_id(model: str) -> str:
    """The id to count tokens with: profiles are refused there."""
    return without_area(foundation_id(model))


def headers(row: Row, call: Call) -> tuple[tuple[str, str], ...]:
    """Content type, the API key where the key is one, the channel's own; signatures are not this step's work."""
    key = parse(call)
    # A key's parts, not the whole of it, are what a header may hold.
    held = replace(call, secret=key.bearer or key.access)
    accept = (("Accept", STREAM),) if call.stream else ()
    return shared.headers(row, held, "bearer" if key.bearer else "none", accept)

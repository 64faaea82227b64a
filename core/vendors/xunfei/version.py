"""Which version of Spark a call means: its path and its domain (xfyun.cn/doc/spark/Web.html)."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote

from core.vendors.interface import Call

_DOMAINS = {
    "v1.1": "lite", "v2.1": "generalv2", "v3.1": "generalv3", "v3.5": "generalv3.5", "v4.0": "4.0Ultra",
    "pro-128k": "pro-128k", "max-32k": "max-32k",
}  # fmt: skip
_VERSIONS = {domain.lower(): version for version, domain in _DOMAINS.items()}
_SUFFIX = re.compile(r"-(v\d+\.\d+)$")
_DEFAULT = "v1.1"


def version(call: Call) -> str:
    """The client's ?api-version=, the model's name or its suffix, the channel's field, or the oldest."""
    query = call.native.query if call.native is not None else ""
    if told := parse_qs(query).get("api-version", [""])[0]:
        return told
    if found := _SUFFIX.search(call.sent):
        return found[1]
    return _VERSIONS.get(call.sent.lower().removeprefix("sparkdesk-")) or call.channel.other or _DEFAULT


def url(call: Call) -> str:
    """The address, less the signature. Versions with a name come last in the path."""
    found = quote(version(call), safe=".")
    path = f"{found}/chat" if found.startswith("v") else f"chat/{found}"
    return f"{call.channel.base_url.rstrip('/')}/{path}"


def domain(call: Call) -> str:
    """What parameter.chat.domain must be."""
    found = version(call)
    return _DOMAINS.get(found, f"general{found}")

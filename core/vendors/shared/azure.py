"""Azure's addresses: deployments, whose API has dated versions, and the v1 API, where bodies name the model."""

from __future__ import annotations

import re
from urllib.parse import quote

AZURE = 3
"""The type's number."""
V1 = "/openai/v1"
DOTS_FROM = 1_746_835_200
"""10 May 2025, Unix seconds: channels made before it name deployments without the dots of their models (New API)."""
_HEAD = re.compile(r"^/openai(?:/deployments/\{model\}|/v1)?(?=/)")


def placed(base: str, path: str, version: str) -> str:
    """The path for a channel's base and version (the client's, else the channel's, else the operator's).

    A base that ends in /openai/v1, or a version that is no date (v1, preview), means the v1 API.
    """
    plain, _, query = path.partition("?")
    undated = not version[:1].isdigit()
    told = f"api-version={quote(version, safe='')}" if undated else ""
    if base.endswith(V1):
        query = told if "{version}" in query else query
        return _HEAD.sub("", plain) + (f"?{query}" if query else "")
    if undated and "{version}" in query:
        return f"{V1}{_HEAD.sub('', plain)}?{told}"
    return path


def deployment(model: str, created: int) -> str:
    """The name of a model's deployment, for a channel made at a time (0: not known)."""
    return model.replace(".", "") if 0 < created < DOTS_FROM else model

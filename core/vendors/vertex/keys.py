"""Keys of Vertex AI channels: service accounts as JSON, or API keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import orjson

from core.errors import ChannelError
from core.vendors.interface import Call

EXCHANGE = "https://oauth2.googleapis.com/token"
"""Where tokens are exchanged, for keys that do not say."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What of a service account's JSON is used."""

    project_id: str
    client_email: str
    private_key: str = field(repr=False)
    private_key_id: str
    token_uri: str


def is_api_key(call: Call) -> bool:
    """Whether the key is an API key: as the channel says, else as the key looks."""
    said = call.channel.settings.get("vertex_key_type")
    return said == "api_key" if said else not call.secret.lstrip().startswith("{")


def account_of(call: Call) -> ServiceAccount:
    """The call's service account. Raises ChannelError."""
    return _parsed(call.secret)


@lru_cache(maxsize=1024)
def _parsed(secret: str) -> ServiceAccount:
    try:
        found = orjson.loads(secret)
    except orjson.JSONDecodeError:
        raise ChannelError("The channel's key is not the JSON of a service account.") from None
    found = found if isinstance(found, dict) else {}
    names = ("project_id", "client_email", "private_key")
    missing = [name for name in names if not isinstance(found.get(name), str) or not found[name]]
    if missing:
        raise ChannelError(f"The channel's service account lacks {', '.join(missing)}.")
    return ServiceAccount(
        found["project_id"],
        found["client_email"],
        found["private_key"],
        str(found.get("private_key_id") or ""),
        str(found.get("token_uri") or EXCHANGE),
    )

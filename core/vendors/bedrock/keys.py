"""Keys of Bedrock channels: AK|SK|region, with a session token AK|SK|region|token; API keys KEY|region."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from core.errors import ChannelError
from core.vendors.interface import Call

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True)
class AwsKey:
    """A key's parts: bearer, or access and secret."""

    region: str
    bearer: str = field(default="", repr=False)
    access: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    session: str = field(default="", repr=False)


def parse(call: Call) -> AwsKey:
    """The call's key. settings.aws_key_type tells the kinds apart, else the number of parts. Raises ChannelError."""
    return _parsed(call.secret, str(call.channel.settings.get("aws_key_type") or ""))


@lru_cache(maxsize=1024)
def _parsed(secret: str, kind: str) -> AwsKey:
    parts = tuple(part.strip() for part in secret.split("|"))
    count = len(parts)
    if not all(parts) or count not in ((2,) if kind == "api_key" else (3, 4) if kind == "ak_sk" else (2, 3, 4)):
        raise ChannelError("The channel's key must be AK|SK|region, or API key|region.")
    region = parts[1] if count == 2 else parts[2]
    if not _REGION.fullmatch(region):
        raise ChannelError("The channel's key names no AWS region.")
    if count == 2:
        return AwsKey(region, bearer=parts[0])
    return AwsKey(region, access=parts[0], secret=parts[1], session=parts[3] if count == 4 else "")

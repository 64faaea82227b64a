"""Keys of Tencent channels: appid|secret id|secret key."""

from __future__ import annotations

from dataclasses import dataclass, field

WANTED = "The channel's key must be appid|secret id|secret key."


@dataclass(frozen=True, slots=True)
class TencentKey:
    """What signs."""

    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)


def parse(secret: str) -> TencentKey:
    """The key's parts. Raises ValueError."""
    parts = [part.strip() for part in secret.split("|")]
    if len(parts) != 3 or not all(parts):
        raise ValueError(WANTED)
    return TencentKey(parts[1], parts[2])

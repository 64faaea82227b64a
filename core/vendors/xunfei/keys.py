"""Keys of Xunfei channels: appid|APISecret|APIKey."""

from __future__ import annotations

from dataclasses import dataclass, field

WANTED = "The channel's key must be appid|APISecret|APIKey."


@dataclass(frozen=True, slots=True)
class XunfeiKey:
    """What names the application, and what signs."""

    appid: str
    secret: str = field(repr=False)
    key: str = field(repr=False)


def parse(secret: str) -> XunfeiKey:
    """The key's parts. Raises ValueError."""
    parts = [part.strip() for part in secret.split("|")]
    if len(parts) != 3 or not all(parts):
        raise ValueError(WANTED)
    return XunfeiKey(*parts)

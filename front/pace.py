"""What callers are told of their limits: headers, as the vendor of each dialect writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Limit(Protocol):
    """What a limit in a minute holds; reset_ms: until all of it is free."""

    @property
    def kind(self) -> str:
        """What is counted: requests or tokens."""

    @property
    def limit(self) -> int:
        """The most."""

    @property
    def remaining(self) -> int:
        """What is free."""

    @property
    def reset_ms(self) -> int:
        """Milliseconds."""


@dataclass(frozen=True, slots=True)
class ToldLimit:
    """A limit as a refusal tells it."""

    kind: str
    limit: int
    remaining: int
    reset_ms: int


def limits_from(text: str) -> tuple[Limit, ...]:
    """Limits of an error's metadata: kind,limit,remaining,reset_ms;..."""
    found = []
    for piece in text.split(";"):
        parts = piece.split(",")
        if len(parts) == 4 and all(part.isdecimal() for part in parts[1:]):
            found.append(ToldLimit(parts[0], int(parts[1]), int(parts[2]), int(parts[3])))
    return tuple(found)


def _duration(milliseconds: int) -> str:
    """As OpenAI writes it: 6m0s, 1.5s, 20ms."""
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def limit_headers(form: str, limits: Iterable[Limit]) -> dict[str, str]:
    """Headers of a dialect: Anthropic's own (platform.claude.com, API rate limits), OpenAI's for all others."""
    headers = {}
    for each in limits:
        if form.startswith("anthropic"):
            at = datetime.now(UTC) + timedelta(milliseconds=each.reset_ms)
            prefix = f"anthropic-ratelimit-{each.kind}"
            headers[f"{prefix}-limit"] = str(each.limit)
            headers[f"{prefix}-remaining"] = str(each.remaining)
            headers[f"{prefix}-reset"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        else:
            headers[f"x-ratelimit-limit-{each.kind}"] = str(each.limit)
            headers[f"x-ratelimit-remaining-{each.kind}"] = str(each.remaining)
            headers[f"x-ratelimit-reset-{each.kind}"] = _duration(each.reset_ms)
    return headers

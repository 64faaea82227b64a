"""A sum with what led to it, and how figures are shown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from isthmus.v1 import billing_pb2


@dataclass(frozen=True, slots=True)
class Bill:
    """quota is units, 0 or more."""

    quota: int
    lines: tuple[billing_pb2.PriceLine, ...]
    factors: dict[str, str]
    formula: str


def text(number: Decimal) -> str:
    """A decimal without exponent and without zeros that say nothing."""
    told = format(number, "f")
    return told.rstrip("0").rstrip(".") if "." in told else told

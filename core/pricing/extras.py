"""Prices beside tokens: calls of the vendors' tools, and audio that is priced apart from text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

TOOLS: Mapping[str, Decimal] = {
    "web_search": Decimal(10),
    "web_search_preview": Decimal(10),
    "web_search_preview:gpt-4o*": Decimal(25),
    "web_search_preview:gpt-4.1*": Decimal(25),
    "file_search": Decimal("2.5"),
    "google_search": Decimal(14),
    "image_generation_low": Decimal(11),
    "image_generation_low_long": Decimal(16),
    "image_generation_medium": Decimal(42),
    "image_generation_medium_long": Decimal(63),
    "image_generation_high": Decimal(167),
    "image_generation_high_long": Decimal(250),
}
"""USD for a thousand calls, by tool or "tool:beginning of the name*"; tool_price_setting.prices replaces all."""

_GEMINI_AUDIO = (
    ("gemini-2.5-flash-preview-native-audio", Decimal(3)),
    ("gemini-2.5-flash-preview-lite", Decimal("0.5")),
    ("gemini-2.5-flash", Decimal(1)),
    ("gemini-2.0-flash", Decimal("0.7")),
    ("gemini-robotics-er-1.5", Decimal(1)),
)
"""USD for a million tokens of audio in, by the beginning of the name; the first that fits counts."""
SEARCHING = "search-preview"
"""Chat models whose names end so search the web once an answer."""


def audio_price(model: str) -> Decimal:
    """USD for a million tokens of audio in; 0: audio costs what text costs."""
    for prefix, price in _GEMINI_AUDIO:
        if model.startswith(prefix):
            return price
    return Decimal(0)


def tool_prices(model: str, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Tool -> USD for a thousand calls by this model: of the entries that fit the longest counts."""
    best: dict[str, tuple[int, Decimal]] = {}
    for key, price in prices.items():
        tool, _, prefix = key.partition(":")
        prefix = prefix.removesuffix("*")
        if model.startswith(prefix) and len(prefix) >= best.get(tool, (-1, price))[0]:
            best[tool] = (len(prefix), price)
    return {tool: price for tool, (_, price) in best.items()}


def calls_of(model: str, told: Mapping[str, int]) -> dict[str, int]:
    """How often each tool was called; a search model's own search where nothing was told."""
    if told:
        return {tool: count for tool, count in told.items() if count > 0}
    return {"web_search_preview": 1} if model.endswith(SEARCHING) else {}

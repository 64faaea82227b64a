"""Built-in completion ratios: what output costs beside input, where no table says."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal

UP = Context(prec=28, rounding=ROUND_CEILING)
"""No decimal is 2.5 / 0.3: the 28th digit goes up, so that a half unit that the vendor rounds up is rounded up."""
FLASH = UP.divide(Decimal("2.5"), Decimal("0.3"))
FLASH_PREVIEW = UP.divide(Decimal("3.5"), Decimal("0.15"))

# (prefix, ratio, locked): the first that fits counts, so the longer ones stand before the shorter.
_PREFIXES: tuple[tuple[str, Decimal, bool], ...] = tuple(
    (prefix, Decimal(ratio), locked)
    for prefix, ratio, locked in (
        ("gpt-4o-2024-05-13", 3, True), ("gpt-4o-mini-tts", 20, False), ("gpt-4o", 4, False),
        ("gpt-5.4-nano", "6.25", True), ("gpt-5.4", 6, True), ("gpt-5.5", 6, True), ("gpt-5", 8, True),
        ("gpt-4.5-preview", 2, True), ("gpt-4-turbo", 3, True), ("gpt-", 2, False),
        ("o1", 4, True), ("o3", 4, True), ("chatgpt-4o-latest", 3, True),
        ("mistral-", 3, True), ("gemini-1.5", 4, True), ("gemini-2.0", 4, True), ("gemini-2.5-pro", 8, False),
        ("gemini-2.5-flash-preview", FLASH_PREVIEW, False), ("gemini-2.5-flash-lite", 4, False),
        ("gemini-2.5-flash", FLASH, False), ("gemini-robotics-er-1.5", FLASH, False),
        ("gemini-3-pro-image", 60, False), ("gemini-3-pro", 6, False), ("gemini-", 4, False),
        ("command", 4, False), ("ERNIE-Speed-", 2, True), ("ERNIE-Lite-", 2, True),
    )
)  # fmt: skip
_EXACT = {
    name: Decimal(ratio)
    for name, ratio in (
        ("command-r", 3),
        ("command-r-plus", 5),
        ("command-r-08-2024", 4),
        ("command-r-plus-08-2024", 4),
    )
}
"""Locked, for these names alone."""
_CLAUDE = ("claude-3", "claude-sonnet-4", "claude-opus-4", "claude-haiku-4")


def completion_rule(name: str) -> tuple[Decimal, bool] | None:
    """The built-in completion ratio of a model, and whether a saved one is ignored (locked); None where there is none.

    Spec: the built-in rules of New API.
    """
    if name.endswith("-all") or "-gizmo-" in name:
        return Decimal(2), False
    if any(piece in name for piece in _CLAUDE):
        return Decimal(5), True
    if name in _EXACT:
        return _EXACT[name], True
    if name.startswith("gemini-2.5-flash-preview") and name.endswith("-nothinking"):
        return Decimal(4), False
    if name.startswith("claude-"):
        # Every Claude since the third costs five times as much out as in; an operator may still say otherwise.
        return Decimal(5), False
    for prefix, ratio, locked in _PREFIXES:
        if name.startswith(prefix):
            return ratio, locked
    return None

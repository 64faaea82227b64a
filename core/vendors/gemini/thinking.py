"""How far Gemini's families think: levels from generation 3 on, budgets in 2.5, nothing before.

Levels and budgets by model are from the vendor's page on thinking.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import chat_pb2

MINIMAL, LOW, MEDIUM, HIGH = "MINIMAL", "LOW", "MEDIUM", "HIGH"
DYNAMIC = -1
"""The budget that leaves it to the model."""


@dataclass(frozen=True, slots=True)
class Family:
    """What a family can be told. levels are empty where it is told budgets, both are where it does not think."""

    levels: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    off: bool = False
    """Whether a budget of 0 turns thinking off."""
    signs: bool = False
    """Whether it refuses calls in its history that are not signed."""


_FAMILIES = (
    (r"gemini-(1|2\.0)\b|gemini-(pro|flash)$|gemini-exp|learnlm|gemma|palm|aqa", Family()),
    (r"gemini-2\.5-flash-lite", Family(least=512, most=24_576, off=True)),
    (r"gemini-2\.5-pro", Family(least=128, most=32_768)),
    (r"gemini-2\.5", Family(least=0, most=24_576, off=True)),
    (r"gemini-robotics-er-1\.5", Family(least=0, most=24_576, off=True)),
    (r"gemini-3-pro", Family((LOW, HIGH), signs=True)),
    (r"gemini-3\.(?:[7-9]|\d\d)-flash|gemini-(?:[3-9]|\d\d)(?:\.\d+)?-pro", Family((LOW, MEDIUM, HIGH), signs=True)),
    (r"gemini-3(?:\.[1-6])?-flash", Family((MINIMAL, LOW, MEDIUM, HIGH), signs=True)),
    (r"gemini-", Family((LOW, MEDIUM, HIGH), signs=True)),
)
_COMPILED = tuple((re.compile(r"(?:.*/)?(?:" + pattern + ")"), family) for pattern, family in _FAMILIES)
_SUFFIX = re.compile(r"^(.+?)-(?:thinking(?:-(-?\d{1,6}))?|nothinking|(none|minimal|low|medium|high|xhigh|max))$")

EFFORTS = {
    "none": chat_pb2.EFFORT_NONE, "minimal": chat_pb2.EFFORT_MINIMAL, "low": chat_pb2.EFFORT_LOW,
    "medium": chat_pb2.EFFORT_MEDIUM, "high": chat_pb2.EFFORT_HIGH, "xhigh": chat_pb2.EFFORT_XHIGH,
    "max": chat_pb2.EFFORT_MAX,
}  # fmt: skip
_LEVELS = {
    chat_pb2.EFFORT_NONE: MINIMAL, chat_pb2.EFFORT_MINIMAL: MINIMAL, chat_pb2.EFFORT_LOW: LOW,
    chat_pb2.EFFORT_MEDIUM: MEDIUM, chat_pb2.EFFORT_HIGH: HIGH, chat_pb2.EFFORT_XHIGH: HIGH,
    chat_pb2.EFFORT_MAX: HIGH,
}  # fmt: skip
_EXACT = frozenset({chat_pb2.EFFORT_MINIMAL, chat_pb2.EFFORT_LOW, chat_pb2.EFFORT_MEDIUM, chat_pb2.EFFORT_HIGH})
_BUDGETS = {
    chat_pb2.EFFORT_NONE: 0, chat_pb2.EFFORT_MINIMAL: 1024, chat_pb2.EFFORT_LOW: 1024,
    chat_pb2.EFFORT_MEDIUM: 8192, chat_pb2.EFFORT_HIGH: 24_576, chat_pb2.EFFORT_XHIGH: 32_768,
    chat_pb2.EFFORT_MAX: 32_768,
}  # fmt: skip
"""What the vendor's own page for OpenAI clients takes for each effort; above high: all there is."""
_ORDER = (MINIMAL, LOW, MEDIUM, HIGH)


def family(model: str) -> Family:
    """The family of a model; names of other houses do not think."""
    for pattern, found in _COMPILED:
        if pattern.match(model):
            return found
    return Family()


def unsuffixed(model: str) -> tuple[str, dict[str, Any]]:
    """The model's own name, and the thinkingConfig of its suffix: -thinking, -thinking-N, -nothinking, -low ..."""
    found = _SUFFIX.match(model)
    if found is None:
        return model, {}
    name, budget, effort = found.groups()
    kind = family(name)
    if not kind.levels and not kind.most:
        return model, {}
    asked = chat_pb2.Reasoning()
    if budget is not None:
        asked.budget_tokens = int(budget)
    elif effort is not None:
        asked.effort = EFFORTS[effort]
    elif model.endswith("-nothinking"):
        asked.mode = chat_pb2.REASONING_MODE_OFF
    else:
        asked.mode = chat_pb2.REASONING_MODE_ADAPTIVE
    return name, config(asked, name, [])


def share(model: str, most: int, part: float) -> int:
    """A part of the output limit as a budget, within what the family takes."""
    kind = family(model)
    return min(max(int(most * part), kind.least), kind.most)


def config(asked: chat_pb2.Reasoning, model: str, dropped: list[str]) -> dict[str, Any]:
    """thinkingConfig; empty where nothing was asked. What was changed or left out is named in dropped."""
    kind = family(model)
    made: dict[str, Any] = {}
    effort = asked.effort
    if not effort and asked.mode == chat_pb2.REASONING_MODE_OFF:
        effort = chat_pb2.EFFORT_NONE
    told = bool(effort or asked.mode or asked.HasField("budget_tokens") or asked.HasField("include_thoughts"))
    if told and not kind.levels and not kind.most:
        if effort != chat_pb2.EFFORT_NONE:
            dropped.append("reasoning")
        return made
    if effort:
        _effort(made, effort, kind, dropped)
        if asked.HasField("budget_tokens"):
            dropped.append("reasoning.budget_tokens")
    elif asked.HasField("budget_tokens"):
        made["thinkingBudget"] = _budget(asked.budget_tokens, kind, dropped)
    elif asked.mode and not kind.levels:
        made["thinkingBudget"] = DYNAMIC
    if asked.HasField("include_thoughts") or asked.summary == "none":
        if asked.include_thoughts:
            made["includeThoughts"] = True
    elif asked.summary or (told and effort != chat_pb2.EFFORT_NONE and made.get("thinkingBudget") != 0):
        made["includeThoughts"] = True
    if asked.mode == chat_pb2.REASONING_MODE_BETWEEN_TOOLS:
        dropped.append("reasoning.mode")
    if asked.context:
        dropped.append("reasoning.context")
    return made


def _effort(made: dict[str, Any], effort: chat_pb2.Effort.ValueType, kind: Family, dropped: list[str]) -> None:
    if kind.levels:
        wanted = _LEVELS[effort]
        place = _ORDER.index(wanted)
        # The nearest level; of two as near, the higher: the vendor maps medium to high where there is no medium.
        level = min(kind.levels, key=lambda each: (abs(_ORDER.index(each) - place), -_ORDER.index(each)))
        made["thinkingLevel"] = level
        if level != wanted or effort not in _EXACT:
            dropped.append(f"reasoning.effort (sent as {level.lower()})")
        return
    budget = _BUDGETS[effort]
    bounded = budget if budget == 0 and kind.off else min(max(budget, kind.least), kind.most)
    made["thinkingBudget"] = bounded
    if effort == chat_pb2.EFFORT_NONE and bounded:
        dropped.append(f"reasoning.effort (sent as a budget of {bounded})")


def _budget(budget: int, kind: Family, dropped: list[str]) -> int:
    if budget < 0:
        return DYNAMIC
    if not kind.most or (budget == 0 and kind.off):
        return budget
    bounded = min(max(budget, kind.least), kind.most)
    if bounded != budget:
        dropped.append(f"reasoning.budget_tokens (sent as {bounded})")
    return bounded

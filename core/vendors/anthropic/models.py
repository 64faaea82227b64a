"""What Claude models can do, as far as requests must be shaped by it.

Facts: Anthropic's model overview and migration guides (platform.claude.com/docs, about-claude/models), November 2026.
A model nobody knows yet is taken for one of the newest generation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

UNKNOWN_LIMIT = 8192
"""max_tokens for models of other vendors that speak this form, where the client gave none."""
DEFAULT_LIMITS = '{"default":8192}'
"""claude.default_max_tokens as long as nobody changed it."""
ALL_EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class Facts:
    """One generation of models."""

    max_tokens: int = 128_000
    """Most output tokens: what goes out where the client gave no limit."""
    budget: bool = False
    """Thinks with a budget: thinking.type enabled."""
    adaptive: bool = True
    """Thinks as it sees fit: thinking.type adaptive."""
    off: str = "disabled"
    """The thinking.type that comes nearest to none; empty: thinking cannot be switched off."""
    efforts: tuple[str, ...] = ALL_EFFORTS
    """What output_config.effort may be; empty: it is not known."""
    sampling: bool = False
    """Takes temperature, top_p and top_k."""
    both_sampling: bool = False
    """Takes temperature and top_p in one request."""
    forced_tools: bool = True
    """Takes tool_choice any and tool."""
    system_inside: bool = True
    """Takes messages with role system after a user's turn."""
    structured: bool = True
    """Takes output_config.format and strict tools."""
    omits_thoughts: bool = True
    """Tells no thoughts unless display asks for them."""


_CLAUDE_3 = Facts(
    max_tokens=4096, adaptive=False, off="", efforts=(), sampling=True, both_sampling=True, system_inside=False,
    structured=False, omits_thoughts=False,
)  # fmt: skip
_BUDGET = replace(_CLAUDE_3, max_tokens=64_000, budget=True, off="disabled")
_CLAUDE_4_5 = replace(_BUDGET, both_sampling=False, structured=True)
_CLAUDE_4_6 = replace(
    _CLAUDE_4_5, max_tokens=128_000, adaptive=True, efforts=("low", "medium", "high", "max")
)  # fmt: skip
_OPUS_4_7 = Facts(system_inside=False)
_ALWAYS = Facts(off="")
_CLAUDE_5_5 = Facts(forced_tools=False)

_FAMILIES: tuple[tuple[str, Facts], ...] = (
    (r"claude-(?:3-5|3\.5)|claude-(?:sonnet|haiku)-3-5", replace(_CLAUDE_3, max_tokens=8192)),
    (r"claude-(?:3-7|3\.7)|claude-sonnet-3-7", _BUDGET),
    (r"claude-(?:[123](?:\D|$)|instant)", _CLAUDE_3),
    (r"claude-(?:4-)?opus-4(?:-0|-1|-20\d{6}|@|$)", replace(_BUDGET, max_tokens=32_000, both_sampling=False)),
    (r"claude-(?:4-)?sonnet-4(?:-0|-20\d{6}|@|$)", _BUDGET),
    (r"claude-opus-4-5", replace(_CLAUDE_4_5, efforts=("low", "medium", "high"))),
    (r"claude-\w+-4-5", _CLAUDE_4_5),
    (r"claude-\w+-4-6", _CLAUDE_4_6),
    (r"claude-\w+-4-7", _OPUS_4_7),
    (r"claude-\w+-4-8", Facts()),
    (r"claude-mythos-preview", replace(_ALWAYS, system_inside=False)),
    (r"claude-(?:fable|mythos)-5(?:$|-20)", _ALWAYS),
    (r"claude-(?:fable|mythos)-5-", replace(_ALWAYS, forced_tools=False)),
    (r"claude-opus-5-5", replace(_CLAUDE_5_5, off="")),
    (r"claude-sonnet-5-5", replace(_CLAUDE_5_5, off="between_tools")),
    (r"claude-haiku-5-5", _CLAUDE_5_5),
    (r"claude-", Facts()),
)
_KNOWN = tuple((re.compile(rf"(?:^|[./])(?:{pattern})"), facts) for pattern, facts in _FAMILIES)
_OTHERS = Facts(
    max_tokens=UNKNOWN_LIMIT, budget=True, adaptive=False, efforts=(), sampling=True, both_sampling=True,
    system_inside=False, structured=False, omits_thoughts=False,
)  # fmt: skip
"""Models of other vendors: the form's oldest and commonest means."""


def facts(model: str) -> Facts:
    """What the model takes, by its name; names with a vendor's prefix (anthropic/, us.anthropic.) too."""
    name = model.lower()
    for pattern, found in _KNOWN:
        if pattern.search(name):
            return found
    return _OTHERS


LIMITED_OFF = ("claude-opus-5", "claude-haiku-5-5")
"""Models whose thinking may be disabled only at effort high or below."""


def budget_of(effort: str) -> int:
    """Tokens of thinking that an effort stands for, where a model knows budgets only."""
    return {"low": 1280, "medium": 2048, "high": 4096, "xhigh": 16_384, "max": 32_768}.get(effort, 1024)


def effort_of(budget: int) -> str:
    """The effort a budget stands for, where a model knows efforts only."""
    for effort, most in (("low", 2048), ("medium", 8192), ("high", 24_576), ("xhigh", 49_152)):
        if budget <= most:
            return effort
    return "max"


def nearest(effort: str, known: tuple[str, ...]) -> str:
    """The effort itself, else the next lower one the model knows, else its lowest."""
    if effort in known:
        return effort
    rank = ALL_EFFORTS.index(effort) if effort in ALL_EFFORTS else -1
    lower = [name for name in known if ALL_EFFORTS.index(name) <= rank]
    return lower[-1] if lower else known[0]

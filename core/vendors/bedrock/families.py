"""What the families behind Converse take, as far as requests must be shaped by it.

Facts: docs.aws.amazon.com/bedrock, "Supported models and features" of Converse, prompt caching, structured output,
Nova's guide. A model nobody knows yet is believed to take what Converse itself can say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """One family of models."""

    effort: str = ""
    """How thinking is asked for in additionalModelRequestFields: nova, openai; empty: it cannot be."""
    top_k: str = ""
    """Where top_k stands in additionalModelRequestFields, as a path; empty: nowhere."""
    choice: tuple[str, ...] = ("auto", "any", "tool")
    """What toolChoice may be."""
    structured: bool = True
    """Takes outputConfig.textFormat and strict tools."""
    caching: bool = False
    """Takes cache points; others refuse them."""
    tool_caching: bool = False
    """Takes cache points among tools."""
    longer_caching: bool = False
    """Takes a cache point's time to live."""
    system: bool = True
    """Takes system."""
    grounding: bool = False
    """Has nova_grounding, its own web search."""


_NOVA = Family(top_k="inferenceConfig.topK", structured=False, caching=True)
_PLAIN = Family(choice=("auto",), structured=False)
_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"claude", Family(top_k="top_k", caching=True, tool_caching=True, longer_caching=True)),
    (r"nova-2|nova-premier", replace(_NOVA, effort="nova", grounding=True)),
    (r"nova", _NOVA),
    (r"gpt-oss|openai\.", Family(effort="openai")),
    (r"titan-text|mistral-7b|mixtral", replace(_PLAIN, system=False)),
    (r"mistral\.mistral-(?:large-2|small)|pixtral", Family(top_k="top_k", choice=("auto", "any"), structured=False)),
    (r"llama|deepseek\.r1|jamba|palmyra", _PLAIN),
    (r"cohere", replace(_PLAIN, top_k="k")),
)
_KNOWN = tuple((re.compile(pattern), family) for pattern, family in _FAMILIES)


def family(model: str) -> Family:
    """What a model takes, by its id or name."""
    return next((found for pattern, found in _KNOWN if pattern.search(model.lower())), Family())


def put(fields: dict[str, Any], path: str, value: Any) -> None:
    """Sets a value at a path of objects."""
    *steps, last = path.split(".")
    for step in steps:
        fields = fields.setdefault(step, {})
    fields[last] = value

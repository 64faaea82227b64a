"""Limits that are set for many: the option isthmus.rate_limits. Pure.

A list of rules, each counted by account, by group or by model:
    {"by": "account", "group": "vip", "model": "gpt-4*", "requests_per_minute": 60, "tokens_per_minute": 100000,
     "concurrency": 5}
group and model say whom a rule is for; without them it is for all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.options.kinds import Kind, loads

BY = ("account", "group", "model", "account_model")
RATES = ("requests_per_minute", "tokens_per_minute", "concurrency")
MEMBERS = frozenset({"by", "group", "model", *RATES})
RULES_MOST = 100
RATE_MOST = 1_000_000_000
NAME_MOST = 255


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit. 0 limits nothing; group "" is any; model may end in *."""

    by: str
    group: str
    model: str
    requests: int
    tokens: int
    concurrency: int

    def fits(self, group: str, model: str) -> bool:
        """Whether it is for requests of this group to this model."""
        if self.group and self.group != group:
            return False
        if self.model.endswith("*"):
            return model.startswith(self.model[:-1])
        return not self.model or self.model == model

    def counted(self, account_id: int, group: str, model: str) -> str:
        """What it counts a request under: two rules of the same words count apart from others alone."""
        whose = {
            "account": str(account_id),
            "group": group,
            "model": model,
            "account_model": f"{account_id}/{model}",
        }[self.by]
        return f"rule {self.by} {self.group}\n{self.model}\n{whose}"


def rules(text: str) -> tuple[Rule, ...]:
    """The option's rules. Raises ValueError, which names the place."""
    found = loads(text or "[]")
    if not isinstance(found, list) or len(found) > RULES_MOST:
        raise ValueError(f"a list of at most {RULES_MOST} rules is wanted")
    return tuple(_rule(item, f"[{number}]") for number, item in enumerate(found))


def _rule(item: Any, where: str) -> Rule:
    if not isinstance(item, dict):
        raise ValueError(f"{where} must be an object")
    if strange := sorted(item.keys() - MEMBERS):
        raise ValueError(f"{where}.{strange[0][:64]} is not known")
    if item.get("by") not in BY:
        raise ValueError(f"{where}.by must be one of {', '.join(BY)}")
    for name in ("group", "model"):
        told = item.get(name, "")
        if not isinstance(told, str) or len(told) > NAME_MOST:
            raise ValueError(f"{where}.{name} must be a text of at most {NAME_MOST} characters")
    for name in RATES:
        rate = item.get(name, 0)
        if type(rate) is not int or not 0 <= rate <= RATE_MOST:
            raise ValueError(f"{where}.{name} must be a whole number from 0 to {RATE_MOST}")
    return Rule(item["by"], item.get("group", ""), item.get("model", ""), *(item.get(name, 0) for name in RATES))


def _check(text: str) -> None:
    rules(text)


RULES = Kind("JSON list of limits {by, group, model, requests_per_minute, tokens_per_minute, concurrency}", _check)


def fitting(known: Sequence[Rule], group: str, model: str) -> Iterator[Rule]:
    """Those that are for a request."""
    return (rule for rule in known if rule.fits(group, model))


def parsed(text: str) -> tuple[Rule, ...]:
    """As rules(); none where the text is none."""
    try:
        return rules(text)
    except (ValueError, json.JSONDecodeError):
        return ()

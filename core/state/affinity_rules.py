"""How conversations are known: rules of channel_affinity_setting.*, parsed once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.options.kinds import TRUE

NAME = "channel_affinity_setting.rules"
RULES_MOST = 100
PATTERN_MOST = 512
"""Characters of a pattern, a header's name or a path."""
TTL_MOST = 30 * 86_400
SOURCES = ("gjson", "request_header", "context_int", "context_string")
NUMBERS = ("id", "token_id")
TEXTS = ("username", "user_group", "using_group", "token_name")
"""What the context holds (New API's names)."""
MATCHES_MOST = 2_000
"""Pairs of model and path whose rules are remembered."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a conversation's name stands. kind is one of SOURCES; at: a path, a header or a name of the context."""

    kind: str
    at: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Which requests it is for, where their conversation's name stands, what the name is kept under."""

    name: str
    models: tuple[re.Pattern[str], ...]
    paths: tuple[re.Pattern[str], ...]
    agents: tuple[str, ...]
    """Pieces of the user agent, in lower case; empty: any."""
    sources: tuple[Source, ...]
    value: re.Pattern[str] | None
    ttl: int
    """Seconds; 0: the policy's."""
    no_retry: bool
    """What the channel refuses is refused: no other is asked. One that is not well is left all the same."""
    by_group: bool
    by_model: bool
    by_name: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """All that is set of affinity. keep: conversations without a rule stay where they are, too."""

    enabled: bool
    switch: bool
    keep_disabled: bool
    most: int
    ttl: int
    rules: tuple[Rule, ...]
    keep: bool = False
    headers: tuple[str, ...] = ()
    """Headers of the client that rules read, in lower case."""
    _matches: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, raw: Mapping[str, str]) -> Policy:
        """From options that are valid; rules that are not are none."""
        try:
            found = rules(raw[NAME])
        except ValueError:
            found = ()
        headers = {source.at for rule in found for source in rule.sources if source.kind == "request_header"}
        if any(rule.agents for rule in found):
            headers.add("user-agent")
        return cls(
            enabled=raw["channel_affinity_setting.enabled"] == TRUE,
            switch=raw["channel_affinity_setting.switch_on_success"] == TRUE,
            keep_disabled=raw["channel_affinity_setting.keep_on_channel_disabled"] == TRUE,
            most=int(raw["channel_affinity_setting.max_entries"]),
            ttl=int(raw["channel_affinity_setting.default_ttl_seconds"]),
            rules=found,
            keep=raw["isthmus.keep_conversations"] == TRUE,
            headers=tuple(sorted(headers)) if raw["channel_affinity_setting.enabled"] == TRUE else (),
        )

    def matching(self, model: str, path: str) -> tuple[Rule, ...]:
        """The rules for a model and a path; most requests have none."""
        known = self._matches.get((model, path))
        if known is None:
            known = tuple(rule for rule in self.rules if _fits(rule.models, model) and _fits(rule.paths, path))
            if len(self._matches) >= MATCHES_MOST:
                self._matches.clear()
            self._matches[model, path] = known
        return known


def _fits(patterns: tuple[re.Pattern[str], ...], text: str) -> bool:
    return not patterns or any(pattern.search(text) for pattern in patterns)


def rules(text: str) -> tuple[Rule, ...]:
    """Raises ValueError, which names the place of what is wrong."""
    found = json.loads(text or "[]")
    if not isinstance(found, list) or len(found) > RULES_MOST:
        raise ValueError(f"an array of at most {RULES_MOST} rules is wanted")
    made = tuple(_rule(f"{place}", one) for place, one in enumerate(found))
    if len({rule.name for rule in made}) != len(made):
        raise ValueError("two rules have one name")
    return made


def _rule(place: str, one: Any) -> Rule:
    if not isinstance(one, dict):
        raise ValueError(f"{place} needs an object")
    name = one.get("name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 64:
        raise ValueError(f"{place}.name needs 1 to 64 characters")
    ttl = one.get("ttl_seconds") or 0
    if type(ttl) is not int or not 0 <= ttl <= TTL_MOST:
        raise ValueError(f"{place}.ttl_seconds needs a whole number from 0 to {TTL_MOST}")
    sources = one.get("key_sources")
    if not isinstance(sources, list) or not 1 <= len(sources) <= 10:
        raise ValueError(f"{place}.key_sources needs 1 to 10 objects")
    value = one.get("value_regex") or ""
    return Rule(
        name=name.strip(),
        models=_patterns(f"{place}.model_regex", one.get("model_regex")),
        paths=_patterns(f"{place}.path_regex", one.get("path_regex")),
        agents=tuple(agent.lower() for agent in _texts(f"{place}.user_agent_include", one.get("user_agent_include"))),
        sources=tuple(_source(f"{place}.key_sources.{number}", source) for number, source in enumerate(sources)),
        value=_patterns(f"{place}.value_regex", [value])[0] if value else None,
        ttl=ttl,
        no_retry=bool(one.get("skip_retry_on_failure")),
        by_group=bool(one.get("include_using_group")),
        by_model=bool(one.get("include_model_name")),
        by_name=bool(one.get("include_rule_name")),
    )


def _texts(place: str, found: Any) -> list[str]:
    found = [] if found is None else found
    if not isinstance(found, list) or len(found) > 50:
        raise ValueError(f"{place} needs an array of at most 50 texts")
    for text in found:
        if not isinstance(text, str) or not 1 <= len(text) <= PATTERN_MOST:
            raise ValueError(f"{place} needs texts of 1 to {PATTERN_MOST} characters")
    return found


def _patterns(place: str, found: Any) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(text) for text in _texts(place, found))
    except re.error as error:
        raise ValueError(f"{place}: {error}") from error


def _source(place: str, found: Any) -> Source:
    kind = found.get("type") if isinstance(found, dict) else None
    if kind not in SOURCES:
        raise ValueError(f"{place}.type needs one of {', '.join(SOURCES)}")
    member = "path" if kind == "gjson" else "key"
    at = found.get(member)
    if not isinstance(at, str) or not 1 <= len(at) <= PATTERN_MOST:
        raise ValueError(f"{place}.{member} needs 1 to {PATTERN_MOST} characters")
    if (kind == "context_int" and at not in NUMBERS) or (kind == "context_string" and at not in TEXTS):
        raise ValueError(f"{place}.key needs one of {', '.join(NUMBERS if kind == 'context_int' else TEXTS)}")
    return Source(kind, at.lower() if kind == "request_header" else at)

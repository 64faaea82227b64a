"""Price tables: the options' maps, parsed into decimals, with the built-in ones where no map is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources

MAPS = (
    "ModelRatio", "CompletionRatio", "CacheRatio", "CreateCacheRatio", "ImageRatio", "AudioRatio",
    "AudioCompletionRatio", "ModelPrice",
)  # fmt: skip
UNPRICED_RATIO = Decimal("37.5")
"""What a model without price costs where that is allowed (New API)."""
ONE = Decimal(1)
Ratios = Mapping[str, Decimal]


@cache
def built_in() -> Mapping[str, Ratios]:
    """The tables that ship with the gateway (defaults.json names their source)."""
    raw = json.loads(resources.files("core.pricing").joinpath("defaults.json").read_text(), parse_float=Decimal)
    return {name: {model: Decimal(value) for model, value in raw[name].items()} for name in MAPS}


def ratios(text: str) -> dict[str, Decimal]:
    """A JSON map of decimals; entries that are no numbers of 0 or more are left out."""
    found: dict[str, Decimal] = {}
    for name, value in json.loads(text or "{}", parse_float=Decimal).items():
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            continue
        try:
            number = Decimal(value)
        except InvalidOperation:
            continue
        if number.is_finite() and number >= 0:
            found[str(name)] = number
    return found


def normalised(model: str) -> str:
    """The name prices are looked up by (New API's wildcards)."""
    for prefix in ("gpt-4-gizmo", "gpt-4o-gizmo"):
        if model.startswith(prefix):
            return prefix + "-*"
    for prefix in ("gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro"):
        if model.startswith(prefix) and "-thinking-" in model:
            return prefix + "-thinking-*"
    return model


@dataclass(frozen=True, slots=True)
class Rates:
    """What one model costs in one group: resolved once per snapshot. Sources name where each figure is from."""

    price: Decimal | None
    model_ratio: Decimal
    completion_ratio: Decimal
    cache_ratio: Decimal
    create_cache_ratio: Decimal
    image_ratio: Decimal
    group_ratio: Decimal
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PriceTables:
    """Every price map, and group ratios."""

    maps: Mapping[str, Ratios]
    group_ratio: Ratios
    group_group_ratio: Mapping[str, Ratios]
    self_use: bool
    _rates: dict[tuple[str, str, str], Rates | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, rows: Mapping[str, str]) -> PriceTables:
        """From the options table. A map that cannot be read keeps the built-in one."""
        maps: dict[str, Ratios] = dict(built_in())
        for name in MAPS:
            if rows.get(name):
                try:
                    maps[name] = ratios(rows[name])
                except (ValueError, AttributeError, RecursionError):
                    continue
        try:
            groups = ratios(rows.get("GroupRatio", ""))
        except (ValueError, AttributeError, RecursionError):
            groups = {}
        try:
            tables = json.loads(rows.get("GroupGroupRatio") or "{}")
            between = {
                str(group): ratios(json.dumps(table)) for group, table in tables.items() if isinstance(table, dict)
            }
        except (ValueError, AttributeError, RecursionError):
            between = {}
        return cls(maps, groups, between, rows.get("SelfUseModeEnabled") == "true")

    def rates(self, model: str, user_group: str, using_group: str) -> Rates | None:
        """What the model costs; None where it has neither price nor ratio and that is not allowed."""
        key = (model, user_group, using_group)
        if key not in self._rates:
            if len(self._rates) > 20_000:
                self._rates.clear()
            self._rates[key] = self._resolve(model, user_group, using_group)
        return self._rates[key]

    def _resolve(self, model: str, user_group: str, using_group: str) -> Rates | None:
        name = normalised(model)
        price = self.maps["ModelPrice"].get(name)
        ratio = self.maps["ModelRatio"].get(name)
        sources = {"model_ratio": "ModelRatio", "model_price": "ModelPrice"}
        if price is None and ratio is None:
            if not self.self_use:
                return None
            ratio, sources["model_ratio"] = UNPRICED_RATIO, "self-use mode"
        completion, sources["output"] = self._completion(name)
        group, sources["group_ratio"] = self._group(user_group, using_group)
        cached = self.maps["CacheRatio"].get(model)
        written = self.maps["CreateCacheRatio"].get(model)
        sources["cached"] = "CacheRatio" if cached is not None else "default"
        sources["cache_write"] = "CreateCacheRatio" if written is not None else "default"
        return Rates(
            price,
            ratio if ratio is not None else Decimal(0),
            completion,
            cached if cached is not None else ONE,
            written if written is not None else Decimal("1.25"),
            self.maps["ImageRatio"].get(model, ONE),
            group,
            sources,
        )

    def group_rate(self, user_group: str, using_group: str) -> Decimal:
        """What an account of one group pays in another."""
        return self._group(user_group, using_group)[0]

    def _group(self, user_group: str, using_group: str) -> tuple[Decimal, str]:
        special = self.group_group_ratio.get(user_group, {}).get(using_group)
        if special is not None:
            return special, "GroupGroupRatio"
        return self.group_ratio.get(using_group, ONE), "GroupRatio"

    def _completion(self, name: str) -> tuple[Decimal, str]:
        saved = self.maps["CompletionRatio"].get(name)
        if "/" in name and saved is not None:
            return saved, "CompletionRatio"
        known = completion_rule(name)
        if known is not None and known[1]:
            return known[0], "built in, locked"
        if saved is not None:
            return saved, "CompletionRatio"
        return (known[0], "built in") if known is not None else (ONE, "default")


# (prefix, ratio, locked), the longest prefix first where several fit; spec: completion ratios of New API.
_COMPLETION: tuple[tuple[str, str, bool], ...] = (
    ("gpt-4o-2024-05-13", "3", True), ("gpt-4o-mini-tts", "20", False), ("gpt-4o", "4", False),
    ("gpt-5.4-nano", "6.25", True), ("gpt-5.4", "6", True), ("gpt-5.5", "6", True), ("gpt-5", "8", True),
    ("gpt-4.5-preview", "2", True), ("gpt-4-turbo", "3", True), ("gpt-", "2", False),
    ("o1", "4", True), ("o3", "4", True), ("chatgpt-4o-latest", "3", True),
    ("mistral-", "3", True), ("gemini-1.5", "4", True), ("gemini-2.0", "4", True), ("gemini-2.5-pro", "8", False),
    ("gemini-2.5-flash-lite", "4", False), ("gemini-2.5-flash", "8.333333333333333333333333333", False),
    ("gemini-3-pro-image", "60", False), ("gemini-3-pro", "6", False), ("gemini-", "4", False),
    ("command-r-plus", "5", True), ("command-r", "3", True), ("command", "4", False),
    ("ERNIE-Speed-", "2", True), ("ERNIE-Lite-", "2", True),
)  # fmt: skip


def completion_rule(name: str) -> tuple[Decimal, bool] | None:
    """The built-in completion ratio of a model, and whether a saved one is ignored (locked)."""
    if name.endswith("-all") or "-gizmo-" in name:
        return Decimal(2), False
    if "claude-3" in name or any(f"claude-{kind}-4" in name for kind in ("sonnet", "opus", "haiku")):
        return Decimal(5), True
    for prefix, ratio, locked in _COMPLETION:
        if name.startswith(prefix):
            return Decimal(ratio), locked
    return None

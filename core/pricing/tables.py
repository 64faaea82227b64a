"""Price tables: the options' maps, parsed into decimals, with the built-in ones where no map is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources

from core.pricing.completion import completion_rule
from core.pricing.expression import Expression, read
from core.pricing.extras import TOOLS, audio_price, tool_prices
from core.pricing.shown import text

MAPS = (
    "ModelRatio", "CompletionRatio", "CacheRatio", "CreateCacheRatio", "ImageRatio", "AudioRatio",
    "AudioCompletionRatio", "ModelPrice",
)  # fmt: skip
UNPRICED_RATIO = Decimal("37.5")
"""What a model without price costs where that is allowed (New API)."""
ONE = Decimal(1)
QUOTA_PER_UNIT = Decimal(500_000)
"""Units of one USD, where the option QuotaPerUnit says nothing else."""
UNIT_MOST = 10**12
COMPACT = "-openai-compact"
"""Ends the names that /v1/responses/compact is billed by; those not listed take "*-openai-compact"."""
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
    audio_ratio: Decimal | None
    """None: neither AudioRatio nor AudioCompletionRatio lists the model."""
    audio_completion_ratio: Decimal
    audio_price: Decimal
    """USD for a million tokens of audio in; 0: as text."""
    tools: Mapping[str, Decimal]
    """USD for a thousand calls."""
    quota_per_unit: Decimal
    shown: Mapping[str, str]
    """The figures as receipts tell them, by name."""
    held: list[Decimal] = field(default_factory=list, compare=False, repr=False)
    """What a reserve takes for a token of input and of output: estimate.py's memory."""


@dataclass(frozen=True, slots=True)
class PriceTables:
    """Every price map, and group ratios."""

    maps: Mapping[str, Ratios]
    group_ratio: Ratios
    group_group_ratio: Mapping[str, Ratios]
    self_use: bool
    quota_per_unit: Decimal = QUOTA_PER_UNIT
    tools: Ratios = field(default_factory=lambda: TOOLS)
    expressions: Mapping[str, Expression] = field(default_factory=dict)
    """Models billed by expression; they win over all maps."""
    _rates: dict[tuple[str, str, str, bool], Rates | None] = field(default_factory=dict, compare=False, repr=False)

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
        tools: Ratios = TOOLS
        if rows.get("tool_price_setting.prices"):
            try:
                tools = ratios(rows["tool_price_setting.prices"]) or TOOLS
            except (ValueError, AttributeError, RecursionError):
                tools = TOOLS
        unit = _unit(rows.get("QuotaPerUnit", ""))
        priced = read(rows.get("billing_setting.billing_mode", ""), rows.get("billing_setting.billing_expr", ""))
        return cls(maps, groups, between, rows.get("SelfUseModeEnabled") == "true", unit, tools, priced)

    def rates(self, model: str, user_group: str, using_group: str, accept_unset: bool = False) -> Rates | None:
        """What the model costs; None where it has neither price nor ratio, and neither site nor user accepts that."""
        key = (model, user_group, using_group, accept_unset)
        if key not in self._rates:
            if len(self._rates) > 20_000:
                self._rates.clear()
            self._rates[key] = self._resolve(model, user_group, using_group, accept_unset)
        return self._rates[key]

    def _listed(self, table: str, name: str) -> Decimal | None:
        """A model's entry, or that of all compactions."""
        found = self.maps[table].get(name)
        return self.maps[table].get("*" + COMPACT) if found is None and name.endswith(COMPACT) else found

    def compaction(self, model: str) -> str:
        """The name that a compaction is billed by: its own where one is listed, else the model's."""
        name = model + COMPACT
        listed = any(self._listed(table, normalised(name)) is not None for table in ("ModelPrice", "ModelRatio"))
        return name if listed else model

    def _resolve(self, model: str, user_group: str, using_group: str, accept_unset: bool) -> Rates | None:
        name = normalised(model)
        price = self._listed("ModelPrice", name)
        ratio = self._listed("ModelRatio", name)
        sources = {"model_ratio": "ModelRatio", "model_price": "ModelPrice"}
        if price is None and ratio is None:
            if not self.self_use and not accept_unset:
                return None
            ratio = UNPRICED_RATIO
            sources["model_ratio"] = "self-use mode" if self.self_use else "accepted by the user"
        completion, sources["output"] = self._completion(name)
        group, sources["group_ratio"] = self._group(user_group, using_group)
        cached = self.maps["CacheRatio"].get(model)
        written = self.maps["CreateCacheRatio"].get(model)
        sources["cached"] = "CacheRatio" if cached is not None else "default"
        sources["cache_write"] = "CreateCacheRatio" if written is not None else "default"
        audio = self.maps["AudioRatio"].get(name)
        spoken = self.maps["AudioCompletionRatio"].get(name)
        figures = {
            "model_ratio": ratio if ratio is not None else Decimal(0),
            "completion_ratio": completion,
            "cache_ratio": cached if cached is not None else ONE,
            "create_cache_ratio": written if written is not None else Decimal("1.25"),
            "image_ratio": self.maps["ImageRatio"].get(model, ONE),
            "group_ratio": group,
        }
        return Rates(
            price=price,
            **figures,
            sources=sources,
            audio_ratio=ONE if audio is None and spoken is not None else audio,
            audio_completion_ratio=spoken if spoken is not None else ONE,
            audio_price=audio_price(name),
            tools=tool_prices(name, self.tools),
            quota_per_unit=self.quota_per_unit,
            shown={name: text(figure) for name, figure in figures.items()},
            held=[],
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


def _unit(text: str) -> Decimal:
    """Units of one USD; what is no number above 0 counts as the default."""
    try:
        unit = Decimal(text)
    except InvalidOperation:
        return QUOTA_PER_UNIT
    return unit if unit.is_finite() and 0 < unit <= UNIT_MOST else QUOTA_PER_UNIT

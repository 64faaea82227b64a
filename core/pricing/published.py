"""Price lists as other sites publish them, read into our figures; pure.

Four forms are understood: New API's ratio_config and pricing, OpenRouter's list of models (USD for a token),
models.dev (USD for a million).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from core.pricing.expression import MODE, readable
from core.pricing.price import EXACT
from core.pricing.shown import text

FIELDS = {
    "model_ratio": "ModelRatio", "completion_ratio": "CompletionRatio", "cache_ratio": "CacheRatio",
    "create_cache_ratio": "CreateCacheRatio", "image_ratio": "ImageRatio", "audio_ratio": "AudioRatio",
    "audio_completion_ratio": "AudioCompletionRatio", "model_price": "ModelPrice",
}  # fmt: skip
"""Figure -> the option it stands in."""
TEXTS = ("billing_mode", "billing_expr")
MODELS_MOST = 20_000
NAME_MOST = 255
FIGURE_MOST = Decimal(1_000_000_000)
PLACES = 12
PLACEHOLDER = (Decimal("37.5"), Decimal(1))
"""Ratio and completion ratio of a model whose price nobody set (New API)."""
USD_RATIO = Decimal(2)
"""USD for a million tokens that a ratio of 1 stands for."""

Prices = dict[str, dict[str, str]]
"""Model -> figure -> decimal (or expression) as text."""


def figure(value: object) -> str:
    """A figure as text; "" for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return ""
    try:
        found = Decimal(str(value)) if not isinstance(value, str) or len(value) <= 64 else Decimal("NaN")
    except InvalidOperation:
        return ""
    if not found.is_finite() or not 0 <= found <= FIGURE_MOST:
        return ""
    return text(found.quantize(Decimal(1).scaleb(-PLACES), context=EXACT).normalize())


def published(told: Any) -> Prices:
    """The prices of an answer of any of the forms. Raises ValueError for any other."""
    if not isinstance(told, dict):
        raise ValueError("it is no price list")
    data = told.get("data")
    if isinstance(data, dict) and any(isinstance(data.get(name), dict) for name in (*FIELDS, *TEXTS)):
        return _by_field(data)
    if isinstance(data, list):
        first = next((entry for entry in data if isinstance(entry, dict)), {})
        if "pricing" in first:
            return _collect(_of_openrouter(data))
        if "model_name" in first or not data:
            return _collect(_of_pricing(data))
    if any(isinstance(found, dict) and isinstance(found.get("models"), dict) for found in told.values()):
        return _collect(_of_models_dev(told))
    raise ValueError("it is no price list")


def _collect(rows: Iterator[tuple[object, Mapping[str, object]]]) -> Prices:
    found: Prices = {}
    for name, figures in rows:
        if not isinstance(name, str) or not 0 < len(name) <= NAME_MOST or name in found:
            continue
        kept = {field: shown for field, value in figures.items() if (shown := _shown(field, value))}
        if kept:
            found[name] = kept
        if len(found) >= MODELS_MOST:
            break
    return found


def _shown(field: str, value: object) -> str:
    if field == "billing_mode":
        return MODE if value == MODE else ""
    if field == "billing_expr":
        try:
            readable(field, value)
        except ValueError:
            return ""
        return str(value)
    return figure(value)


def _by_field(data: Mapping[str, Any]) -> Prices:
    models: dict[str, dict[str, object]] = {}
    for field in (*FIELDS, *TEXTS):
        table = data.get(field)
        if isinstance(table, dict):
            for name, value in table.items():
                models.setdefault(str(name), {})[field] = value
    return _collect(iter(models.items()))


def _of_pricing(data: list[Any]) -> Iterator[tuple[object, Mapping[str, object]]]:
    for entry in data:
        if isinstance(entry, dict):
            fields = [*FIELDS, *TEXTS]
            # A model is priced a call or by tokens: the other figures of its row are zeros.
            by_call = entry.get("quota_type") == 1
            fields = ["model_price"] if by_call else [name for name in fields if name != "model_price"]
            yield entry.get("model_name"), {name: entry[name] for name in fields if entry.get(name) is not None}


def _ratios(into: object, out: object, read: object, write: object, scale: Decimal) -> Mapping[str, object]:
    """Ratios of prices in USD; scale: how many of them a million tokens are."""
    base = figure(into)
    if not base or not Decimal(base):
        return {}
    each = EXACT.multiply(Decimal(str(into)), scale)
    found: dict[str, object] = {"model_ratio": EXACT.divide(each, USD_RATIO)}
    for name, value in (("completion_ratio", out), ("cache_ratio", read), ("create_cache_ratio", write)):
        if value is not None and figure(value):
            found[name] = EXACT.divide(EXACT.multiply(Decimal(str(value)), scale), each)
    return found


def _of_openrouter(data: list[Any]) -> Iterator[tuple[object, Mapping[str, object]]]:
    for entry in data:
        told = entry.get("pricing") if isinstance(entry, dict) else None
        if isinstance(told, dict):
            into, out, read, write = map(told.get, ("prompt", "completion", "input_cache_read", "input_cache_write"))
            yield entry.get("id"), _ratios(into, out, read, write, Decimal(1_000_000))


def _of_models_dev(told: Mapping[str, Any]) -> Iterator[tuple[object, Mapping[str, object]]]:
    for provider in told.values():
        models = provider.get("models") if isinstance(provider, dict) else None
        for name, entry in models.items() if isinstance(models, dict) else ():
            cost = entry.get("cost") if isinstance(entry, dict) else None
            if isinstance(cost, dict):
                into, out, read, write = map(cost.get, ("input", "output", "cache_read", "cache_write"))
                yield name, _ratios(into, out, read, write, Decimal(1))


def is_placeholder(figures: Mapping[str, str]) -> bool:
    """Whether these are the figures of a model whose price nobody set."""
    ratio, completion = figures.get("model_ratio", "0"), figures.get("completion_ratio", "1")
    return (Decimal(ratio), Decimal(completion)) == PLACEHOLDER

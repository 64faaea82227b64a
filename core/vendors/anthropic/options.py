"""What the options claude.* say about a call."""

from __future__ import annotations

import math

from core.errors import ChannelError
from core.vendors.anthropic.models import DEFAULT_LIMITS, Facts
from core.vendors.interface import Call
from core.vendors.shared.headers import checked_header
from core.vendors.shared.options import option, table

SHARE = 0.8
"""Of max_tokens, what -thinking gives to thoughts where the option says nothing."""


def limit(call: Call, model: str, known: Facts) -> int:
    """max_tokens where the client gave none: the option's for the model, else what the model can.

    The option's default counts once somebody has changed it, and never above what the model can.
    """
    text = option(call, "claude.default_max_tokens")
    told = table(text)
    for name in (model, call.sent, call.asked):
        if isinstance(found := told.get(name), int) and found > 0:
            return found
    general = told.get("default")
    if text != DEFAULT_LIMITS and isinstance(general, int) and general > 0:
        return min(general, known.max_tokens)
    return known.max_tokens


def share(call: Call) -> float:
    """The share of max_tokens that -thinking may take."""
    try:
        found = float(option(call, "claude.thinking_adapter_budget_tokens_percentage"))
    except ValueError:
        return SHARE
    return found if math.isfinite(found) and 0 < found <= 1 else SHARE


def headers(call: Call, model: str) -> dict[str, str]:
    """Headers to send along for the model. Raises ChannelError where one cannot be sent."""
    told = table(option(call, "claude.model_headers_settings"))
    names = (name for name in (model, call.sent, call.asked) if isinstance(told.get(name), dict))
    found: dict[str, object] = told.get(next(names, ""), {})
    made: dict[str, str] = {}
    for name, values in found.items():
        listed = [value for value in values if isinstance(value, str)] if isinstance(values, list) else []
        if listed:
            if not checked_header(name, ",".join(listed)):
                raise ChannelError(f"claude.model_headers_settings names a header that cannot be set: {name[:40]}")
            made[name.lower()] = ",".join(listed)
    return made

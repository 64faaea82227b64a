"""What a channel and a model's name change in a Messages request, as changes of top-level members."""

from __future__ import annotations

import re
from typing import Any

from core.vendors.anthropic.models import Facts, facts, nearest
from core.vendors.anthropic.options import limit, share
from core.vendors.interface import Call
from core.vendors.shared.changes import Changes, Look, guards
from core.vendors.shared.options import is_whole_name, on

_EFFORT = re.compile(r"^(.*claude-.+)-(low|medium|high|xhigh|max)$")
_THINKING = re.compile(r"^(.*claude-.+?)-(nothinking|thinking(?:-(\d{1,6}))?)$")
_LEAST = 1280
"""Tokens that -thinking gives to thoughts at least."""


def changes(call: Call, names: list[str], look: Look) -> Changes:
    """What changes in a request whose members are named names."""
    made = guards(call, names)
    model = call.sent if is_whole_name(call) else _suffixes(call, made, look)
    if "max_tokens" not in names and "max_tokens" not in made.sets:
        made.sets["max_tokens"] = limit(call, model, facts(model))
    if model != look("model"):
        made.sets["model"] = model
    made.deletes = {name for name in made.deletes if name in names}
    return made


def own_name(call: Call) -> str:
    """The model's name without a suffix that changes() understands."""
    if is_whole_name(call):
        return call.sent
    found = _THINKING.match(call.sent)
    if found and on(call, "claude.thinking_adapter_enabled"):
        return found[1]
    found = _EFFORT.match(call.sent)
    return found[1] if found and facts(found[1]).efforts else call.sent


def _suffixes(call: Call, made: Changes, look: Look) -> str:
    """The model's name without what its suffix says; what it says is set."""
    model = call.sent
    found = _THINKING.match(model)
    if found and on(call, "claude.thinking_adapter_enabled"):
        known = facts(found[1])
        if found[2] == "nothinking":
            _off(known, made, look)
        else:
            _think(call, found[1], known, found[3], made, look)
        return found[1]
    found = _EFFORT.match(model)
    if found and facts(found[1]).efforts:
        known = facts(found[1])
        if known.adaptive:
            made.sets["thinking"] = _adaptive(known)
            _no_sampling(made)
        config = look("output_config")
        config = dict(config) if isinstance(config, dict) else {}
        made.sets["output_config"] = {**config, "effort": nearest(found[2], known.efforts)}
        return found[1]
    return model


def _adaptive(known: Facts) -> dict[str, Any]:
    return {"type": "adaptive", **({"display": "summarized"} if known.omits_thoughts else {})}


def _no_sampling(made: Changes) -> None:
    made.deletes |= {"temperature", "top_p", "top_k"}


def _off(known: Facts, made: Changes, look: Look) -> None:
    if known.off:
        made.sets["thinking"] = {"type": known.off}
    elif look("thinking") is not None:
        made.deletes.add("thinking")


def _think(call: Call, model: str, known: Facts, budget: str | None, made: Changes, look: Look) -> None:
    if known.adaptive and not (known.budget and budget):
        made.sets["thinking"] = _adaptive(known)
    elif known.budget:
        told = look("max_tokens")
        most = told if isinstance(told, int) and told > 0 else limit(call, model, known)
        wanted = max(1024, int(budget)) if budget else max(_LEAST, int(most * share(call)))
        made.sets["thinking"] = {"type": "enabled", "budget_tokens": wanted}
        if most <= wanted or told is None:
            made.sets["max_tokens"] = most if most > wanted else wanted + most
    else:
        return
    _no_sampling(made)

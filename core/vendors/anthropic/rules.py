"""What a channel and a model's name change in a Messages request, as changes of top-level members."""

from __future__ import annotations

import re
from typing import Any

from core.vendors.anthropic.models import Facts, facts, nearest
from core.vendors.interface import Call
from core.vendors.shared.changes import Changes, Look, guards

_EFFORT = re.compile(r"^(.*claude-.+)-(low|medium|high|xhigh|max)$")
_THINKING = re.compile(r"^(.*claude-.+?)-(nothinking|thinking(?:-(\d{1,6}))?)$")
_SHARE = 0.8
"""Of max_tokens, what -thinking gives to thoughts (New API's figure); never below _LEAST."""
_LEAST = 1280


def changes(call: Call, names: list[str], look: Look) -> Changes:
    """What changes in a request whose members are named names."""
    made = guards(call, names)
    model = _suffixes(call.sent, names, made, look)
    if "max_tokens" not in names and "max_tokens" not in made.sets:
        made.sets["max_tokens"] = facts(model).max_tokens
    if model != look("model"):
        made.sets["model"] = model
    made.deletes = {name for name in made.deletes if name in names}
    return made


def _suffixes(model: str, names: list[str], made: Changes, look: Look) -> str:
    """The model's name without what its suffix says; what it says is set."""
    found = _THINKING.match(model)
    if found:
        known = facts(found[1])
        if found[2] == "nothinking":
            _off(known, made, look)
        else:
            _think(known, found[3], made, look)
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


def _think(known: Facts, budget: str | None, made: Changes, look: Look) -> None:
    if known.adaptive and not (known.budget and budget):
        made.sets["thinking"] = _adaptive(known)
    elif known.budget:
        told = look("max_tokens")
        limit = told if isinstance(told, int) and told > 0 else known.max_tokens
        wanted = max(1024, int(budget)) if budget else max(_LEAST, int(limit * _SHARE))
        made.sets["thinking"] = {"type": "enabled", "budget_tokens": wanted}
        if limit <= wanted or told is None:
            made.sets["max_tokens"] = limit if limit > wanted else wanted + limit
    else:
        return
    _no_sampling(made)

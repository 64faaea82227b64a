"""What a channel and its vendor change in a chat request, as changes of top-level members.

The same rules serve requests spliced in bytes and requests encoded anew.
"""

from __future__ import annotations

import re

from core.vendors.interface import Call
from core.vendors.shared.changes import Changes, Look, guards
from core.vendors.shared.options import is_whole_name
from core.vendors.table import Row

_FAMILY = re.compile(r"(?:[\w.-]+/)?(?:(o[134])|(gpt-5))(?:$|[-.])")
_EFFORT = re.compile(r"^(.+)-(none|minimal|low|medium|high|xhigh)$")
_NO_REASONER = ("presence_penalty", "frequency_penalty", "stop")
"""What xAI's reasoning models refuse (docs.x.ai/docs/guides/reasoning)."""
_SAMPLING = ("temperature", "top_p", "logprobs", "top_logprobs")


def family(row: Row, model: str) -> str:
    """The family whose rules hold: "o", "gpt-5", or none."""
    if not row.token_families:
        return ""
    found = _FAMILY.match(model)
    return "" if found is None else "o" if found[1] else "gpt-5"


def chat_changes(row: Row, call: Call, names: list[str], look: Look) -> Changes:
    """What changes in a chat request whose members are named names."""
    changes = guards(call, names)
    model = _suffixes(row, call, changes, look)
    kind = family(row, model)
    if kind:
        if look("max_tokens") is not None and look("max_completion_tokens") is None:
            changes.renames["max_tokens"] = "max_completion_tokens"
        else:
            changes.deletes.add("max_tokens")
        changes.deletes.update(_SAMPLING if kind == "gpt-5" and "chat" not in model else ())
        if kind == "o":
            changes.deletes.add("temperature")
    top_p = look("top_p")
    if row.clamp_top_p and isinstance(top_p, int | float) and top_p >= 1:
        changes.sets["top_p"] = 0.99
    if model.startswith(row.fixed_temperature or ("\0",)) and look("temperature") is not None:
        changes.sets["temperature"] = 1
    if model != look("model"):
        changes.sets["model"] = model
    _stream_options(row, call, changes, look)
    changes.refuse(name for name in row.drops if name in names)
    if row.allows:
        changes.refuse(name for name in names if name not in row.allows and name != "stream_options")
    if row.fill_in_middle and not look("messages") and (look("prefix") or look("suffix")):
        changes.sets["messages"] = [{"role": "user", "content": ""}]
    changes.deletes = {name for name in changes.deletes if name in names}
    for name in changes.deletes:
        changes.sets.pop(name, None)
    return changes


def _stream_options(row: Row, call: Call, changes: Changes, look: Look) -> None:
    options = look("stream_options")
    if not call.stream or not row.stream_usage:
        if options is not None:
            changes.deletes.add("stream_options")
        return
    options = dict(options) if isinstance(options, dict) else {}
    before = dict(options)
    options["include_usage"] = True
    if not call.channel.settings.get("allow_include_obfuscation"):
        options.pop("include_obfuscation", None)
    if options != before:
        changes.sets["stream_options"] = options


def _suffixes(row: Row, call: Call, changes: Changes, look: Look) -> str:
    """The model's name without what its suffix says; what it says is set."""
    model = call.sent
    if is_whole_name(call):
        # What the vendor's rule says of requests without a suffix still holds.
        if row.suffixes in _RULES:
            _RULES[row.suffixes]("", changes, look)
        return model
    found = _EFFORT.match(model)
    if found and row.effort_suffix and family(row, found[1]):
        changes.sets["reasoning_effort"] = found[2]
        return found[1]
    rule = _RULES.get(row.suffixes)
    return rule(model, changes, look) if rule else model


def _deepseek(model: str, changes: Changes, look: Look) -> str:
    if model.startswith("deepseek-v4-"):
        if model.endswith("-none"):
            changes.sets["thinking"] = {"type": "disabled"}
            return model.removesuffix("-none")
        if model.endswith("-max"):
            changes.sets["thinking"] = {"type": "enabled"}
            changes.sets["reasoning_effort"] = "max"
            return model.removesuffix("-max")
    return model


def _xai(model: str, changes: Changes, look: Look) -> str:
    if model.endswith("-search"):
        changes.sets["search_parameters"] = {"mode": "on"}
        model = model.removesuffix("-search")
    found = re.fullmatch(r"(grok-3-mini.*)-(high|low)", model)
    if found:
        changes.sets["reasoning_effort"] = found[2]
        return found[1]
    if model.startswith("grok-4") and "non-reasoning" not in model:
        changes.refuse(name for name in _NO_REASONER if look(name) is not None)
    return model


def _baidu(model: str, changes: Changes, look: Look) -> str:
    if model.endswith("-search"):
        changes.sets["web_search"] = {"enable": True}
        return model.removesuffix("-search")
    return model


def _volc(model: str, changes: Changes, look: Look) -> str:
    if model.startswith("deepseek") and model.endswith("-thinking"):
        changes.sets["thinking"] = {"type": "enabled"}
        return model.removesuffix("-thinking")
    return model


def _openrouter(model: str, changes: Changes, look: Look) -> str:
    if look("usage") is None:
        changes.sets["usage"] = {"include": True}
    effort = look("reasoning_effort")
    if look("reasoning") is None:
        if isinstance(effort, str):
            changes.sets["reasoning"] = {"enabled": effort != "none", "effort": effort}
            changes.deletes.add("reasoning_effort")
        elif model.endswith("-thinking"):
            changes.sets["reasoning"] = {"enabled": True}
    return model.removesuffix("-thinking")


_RULES = {"deepseek": _deepseek, "xai": _xai, "baidu": _baidu, "volc": _volc, "openrouter": _openrouter}

"""What a channel and its vendor change in a Responses request, as changes of top-level members."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.openai.rules import family
from core.vendors.responses.names import CARRIED
from core.vendors.shared.changes import Changes, Look, guards
from core.vendors.shared.options import is_whole_name
from core.vendors.shared.scan import Member
from core.vendors.table import Row

_EFFORT = re.compile(r"^(.+)-(none|minimal|low|medium|high|xhigh)$")
_MARK = CARRIED.encode()


def changes_of(row: Row, call: Call, body: bytes, names: list[str], look: Look) -> Changes:
    """What changes in a request whose members are named names."""
    changes = guards(call, names)
    if call.channel.settings.get("disable_store"):
        # Left out, it would mean that the vendor keeps the answer.
        changes.deletes.discard("store")
        changes.sets["store"] = False
    model = call.sent
    found = _EFFORT.match(model)
    if found and row.effort_suffix and not is_whole_name(call):
        given = look("reasoning")
        changes.sets["reasoning"] = {**(given if isinstance(given, dict) else {}), "effort": found[2]}
        model = found[1]
    kind = family(row, model)
    if kind == "o":
        changes.deletes.add("temperature")
    elif kind == "gpt-5" and "chat" not in model:
        changes.deletes.update(("temperature", "top_p", "top_logprobs"))
    if model != look("model"):
        changes.sets["model"] = model
    _stream_options(call, changes, look)
    if _MARK in body:
        kept = without_carried(look("input"))
        if kept is not None:
            changes.sets["input"] = kept
    changes.deletes = {name for name in changes.deletes if name in names}
    return changes


def _stream_options(call: Call, changes: Changes, look: Look) -> None:
    options = look("stream_options")
    if not isinstance(options, dict) or not call.stream:
        if options is not None:
            changes.deletes.add("stream_options")
        return
    if "include_obfuscation" in options and not call.channel.settings.get("allow_include_obfuscation"):
        left = {name: value for name, value in options.items() if name != "include_obfuscation"}
        if left:
            changes.sets["stream_options"] = left
        else:
            changes.deletes.add("stream_options")


def without_carried(items: Any) -> list[Any] | None:
    """The input without what the gateway's dialect carries of other vendors; None where there is nothing of it."""
    if not isinstance(items, list):
        return None
    kept = [item for item in items if not _is_carried(item)]
    return kept if len(kept) < len(items) else None


def _is_carried(item: Any) -> bool:
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        return False
    content = item.get("encrypted_content")
    return isinstance(content, str) and content.startswith(CARRIED)


def system_prompt(body: bytes, members: Mapping[str, Member], call: Call) -> dict[str, bytes]:
    """The channel's system prompt as instructions, or before the client's if so set. Raises InvalidRequest."""
    prompt = str(call.channel.setting["system_prompt"])
    first = bool(call.channel.setting.get("system_prompt_override"))
    given = _value(body, members, "instructions")
    if isinstance(given, str) and given:
        return {"instructions": orjson.dumps(f"{prompt}\n{given}")} if first else {}
    items = _value(body, members, "input")
    told = isinstance(items, list) and any(
        isinstance(item, dict) and item.get("role") in ("system", "developer") for item in items
    )
    return {} if told and not first else {"instructions": orjson.dumps(prompt)}


def _value(body: bytes, members: Mapping[str, Member], name: str) -> Any:
    member = members.get(name)
    if member is None:
        return None
    try:
        return orjson.loads(body[member.value : member.end])
    except orjson.JSONDecodeError:
        raise InvalidRequest(f"The member {name} is not JSON.", param=name) from None

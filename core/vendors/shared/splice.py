"""The client's own JSON bytes with only what channel and vendor say changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.shared import override, scan
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.options import passes_through

Rules = Callable[[list[str], Look], Changes]
"""Names of the members, and a look at their values -> what changes."""
PARSED_MOST = 64 << 10
"""Bytes up to which a body is parsed once to see whether anything changes; longer ones (media) are only scanned."""
SystemPrompt = Callable[[bytes, Mapping[str, scan.Member], Call], dict[str, bytes]]
"""The body, its members, the call -> members to set so that the channel's system prompt stands in the request."""


def splice(
    body: bytes, call: Call, rules: Rules, system_prompt: SystemPrompt | None = None, native: bool = True
) -> bytes:
    """The request's bytes for this attempt. Raises InvalidRequest, ChannelError.

    Order of keys, white space and every other byte stay; only an override by
    operations parses and writes the whole anew.
    """
    if native and passes_through(call):
        return body
    flat = call.channel.param_override
    prompt = system_prompt is not None and call.channel.setting.get("system_prompt")
    if len(body) <= PARSED_MOST and not flat and not prompt:
        parsed = loads(body)
        changes = rules(list(parsed), parsed.get)
        if not (changes.sets or changes.deletes or changes.renames):
            return body
        sets = {name: orjson.dumps(value) for name, value in changes.sets.items()}
        return scan.change(body, sets, changes.deletes, changes.renames)
    known = scan.members(body)
    found = {member.name: member for member in known}

    def look(name: str) -> Any:
        member = found.get(name)
        if member is None:
            return None
        try:
            return orjson.loads(body[member.value : member.end])
        except orjson.JSONDecodeError:
            raise InvalidRequest(f"The member {name} is not JSON.", param=name) from None

    changes = rules(list(found), look)
    sets = {name: orjson.dumps(value) for name, value in changes.sets.items()}
    if system_prompt is not None and prompt:
        sets.update(system_prompt(body, found, call))
    if flat and not isinstance(flat.get("operations"), list):
        for name, value in flat.items():
            sets[name] = orjson.dumps(value)
            changes.deletes.discard(name)
            renamed = [old for old, new in changes.renames.items() if name in (old, new)]
            for old in renamed:
                del changes.renames[old]
                if old != name:
                    changes.deletes.add(old)
    out = scan.change(body, sets, changes.deletes, changes.renames, known=known)
    if flat and isinstance(flat.get("operations"), list):
        out = orjson.dumps(override.apply(loads(out), flat))
    return out


def loads(body: bytes) -> Any:
    """The body as an object. Raises InvalidRequest."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The request body is not JSON.") from None
    if not isinstance(parsed, dict):
        raise InvalidRequest("The request body is not a JSON object.")
    return parsed

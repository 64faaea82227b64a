"""The client's own JSON bytes with only what channel and vendor say changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.openai import override, scan
from core.vendors.openai.rules import Changes, Look

Rules = Callable[[list[str], Look], Changes]
"""Names of the members, and a look at their values -> what changes."""


def splice(body: bytes, call: Call, rules: Rules, system_prompt: bool = False, native: bool = True) -> bytes:
    """The request's bytes for this attempt. Raises InvalidRequest, ChannelError.

    Order of keys, white space and every other byte stay; only an override by
    operations parses and writes the whole anew.
    """
    if native and call.channel.setting.get("pass_through_body_enabled"):
        return body
    found = {member.name: member for member in scan.members(body)}

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
    if system_prompt and "messages" in found and call.channel.setting.get("system_prompt"):
        member = found["messages"]
        messages = _with_system_prompt(body[member.value : member.end], call)
        if messages is not None:
            sets["messages"] = messages
    flat = call.channel.param_override
    if flat and not isinstance(flat.get("operations"), list):
        for name, value in flat.items():
            sets[name] = orjson.dumps(value)
            changes.deletes.discard(name)
            renamed = [old for old, new in changes.renames.items() if name in (old, new)]
            for old in renamed:
                del changes.renames[old]
                if old != name:
                    changes.deletes.add(old)
    out = scan.change(body, sets, changes.deletes, changes.renames)
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


def _with_system_prompt(raw: bytes, call: Call) -> bytes | None:
    """The messages with the channel's system prompt: put first, or before the client's if so set."""
    prompt = str(call.channel.setting["system_prompt"])
    try:
        messages = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The messages are not JSON.", param="messages") from None
    if not isinstance(messages, list):
        return None
    for message in messages:
        if isinstance(message, dict) and message.get("role") in ("system", "developer"):
            if not call.channel.setting.get("system_prompt_override"):
                return None
            content = message.get("content")
            if isinstance(content, list):
                message["content"] = [{"type": "text", "text": prompt}, *content]
            else:
                message["content"] = f"{prompt}\n{content or ''}"
            return orjson.dumps(messages)
    first = orjson.dumps({"role": "system", "content": prompt})
    return b"[" + first + (b"," if messages else b"") + raw[1:]

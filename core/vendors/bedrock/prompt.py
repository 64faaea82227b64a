"""A channel's system prompt in Converse's form."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.shared.scan import Member


def system_prompt(body: bytes, members: Mapping[str, Member], call: Call) -> dict[str, bytes]:
    """The member system with the channel's prompt: where the client has none, or before it if so set."""
    prompt = {"text": str(call.channel.setting["system_prompt"])}
    member = members.get("system")
    if member is None:
        return {"system": orjson.dumps([prompt])}
    if not call.channel.setting.get("system_prompt_override"):
        return {}
    try:
        told = orjson.loads(body[member.value : member.end])
    except orjson.JSONDecodeError:
        raise InvalidRequest("The member system is not JSON.", param="system") from None
    return {"system": orjson.dumps([prompt, *(told if isinstance(told, list) else [])])}

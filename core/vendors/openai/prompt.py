"""A channel's system prompt in OpenAI's chat form."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from core.errors import InvalidRequest
from core.vendors.interface import Call
from core.vendors.shared.scan import Member


def system_prompt(body: bytes, members: Mapping[str, Member], call: Call) -> dict[str, bytes]:
    """The messages with the channel's system prompt, as a member to set. Raises InvalidRequest."""
    member = members.get("messages")
    messages = None if member is None else _with_system_prompt(body[member.value : member.end], call)
    return {} if messages is None else {"messages": messages}


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

"""What a failure means: try another channel, disable this one."""

from __future__ import annotations

from core.errors import IsthmusError
from core.state.options import Options
from core.state.types import Channel

NEVER_RETRIED = frozenset({504, 524})
"""Whatever is set (New API): the vendor may still be at work."""


GROK = 48
"""xAI's channel type."""
GROK_SAFETY = ("safety_check_type", "violates usage guidelines")
"""Words of a refusal that every channel would repeat, and that xAI fines."""


def is_final(error: IsthmusError, channel: Channel) -> bool:
    """Whether no other channel would say anything else: xAI refused the content."""
    text = error.message.lower()
    return channel.type == GROK and any(word in text for word in GROK_SAFETY)


def should_retry(status: int, options: Options) -> bool:
    """Whether another channel is tried: codes outside 100 to 599 always, successes and timeouts at the vendor never."""
    if status in NEVER_RETRIED or 200 <= status < 300:
        return False
    return not 100 <= status <= 599 or status in options.retry_statuses


def should_disable(status: int, message: str, options: Options, channel: Channel) -> bool:
    """Whether the channel's key is disabled: the option is on, the channel allows it, status or text says so."""
    if not options.automatic_disable_channel or not channel.auto_ban:
        return False
    text = message.lower()
    return status in options.disable_statuses or any(word in text for word in options.disable_keywords)

"""A channel's mappings: model names and status codes."""

from __future__ import annotations

from core.errors import ChannelError
from core.state.types import Channel


def map_model(channel: Channel, model: str) -> str:
    """The name the vendor knows: chains are followed, x -> x ends one. Raises ChannelError on a loop."""
    mapping = channel.model_mapping
    if not mapping:
        return model
    seen = {model}
    name = model
    while (target := mapping.get(name)) and target != name:
        if target in seen:
            raise ChannelError(f"The model mapping of channel {channel.id} is a loop.")
        seen.add(target)
        name = target
    return name


def map_status(channel: Channel, status: int) -> int:
    """The status as the channel maps it."""
    return channel.status_code_mapping.get(status, status)

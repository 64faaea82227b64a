"""What decides between channels beside priorities, weights and health: conversations, speed, cost, fullness."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from core.routing.affinity import Conversation
from core.routing.meters import Meters
from core.routing.speed import Speed
from core.state.types import Channel, ChannelKey

Ready = tuple[Channel, list[ChannelKey]]
"""A channel that may be asked, and which of its keys."""


@dataclass(frozen=True, slots=True)
class Guides:
    """What decides beside priorities, weights and health; each may be absent."""

    kept: Conversation | None = None
    """The conversation: it stays where it was, else goes where its name says."""
    speed: Speed | None = None
    """Of two channels drawn, the quicker one."""
    by_cost: bool = False
    """Of two channels drawn, the cheaper one, and of equal ones the quicker."""
    meters: Meters | None = None
    """Which channels are full."""
    minute: Callable[[], int] = lambda: 0
    """The minute of the week, where the operator is."""


UNGUIDED = Guides()


def by_name(seed: bytes, names: Sequence[int], weights: Sequence[int]) -> int:
    """The place that a conversation's name falls on, each with its share (weighted rendezvous hashing).

    Where a place is lost, only the conversations that were there move.
    """
    best, chosen = math.inf, 0
    for place, (name, weight) in enumerate(zip(names, weights, strict=True)):
        if weight <= 0:
            continue
        digest = blake2b(name.to_bytes(9, "little", signed=True), digest_size=8, key=seed).digest()
        distance = -math.log((int.from_bytes(digest, "little") + 1) / (1 << 64)) / weight
        if distance < best:
            best, chosen = distance, place
    return chosen

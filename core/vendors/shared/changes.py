"""Changes of a request's top-level members, for requests spliced in bytes and requests encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.vendors.interface import Call

_GUARDED = {
    "service_tier": "allow_service_tier",
    "inference_geo": "allow_inference_geo",
    "speed": "allow_speed",
    "safety_identifier": "allow_safety_identifier",
}

Look = Callable[[str], Any]
"""The parsed value of a member; None where it is absent or null."""


@dataclass(slots=True)
class Changes:
    """Members set (to values), removed, renamed; and of those removed, what the vendor has no place for."""

    sets: dict[str, Any] = field(default_factory=dict)
    deletes: set[str] = field(default_factory=set)
    renames: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    def refuse(self, names: Iterable[str]) -> None:
        """Removes members that the vendor does not take."""
        for name in names:
            self.deletes.add(name)
            self.dropped.add(name)


def guards(call: Call, names: list[str]) -> Changes:
    """Members that only pass where the channel allows them."""
    changes = Changes()
    settings = call.channel.settings
    for name, setting in _GUARDED.items():
        if name in names and not settings.get(setting):
            changes.deletes.add(name)
    if settings.get("disable_store"):
        changes.deletes.add("store")
    return changes


def renamed(pairs: Iterable[tuple[str, str]], names: list[str]) -> dict[str, str]:
    """The members that are there and have another name at this vendor."""
    return {name: other for name, other in pairs if name in names and other not in names}

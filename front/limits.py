"""Limits by client address: sliding windows in a table of fixed size that a node's workers share.

Every rule has a region of its own, a bucket of four slots for each hash, 20 bytes a
slot. A full bucket gives up its oldest slot; nothing ever grows. Two workers that
count the same client in the same microsecond may lose one count: a limit is no bill.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import tempfile
from dataclasses import dataclass

from front.settings import FrontSettings

_SLOT = struct.Struct("<QIII")
"""Hash of the client, number of the window, count in it, count in the window before."""
WAYS = 4
BUCKETS = 8192
REGION = WAYS * BUCKETS * _SLOT.size
KEY_BYTES = 16
"""A random key of the hash, so that nobody can choose who shares a bucket."""
RULES = ("api", "web", "critical", "search", "email")
SIZE = KEY_BYTES + len(RULES) * REGION
INDEX_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `most` requests in any stretch of `seconds`; most 0: no limit."""

    most: int
    seconds: float


def shared() -> int:
    """A descriptor of the table that workers share, its key chosen; whoever starts them closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("isthmus-limits", 0)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, SIZE)
    os.pwrite(descriptor, os.urandom(KEY_BYTES), 0)
    os.set_inheritable(descriptor, True)
    return descriptor


def rules(settings: FrontSettings) -> dict[str, Rule]:
    """The rules as the operator set them; those switched off have no limit."""
    return {
        "api": Rule(settings.api_limit if settings.api_limit_enabled else 0, settings.api_limit_seconds),
        "web": Rule(settings.web_limit if settings.web_limit_enabled else 0, settings.web_limit_seconds),
        "critical": Rule(
            settings.critical_limit if settings.critical_limit_enabled else 0, settings.critical_limit_seconds
        ),
        "search": Rule(settings.search_limit if settings.search_limit_enabled else 0, settings.search_limit_seconds),
        "email": Rule(settings.mail_limit, settings.mail_limit_seconds),
    }


class Limits:
    """Counts by rule and client. descriptor: of shared(); -1: a table of this process alone."""

    def __init__(self, settings: FrontSettings, descriptor: int = -1) -> None:
        self._rules = rules(settings)
        self._table = mmap.mmap(descriptor, SIZE)
        if descriptor < 0:
            self._table[:KEY_BYTES] = os.urandom(KEY_BYTES)
        self._key = bytes(self._table[:KEY_BYTES])

    def admit(self, name: str, client: str, now: float) -> float:
        """Counts a request; 0 where it may go on, else seconds until it may. now: monotonic seconds."""
        rule = self._rules[name]
        if rule.most <= 0 or rule.seconds <= 0:
            return 0.0
        index, part = divmod(now / rule.seconds, 1.0)
        window = int(index) & INDEX_MASK
        digest = int.from_bytes(hashlib.blake2b(client.encode(), digest_size=8, key=self._key).digest(), "little") | 1
        at = self._find(RULES.index(name), digest)
        held, seen, current, previous = _SLOT.unpack_from(self._table, at)
        if held != digest:
            seen, current, previous = window, 0, 0
        if seen != window:
            previous = current if (seen + 1) & INDEX_MASK == window else 0
            current = 0
        if current + previous * (1.0 - part) >= rule.most:
            _SLOT.pack_into(self._table, at, digest, window, current, previous)
            return max(1.0, (1.0 - part) * rule.seconds)
        _SLOT.pack_into(self._table, at, digest, window, min(current + 1, INDEX_MASK), previous)
        return 0.0

    def _find(self, region: int, digest: int) -> int:
        """Where the client's slot is: its own, an empty one, or the oldest of its bucket."""
        start = KEY_BYTES + region * REGION + (digest >> 8) % BUCKETS * WAYS * _SLOT.size
        oldest, age = start, -1
        for way in range(WAYS):
            at = start + way * _SLOT.size
            held, seen, _, _ = _SLOT.unpack_from(self._table, at)
            if held == digest:
                return at
            rank = INDEX_MASK + 1 if not held else INDEX_MASK - seen
            if rank > age:
                oldest, age = at, rank
        return oldest

    def close(self) -> None:
        """Gives the mapping back."""
        self._table.close()

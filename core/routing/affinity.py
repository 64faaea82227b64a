"""Which channel a conversation stays with: a bounded memory of one worker, and what caching came of it.

A conversation nobody remembers is given a channel by its name and not by chance, the same by every worker;
so workers need not tell each other, and what is forgotten comes back to where it was.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from zlib import crc32

from isthmus.v1 import usage_pb2

from core.state.affinity_rules import Rule

STATS_MOST = 10_000
"""Conversations whose use of caches is counted."""
PLAIN = "conversation"
"""Stands for a rule's name where none has spoken."""


def rule_number(name: str) -> int:
    """A rule's number, from its name; 0 for no name."""
    return crc32(name.encode()) or 1 if name else 0


@dataclass(slots=True)
class Conversation:
    """A request's conversation. key names it in memory; seed chooses where nothing is remembered."""

    key: bytes
    seed: bytes
    rule: Rule | None
    fingerprint: str
    """Eight hex digits of the conversation's name, for logs."""
    ttl: int
    group: str = ""
    channel_id: int = 0
    """Where the conversation was; 0: not remembered."""
    key_index: int = 0

    @property
    def rule_name(self) -> str:
        """For logs and figures."""
        return self.rule.name if self.rule is not None else PLAIN


@dataclass(slots=True)
class CacheUse:
    """What vendors' caches held of a conversation's prompts."""

    hit: int = 0
    total: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    window_seconds: int = 0
    last_seen_at: int = 0


class Affinity:
    """One a worker. Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._places: OrderedDict[bytes, tuple[int, int, float, str]] = OrderedDict()
        """Key -> channel, its key, until when, rule."""
        self._uses: OrderedDict[tuple[str, str, str], CacheUse] = OrderedDict()

    def recall(self, kept: Conversation, now: float) -> None:
        """Fills in where the conversation was."""
        found = self._places.get(kept.key)
        if found is None:
            return
        if found[2] <= now:
            del self._places[kept.key]
            return
        kept.channel_id, kept.key_index = found[0], found[1]

    def remember(self, kept: Conversation, channel_id: int, key_index: int, most: int, now: float) -> None:
        """A channel answered the conversation; the one that was used longest ago is forgotten for it."""
        self._places[kept.key] = (channel_id, key_index, now + kept.ttl, kept.rule_name)
        self._places.move_to_end(kept.key)
        while len(self._places) > most:
            self._places.popitem(last=False)

    def forget(self, kept: Conversation) -> None:
        """The conversation has no place any more."""
        self._places.pop(kept.key, None)

    def clear(self, rule_name: str = "") -> int:
        """Forgets all of a rule, or everything; how many."""
        return self.forget_numbered(rule_number(rule_name))

    def forget_numbered(self, number: int) -> int:
        """The same by the rule's number, as it travels between workers."""
        gone = [key for key, place in self._places.items() if not number or rule_number(place[3]) == number]
        for key in gone:
            del self._places[key]
        return len(gone)

    def counts(self, now: float) -> Counter[str]:
        """Conversations remembered, by rule."""
        return Counter(place[3] for place in self._places.values() if place[2] > now)

    def used(self, kept: Conversation, usage: usage_pb2.Usage, at: int) -> None:
        """Counts what a settled answer told of caches. at: Unix seconds."""
        name = (kept.rule_name, kept.group, kept.fingerprint)
        found = self._uses.get(name)
        if found is None:
            found = self._uses[name] = CacheUse()
            if len(self._uses) > STATS_MOST:
                self._uses.popitem(last=False)
        else:
            self._uses.move_to_end(name)
        cached = usage.cached_tokens
        found.total += 1
        found.hit += int(cached > 0)
        found.prompt_tokens += usage.input_tokens
        found.completion_tokens += usage.output_tokens
        found.cached_tokens += cached
        found.window_seconds, found.last_seen_at = kept.ttl, at

    def use(self, rule_name: str, group: str, fingerprint: str) -> CacheUse:
        """The figures of a conversation; zeros where none were counted."""
        return self._uses.get((rule_name, group, fingerprint)) or CacheUse()

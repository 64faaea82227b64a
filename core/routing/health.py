"""Which channel keys are cooling down: after 429 as long as the vendor says, after failures ever longer.

After a cool-down one real request is the probe; others pass by until it came
back. Its success closes the breaker, each failure doubles the pause. Bounded:
the oldest entries go first.
"""

from __future__ import annotations

from collections import OrderedDict

ENTRIES_MOST = 20_000
FIRST_PAUSE = 1.0
PAUSE_MOST = 60.0
"""Seconds; doubled by each failure in a row."""
DOUBLINGS_MOST = 10
RATE_LIMIT_PAUSE = 5.0
RETRY_AFTER_MOST = 3600.0
PROBE_SECONDS = 30.0
"""How long a probe that says nothing keeps others away."""
FAILURES_TO_OPEN = 3
"""Failures in a row (5xx, connection) that open the breaker; one 429 or 401 is enough."""


def tells(status: int) -> bool:
    """Whether a failure says anything about the channel: 4xx but 401, 403, 408, 429 are the request's own fault."""
    return not 400 <= status < 500 or status in (401, 403, 408, 429)


class _Entry:
    __slots__ = ("failures", "free_at", "pause_ends")

    def __init__(self) -> None:
        self.failures = 0
        self.free_at = 0.0
        """0: it was never closed. While a probe is under way, when that is given up."""
        self.pause_ends = 0.0
        """What free_at was before the probe set out; 0: there is none."""


class Health:
    """Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[int, int], _Entry] = OrderedDict()

    def failure(self, channel_id: int, key_index: int, status: int, retry_after_ms: int, now: float) -> None:
        """Notes a failure. Statuses that are the request's own fault (4xx but 401, 403, 408, 429) count for nothing."""
        if not tells(status):
            self.released(channel_id, key_index)
            return
        entry = self._entries.setdefault((channel_id, key_index), _Entry())
        self._entries.move_to_end((channel_id, key_index))
        if len(self._entries) > ENTRIES_MOST:
            self._entries.popitem(last=False)
        entry.failures += 1
        entry.pause_ends = 0.0
        if retry_after_ms > 0:
            entry.free_at = now + min(retry_after_ms / 1000, RETRY_AFTER_MOST)
        elif status in (401, 403, 429):
            entry.free_at = now + min(RATE_LIMIT_PAUSE * 2 ** min(entry.failures - 1, DOUBLINGS_MOST), PAUSE_MOST)
        elif entry.failures >= FAILURES_TO_OPEN:
            entry.free_at = now + min(
                FIRST_PAUSE * 2 ** min(entry.failures - FAILURES_TO_OPEN, DOUBLINGS_MOST), PAUSE_MOST
            )

    def success(self, channel_id: int, key_index: int, now: float) -> None:
        """Closes the breaker."""
        self._entries.pop((channel_id, key_index), None)

    def claim(self, channel_id: int, key_index: int, now: float) -> None:
        """Notes that a request goes there. Where a pause is just over, it is the probe: nobody else goes meanwhile."""
        entry = self._entries.get((channel_id, key_index))
        if entry is not None and 0 < entry.free_at <= now:
            entry.pause_ends = entry.free_at
            entry.free_at = now + PROBE_SECONDS

    def released(self, channel_id: int, key_index: int) -> None:
        """A request ended without telling whether the vendor is well: the next one may be the probe."""
        entry = self._entries.get((channel_id, key_index))
        if entry is not None and entry.pause_ends:
            entry.free_at, entry.pause_ends = entry.pause_ends, 0.0

    def free_at(self, channel_id: int, key_index: int) -> float:
        """When it may be asked again; 0: now."""
        entry = self._entries.get((channel_id, key_index))
        return entry.free_at if entry is not None else 0.0

    def available(self, channel_id: int, key_index: int, now: float) -> bool:
        """Whether it is not cooling down."""
        return self.free_at(channel_id, key_index) <= now

"""How full channels with limits are: a table of fixed size in a file that a node's workers share.

A channel has one entry: requests and tokens of this minute and the last, and how many requests each worker
has there now. A worker that starts empties its own column, so that what a killed one had is not kept. Two
workers that count in the same microsecond may lose one count: a limit is no bill.
"""

from __future__ import annotations

import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from core.state.channel_extras import ChannelLimits

CHANNELS_MOST = 4096
"""Channels with limits on one node; more share entries."""
WORKERS_MOST = 64
_HEAD = struct.Struct("<QIIIIQQ")
"""Channel, minute, requests in it and in the one before, nothing, tokens in both."""
_COUNT = struct.Struct("<H")
ENTRY = _HEAD.size + WORKERS_MOST * _COUNT.size
PROBES = 16
WINDOW = 60.0
INDEX_MASK = 0xFFFFFFFF
COUNT_MOST = 0xFFFF


@dataclass(slots=True)
class Taken:
    """A place that a request has in a channel with limits; given back once."""

    channel_id: int
    tokens: int
    given: bool = False


class Meters:
    """The table. folder: of the node's data; None: one of this process alone. slot: the worker's number."""

    def __init__(self, folder: Path | None = None, slot: int = 0) -> None:
        size = CHANNELS_MOST * ENTRY
        self._slot = slot % WORKERS_MOST
        if folder is None or not folder.is_dir():
            self._table = mmap.mmap(-1, size)
        else:
            descriptor = os.open(folder / "channel-meters", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.ftruncate(descriptor, size)
                self._table = mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)
        for entry in range(0, size, ENTRY):
            self._table[self._column(entry) : self._column(entry) + _COUNT.size] = b"\0\0"

    def _column(self, entry: int) -> int:
        return entry + _HEAD.size + self._slot * _COUNT.size

    def _find(self, channel_id: int) -> int:
        """Where the channel's entry is: its own, else an empty one, which it takes."""
        at = channel_id * 2_654_435_761 % CHANNELS_MOST
        for probe in range(PROBES):
            entry = (at + probe) % CHANNELS_MOST * ENTRY
            (held,) = struct.unpack_from("<Q", self._table, entry)
            if held == channel_id:
                return entry
            if not held:
                struct.pack_into("<Q", self._table, entry, channel_id)
                return entry
        return at * ENTRY

    def _read(self, entry: int, now: float) -> tuple[int, int, int, int, int, float]:
        """Minute, requests in it and before, tokens in it and before, and the part of the minute that is over."""
        index, part = divmod(now / WINDOW, 1.0)
        minute = int(index) & INDEX_MASK
        _, seen, requests, before, _, tokens, earlier = _HEAD.unpack_from(self._table, entry)
        if seen != minute:
            follows = (seen + 1) & INDEX_MASK == minute
            before, earlier = (requests, tokens) if follows else (0, 0)
            requests = tokens = 0
        return minute, requests, before, tokens, earlier, part

    def running(self, channel_id: int) -> int:
        """Requests there now, of all workers."""
        start = self._find(channel_id) + _HEAD.size
        return sum(struct.unpack_from(f"<{WORKERS_MOST}H", self._table, start))

    def spent(self, channel_id: int, now: float) -> tuple[float, float]:
        """Requests and tokens of the last 60 seconds, sliding."""
        _, requests, before, tokens, earlier, part = self._read(self._find(channel_id), now)
        return requests + before * (1 - part), tokens + earlier * (1 - part)

    def full(self, channel_id: int, limits: ChannelLimits, tokens: int, now: float) -> str:
        """Which limit one more request of so many tokens would break; "" for none.

        A request that is larger than the limit of tokens itself may go where nothing else goes.
        """
        if limits.concurrency and self.running(channel_id) >= limits.concurrency:
            return "concurrency"
        if limits.rpm or limits.tpm:
            requests, spent = self.spent(channel_id, now)
            if limits.rpm and requests + 1 > limits.rpm:
                return "rpm"
            if limits.tpm and spent > 0 and spent + tokens > limits.tpm:
                return "tpm"
        return ""

    def take(self, channel_id: int, tokens: int, now: float) -> Taken:
        """Counts a request that goes there."""
        entry = self._find(channel_id)
        minute, requests, before, spent, earlier, _ = self._read(entry, now)
        _HEAD.pack_into(self._table, entry, channel_id, minute, requests + 1, before, 0, spent + tokens, earlier)
        self._running(entry, 1)
        return Taken(channel_id, tokens)

    def give(self, taken: Taken, tokens: int, now: float) -> None:
        """The request has ended, with so many tokens. Once."""
        if taken.given:
            return
        taken.given = True
        entry = self._find(taken.channel_id)
        minute, requests, before, spent, earlier, _ = self._read(entry, now)
        spent = max(0, spent + tokens - taken.tokens)
        _HEAD.pack_into(self._table, entry, taken.channel_id, minute, requests, before, 0, spent, earlier)
        self._running(entry, -1)

    def _running(self, entry: int, change: int) -> None:
        at = self._column(entry)
        (count,) = _COUNT.unpack_from(self._table, at)
        _COUNT.pack_into(self._table, at, min(max(0, count + change), COUNT_MOST))

    def close(self) -> None:
        """Gives the mapping back."""
        self._table.close()

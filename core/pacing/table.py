"""Meters and places of all workers of a node: a file of fixed size that each of them maps, under its lock.

A meter is one number, the time at which it will be empty (a leaky bucket, as GCRA
has it): what was taken is how far that lies ahead. So an entry costs 16 bytes, is
free again by itself, and knows nothing of its limit. An entry is looked for in one
set of eight; in a full one the meter that is nearest to empty gives way, which
forgives what was left of it. Places are counted per worker, so that a worker that
was killed holds none once it is back.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.pacing.demand import Demands, Meter, Refused, Taken

_METER = struct.Struct("<Qd")
_PLACE = struct.Struct("<QII")
METER_SETS, METER_WAYS = 4096, 8
PLACE_SETS, PLACE_WAYS = 1024, 16
_METERS_BYTES = METER_SETS * METER_WAYS * _METER.size
SIZE = _METERS_BYTES + PLACE_SETS * PLACE_WAYS * _PLACE.size
"""768 KiB for every node, whatever is limited."""
FURTHEST = 366 * 86400.0
"""Seconds ahead that are believed: what lies further was written by another clock."""


class Table:
    """One process's view of the file. slot is the worker's number within its node."""

    def __init__(self, path: Path, slot: int) -> None:
        self._slot = slot + 1
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, SIZE)
        self._map = mmap.mmap(self._fd, SIZE)
        with self._locked():
            for at in range(_METERS_BYTES, SIZE, _PLACE.size):
                if _PLACE.unpack_from(self._map, at)[1] == self._slot:
                    _PLACE.pack_into(self._map, at, 0, 0, 0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    async def take(self, demands: Demands, _request: str) -> tuple[Taken, ...]:
        """All of them, or none. Raises Refused."""
        with self._locked():
            now = time.time()
            for place in demands.places:
                if self._held(place.subject) >= place.limit:
                    raise Refused("concurrent requests", place.limit, 1000)
            found = [(meter, *self._meter(meter.subject, now)) for meter in demands.meters]
            before = tuple(Taken(meter, (empty - now) / meter.seconds) for meter, _, empty in found)
            over = [each for each in before if each.used + each.meter.least > each.meter.limit + 1e-6]
            if over:
                worst = max(over, key=lambda each: each.wait_ms)
                raise Refused(worst.meter.kind, worst.meter.limit, worst.wait_ms, before)
            for meter, at, empty in found:
                _METER.pack_into(self._map, at, meter.subject, empty + meter.cost * meter.seconds)
            for place in demands.places:
                self._enter(place.subject, 1)
        return tuple(Taken(each.meter, each.used + each.meter.cost) for each in before)

    def correct(self, meter: Meter, units: float, _request: str = "") -> None:
        """Takes more of a meter, or gives back what was not used."""
        with self._locked():
            now = time.time()
            at, empty = self._meter(meter.subject, now)
            _METER.pack_into(self._map, at, meter.subject, max(now, empty + units * meter.seconds))

    def leave(self, demands: Demands, _request: str) -> None:
        """The request has ended."""
        with self._locked():
            for place in demands.places:
                self._enter(place.subject, -1)

    def _meter(self, subject: int, now: float) -> tuple[int, float]:
        """Where a meter is, or goes, and when it is empty (now at the earliest)."""
        start = subject % METER_SETS * METER_WAYS * _METER.size
        victim, least = start, float("inf")
        for at in range(start, start + METER_WAYS * _METER.size, _METER.size):
            held, empty = _METER.unpack_from(self._map, at)
            if held == subject:
                return at, empty if now < empty <= now + FURTHEST else now
            if not held or not now < empty <= now + FURTHEST:
                empty = 0.0
            if empty < least:
                victim, least = at, empty
        # The victim is taken over only when something is written to it.
        return victim, now

    def _places(self, subject: int) -> Iterator[tuple[int, int, int, int]]:
        start = _METERS_BYTES + subject % PLACE_SETS * PLACE_WAYS * _PLACE.size
        for at in range(start, start + PLACE_WAYS * _PLACE.size, _PLACE.size):
            yield (at, *_PLACE.unpack_from(self._map, at))

    def _held(self, subject: int) -> int:
        return sum(count for _, held, _, count in self._places(subject) if held == subject)

    def _enter(self, subject: int, change: int) -> None:
        empty = None
        for at, held, slot, count in self._places(subject):
            if held == subject and slot == self._slot:
                left = count + change
                _PLACE.pack_into(self._map, at, *((subject, slot, left) if left > 0 else (0, 0, 0)))
                return
            if not held and empty is None:
                empty = at
        if change > 0 and empty is not None:
            _PLACE.pack_into(self._map, empty, subject, self._slot, 1)

    async def close(self) -> None:
        """Lets go of the file; what it holds stays, for the workers that go on."""
        self._map.close()
        os.close(self._fd)

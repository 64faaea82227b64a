"""What the ledger asks of the world: time, randomness, the disk. The one place here that reads a clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.ledger import disk


def wall_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def unique(size: int) -> str:
    """Random hexadecimal text of size bytes, that nobody else makes."""
    return os.urandom(size).hex()


@dataclass(frozen=True, slots=True)
class Seams:
    """The world as it is; tests and the simulation put others in its place."""

    clock: Callable[[], float] = time.monotonic
    """Seconds that only grow: patience, idleness."""
    now_ms: Callable[[], int] = wall_ms
    """Unix milliseconds: what is written down."""
    unique: Callable[[int], str] = unique
    write: Callable[[int, bytes], int] = os.write
    allocate: Callable[[int, int, int], None] = disk.allocate
    sync: Callable[[int], None] = os.fdatasync


REAL = Seams()

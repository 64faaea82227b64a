"""How long a worker's ledger waits, and how much it takes at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times in seconds, money in units, sizes in bytes. The defaults are the design's; tests shorten them."""

    patience: float = 0.5
    """How long a request waits for others' settlements."""
    answer: float = 10.0
    """How long a request waits for the database's own answer: a slow one is no empty purse."""
    idle: float = 1.0
    """After this long without use a lease's free units go back."""
    chore: float = 0.2
    """Between looks at idle and recalled leases."""
    orphans: float = 3.0
    """Between looks for journals of dead workers."""
    cap: int = 2_500_000
    """Largest lease in advance: 5 USD."""
    batch: int = 500
    """Most records of one flush."""
    room: int = 16 << 10
    """Journal room kept for each open hold."""
    rotate: int = 8 << 20
    """A journal file above this is shortened once most of it is flushed."""
    background: bool = True
    """Run the ledger's own tasks; tests that step by themselves do not."""

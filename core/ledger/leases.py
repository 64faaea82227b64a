"""What a worker holds in memory of its leases: the arithmetic of reserve, extend, settle and release.

Pure. Per purse: lease units in the database = free + held + spent (settled here,
not flushed yet) + returning. Every function keeps each of them >= 0.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from core.ledger.interface import Draws, Hold

SHORT_MOST = 10_000
"""Purses that are remembered as short, of one worker."""


@dataclass(slots=True, eq=False)
class Pool:
    """A worker's part of one purse, in units."""

    purse_id: int
    free: int = 0
    held: int = 0
    spent: int = 0
    returning: int = 0
    used_at: float = 0.0
    """When units were last taken (the ledger's clock, seconds)."""
    low: int = 0
    """Below this much free, more is leased in the background."""

    @property
    def leased(self) -> int:
        """What the database has as this worker's lease."""
        return self.free + self.held + self.spent + self.returning


class Pools:
    """All pools of a worker."""

    def __init__(self) -> None:
        self.by_purse: dict[int, Pool] = {}
        self.short: dict[int, tuple[int, float]] = {}
        """Purses that the database said could not serve so many units, and until when that is believed."""

    def get(self, purse_id: int) -> Pool:
        """The pool of a purse, made when it is new."""
        pool = self.by_purse.get(purse_id)
        if pool is None:
            pool = self.by_purse[purse_id] = Pool(purse_id)
        return pool

    def free(self, purse_id: int) -> int:
        """Units a request could take now."""
        pool = self.by_purse.get(purse_id)
        return 0 if pool is None else pool.free

    def payer(self, draws: Draws, units: int, now: float, passed: Container[int] = ()) -> int | None:
        """The first purse of first_of whose free units cover; None: none does, or an earlier one must be asked first.

        A purse is passed over only where it is known to hold too little: the order is the account's wish.
        """
        by_purse = self.by_purse
        for purse_id in draws.first_of:
            pool = by_purse.get(purse_id)
            if pool is not None and pool.free >= units:
                return purse_id
            if purse_id not in passed and not self.is_short(purse_id, units, now):
                return None
        return None

    def is_short(self, purse_id: int, units: int, now: float) -> bool:
        """Whether the purse could not serve so many units a moment ago."""
        known = self.short.get(purse_id)
        return known is not None and units >= known[0] and now < known[1]

    def note_short(self, purse_id: int, units: int, until: float) -> None:
        """The purse cannot serve so many units."""
        if len(self.short) >= SHORT_MOST:
            self.short.clear()
        self.short[purse_id] = (units, until)

    def take(self, hold: Hold, units: int, now: float, passed: Container[int] = ()) -> bool:
        """Holds units more, from every one of all_of and the first of first_of that covers; all or nothing."""
        draws, by_purse = hold.draws, self.by_purse
        pools = []
        for purse_id in draws.all_of:
            pool = by_purse.get(purse_id)
            if pool is None or pool.free < units:
                return False
            pools.append(pool)
        if draws.first_of:
            payer = self.payer(draws, units, now, passed)
            if payer is None:
                return False
            pools.append(by_purse[payer])
        taken = hold.taken
        for pool in pools:
            pool.free -= units
            pool.held += units
            pool.used_at = now
            taken[pool.purse_id] = taken.get(pool.purse_id, 0) + units
        hold.units += units
        return True

    def give_back(self, hold: Hold) -> None:
        """Ends a hold, charging nothing."""
        assert not hold.ended, "a hold ends once"
        hold.ended = True
        for purse_id, units in hold.taken.items():
            if not units:
                continue  # a hold of 0 units keeps no pool: it may be pruned by now
            pool = self.by_purse[purse_id]
            pool.held -= units
            pool.free += units

    def split(self, hold: Hold, units: int, *, beyond: bool) -> dict[int, int]:
        """What each purse pays of units: from the hold, and (beyond) from what is free.

        All-of purses and the first-of ones together pay the same sum; it is below
        units where nothing covers the rest.
        """
        draws, by_purse, taken = hold.draws, self.by_purse, hold.taken
        if 0 < units <= hold.units and len(taken) == len(draws.all_of) + bool(draws.first_of):
            # As nearly always: one payer, and the hold covers. Every purse holds hold.units then.
            return dict.fromkeys(taken, units)
        billed = units
        reach: dict[int, int] = {}
        for purse_id in (*draws.all_of, *draws.first_of):
            pool = by_purse.get(purse_id)
            extra = pool.free if beyond and pool is not None else 0
            reach[purse_id] = taken.get(purse_id, 0) + extra
        for purse_id in draws.all_of:
            billed = min(billed, reach[purse_id])
        if draws.first_of:
            billed = min(billed, sum(reach[purse_id] for purse_id in draws.first_of))
        elif not draws.all_of:
            billed = 0
        if billed <= 0:
            return {}
        paid = dict.fromkeys(draws.all_of, billed)
        # Purses this request already holds pay before others are touched.
        left = billed
        for purse_id in sorted(draws.first_of, key=lambda each: each not in taken):
            part = min(left, reach[purse_id])
            if part:
                paid[purse_id] = part
                left -= part
        return paid

    def settle(self, hold: Hold, paid: dict[int, int], now: float) -> None:
        """Ends a hold, charging what split() gave."""
        self.give_back(hold)
        for purse_id, units in paid.items():
            pool = self.by_purse[purse_id]
            assert 0 <= units <= pool.free, "split() promised no more than there is"
            pool.free -= units
            pool.spent += units
            pool.used_at = now

    def flushed(self, draws: Iterable[tuple[int, int]]) -> None:
        """What was settled here is now settled in the database: purse id, units."""
        for purse_id, units in draws:
            pool = self.by_purse[purse_id]
            assert pool.spent >= units
            pool.spent -= units

    def prune(self) -> None:
        """Forgets pools that hold nothing."""
        for purse_id in [pool.purse_id for pool in self.by_purse.values() if pool.leased == 0]:
            del self.by_purse[purse_id]

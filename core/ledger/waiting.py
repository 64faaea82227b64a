"""Requests that wait for money: what they want, and which purses must lease for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from core.ledger.leases import Pools


@dataclass(slots=True, eq=False)
class Want:
    """units wanted of each of purses; answered is set after the next lease transaction."""

    purses: tuple[int, ...]
    units: int
    answered: asyncio.Future[None]


def lacks(wants: Sequence[Want], pools: Pools) -> dict[int, list[int]]:
    """Purse id -> what each waiting request lacks there, in the order they came, after what is free."""
    free: dict[int, int] = {}
    needs: dict[int, list[int]] = {}
    for want in wants:
        if want.answered.done():
            continue
        for purse_id in want.purses:
            left = free.setdefault(purse_id, pools.free(purse_id))
            if left >= want.units:
                free[purse_id] = left - want.units
            else:
                free[purse_id] = 0
                needs.setdefault(purse_id, []).append(want.units - left)
    return needs

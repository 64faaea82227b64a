"""Limits, progress and administrators: the sums hold."""

import asyncio

import pytest
from isthmus.v1 import billing_pb2

from core.errors import InsufficientQuota, KeyQuotaExceeded
from core.ledger import changes, purses
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.ledger.recovery import recover_all
from core.ledger.tuning import Tuning
from tests.ledger.house import (
    check_sums,
    logged,
    purse_of,
    read,
    receipt,
    rows,
)

# Progress


async def test_progress_that_nothing_ended_is_billed_as_recovered(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    dead = await open_ledger(db, settings)
    draws = Draws((), (purse,))
    holds = {name: await dead.reserve(name, draws, 50) for name in ("cut", "done", "gone", "quiet")}
    for name in ("cut", "done", "gone"):
        dead.progress(holds[name], 5, receipt())
        dead.progress(holds[name], 20, receipt())
    dead.settle(holds["done"], 30, receipt())
    dead.release(holds["gone"])
    # What was flushed before the death is still known at recovery.
    await dead.flush()
    dead.abandon()
    for _ in range(2):
        ledger = await open_ledger(db, settings)
        await ledger.close()
    found = await read(db, purse)
    assert (found.available, found.leased, found.settled) == (950, 0, 50)
    lines = {
        row[0]: billing_pb2.Receipt.FromString(bytes(row[1]))
        for row in await rows(db, "SELECT request_id, receipt FROM logs")
    }
    assert await logged(db) == ["cut", "done"]
    assert lines["cut"].ending == billing_pb2.ENDING_RECOVERED
    assert (lines["cut"].quota, dict(lines["cut"].purses)) == (20, {purse: 20})
    assert lines["done"].ending != billing_pb2.ENDING_RECOVERED
    assert lines["done"].quota == 30


async def test_progress_never_counts_more_than_the_hold(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    dead = await open_ledger(db, settings)
    # The lease holds more than the request does.
    dead.progress(await dead.reserve("long", Draws((), (purse,)), 40), 90, receipt())
    dead.abandon()
    await recover_all(db, settings.data / "journal")
    found = await read(db, purse)
    assert (found.available, found.leased, found.settled) == (960, 0, 40)


# Limits and administrators


async def test_more_than_granted_is_refused_and_costs_nothing(house):
    db, settings = house
    wallet, key = await purse_of(db, 1000), await purse_of(db, 100, kind=2)
    ledger = await open_ledger(db, settings)
    with pytest.raises(InsufficientQuota):
        await ledger.reserve("big", Draws((), (wallet,)), 1001)
    with pytest.raises(KeyQuotaExceeded):
        await ledger.reserve("key", Draws((key,), (wallet,)), 101)
    hold = await ledger.reserve("r", Draws((), (wallet,)), 600)
    with pytest.raises(InsufficientQuota):
        await ledger.extend(hold, 401)
    with pytest.raises(InsufficientQuota):
        await ledger.reserve("other", Draws((), (wallet,)), 401)
    await ledger.extend(hold, 400)
    made = receipt()
    ledger.settle(hold, 1500, made)
    assert (made.quota, made.unbilled, made.reserved) == (1000, 500, 1000)
    await ledger.close()
    found = await read(db, wallet)
    assert (found.available, found.leased, found.settled) == (0, 0, 1000)
    assert (await read(db, key)).available == 100
    assert await logged(db) == ["r"]


async def test_adjust_and_set_remaining_keep_the_sums(house, monkeypatch):
    monkeypatch.setattr(changes, "TRIES", 8)
    db, settings = house
    purse = await purse_of(db, 1000)
    ledger = await open_ledger(db, settings)
    hold = await ledger.reserve("r", Draws((), (purse,)), 100)
    check_sums(await ledger.adjust(purse, 500))
    # Taken down to what the request holds: the rest of the lease is recalled.
    left = await ledger.adjust(purse, -1400)
    check_sums(left)
    assert (left.granted, left.available + left.leased) == (100, 100)
    with pytest.raises(InsufficientQuota):
        await ledger.adjust(purse, -101)
    with pytest.raises(InsufficientQuota):
        await ledger.set_remaining(purse, 99)
    with pytest.raises(InsufficientQuota):
        await ledger.set_remaining(purse, -1)
    assert (await read(db, purse)).granted == 100
    ledger.settle(hold, 60, receipt())
    await ledger.flush()
    for units in (700, 0, 250):
        left = await ledger.set_remaining(purse, units)
        check_sums(left)
        assert (left.granted, left.available + left.leased, left.settled) == (60 + units, units, 60)
    await ledger.close()
    found = await read(db, purse)
    assert (found.available, found.leased, found.settled) == (250, 0, 60)


async def test_a_grant_pays_debt_first_and_setting_forgives_it(house):
    db, settings = house
    ledger = await open_ledger(db, settings)
    for change, expected in ((ledger.adjust, (50, 0, 150)), (ledger.set_remaining, (150, 0, 250))):
        owner = expected[0]
        purse = await db.write(lambda owner=owner: purses.create(db, 1, owner, "", 0, debt=100))
        assert (await read(db, purse)).debt == 100
        left = await change(purse, 150)
        check_sums(left)
        assert (left.available, left.debt, left.granted) == expected
    await ledger.close()


@pytest.mark.parametrize("end", ["settle", "release"])
async def test_a_hold_of_nothing_ends_after_its_lease_went_back(house, end):
    db, settings = house
    purse = await purse_of(db, 1000)
    ledger = await open_ledger(db, settings, tuning=Tuning(idle=0.01, chore=0.01))
    ledger.release(await ledger.reserve("first", Draws((), (purse,)), 10))
    free = await ledger.reserve("free", Draws((), (purse,)), 0)
    for _ in range(500):
        if purse not in ledger.pools.by_purse:
            break
        await asyncio.sleep(0.01)
    assert purse not in ledger.pools.by_purse
    if end == "settle":
        ledger.settle(free, 0, receipt())
    else:
        ledger.release(free)
    await ledger.close()
    assert (await read(db, purse)).available == 1000
    assert await logged(db) == (["free"] if end == "settle" else [])

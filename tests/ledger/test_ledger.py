"""The ledger over SQLite: money adds up, nothing settled is lost by a death, nothing is overdrawn."""

import asyncio
from dataclasses import replace

import pytest
from isthmus.v1 import billing_pb2

from core.errors import InsufficientQuota
from core.ledger import purses
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.ledger.tuning import Tuning
from core.settings import CoreSettings
from core.store.database import Database


@pytest.fixture
async def house(tmp_path):
    settings = CoreSettings(data=tmp_path, node="test")
    db = await Database.open(settings)
    await db.migrate()
    yield db, settings
    await db.close()


async def purse_of(db, units):
    return await db.write(purses.create, db, 1, 1, "", units)


def receipt():
    return billing_pb2.Receipt(kind=billing_pb2.RECEIPT_KIND_CONSUME, account_id=1)


async def ids(db):
    return await db.read(lambda: [row[0] for row in db.execute("SELECT request_id FROM logs ORDER BY id")])


async def test_settled_units_reach_the_purse_and_the_log(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    ledger = await open_ledger(db, settings)
    hold = await ledger.reserve("r1", Draws((), (purse,)), 100)
    made = receipt()
    ledger.settle(hold, 70, made)
    assert (made.quota, made.unbilled, dict(made.purses)) == (70, 0, {purse: 70})
    await ledger.close()
    found = await db.read(purses.read, db, purse)
    assert (found.available, found.leased, found.settled) == (930, 0, 70)
    assert await ids(db) == ["r1"]


async def test_a_death_loses_no_settled_request_and_bills_none_twice(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    slow = replace(settings, batch_flush_seconds=60)
    dead = await open_ledger(db, slow)
    for number in range(3):
        hold = await dead.reserve(f"r{number}", Draws((), (purse,)), 50)
        dead.settle(hold, 10, receipt())
    await dead.reserve("never", Draws((), (purse,)), 50)
    dead.abandon()
    ledger = await open_ledger(db, settings)
    await ledger.close()
    found = await db.read(purses.read, db, purse)
    assert (found.available, found.leased, found.settled) == (970, 0, 30)
    assert sorted(await ids(db)) == ["r0", "r1", "r2"]


async def test_many_ledgers_never_overdraw(house):
    db, settings = house
    purse = await purse_of(db, 500)
    ledgers = [await open_ledger(db, replace(settings, slot=slot)) for slot in range(3)]

    async def ask(number):
        ledger = ledgers[number % 3]
        try:
            hold = await ledger.reserve(f"r{number}", Draws((), (purse,)), 10)
        except InsufficientQuota:
            return 0
        ledger.settle(hold, 10, receipt())
        return 1

    served = sum(await asyncio.gather(*(ask(number) for number in range(60))))
    for ledger in ledgers:
        await ledger.close()
    found = await db.read(purses.read, db, purse)
    assert found.settled == served * 10 == 500
    assert found.available == found.leased == 0


async def test_a_slow_database_is_no_empty_purse(house, monkeypatch):
    """The lease comes after more than the patience for others' settlements: the request is served all the same."""
    db, settings = house
    purse = await purse_of(db, 1000)
    ledger = await open_ledger(db, settings, tuning=Tuning(patience=0.1))
    write = db.write

    async def slow(*args):
        await asyncio.sleep(0.4)
        return await write(*args)

    monkeypatch.setattr(db, "write", slow)
    hold = await ledger.reserve("r1", Draws((), (purse,)), 100)
    assert hold.units == 100
    ledger.release(hold)
    with pytest.raises(InsufficientQuota):
        await ledger.reserve("r2", Draws((), (purse,)), 5000)
    monkeypatch.undo()
    await ledger.close()

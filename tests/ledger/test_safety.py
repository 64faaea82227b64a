"""journal_safety: settled() returns when its promise holds, not before, and never waits for what cannot come."""

import asyncio
import errno
import os
import threading
from dataclasses import replace

import pytest

from core.errors import Overloaded
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.ledger.recovery import release_node
from core.ledger.seams import Seams
from core.ledger.tuning import Tuning
from core.store.database import Database
from tests.ledger.house import logged, purse_of, read, receipt, until


class Syncs:
    """fdatasync that can be held back, or fail; knows what of each file is safe."""

    def __init__(self):
        self.free, self.error, self.count, self.safe = threading.Event(), None, 0, {}
        self.free.set()

    def sync(self, fd):
        size = os.fstat(fd).st_size
        assert self.free.wait(30)
        if self.error is not None:
            raise self.error
        os.fdatasync(fd)
        self.count += 1
        self.safe[fd] = size


async def opened(house, safety, **seams):
    """A ledger whose own task is still, a lease in hand."""
    db, settings = house
    purse = await purse_of(db, 100_000)
    ledger = await open_ledger(
        db, replace(settings, journal_safety=safety), tuning=Tuning(idle=60), seams=Seams(**seams)
    )
    ledger.release(await ledger.reserve("first", Draws((), (purse,)), 50))
    return ledger, purse


def settle(ledger, purse, name):
    made = receipt()
    ledger.settle(ledger.try_reserve(name, Draws((), (purse,)), 5), 5, made)
    return made


async def test_os_waits_for_nothing_and_is_in_the_file(house):
    syncs = Syncs()
    ledger, purse = await opened(house, "os", sync=syncs.sync)
    syncs.free.clear()
    made = settle(ledger, purse, "r")
    waits = ledger.settled(made)
    with pytest.raises(StopIteration):
        waits.send(None)  # it suspends nowhere
    assert b"r" in ledger.books.journal.path.read_bytes()
    assert ledger.books.journal.file_bytes == ledger.books.journal.path.stat().st_size
    syncs.free.set()
    await ledger.close()


async def test_group_waits_for_one_fdatasync_that_many_share(house):
    syncs = Syncs()
    ledger, purse = await opened(house, "group", sync=syncs.sync)
    before = syncs.count
    syncs.free.clear()
    waiting = [asyncio.ensure_future(ledger.settled(settle(ledger, purse, f"r{number}"))) for number in range(20)]
    await asyncio.sleep(0.1)
    late = asyncio.ensure_future(ledger.settled(settle(ledger, purse, "late")))
    await asyncio.sleep(0.1)
    assert not any(each.done() for each in (*waiting, late))
    waiting[0].cancel()  # who goes away disturbs nobody
    syncs.free.set()
    await asyncio.gather(*waiting[1:], late)
    assert syncs.count - before <= 3
    assert syncs.safe[ledger.books.journal.fd] == ledger.books.journal.file_bytes
    await ledger.close()
    assert len(await logged(house[0])) == 21


async def test_group_after_a_failed_fdatasync_waits_for_the_database(house):
    syncs = Syncs()
    ledger, purse = await opened(house, "group", sync=syncs.sync)
    syncs.error = OSError(errno.EIO, "input/output error")
    await ledger.settled(settle(ledger, purse, "r"))
    assert await logged(house[0]) == ["r"]
    # A second fdatasync would succeed and mean nothing.
    syncs.error = None
    await ledger.settled(settle(ledger, purse, "s"))
    assert await logged(house[0]) == ["r", "s"]
    await ledger.close()


async def test_database_waits_until_the_database_has_it(house, monkeypatch):
    db, _ = house
    ledger, purse = await opened(house, "database")
    write, held = Database.write, asyncio.Event()

    async def slow(self, fn, *args):
        await held.wait()
        return await write(self, fn, *args)

    monkeypatch.setattr(Database, "write", slow)
    first = asyncio.ensure_future(ledger.settled(settle(ledger, purse, "r0")))
    gone = asyncio.ensure_future(ledger.settled(settle(ledger, purse, "r1")))
    await asyncio.sleep(0.1)
    assert not first.done()
    assert await logged(db) == []
    gone.cancel()
    held.set()
    await first
    assert "r0" in await logged(db)
    # The flush waits for no timer: batch_flush_seconds is 60 here.
    await ledger.settled(settle(ledger, purse, "r2"))
    assert await logged(db) == ["r0", "r1", "r2"]
    await ledger.close()
    assert (await read(db, purse)).settled == 15


@pytest.mark.parametrize("how", ["released", "closed with the database away"])
async def test_database_never_waits_for_what_cannot_come(house, monkeypatch, how):
    db, _ = house
    ledger, purse = await opened(house, "database")
    if how == "released":
        await release_node(db, "test")
        with pytest.raises(Overloaded):
            await asyncio.wait_for(ledger.settled(settle(ledger, purse, "r")), 30)
        assert ledger.try_reserve("s", Draws((), (purse,)), 0) is None
        await ledger.close()
        return
    write = Database.write

    async def away(self, fn, *args):
        raise OSError("the database is away")

    monkeypatch.setattr(Database, "write", away)
    waits = asyncio.ensure_future(ledger.settled(settle(ledger, purse, "r")))
    await asyncio.sleep(0)
    await ledger.close()
    with pytest.raises(Overloaded):
        await asyncio.wait_for(waits, 30)
    with pytest.raises(Overloaded):
        await ledger.settled(receipt())
    monkeypatch.setattr(Database, "write", write)
    again = await open_ledger(db, house[1])
    await again.close()
    assert await logged(db) == ["r"]


async def test_the_end_of_a_journal_lost_with_the_machine_bills_nothing_twice(house):
    db, settings = house
    ledger, purse = await opened(house, "os")
    path = ledger.books.journal.path
    hold = ledger.try_reserve("long", Draws((), (purse,)), 50)
    ledger.progress(hold, 20, receipt())
    kept = path.stat().st_size
    ledger.settle(hold, 30, receipt())
    await ledger.flush()
    ledger.abandon()
    os.truncate(path, kept)  # what the disk had of it
    again = await open_ledger(db, settings)
    await again.close()
    assert await logged(db) == ["long"]
    found = await read(db, purse)
    assert (found.leased, found.settled) == (0, 30)


async def test_group_syncs_before_it_flushes(house):
    syncs = Syncs()
    ledger, purse = await opened(house, "group", sync=syncs.sync)
    settle(ledger, purse, "r")
    await ledger.flush()
    assert syncs.safe[ledger.books.journal.fd] == ledger.books.journal.file_bytes
    await until(lambda: not ledger.books.pending)
    await ledger.close()

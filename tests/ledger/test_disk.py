"""Full disks: admission refuses, what was reserved settles; and journals that grew too long."""

import asyncio
import contextlib
import errno
import os
import subprocess
from dataclasses import replace

import pytest

from core.errors import Overloaded
from core.ledger import journal
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.ledger.recovery import recover_all
from core.ledger.seams import Seams
from core.ledger.tuning import Tuning
from core.store.database import Database
from tests.ledger.house import logged, purse_of, read, receipt, until
from tests.ledger.virtual import Disk


def on(disk):
    return Seams(write=disk.write, allocate=disk.allocate, sync=disk.sync)


@pytest.fixture
def small_chunks(monkeypatch):
    """So that what is allocated ahead is used up soon."""
    monkeypatch.setattr(journal, "CHUNK", 4096)


@pytest.mark.usefixtures("small_chunks")
async def test_a_full_disk_refuses_at_admission_and_settles_what_was_reserved(house):
    db, settings = house
    purse, disk = await purse_of(db, 1_000_000), Disk()
    ledger = await open_ledger(db, settings, seams=on(disk))
    draws = Draws((), (purse,))
    first = await ledger.reserve("first", draws, 10)
    holds = [ledger.try_reserve(f"r{number}", draws, 10) for number in range(20)]
    assert all(holds)
    disk.full = True
    refused = 0
    for number in range(1000):
        hold = ledger.try_reserve(f"more{number}", draws, 10)
        if hold is None:
            refused += 1
            break
        holds.append(hold)
    assert refused
    with pytest.raises(Overloaded, match="disk is full"):
        await ledger.reserve("late", draws, 10)
    with pytest.raises(Overloaded, match="disk is full"):
        await ledger.extend(first, 10)
    # A receipt as long as the room that is kept for it.
    for hold in holds:
        made = receipt()
        made.formula = "x" * (15 << 10)
        ledger.settle(hold, 10, made)
    assert ledger.books.journal.written, "all of it is in the file, though the disk is full"
    ledger.abandon()
    disk.full = False
    await recover_all(db, settings.data / "journal")
    assert len(await logged(db)) == len(holds)
    assert (await read(db, purse)).settled == 10 * len(holds)


@pytest.mark.usefixtures("small_chunks")
async def test_a_shortened_journal_keeps_the_room_of_open_holds(house):
    """The new file of a rotation has room for more than a chunk: for every hold that is open (seed 465)."""
    db, settings = house
    purse, disk = await purse_of(db, 1_000_000), Disk()
    ledger = await open_ledger(db, settings, seams=on(disk), tuning=Tuning(rotate=50, background=False))
    reserving = asyncio.ensure_future(ledger.reserve("first", Draws((), (purse,)), 10))
    await asyncio.sleep(0)
    await ledger.step()
    ledger.settle(await reserving, 10, receipt())
    holds = [ledger.try_reserve(f"r{number}", Draws((), (purse,)), 10) for number in range(20)]
    assert all(holds)
    before = ledger.books.journal.fd
    await ledger.flush()
    await until_rotated(ledger, before)
    disk.full = True
    for hold in holds:
        made = receipt()
        made.formula = "x" * (15 << 10)
        ledger.settle(hold, 10, made)
    assert ledger.books.journal.written, "all of it is in the file, though the disk is full"
    ledger.abandon()


async def until_rotated(ledger, before):
    """Steps until the chore has come round."""
    for _ in range(200):
        await ledger.step()
        if ledger.books.journal.fd != before:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the journal was not shortened")


@pytest.mark.usefixtures("small_chunks")
async def test_it_works_again_when_there_is_room(house):
    db, settings = house
    purse, disk = await purse_of(db, 1000), Disk()
    ledger = await open_ledger(db, settings, seams=on(disk), tuning=Tuning(room=1 << 20))
    disk.full = True
    with pytest.raises(Overloaded):
        await ledger.reserve("r0", Draws((), (purse,)), 10)
    disk.full = False
    hold = await ledger.reserve("r1", Draws((), (purse,)), 10)
    ledger.settle(hold, 10, receipt())
    await ledger.close()
    assert await logged(db) == ["r1"]


async def test_a_disk_that_breaks_keeps_records_in_memory_and_still_bills_them(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    broken, pieces = [False], [7]

    def write(fd, data):
        if broken[0]:
            raise OSError(errno.EIO, "input/output error")
        return os.write(fd, data[: pieces[0]])  # short writes, too

    ledger = await open_ledger(db, settings, seams=Seams(write=write))
    holds = [await ledger.reserve(f"r{number}", Draws((), (purse,)), 10) for number in range(4)]
    ledger.settle(holds[0], 10, receipt())
    broken[0] = True
    ledger.settle(holds[1], 10, receipt())
    ledger.settle(holds[2], 10, receipt())
    assert not ledger.books.journal.written
    assert ledger.try_reserve("r9", Draws((), (purse,)), 0) is None
    broken[0] = False
    ledger.settle(holds[3], 10, receipt())
    assert ledger.books.journal.written
    path = ledger.books.journal.path
    fd = os.open(path, os.O_RDONLY)
    try:
        _, _, records = journal.read(fd, path.name)
    finally:
        os.close(fd)
    assert [record.request_id for record in records] == ["r0", "r1", "r2", "r3"]
    await ledger.close()
    assert await logged(db) == ["r0", "r1", "r2", "r3"]


async def test_a_journal_at_its_limit_refuses_until_it_is_flushed(house):
    db, settings = house
    purse = await purse_of(db, 1_000_000)
    ledger = await open_ledger(db, replace(settings, journal_limit_mb=1), tuning=Tuning(background=False))
    draws = Draws((), (purse,))
    waits = asyncio.ensure_future(ledger.reserve("first", draws, 10))
    while not waits.done():
        await asyncio.sleep(0)
        await ledger.step()
    ledger.release(waits.result())
    settled = 0
    while hold := ledger.try_reserve(f"r{settled}", draws, 1):
        made = receipt()
        made.formula = "x" * 20_000
        ledger.settle(hold, 1, made)
        settled += 1
        assert settled < 100
    assert settled > 50
    with pytest.raises(Overloaded, match="journal is full"):
        await ledger.reserve("late", draws, 1)
    await ledger.flush()
    ledger.release(ledger.try_reserve("now", draws, 1))
    await ledger.close()
    assert len(await logged(db)) == settled


@pytest.fixture
def tiny(tmp_path):
    """A file system of 6 MB: one that is really full."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs may be mounted here, full disks are only simulated: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path):
    """Writes until the disk is full."""
    with path.open("wb", buffering=0) as ballast:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while ballast.write(b"x" * size):
                    pass
    assert os.statvfs(path).f_bavail == 0


async def test_a_disk_that_is_really_full(tiny, house):
    db, settings = house
    purse = await purse_of(db, 1_000_000)
    ledger = await open_ledger(db, replace(settings, data=tiny))
    draws = Draws((), (purse,))
    holds = [await ledger.reserve(f"r{number}", draws, 10) for number in range(50)]
    fill(tiny / "ballast")
    refused = None
    while refused is None:
        hold = ledger.try_reserve(f"r{len(holds)}", draws, 10)
        if hold is None:
            with pytest.raises(Overloaded, match="disk is full") as refused:
                await ledger.reserve("late", draws, 10)
        else:
            holds.append(hold)
        assert len(holds) < 5000
    for hold in holds:
        made = receipt()
        made.formula = "x" * (14 << 10)
        ledger.settle(hold, 10, made)
    assert ledger.books.journal.written
    (tiny / "ballast").unlink()
    again = await ledger.reserve("again", draws, 10)
    ledger.settle(again, 10, receipt())
    await ledger.close()
    assert len(await logged(db)) == len(holds) + 1
    assert (await read(db, purse)).settled == 10 * (len(holds) + 1)
    assert not list((tiny / "journal").iterdir())


async def test_a_database_that_was_away_gets_everything_when_it_is_back(house, monkeypatch):
    db, settings = house
    purse = await purse_of(db, 1000)
    ledger = await open_ledger(db, replace(settings, batch_flush_seconds=0.01), tuning=Tuning(patience=0.3))
    hold = await ledger.reserve("r0", Draws((), (purse,)), 10)
    away = [True]
    write = Database.write

    async def refused(self, fn, *args):
        if away[0]:
            raise OSError("the database is away")
        return await write(self, fn, *args)

    monkeypatch.setattr(Database, "write", refused)
    ledger.settle(hold, 10, receipt())
    # Who needs a lease is told that the database is away, and not that the purse is empty.
    other = await purse_of_straight(db, write)
    with pytest.raises(Overloaded, match="database does not answer"):
        await ledger.reserve("r1", Draws((), (other,)), 10)
    away[0] = False
    await until(lambda: not ledger.books.pending)
    assert await logged(db) == ["r0"]
    await ledger.close()


async def purse_of_straight(db, write):
    from core.ledger import purses

    return await write(db, purses.create, db, 1, 2, "", 1000)

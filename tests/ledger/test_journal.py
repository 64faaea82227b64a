"""Journals torn, damaged, rotated, replayed by two."""

import asyncio
import fcntl
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from core.ledger import journal, recovery
from core.ledger.interface import Draws
from core.ledger.journal import Journal
from core.ledger.ledger import open_ledger
from core.ledger.record import SETTLED, JournalDamaged, encode
from core.ledger.recovery import recover, recover_all
from core.ledger.seams import REAL
from core.ledger.transactions import GuardLost
from core.ledger.tuning import Tuning
from tests.ledger.house import (
    HEADER_BYTES,
    dead_journal,
    logged,
    purse_of,
    read,
    receipt,
    record_starts,
    rows,
)

# Torn and damaged journals


async def test_torn_at_every_byte_of_the_last_record_the_others_are_billed_once(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    path = await dead_journal(db, settings, purse, 4)
    data = path.read_bytes()
    last = record_starts(data)[-1]
    for size in range(last, len(data)):
        fd = os.open(path, os.O_RDWR)
        try:
            os.truncate(path, size)
            _, _, records = journal.read(fd, path.name)
            assert [record.request_id for record in records] == ["r0", "r1", "r2"], f"torn after {size} bytes"
            path.write_bytes(data)
        finally:
            os.close(fd)
    os.truncate(path, len(data) - 1)
    for _ in range(2):
        ledger = await open_ledger(db, settings)
        await ledger.close()
        found = await read(db, purse)
        assert (found.available, found.leased, found.settled) == (970, 0, 30)
        assert await logged(db) == ["r0", "r1", "r2"]
    assert not path.exists()


def test_damage_in_the_middle_is_seen_at_every_bit(tmp_path):
    path = tmp_path / ("x" + journal.SUFFIX)
    made = Journal(path)
    for number in range(3):
        made.append(encode(SETTLED, f"r{number}", 0, ((1, 10),), receipt().SerializeToString()))
    made.close(remove=False)
    whole = path.read_bytes()
    starts = record_starts(whole)
    for at in range(starts[1], starts[2]):
        for bit in range(8):
            broken = bytearray(whole)
            broken[at] ^= 1 << bit
            path.write_bytes(broken)
            fd = os.open(path, os.O_RDONLY)
            try:
                with pytest.raises(JournalDamaged):
                    journal.read(fd, path.name)
            finally:
                os.close(fd)


async def test_zeros_behind_the_last_record_are_no_damage(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    path = await dead_journal(db, settings, purse, 2)
    os.truncate(path, path.stat().st_size + 4096)
    assert await recover_all(db, path.parent) == 1
    assert (await read(db, purse)).settled == 20
    assert await logged(db) == ["r0", "r1"]


@pytest.mark.parametrize("where", ["body", "checksum", "length too long", "length impossible"])
async def test_damage_in_the_middle_stops_the_replay_and_keeps_the_leases(house, where):
    db, settings = house
    purse = await purse_of(db, 1000)
    path = await dead_journal(db, settings, purse, 5)
    whole = path.read_bytes()
    leased = (await read(db, purse)).leased
    assert leased > 0
    middle = record_starts(whole)[2]
    broken = bytearray(whole)
    if where == "body":
        broken[middle + 20] ^= 0xFF
    elif where == "checksum":
        broken[middle + 4] ^= 0xFF
    else:
        struct.pack_into("<I", broken, middle, len(whole) if where == "length too long" else 0xFFFFFFFF)
    path.write_bytes(broken)
    for _ in range(2):
        ledger = await open_ledger(db, settings)
        await ledger.close()
        found = await read(db, purse)
        assert (found.available, found.leased, found.settled) == (1000 - leased, leased, 0)
        assert await logged(db) == []
    ((state, problem),) = await rows(
        db, "SELECT state, problem FROM journals WHERE incarnation = ?", (path.name.removesuffix(journal.SUFFIX),)
    )
    assert state == "live"
    assert path.name in problem
    assert str(middle - HEADER_BYTES) in problem
    assert path.read_bytes() == bytes(broken)
    # Mended by hand it is replayed after all.
    path.write_bytes(whole)
    assert await recover_all(db, path.parent) == 1
    found = await read(db, purse)
    assert (found.available, found.leased, found.settled) == (950, 0, 50)
    assert await logged(db) == [f"r{number}" for number in range(5)]


# Two replayers


async def test_two_recoveries_at_once_bill_once(house):
    db, settings = house
    purse = await purse_of(db, 10_000)
    for turn in range(1, 6):
        path = await dead_journal(db, settings, purse, 8)
        assert sum(await asyncio.gather(*(recover_all(db, path.parent) for _ in range(3)))) == 1
        found = await read(db, purse)
        assert (found.leased, found.settled) == (0, turn * 80)
        assert await logged(db) == sorted(f"r{number}" for number in range(8) for _ in range(turn))


async def test_two_starts_at_once_bill_once(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    await dead_journal(db, settings, purse, 8)
    ledgers = await asyncio.gather(*(open_ledger(db, replace(settings, slot=slot)) for slot in range(2)))
    await asyncio.gather(*(ledger.close() for ledger in ledgers))
    found = await read(db, purse)
    assert (found.available, found.leased, found.settled) == (920, 0, 80)
    assert await logged(db) == [f"r{number}" for number in range(8)]


async def test_where_locks_do_not_lock_the_guard_lets_one_replayer_through(house):
    db, settings = house
    purse = await purse_of(db, 10_000)
    for turn in range(1, 6):
        path = await dead_journal(db, settings, purse, 8)
        fds = [os.open(path, os.O_RDWR) for _ in range(3)]
        outcomes = await asyncio.gather(*(recover(db, fd, path) for fd in fds), return_exceptions=True)
        for fd in fds:
            os.close(fd)
        assert all(isinstance(each, (bool, GuardLost)) for each in outcomes)
        assert outcomes.count(True) == 1
        found = await read(db, purse)
        assert (found.leased, found.settled) == (0, turn * 80)
        assert len(await logged(db)) == turn * 8


async def test_a_living_ledgers_journal_is_not_replayed(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    ledger = await open_ledger(db, settings)
    hold = await ledger.reserve("r0", Draws((), (purse,)), 50)
    ledger.settle(hold, 10, receipt())
    assert await recover_all(db, settings.data / "journal") == 0
    await ledger.close()
    # Flushed by its owner, and by nobody else beside.
    assert await logged(db) == ["r0"]
    assert (await read(db, purse)).settled == 10


# Rotation


async def grown(db, settings, purse, turns, ledger=None):
    """A ledger with an open hold that progressed, whose journal was rotated so many times."""
    ledger = ledger or await open_ledger(db, settings, tuning=Tuning(background=False, rotate=200))
    draws = Draws((), (purse,))
    waits = asyncio.ensure_future(ledger.reserve("long", draws, 100))
    while not waits.done():
        await asyncio.sleep(0)
        await ledger.step()
    hold = waits.result()
    inodes = set()
    for turn in range(turns):
        if turn < 2:
            ledger.progress(hold, 20 + turn, receipt())
        for number in range(4):
            ledger.settle(ledger.try_reserve(f"s{turn}-{number}", draws, 5), 5, receipt())
        await ledger.flush()
        ledger._keeper._rotate()
        inodes.add(os.fstat(ledger.books.journal.fd).st_ino)
        # What is not flushed when it is rotated goes along, too.
        ledger.settle(ledger.try_reserve(f"t{turn}", draws, 5), 5, receipt())
    assert len(inodes) > 1
    assert ledger.books.journal.file_bytes < 1000
    return ledger, hold, turns * 25


@pytest.mark.parametrize("end", ["death", "settle", "release"])
async def test_progress_is_carried_through_rotations(house, end):
    db, settings = house
    purse = await purse_of(db, 10_000)
    ledger, hold, paid = await grown(db, settings, purse, 5)
    if end == "settle":
        ledger.settle(hold, 30, receipt())
    elif end == "release":
        ledger.release(hold)
    ledger.abandon()
    assert await recover_all(db, settings.data / "journal") == 1
    found = await read(db, purse)
    assert found.settled == paid + {"death": 21, "settle": 30, "release": 0}[end]
    assert found.leased == 0
    names = await logged(db)
    assert len(names) == len(set(names)) == 25 + (end != "release")


class Died(BaseException):
    """The process died here."""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_death_right_before_or_after_the_rename_loses_nothing(house, monkeypatch, when):
    db, settings = house
    purse = await purse_of(db, 10_000)
    ledger, _, paid = await grown(db, settings, purse, 2)
    ledger.settle(ledger.try_reserve("more", Draws((), (purse,)), 5), 5, receipt())
    rename = Path.rename

    def dies(self, target):
        if when == "after":
            rename(self, target)
        raise Died

    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(Died):
        ledger.books.journal.rotate(ledger.books.session.flushed_to, ledger.books.progress.values())
    monkeypatch.undo()
    folder = settings.data / "journal"
    assert bool(list(folder.glob("*.new"))) == (when == "before")
    ledger.abandon()
    assert await recover_all(db, folder) == 1
    found = await read(db, purse)
    assert (found.leased, found.settled) == (0, paid + 5 + 21)
    assert len(await logged(db)) == 12
    assert not list(folder.iterdir()), "the draft is swept away"


async def test_a_sweep_in_between_does_not_disturb_a_new_journal(tmp_path, monkeypatch):
    path = tmp_path / ("x" + journal.SUFFIX)
    flock, swept = fcntl.flock, []

    def lock(fd, how):
        # Another worker's recovery finds the draft before it is locked.
        if not swept:
            swept.append(True)
            recovery._sweep(path.with_suffix(".new"))
        flock(fd, how)

    monkeypatch.setattr(journal.fcntl, "flock", lock)
    made = Journal(path)
    assert os.fstat(made.fd).st_ino == path.stat().st_ino
    made.close(remove=True)


async def test_a_damaged_journal_is_not_read_again_until_it_changes(house, monkeypatch):
    db, settings = house
    purse = await purse_of(db, 1000)
    path = await dead_journal(db, settings, purse, 3)
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[record_starts(whole)[1] + 20] ^= 0xFF
    path.write_bytes(broken)
    reads, read_journal = [], journal.read
    monkeypatch.setattr(journal, "read", lambda fd, name: reads.append(name) or read_journal(fd, name))
    refused = {}
    for _ in range(3):
        assert await recover_all(db, path.parent, REAL, refused) == 0
    assert len(reads) == 1
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))
    assert await recover_all(db, path.parent, REAL, refused) == 1
    assert (await read(db, purse)).settled == 30


async def test_recovery_sets_aside_what_cannot_be_posted(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    dead = await open_ledger(db, settings)
    draws = Draws((), (purse,))
    for name in ("good", "bad"):
        made = receipt()
        made.model = name
        dead.progress(await dead.reserve(name, draws, 50), 20, made)
    dead.abandon()
    await db.write(
        lambda: db.execute_count(
            "CREATE TRIGGER t BEFORE INSERT ON logs WHEN NEW.model_name = 'bad'"
            " BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed'); END"
        )
    )
    ledger = await open_ledger(db, settings)
    await ledger.close()
    found = await read(db, purse)
    assert (found.leased, found.settled) == (0, 40)
    assert await logged(db) == ["good"]
    assert await rows(db, "SELECT request_id, moved FROM set_aside") == [("bad", 1)]

"""Deaths, torn and damaged journals, two replayers at once, and a seeded simulation of all of it: money adds up."""

import asyncio
import os
import random
import struct
import time
from dataclasses import replace

import pytest
from isthmus.v1 import billing_pb2

from core.errors import InsufficientQuota, KeyQuotaExceeded
from core.ledger import changes, journal, purses
from core.ledger.interface import Draws
from core.ledger.ledger import Tuning, open_ledger
from core.ledger.record import ENDED, SETTLED, encode
from core.ledger.recovery import recover, recover_all
from core.ledger.transactions import GuardLost
from core.settings import CoreSettings
from core.store.database import Database

HEADER_BYTES = 24
"""magic, base, carried: before a journal's first record."""


@pytest.fixture
async def house(tmp_path):
    settings = CoreSettings(data=tmp_path, node="test", batch_flush_seconds=60)
    db = await Database.open(settings)
    await db.migrate()
    yield db, settings
    await db.close()


async def purse_of(db, units, *, kind=1, owner=1):
    return await db.write(purses.create, db, kind, owner, "", units)


async def read(db, purse_id):
    found = await db.read(purses.read, db, purse_id)
    check_sums(found)
    return found


def check_sums(purse):
    assert purse.granted + purse.debt == purse.available + purse.leased + purse.settled
    assert min(purse.granted, purse.debt, purse.available, purse.leased, purse.settled) >= 0


def receipt():
    return billing_pb2.Receipt(kind=billing_pb2.RECEIPT_KIND_CONSUME, account_id=1)


async def rows(db, sql, params=()):
    return await db.read(db.execute, sql, params)


async def logged(db):
    return [row[0] for row in await rows(db, "SELECT request_id FROM logs ORDER BY request_id")]


async def dead_journal(db, settings, purse, count, units=10):
    """The path of the journal of a ledger that settled r0, r1, ... and died before it flushed any."""
    before = set((settings.data / "journal").glob("*" + journal.SUFFIX))
    ledger = await open_ledger(db, settings)
    for number in range(count):
        hold = await ledger.reserve(f"r{number}", Draws((), (purse,)), 50)
        ledger.settle(hold, units, receipt())
    ledger.abandon()
    (path,) = set((settings.data / "journal").glob("*" + journal.SUFFIX)) - before
    return path


def record_starts(data):
    starts, at = [], HEADER_BYTES
    while at < len(data):
        starts.append(at)
        at += 8 + struct.unpack_from("<I", data, at)[0]
    assert at == len(data)
    return starts


# Torn and damaged journals


@pytest.mark.parametrize("cut", ["one byte", "half the record", "all but the first byte"])
async def test_a_torn_last_record_is_cut_off_and_the_others_are_billed_once(house, cut):
    db, settings = house
    purse = await purse_of(db, 1000)
    path = await dead_journal(db, settings, purse, 4)
    data = path.read_bytes()
    last = record_starts(data)[-1]
    length = len(data) - last
    gone = {"one byte": 1, "half the record": length // 2, "all but the first byte": length - 1}[cut]
    os.truncate(path, len(data) - gone)
    for _ in range(2):
        ledger = await open_ledger(db, settings)
        await ledger.close()
        found = await read(db, purse)
        assert (found.available, found.leased, found.settled) == (970, 0, 30)
        assert await logged(db) == ["r0", "r1", "r2"]
    assert not path.exists()


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


# The simulation


class Simulation:
    """Two ledgers over one database that do random things and die at random; what must come of it is counted along."""

    def __init__(self, db, settings, seed):
        self.db, self.settings, self.seed = db, settings, seed
        self.random = random.Random(seed)
        self.offset = 0.0
        self.ledgers = [None, None]
        self.holds = [[], []]
        self.number = 0
        self.charged = {}
        self.settled = []
        self.granted = 0

    def clock(self):
        return time.monotonic() + self.offset

    async def open(self, slot):
        tuning = Tuning(background=False, patience=0.01, rotate=1500, batch=self.random.choice([1, 3, 500]))
        settings = replace(self.settings, slot=slot)
        self.ledgers[slot] = await open_ledger(self.db, settings, tuning=tuning, clock=self.clock)
        self.holds[slot] = []

    async def begin(self):
        for kind, units in ((1, 300), (2, 200), (3, 400)):
            purse = await purse_of(self.db, units, kind=kind, owner=1000 + self.seed)
            self.charged[purse] = 0
        self.wallet, self.plan, self.key = self.charged
        for slot in (0, 1):
            await self.open(slot)

    async def stepping(self, ledger, work):
        """Awaits work while the ledger's own task is done by hand."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.sleep(0)
            await ledger.step()
        return await task

    async def reserve(self, slot):
        self.number += 1
        draws = self.random.choice(
            [
                Draws((), (self.wallet,)),
                Draws((self.key,), (self.plan, self.wallet)),
                Draws((self.key,), (self.wallet, self.plan)),
                Draws((self.key,), ()),
            ]
        )
        ledger, name, units = self.ledgers[slot], f"s{self.seed}-{self.number}", self.random.randint(0, 60)
        try:
            hold = ledger.try_reserve(name, draws, units)
            hold = hold or await self.stepping(ledger, ledger.reserve(name, draws, units))
        except (InsufficientQuota, KeyQuotaExceeded):
            return
        self.holds[slot].append([hold, {}, False])

    def count(self, hold, paid):
        self.settled.append(hold.request_id)
        for purse, units in paid.items():
            self.charged[purse] += units

    async def use(self, slot, what):
        entry = self.random.choice(self.holds[slot])
        hold, ledger = entry[0], self.ledgers[slot]
        units = self.random.randint(0, hold.units + 15)
        made = receipt()
        if what == "progress":
            ledger.progress(hold, units, made)
            entry[1], entry[2] = dict(made.purses), True
            return
        if what == "extend":
            try:
                await self.stepping(ledger, ledger.extend(hold, units))
            except (InsufficientQuota, KeyQuotaExceeded):
                assert not hold.ended
            return
        self.holds[slot].remove(entry)
        if what == "release":
            ledger.release(hold)
            return
        ledger.settle(hold, units, made)
        assert made.quota + made.unbilled == units
        self.count(hold, made.purses)

    async def die(self, slot):
        old, torn = self.ledgers[slot], b""
        path = old._journal.path
        old.abandon()
        if self.random.random() < 0.5:
            # The last write reached the disk in part.
            kind = self.random.choice([SETTLED, ENDED])
            whole = encode(kind, f"s{self.seed}-torn", 0, ((self.wallet, 1),), receipt().SerializeToString())
            torn = whole[: self.random.randrange(1, len(whole))]
        with path.open("ab") as file:
            file.write(torn)
        for hold, paid, progressed in self.holds[slot]:
            if progressed:
                self.count(hold, paid)
        await self.open(slot)
        assert not path.exists()

    async def step(self):
        slot = self.random.randrange(2)
        ledger = self.ledgers[slot]
        what = self.random.choices(
            ["reserve", "settle", "release", "progress", "extend", "flush", "idle", "grant", "die"],
            [10, 7, 2, 4, 2, 3, 3, 1, 1.5],
        )[0]
        if what == "reserve":
            await self.reserve(slot)
        elif what == "flush":
            await ledger.flush()
        elif what == "idle":
            self.offset += 5.0
            await ledger.step()
        elif what == "grant":
            self.granted += 7
            await ledger.adjust(self.wallet, 7)
        elif what == "die":
            await self.die(slot)
        elif self.holds[slot]:
            await self.use(slot, what)
        await self.check()

    async def check(self):
        found = await self.db.read(purses.read_many, self.db, self.charged)
        leases = await rows(self.db, "SELECT purse_id, sum(units) FROM leases GROUP BY purse_id")
        leased = {int(purse): int(units) for purse, units in leases}
        for purse in found.values():
            check_sums(purse)
            assert purse.settled <= purse.granted
            assert purse.settled <= self.charged[purse.id] <= purse.granted
            assert purse.leased == leased.get(purse.id, 0)
            in_memory = (ledger.pools.by_purse.get(purse.id) for ledger in self.ledgers)
            assert purse.leased == sum(pool.leased for pool in in_memory if pool)
        assert found[self.wallet].granted == 300 + self.granted

    async def end(self):
        if self.random.random() < 0.5:
            await self.die(self.random.randrange(2))
        for slot, ledger in enumerate(self.ledgers):
            for hold, _, _ in self.holds[slot]:
                ledger.release(hold)
            await ledger.close()
        found = await self.db.read(purses.read_many, self.db, self.charged)
        for purse in found.values():
            check_sums(purse)
            assert (purse.leased, purse.settled) == (0, self.charged[purse.id])
        lines = await rows(
            self.db, "SELECT request_id, receipt FROM logs WHERE request_id LIKE ?", (f"s{self.seed}-%",)
        )
        assert sorted(row[0] for row in lines) == sorted(self.settled)
        assert len(set(self.settled)) == len(self.settled)
        told = dict.fromkeys(self.charged, 0)
        for _, content in lines:
            for purse, units in billing_pb2.Receipt.FromString(bytes(content)).purses.items():
                told[purse] += units
        assert told == self.charged
        assert not await rows(self.db, "SELECT request_id FROM set_aside")
        assert not list((self.settings.data / "journal").iterdir())


async def test_whatever_happens_in_whatever_order_the_money_adds_up(house):
    db, settings = house
    served = 0
    for seed in range(30):
        world = Simulation(db, settings, seed)
        try:
            await world.begin()
            for _ in range(30):
                await world.step()
            await world.end()
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        served += len(world.settled)
    assert served > 0  # the seeds must not come to do nothing

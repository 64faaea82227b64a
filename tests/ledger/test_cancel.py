"""Cancelled at every await: the n-th suspension for every n until there is none. Nothing leaks, nothing is lost."""

import asyncio
import inspect

import pytest

from core.errors import InsufficientQuota
from core.ledger import purses
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.ledger.recovery import recover_all
from core.ledger.tuning import Tuning
from core.store.database import Database
from tests.ledger.house import logged, purse_of, read, receipt, rows

MOST = 60
"""Suspensions of one call; more mean that it never ends."""


class Suspensions:
    """Runs a coroutine as a task and cancels it at its n-th suspension: an awaitable that counts each await that waits."""

    def __init__(self, work, last):
        self._work, self._left, self.reached = work, last, False

    def __await__(self):
        inner = self._work.__await__()
        value, error = None, None
        while True:
            try:
                waited = inner.throw(error) if error is not None else inner.send(value)
            except StopIteration as end:
                return end.value
            error = None
            self._left -= 1
            if self._left == 0:
                self.reached = True
                # Not delivered before the task is suspended on what it awaits, as a cancellation never is.
                asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
            try:
                value = yield waited
            except BaseException as thrown:  # noqa: BLE001 (handed on to where it was awaited)
                error = thrown


async def cancelled_at(last, work):
    """Whether work had an n-th suspension; how it ended: its result, an error, or None where it was cancelled."""
    counted = Suspensions(work, last)

    async def run():
        return await counted

    task = asyncio.ensure_future(run())
    try:
        return counted, await task
    except asyncio.CancelledError:
        assert counted.reached
        return counted, None
    except InsufficientQuota as error:
        return counted, error


async def each_suspension(call):
    """Calls call(n) for n = 1, 2, ... until a run had fewer suspensions; how many there were."""
    for last in range(1, MOST):
        if not await call(last):
            return last - 1
    raise AssertionError("it never ends")


async def closes(db, ledger, purse, settled, granted=1000):
    """After the close nothing is leased, and what was settled is billed."""
    await ledger.close()
    found = await read(db, purse)
    assert (found.available, found.leased, found.settled) == (granted - settled, 0, settled)
    assert await rows(db, "SELECT * FROM leases") == []
    assert await rows(db, "SELECT * FROM journals WHERE state <> 'closed'") == []


async def in_step(db, ledger):
    """What the database has as leases is what the worker holds in memory."""
    await ledger.step()
    async with ledger._keeper._step_lock:  # a round that a cancelled caller left to itself has ended
        leased = {purse: units for purse, units in await rows(db, "SELECT purse_id, units FROM leases") if units}
        assert leased == {pool.purse_id: pool.leased for pool in ledger.pools.by_purse.values() if pool.leased}
        assert not ledger.books.session.in_doubt


async def test_reserve(house):
    db, settings = house
    purse = await purse_of(db, 1000)

    async def call(last):
        ledger = await open_ledger(db, settings)
        counted, hold = await cancelled_at(last, ledger.reserve("r", Draws((), (purse,)), 100))
        assert ledger.books.holds == (hold is not None)
        assert sum(pool.held for pool in ledger.pools.by_purse.values()) == (100 if hold else 0)
        await in_step(db, ledger)
        if hold:
            ledger.release(hold)
        await closes(db, ledger, purse, 0)
        return counted.reached

    assert await each_suspension(call) >= 1


async def test_reserve_that_waits_for_others(house):
    db, settings = house
    purse = await purse_of(db, 1000)

    async def call(last):
        ledger = await open_ledger(db, settings, tuning=Tuning(patience=0.2))
        other = await ledger.reserve("other", Draws((), (purse,)), 950)
        counted, found = await cancelled_at(last, ledger.reserve("r", Draws((), (purse,)), 100))
        assert found is None or isinstance(found, InsufficientQuota)
        assert ledger.books.holds == 1
        await in_step(db, ledger)
        assert not [want for want in ledger.books.wants if not want.answered.done()]
        ledger.release(other)
        await closes(db, ledger, purse, 0)
        return counted.reached

    assert await each_suspension(call) >= 2


async def test_extend(house):
    db, settings = house
    purse = await purse_of(db, 1000)

    async def call(last):
        ledger = await open_ledger(db, settings)
        hold = await ledger.reserve("r", Draws((), (purse,)), 100)
        counted, _ = await cancelled_at(last, ledger.extend(hold, 600))
        assert hold.units in (100, 700)
        assert hold.units == 100 or not counted.reached
        assert ledger.pools.by_purse[purse].held == hold.units == sum(hold.taken.values())
        await in_step(db, ledger)
        ledger.release(hold)
        await closes(db, ledger, purse, 0)
        return counted.reached

    assert await each_suspension(call) >= 1


@pytest.mark.parametrize("inside", [False, True], ids=["who waits", "the work itself"])
async def test_flush(house, inside):
    db, settings = house
    purse = await purse_of(db, 10_000)
    settled = 0

    async def call(last):
        nonlocal settled
        ledger = await open_ledger(db, settings, tuning=Tuning(background=False, batch=2))
        draws = Draws((), (purse,))
        holds = [await stepped(ledger, ledger.reserve(f"r{last}-{number}", draws, 50)) for number in range(5)]
        for hold in holds:
            ledger.settle(hold, 10, receipt())
        settled += 50
        counted, _ = await cancelled_at(last, ledger._keeper.flush() if inside else ledger.flush())
        await in_step(db, ledger)
        await ledger.flush()
        await closes(db, ledger, purse, settled, 10_000)
        return counted.reached

    assert await each_suspension(call) >= (3 if inside else 1)
    names = await logged(db)
    assert len(names) == len(set(names)) == settled // 10


async def stepped(ledger, work):
    """Awaits work of a ledger without a task of its own."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.sleep(0)
        await ledger.step()
    return await task


@pytest.mark.parametrize("what", ["lease", "give back"])
async def test_the_own_tasks_round(house, what):
    db, settings = house
    purse = await purse_of(db, 1000)

    async def call(last):
        ledger = await open_ledger(
            db, settings, tuning=Tuning(background=False, idle=0.0 if what == "give back" else 60)
        )
        hold = None
        if what == "give back":
            hold = await stepped(ledger, ledger.reserve("r", Draws((), (purse,)), 100))
            ledger.release(hold)
            ledger._keeper._chore_at = 0.0
        waits = asyncio.ensure_future(ledger.reserve("w", Draws((), (purse,)), 100)) if what == "lease" else None
        await asyncio.sleep(0)
        counted, _ = await cancelled_at(last, ledger._keeper.step())
        await in_step(db, ledger)
        if waits is not None:
            ledger.release(await stepped(ledger, waits))
        await closes(db, ledger, purse, 0)
        return counted.reached

    assert await each_suspension(call) >= 1


@pytest.mark.parametrize("inside", [False, True], ids=["who waits", "the work itself"])
async def test_close(house, inside):
    db, settings = house
    purse = await purse_of(db, 100_000)
    settled = 0

    async def call(last):
        nonlocal settled
        ledger = await open_ledger(db, settings)
        hold = await ledger.reserve(f"r{last}", Draws((), (purse,)), 100)
        ledger.settle(hold, 10, receipt())
        settled += 10
        counted, _ = await cancelled_at(last, ledger._close() if inside else ledger.close())
        if inside and counted.reached:
            # Cut off in the middle, as a loop that ends does: the next start finds the journal.
            ledger.abandon()
            await asyncio.gather(*ledger._tasks, return_exceptions=True)
            await settle_down(db)
            await recover_all(db, settings.data / "journal")
        else:
            await ledger.close()
        found = await read(db, purse)
        assert (found.leased, found.settled) == (0, settled)
        assert not list((settings.data / "journal").iterdir())
        assert await rows(db, "SELECT * FROM journals WHERE state <> 'closed'") == []
        return counted.reached

    assert await each_suspension(call) >= (2 if inside else 1)
    names = await logged(db)
    assert len(names) == len(set(names)) == settled // 10


async def settle_down(db: Database):
    """Transactions that a cancelled task left to themselves have ended."""
    while db._work:
        await asyncio.wait(list(db._work))


async def test_open(house):
    db, settings = house
    purse = await purse_of(db, 1000)
    folder = settings.data / "journal"

    async def call(last):
        dead = await open_ledger(db, settings)
        hold = await dead.reserve("r", Draws((), (purse,)), 100)
        dead.release(hold)
        dead.abandon()
        counted, ledger = await cancelled_at(last, open_ledger(db, settings))
        await settle_down(db)
        if ledger is not None:
            await ledger.close()
        # A journal is read in a thread, which keeps its lock until it has read: then it can be recovered.
        for _ in range(1000):
            await recover_all(db, folder)
            if not list(folder.iterdir()):
                break
            await asyncio.sleep(0.01)
        assert not list(folder.iterdir())
        assert (await db.read(purses.read, db, purse)).leased == 0
        assert await rows(db, "SELECT * FROM journals WHERE state <> 'closed'") == []
        return counted.reached

    assert await each_suspension(call) >= 3


def test_every_call_that_awaits_is_cancelled_here():
    from core.ledger.ledger import WorkerLedger

    awaits = {name for name, call in vars(WorkerLedger).items() if inspect.iscoroutinefunction(call)}
    # settled() is cancelled in test_safety; those of administrators are one transaction each.
    elsewhere = {"settled", "purse", "adjust", "set_remaining"}
    assert awaits - elsewhere == {"reserve", "extend", "flush", "step", "close", "_close"}

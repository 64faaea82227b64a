"""The connection to the database cut at COMMIT: the outcome is found out, nothing doubles, nothing is lost."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from core.ledger import purses
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.ledger.tuning import Tuning
from core.settings import CoreSettings
from core.store.database import Database
from tests.integration.house import free_port
from tests.ledger.house import logged, purse_of, read, receipt, rows, until
from tests.servers.databases import SERVERS, dsn_of, empty

CUTS = ("before", "after", "late")
"""before: COMMIT never reaches the server. after: it commits, its answer is dropped. late: the client is cut off first,
the server gets COMMIT a moment later."""


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request):
    with dsn_of(request.param) as dsn:
        yield dsn


class Proxy:
    """Passes the database's protocol on; at the next COMMIT that is armed it cuts the connection."""

    def __init__(self, port):
        self.port, self.armed, self.cuts = port, "", 0
        self._tasks = set()

    async def __aenter__(self):
        self.listening = free_port()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.listening)
        return self

    async def __aexit__(self, *_):
        # The databases are closed by now, and with them the connections.
        self._server.close()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 30) if self._tasks else None

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        down = asyncio.ensure_future(self._pass(up_reader, writer))
        try:
            while data := await reader.read(65536):
                if self.armed and (b"COMMIT" in data.upper()):
                    await self._cut(data, up_writer, writer, down)
                    return
                up_writer.write(data)
                await up_writer.drain()
        except OSError:
            pass
        finally:
            down.cancel()
            await asyncio.gather(down, return_exceptions=True)
            for each in (writer, up_writer):
                each.close()
            self._tasks.discard(asyncio.current_task())

    async def _cut(self, data, up_writer, writer, down):
        how, self.armed = self.armed, ""
        self.cuts += 1
        down.cancel()  # no answer passes from here on
        await asyncio.gather(down, return_exceptions=True)
        if how == "after":
            up_writer.write(data)
            await up_writer.drain()
            await asyncio.sleep(0.3)
        writer.transport.abort()
        if how == "late":
            await asyncio.sleep(0.3)
            up_writer.write(data)
            await up_writer.drain()
            await asyncio.sleep(0.1)

    async def _pass(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def house(server, tmp_path):
    """A ledger's database by way of the proxy; and straight, to look at it."""
    port = int(server.rsplit(":", 1)[1].split("/")[0])
    async with Proxy(port) as proxy:
        straight = CoreSettings(data=tmp_path, node="test", sql_dsn=server, batch_flush_seconds=60)
        through = replace(straight, sql_dsn=server.replace(f":{port}/", f":{proxy.listening}/"))
        look = await Database.open(straight)
        await look.migrate()
        await empty(look)
        db = await Database.open(through)
        yield db, look, through, proxy
        await db.close()
        await look.close()


async def again(work):
    """Until it goes through; how often it failed."""
    for failed in range(20):
        try:
            await work()
        except Exception:  # noqa: BLE001 (whatever a cut connection raises)
            await asyncio.sleep(0.05)
        else:
            return failed
    raise AssertionError("it never went through")


@pytest.mark.parametrize("how", CUTS)
async def test_a_flush(house, how):
    db, look, settings, proxy = house
    purse = await purse_of(look, 1000)
    ledger = await open_ledger(db, settings, tuning=Tuning(background=False))
    task = asyncio.ensure_future(ledger.reserve("r0", Draws((), (purse,)), 100))
    while not task.done():
        await asyncio.sleep(0)
        await ledger.step()
    ledger.settle(task.result(), 70, receipt())
    proxy.armed = how
    failed = await again(ledger.flush)
    assert proxy.cuts == 1
    # A commit that went through is found out within the call; one that did not is done again.
    assert failed <= 2
    await asyncio.sleep(0.6)
    assert await logged(look) == ["r0"]
    found = await read(look, purse)
    assert found.settled == 70
    assert found.leased == sum(pool.leased for pool in ledger.pools.by_purse.values())
    await ledger.close()
    found = await read(look, purse)
    assert (found.available, found.leased, found.settled) == (930, 0, 70)


@pytest.mark.parametrize("how", CUTS)
async def test_a_lease_and_giving_it_back(house, how):
    db, look, settings, proxy = house
    purse = await purse_of(look, 1000)
    ledger = await open_ledger(db, settings, tuning=Tuning(patience=20, idle=0.05, chore=0.05))
    proxy.armed = how
    hold = await ledger.reserve("r0", Draws((), (purse,)), 100)
    assert proxy.cuts == 1
    proxy.armed = how
    ledger.release(hold)
    await until(lambda: proxy.cuts == 2 and purse not in ledger.pools.by_purse)
    await asyncio.sleep(0.6)
    found = await read(look, purse)
    assert (found.available, found.leased) == (1000, 0)
    await ledger.close()
    assert await rows(look, "SELECT * FROM journals WHERE state <> 'closed'") == []


@pytest.mark.parametrize("how", CUTS)
async def test_the_close(house, how):
    db, look, settings, proxy = house
    purse = await purse_of(look, 1000)
    ledger = await open_ledger(db, settings)
    hold = await ledger.reserve("r0", Draws((), (purse,)), 100)
    ledger.settle(hold, 70, receipt())
    await ledger.flush()
    proxy.armed = how
    await ledger.close()
    assert proxy.cuts == 1
    await asyncio.sleep(0.6)
    found = await read(look, purse)
    assert (found.available, found.leased, found.settled) == (930, 0, 70)
    assert await logged(look) == ["r0"]
    assert not list((settings.data / "journal").iterdir())


async def test_under_load_with_cuts_all_the_time(house):
    db, look, settings, proxy = house
    purse = await purse_of(look, 100_000)
    settings = replace(settings, batch_flush_seconds=0.02)
    ledger = await open_ledger(db, settings, tuning=Tuning(cap=300, idle=0.1, chore=0.05, patience=20))

    async def cut():
        for number in range(12):
            await asyncio.sleep(0.1)
            proxy.armed = CUTS[number % 3]

    async def ask(number):
        await asyncio.sleep(number * 0.02)
        hold = await ledger.reserve(f"r{number:03}", Draws((), (purse,)), 50)
        await asyncio.sleep(0.05)
        ledger.settle(hold, 10, receipt())

    await asyncio.gather(cut(), *(ask(number) for number in range(60)))
    proxy.armed = ""
    assert proxy.cuts >= 1  # how many depends on how fast the machine is
    await ledger.close()
    assert await logged(look) == [f"r{number:03}" for number in range(60)]
    found = await look.read(purses.read, look, purse)
    assert (found.available, found.leased, found.settled) == (100_000 - 600, 0, 600)


async def test_what_the_database_refuses_for_good_is_set_aside(house):
    _, look, settings, _ = house
    purse = await purse_of(look, 1000)
    ledger = await open_ledger(look, settings)
    await look.write(lambda: look.execute_count("ALTER TABLE logs ADD CONSTRAINT t CHECK (model_name <> 'bad')"))
    for name in ("r0", "bad", "r1"):
        hold = await ledger.reserve(name, Draws((), (purse,)), 100)
        made = receipt()
        made.model = name
        ledger.settle(hold, 10, made)
    await ledger.close()
    await look.write(lambda: look.execute_count("ALTER TABLE logs DROP CONSTRAINT t"))
    assert await logged(look) == ["r0", "r1"]
    assert await rows(look, "SELECT request_id, moved FROM set_aside") == [("bad", 1)]
    assert (await read(look, purse)).settled == 30

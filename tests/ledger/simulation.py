"""The ledger in a world that breaks, by seeds: `python -m tests.ledger.simulation --seeds 2000`.

Two nodes of two workers, requests that reserve, extend, progress, settle, release and
are cancelled; administrators; deaths of workers between any two callbacks, of
nodes, of disks; power cuts; database errors before, at and after COMMIT; full disks;
torn journals. A seed replays exactly: `python -m tests.ledger.simulation --seed N`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import logging
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from isthmus.v1 import billing_pb2

from core.errors import InsufficientQuota, KeyQuotaExceeded, Overloaded
from core.ledger import changes, journal, purses
from core.ledger.admission import SHORT
from core.ledger.interface import Draws, Hold
from core.ledger.ledger import WorkerLedger, open_ledger
from core.ledger.record import SETTLED, encode
from core.ledger.recovery import recover_all, release_node
from core.ledger.tuning import Tuning
from core.settings import CoreSettings
from tests.ledger.oracle import Incarnation, Oracle, Request
from tests.ledger.virtual import Client, Disk, Server, VirtualLoop

SECONDS = 5.0
"""Virtual time until the end begins."""
ASKS = 4
"""How often, at most, one reserve may wait the whole of its time for the database."""
CHUNK = 256
"""Bytes preallocated at a time here: so that a full disk is met within a few requests."""
REFUSED = (InsufficientQuota, KeyQuotaExceeded, Overloaded)


class Worker:
    """A slot of a node: the process that fills it now, if any."""

    def __init__(self, node: Node, slot: int) -> None:
        self.node, self.slot = node, slot
        self.process = ""
        self.ledger: WorkerLedger | None = None
        self.requests: list[asyncio.Task[None]] = []
        self.stopping = False


class Node:
    """A machine: a disk with journals, two workers."""

    def __init__(self, name: str, folder: Path, rng: random.Random) -> None:
        self.name, self.folder, self.disk = name, folder, Disk()
        self.settings = CoreSettings(
            data=folder,
            node=name,
            journal_safety=rng.choice(("os", "os", "group", "database")),
            batch_flush_seconds=rng.choice((0.02, 0.2, 1.0)),
        )
        self.workers = [Worker(self, slot) for slot in range(2)]


class World:
    """One seed's run."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = rng = random.Random(seed)
        self.loop = VirtualLoop()
        self.trace = hashlib.sha256()
        self.counts: Counter[str] = Counter()
        self.server = Server(self.loop, rng, self._committed)
        self.oracle = Oracle(lambda sql, params=(): self.server.connection.execute(sql, params).fetchall())
        self.seed, self.number, self.starts, self.ending = seed, 0, 0, False
        self.failure: BaseException | None = None
        self.tuning = Tuning(
            idle=rng.choice((0.1, 1.0)),
            orphans=rng.choice((0.3, 3.0)),
            cap=rng.choice((20, 200, 2_500_000)),
            batch=rng.choice((1, 3, 500)),
            rotate=rng.choice((200, 1500, 8 << 20)),
            room=512,
            answer=2.0,
        )
        self.nodes = [Node(name, folder / name, rng) for name in ("a", "b")]
        self.trouble = rng.choice((0.0, 0.02, 0.1))
        self.draws: list[Draws] = []
        self.clients: list[Client] = []
        self.plan, self.period = 0, 0
        """The subscription's purse of this period; a new period is a new purse."""
        self.held: list[tuple[float, dict[int, int]]] = []
        """What of each purse was available after each commit."""

    def _committed(self) -> None:
        self.held.append((self.loop.now, dict(self.server.connection.execute("SELECT id, available FROM purses"))))
        try:
            self.oracle.committed()
        except AssertionError as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Remembers the first broken promise; the run ends with it."""
        self.failure = self.failure or error
        self.loop.stop()

    def say(self, what: str) -> None:
        """Something happened: counted, and part of what makes two runs of a seed the same."""
        self.counts[what.split(" ")[0]] += 1
        self.trace.update(f"{self.loop.now:.6f} {self.loop.ran} {what}\n".encode())

    def client(self) -> Client:
        client = Client(self.server)
        client.trouble = self.trouble
        self.clients.append(client)
        client.poison = lambda sql, params: (
            "INSERT INTO logs" in sql and any(str(p).endswith("-poison") for p in params)
        )
        return client

    # Workers

    async def process(self, worker: Worker, client: Client) -> None:
        """What one process does: opens its ledger, serves requests until it is told to stop or is killed."""
        node, rng, process = worker.node, self.rng, worker.process
        seams = node.disk.seams(self.loop, rng)
        settings = CoreSettings(**{**_fields(node.settings), "slot": worker.slot})
        while True:
            try:
                ledger = await open_ledger(client, settings, tuning=self.tuning, seams=seams)
                break
            except Exception as error:  # noqa: BLE001 (the supervisor starts it again)
                self.say(f"start-failed {type(error).__name__}")
                await asyncio.sleep(0.2)
        worker.ledger = ledger
        books = ledger.books
        self.oracle.incarnations[books.session.incarnation] = Incarnation(node.name, node.folder, books)
        self.say(f"started {process}")
        while not self.ending:
            await asyncio.sleep(rng.uniform(0.0, 0.25))
            if worker.stopping:
                return
            task = asyncio.ensure_future(self.guarded(self.request, worker, ledger))
            worker.requests.append(task)
            if rng.random() < 0.1:
                self.loop.call_later(rng.uniform(0.0, 0.4), task.cancel)

    async def guarded(self, work: Any, *args: Any) -> None:
        """Runs work; whatever it should not raise ends the run."""
        try:
            await work(*args)
        except Exception as error:  # noqa: BLE001 (any)
            self.fail(error)

    async def request(self, worker: Worker, ledger: WorkerLedger) -> None:
        rng = self.rng
        self.number += 1
        name = f"r{self.number}" + ("-poison" if rng.random() < 0.01 else "")
        draws, units = rng.choice(self.draws), rng.randint(0, 60)
        told = self.oracle.requests[name] = Request(ledger.books.session.incarnation)
        hold: Hold | None = None
        try:
            began = self.loop.now
            try:
                hold = ledger.try_reserve(name, draws, units) or await ledger.reserve(name, draws, units)
            except REFUSED as error:
                self.say(f"refused-{type(error).__name__} {name}")
                return
            finally:
                waited = self.loop.now - began
                assert waited <= self.tuning.patience + ASKS * self.tuning.answer, "a reserve waited for ever"
            assert hold.units == units, "a hold is what was asked for"
            self.in_order(hold, began)
            for _ in range(rng.choice((0, 0, 1, 3))):
                await asyncio.sleep(rng.uniform(0.0, 0.5))
                if rng.random() < 0.5:
                    await self.extend(ledger, hold)
                if rng.random() < 0.7:
                    self.progress(ledger, hold, told)
            await asyncio.sleep(rng.uniform(0.0, 0.2))
            if rng.random() < 0.15:
                self.release(ledger, hold, told)
            else:
                await self.settle(ledger, hold, told)
        except asyncio.CancelledError:
            self.say(f"cancelled {name}")
            if hold is not None and not hold.ended:
                # As the pipeline does: what was delivered is charged, or nothing was.
                if rng.random() < 0.5:
                    self.release(ledger, hold, told)
                else:
                    self.charge(ledger, hold, told)

    def in_order(self, hold: Hold, began: float) -> None:
        """A purse pays out of its turn only where the one before it could not, a moment ago."""
        draws, since = hold.draws, min(began, self.loop.now - SHORT) - self.tuning.answer
        for purse in draws.first_of:
            if hold.taken.get(purse):
                return
            least = [left.get(purse, 0) for at, left in self.held if at >= since]
            before = [left.get(purse, 0) for at, left in self.held if at < since][-1:]
            if hold.units:
                assert min(least + before) < hold.units, f"purse {purse} was passed over, and had enough"
                self.say("paid-by-the-next")

    def renew(self, client: Client) -> None:
        """A new period: another purse in the place of the subscription's."""
        self.period += 1
        units = self.rng.choice((0, 30, 400, 5000))
        purse = self.server.transaction(lambda: purses.create(client, 3, 7, str(self.period), units), ())
        self.oracle.granted[purse] = units
        changed = [
            Draws(each.all_of, tuple(purse if one == self.plan else one for one in each.first_of))
            for each in self.draws
        ]
        self.draws, self.plan = changed, purse
        self.say("renewed")

    async def extend(self, ledger: WorkerLedger, hold: Hold) -> None:
        before, more = hold.units, self.rng.randint(0, 40)
        try:
            await ledger.extend(hold, more)
            assert hold.units == before + more
        except REFUSED:
            assert hold.units == before

    def progress(self, ledger: WorkerLedger, hold: Hold, told: Request) -> None:
        receipt = _receipt()
        end = ledger.books.journal.end
        ledger.progress(hold, self.rng.randint(0, hold.units + 20), receipt)
        if ledger.books.journal.end > end:
            told.progress.append(dict(receipt.purses))
            self.say("progress")

    def release(self, ledger: WorkerLedger, hold: Hold, told: Request) -> None:
        ledger.release(hold)
        told.released = True
        self.say("released")

    def charge(self, ledger: WorkerLedger, hold: Hold, told: Request) -> billing_pb2.Receipt:
        receipt, units = _receipt(), self.rng.randint(0, hold.units + 20)
        ledger.settle(hold, units, receipt)
        assert receipt.quota + receipt.unbilled == units
        told.settled, told.units = dict(receipt.purses), units
        self.say(f"settled {hold.request_id} {receipt.quota}")
        return receipt

    async def settle(self, ledger: WorkerLedger, hold: Hold, told: Request) -> None:
        receipt = self.charge(ledger, hold, told)
        try:
            await ledger.settled(receipt)
        except Overloaded:
            return
        told.safe = True

    # What befalls them

    def start(self, worker: Worker) -> None:
        self.starts += 1
        worker.process = f"{worker.node.name}/{worker.slot}#{self.starts}"
        worker.ledger, worker.requests, worker.stopping = None, [], False
        self.loop.spawn(worker.process, self.guarded(self.process, worker, self.client()))

    def kill(self, worker: Worker, *, torn: bool = True) -> None:
        """SIGKILL; what it was writing may be on the disk in part."""
        if worker.process in self.loop.dead:
            return
        ledger = worker.ledger
        self.say(f"killed {worker.process}")
        self.loop.kill(worker.process)
        if ledger is None:
            return
        path = ledger.books.journal.path
        self.oracle.incarnations[ledger.books.session.incarnation].dead = True
        ledger.books.journal.close(remove=False)
        if torn and path.exists() and self.rng.random() < 0.5:
            whole = encode(SETTLED, "torn", 0, ((1, 1),), _receipt().SerializeToString())
            with path.open("ab") as file:
                file.write(whole[: self.rng.randrange(1, len(whole))])

    def kill_node(self, node: Node, *, power: bool) -> None:
        for worker in node.workers:
            self.kill(worker, torn=not power)
        if not power:
            return
        self.say(f"power-cut {node.name}")
        for each in self.oracle.incarnations.values():
            if each.node == node.name:
                each.power_cut = True
        for path in sorted(node.folder.glob("journal/*" + journal.SUFFIX)):
            node.disk.cut(str(path), self.rng)

    async def release_node(self, node: Node) -> None:
        """An operator gives a node's leases back; its workers may be dead or (a mistake) alive."""
        client = Client(self.server)
        for name, each in self.oracle.incarnations.items():
            if each.node == node.name:
                state = client.execute("SELECT state FROM journals WHERE incarnation = ?", (name,))
                each.freed = each.freed or state == [("live",)]
        self.server.transaction(lambda: None, ())
        seams = node.disk.seams(self.loop, self.rng)
        await self.directly(release_node, node.name, seams)
        self.say(f"node-released {node.name}")

    async def directly(self, work: Any, *args: Any) -> Any:
        """Runs work over a database that answers at once, as one step."""

        class Direct(Client):
            async def write(self, fn: Any, *args: Any) -> Any:
                return self.server.transaction(fn, args)

        return await work(Direct(self.server), *args)

    async def lose_disk(self, node: Node) -> None:
        self.kill_node(node, power=False)
        for each in self.oracle.incarnations.values():
            if each.node == node.name:
                each.disk_lost = True
        shutil.rmtree(node.folder, ignore_errors=True)
        self.say(f"disk-lost {node.name}")
        await asyncio.sleep(self.rng.uniform(2.5, 4.0))  # what was sent before has arrived or never will
        await self.release_node(node)

    async def restart(self, worker: Worker) -> None:
        """A graceful stop and a new start."""
        if worker.ledger is None or worker.process in self.loop.dead:
            return
        await self.stop(worker)
        self.start(worker)

    async def stop(self, worker: Worker) -> None:
        process, ledger = worker.process, worker.ledger
        assert ledger is not None
        self.say(f"stopping {process}")
        worker.stopping = True
        for task in worker.requests:
            task.cancel()
        closing = self.loop.spawn(process, self.close(worker, ledger))
        # A task of a process that is killed never ends: looked at, now and then.
        while not (await asyncio.wait([closing], timeout=0.05))[0]:
            if process in self.loop.dead:
                return
        if process not in self.loop.dead:
            self.kill(worker)

    async def close(self, worker: Worker, ledger: WorkerLedger) -> None:
        if worker.requests:
            await asyncio.wait(worker.requests)
        await ledger.close()

    async def befall(self) -> None:
        """One thing after the other goes wrong."""
        rng = self.rng
        while self.loop.now < SECONDS:
            await asyncio.sleep(rng.uniform(0.0, 0.9))
            node = rng.choice(self.nodes)
            worker = rng.choice(node.workers)
            what = rng.choices(
                ("kill", "trap", "node", "power", "restart", "full", "lost", "released", "kept"),
                (5, 8, 2, 2, 3, 3, 0.7, 0.4, 3),
            )[0]
            if what == "kill":
                self.kill(worker)
            elif what == "trap":
                self.loop.after(rng.randint(1, 60), lambda worker=worker: self.kill(worker))  # type: ignore[misc]
            elif what in ("node", "power"):
                self.kill_node(node, power=what == "power" and node.settings.journal_safety != "os")
            elif what == "restart":
                await self.restart(worker)
            elif what == "full":
                node.disk.full = not node.disk.full
                self.say(f"full {node.name} {node.disk.full}")
            elif what == "lost":
                await self.lose_disk(node)
            elif what == "released":
                await self.release_node(node)
            self.oracle.kept()
            await asyncio.sleep(rng.uniform(0.0, 0.4))
            for each in (each for node in self.nodes for each in node.workers):
                lost = each.ledger is not None and each.ledger.books.session.lost
                if lost:
                    self.kill(each)  # a worker that must be restarted is
                if each.process in self.loop.dead:
                    self.start(each)

    async def administer(self) -> None:
        """Grants, takes and sets, one after the other."""
        rng, client, seams = self.rng, Client(self.server), self.nodes[0].disk.seams(self.loop, self.rng)
        while not self.ending:
            await asyncio.sleep(rng.uniform(0.1, 2.0))
            if rng.random() < 0.2:
                self.renew(client)
                continue
            purse = rng.choice(list(self.oracle.granted))
            try:
                if rng.random() < 0.7:
                    delta = rng.randint(-120, 150)
                    found = await changes.adjust(client, purse, delta, seams)
                    assert found.granted == self.oracle.granted[purse] + delta
                else:
                    found = await changes.set_remaining(client, purse, rng.randint(0, 300), seams)
            except InsufficientQuota:
                self.say("kept-purse")
                continue
            self.oracle.granted[purse] = found.granted
            self.say("changed-purse")

    # The run

    async def run(self) -> None:
        make = Client(self.server)
        for kind, units, debt in ((1, 4000, 0), (2, 5000, 0), (3, 700, 0), (1, 1000, 50)):
            purse = purses.create(make, kind, 7 + debt, "", units, settled=debt, debt=debt)
            self.oracle.granted[purse] = make.execute("SELECT granted FROM purses WHERE id = ?", (purse,))[0][0]
            self.oracle.billed[purse] = debt
        wallet, key, plan, other = self.oracle.granted
        self.plan = plan
        self.draws = [
            Draws((), (wallet,)),
            Draws((), (wallet,)),
            Draws((key,), (plan, wallet)),
            Draws((key,), (wallet, plan)),
            Draws((key,), ()),
            Draws((), (other,)),
        ]
        for worker in (worker for node in self.nodes for worker in node.workers):
            self.start(worker)
        administer = asyncio.ensure_future(self.guarded(self.administer))
        await self.befall()
        await self.finish()
        await administer
        self.oracle.closed()

    async def finish(self) -> None:
        """Everything is mended, started and closed: now all must add up."""
        self.ending = True
        self.loop.disarm()
        self.trouble = 0.0
        for client in self.clients:
            client.trouble = 0.0
        workers = [worker for node in self.nodes for worker in node.workers]
        for worker in workers:
            worker.node.disk.full = False
            lost = worker.ledger is not None and worker.ledger.books.session.lost
            if lost or worker.ledger is None:
                self.kill(worker)
            if worker.process in self.loop.dead:
                self.start(worker)
        await asyncio.sleep(2.5)
        for worker in workers:
            assert worker.ledger is not None, f"{worker.process} did not start"
            await self.stop(worker)
        for node in self.nodes:
            await recover_all(Client(self.server), node.folder / "journal", node.disk.seams(self.loop, self.rng))
        await asyncio.sleep(2.5)


def _fields(settings: CoreSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


def _receipt() -> billing_pb2.Receipt:
    return billing_pb2.Receipt(kind=billing_pb2.RECEIPT_KIND_CONSUME, account_id=1)


def simulate(seed: int) -> World:
    """Runs a seed. Raises what broke, with the command that replays it."""
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="isthmus-sim-", dir=base))
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    world = World(seed, folder)
    chunk, journal.CHUNK = journal.CHUNK, CHUNK
    try:
        main = world.loop.create_task(world.run())
        main.add_done_callback(lambda _: world.loop.stop())
        world.loop.run_forever()
        if world.failure is not None:
            raise world.failure
        main.result()
    except BaseException as error:
        error.add_note(f"replay it: python -m tests.ledger.simulation --seed {seed}")
        raise
    finally:
        for process in ["", *world.loop._tasks]:
            world.loop.kill(process)
        world.loop.close()
        world.server.connection.close()
        for each in world.oracle.incarnations.values():
            each.books.journal.close(remove=False)
        journal.CHUNK = chunk
        logging.disable(disabled)
        shutil.rmtree(folder, ignore_errors=True)
    return world


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many, from --first")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="one seed, again")
    arguments = parser.parse_args()
    seeds = (
        [arguments.seed] if arguments.seed is not None else range(arguments.first, arguments.first + arguments.seeds)
    )
    counts: Counter[str] = Counter()
    for seed in seeds:
        counts.update(simulate(seed).counts)
    if arguments.seed is not None:
        print("trace", simulate(arguments.seed).trace.hexdigest())
    print(f"{len(seeds)} seeds held.", ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())

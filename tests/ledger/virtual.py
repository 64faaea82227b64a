"""A world for simulations: virtual time, processes that can be killed, a database and disks that fail as told.

Nothing here reads a clock or the system's randomness: what happens is a function of the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import os
import random
import selectors
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from playhouse.migrations import Runner

from core.ledger.seams import Seams
from core.store.database import MIGRATIONS

PROCESS: contextvars.ContextVar[str] = contextvars.ContextVar("process", default="")
"""The simulated process that code belongs to; "" is the world itself: the database's server, who watches."""


TICK = 1e-6
"""Seconds that a round of the loop takes at least: time never stands still."""


LIMIT = 500_000
"""Callbacks of one run: some ten times what a seed needs."""


class Stuck(AssertionError):
    """Nothing can run and nobody waits for time to pass, or it never ends: somebody waits for what never comes."""


class _Jump(selectors.SelectSelector):
    """Waiting takes no time: the clock jumps to the next timer."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or self.loop.ran > LIMIT:
            raise Stuck
        self.loop.now += max(TICK, timeout)
        return []


class _Inline(ThreadPoolExecutor):
    """What should run in a thread runs at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (as a thread would)
            future.set_exception(error)
        return future


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual and whose processes can be killed between any two callbacks."""

    def __init__(self) -> None:
        self.now = 0.0
        self.dead: set[str] = set()
        self.ran = 0
        self._trap: tuple[int, Callable[[], None]] | None = None
        self._tasks: dict[str, list[asyncio.Task[Any]]] = {}
        jump = _Jump()
        jump.loop = self
        super().__init__(jump)
        self.set_default_executor(_Inline(1))
        self.set_task_factory(self._make)
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self.now

    def _make(self, loop: Any, coro: Any, context: Any = None) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, context=context)
        owner = context.get(PROCESS, "") if context is not None else PROCESS.get()
        self._tasks.setdefault(owner, []).append(task)
        return task

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        context = contextvars.copy_context() if context is None else context  # an empty one is false
        return super().call_soon(self._guarded, context.get(PROCESS, ""), callback, args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        context = contextvars.copy_context() if context is None else context  # an empty one is false
        return super().call_at(when, self._guarded, context.get(PROCESS, ""), callback, args, context=context)

    def _guarded(self, owner: str, callback: Any, args: Any) -> None:
        self.ran += 1
        if self._trap is not None and self.ran >= self._trap[0]:
            _, spring = self._trap
            self._trap = None
            spring()
        if owner not in self.dead:
            callback(*args)

    def after(self, callbacks: int, spring: Callable[[], None]) -> None:
        """Calls spring between two callbacks, when so many have run."""
        if self._trap is None:
            self._trap = (self.ran + callbacks, spring)

    def disarm(self) -> None:
        """Forgets what after() was told."""
        self._trap = None

    def spawn(self, process: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs work as a process."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        return self.create_task(work, context=context)

    def kill(self, process: str) -> None:
        """As SIGKILL: no code of the process runs again but what frees its files, which the kernel does."""
        self.dead.add(process)
        for task in self._tasks.pop(process, []):
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                task.get_coro().close()  # type: ignore[union-attr]


@cache
def schema() -> str:
    """The tables as the migrations make them."""
    from peewee import SqliteDatabase

    database = SqliteDatabase(":memory:")
    Runner(database, str(MIGRATIONS)).up()
    script = "\n".join(database.connection().iterdump())
    database.close()
    return script


class Server:
    """The database's server: real SQLite in memory, with its transactions, CHECKs and rollbacks."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, committed: Callable[[], None]) -> None:
        self.loop, self.rng, self.committed = loop, rng, committed
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.executescript(schema())
        self.connection.execute("PRAGMA ignore_check_constraints = OFF")

    def transaction(self, fn: Callable[..., Any], args: tuple[Any, ...], *, commit: bool = True) -> Any:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            result = fn(*args)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT" if commit else "ROLLBACK")
        if not commit:
            raise sqlite3.OperationalError("database or disk is full")
        self.committed()
        return result


class Client:
    """One process's way to the server: the interface of core.store.database.Database that the ledger uses."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.trouble = 0.0
        """Share of calls that go wrong."""
        self.poison: Callable[[str, Any], bool] = lambda sql, params: False

    def execute(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        return self.server.connection.execute(sql, tuple(params)).fetchall()

    def execute_count(self, sql: str, params: Any = ()) -> int:
        if self.poison(sql, params):
            raise sqlite3.IntegrityError("a value the database refuses")
        return self.server.connection.execute(sql, tuple(params)).rowcount

    async def read(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.shield(asyncio.ensure_future(self._call(fn, args, reads=True)))

    async def write(self, fn: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.shield(asyncio.ensure_future(self._call(fn, args)))

    async def _call(self, fn: Callable[..., Any], args: tuple[Any, ...], *, reads: bool = False) -> Any:
        loop, rng, server = self.server.loop, self.server.rng, self.server
        process, delay = PROCESS.get(), rng.choice((0.0, 0.001, 0.005, 0.03))
        fate = "well"
        if rng.random() < self.trouble:
            fate = rng.choice(("refused", "full", "cut before", "cut after", "late"))
        await asyncio.sleep(delay)
        if fate in ("refused", "cut before"):
            # Cut before COMMIT: the server rolls back what it had.
            raise sqlite3.OperationalError("the connection was refused")
        answer = loop.create_future()

        def tell(result: Any, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        def serve() -> None:
            if process in loop.dead and rng.random() < 0.5:
                return  # it died before COMMIT was sent
            result, error = None, None
            try:
                result = fn(*args) if reads else server.transaction(fn, args, commit=fate != "full")
            except Exception as raised:  # noqa: BLE001 (what the transaction raised is its answer)
                error = raised
            if fate == "cut after":
                error = sqlite3.OperationalError("the connection was lost")
            loop.call_later(delay, tell, result, error)

        here = contextvars.copy_context()
        here.run(PROCESS.set, "")
        if fate == "late":
            # The connection is cut after COMMIT was sent: the server gets to it when the client has long moved on.
            loop.call_later(rng.uniform(0.0, 2.0), serve, context=here)
            loop.call_later(delay, tell, None, sqlite3.OperationalError("the connection was lost"), context=here)
        else:
            loop.call_later(delay, serve, context=here)
        return await answer


class Disk:
    """A node's disk: full when told; what is allocated can still be written. Knows what a power cut leaves."""

    def __init__(self) -> None:
        self.full = False
        self._allocated: dict[int, int] = {}
        self._synced: dict[int, int] = {}

    def allocate(self, fd: int, start: int, length: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "no space left")
        inode = os.fstat(fd).st_ino
        if start == 0:
            self._synced[inode] = 0  # a new file; its number may have been another's
        self._allocated[inode] = start + length

    def write(self, fd: int, data: bytes) -> int:
        stat = os.fstat(fd)
        if self.full:
            data = data[: max(0, self._allocated.get(stat.st_ino, 0) - stat.st_size)]
            if not data:
                raise OSError(errno.ENOSPC, "no space left")
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        stat = os.fstat(fd)
        self._synced[stat.st_ino] = stat.st_size

    def cut(self, path: str, rng: random.Random) -> None:
        """The power is cut: of what was not synced, a part is left, torn anywhere."""
        with contextlib.suppress(FileNotFoundError):
            stat = os.stat(path)
            os.truncate(path, rng.randint(min(stat.st_size, self._synced.get(stat.st_ino, 0)), stat.st_size))

    def seams(self, loop: VirtualLoop, rng: random.Random) -> Seams:
        """The world as the ledger on this disk sees it."""
        return Seams(
            clock=loop.time,
            now_ms=lambda: 1_700_000_000_000 + int(loop.now * 1000),
            unique=lambda size: f"{rng.getrandbits(size * 8):0{size * 2}x}",
            write=self.write,
            allocate=self.allocate,
            sync=self.sync,
        )

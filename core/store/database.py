"""The database behind everything: one pool, read() and write() in tasks of their own, migrations under a lock.

pwasyncio keeps a pooled connection until the asyncio task that used it ends;
so each piece of work runs in a task of its own and gives its connection back
when it is done.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from peewee import DataError
from playhouse import pwasyncio
from playhouse.migrations import Runner

from core.errors import InvalidRequest
from core.settings import CoreSettings

logger = logging.getLogger("isthmus.store")
T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 10_000
"""How long SQLite waits for another writer."""
SQLITE_MOST = 32
"""Connections to a SQLite file: each is a thread, all are opened at once, and only one writes."""
OPEN_SECONDS = 8.0
"""Longest wait for the first answer: a failed start ends within 10 s."""
ADVISORY_LOCK = 0x69737468
"""PostgreSQL's advisory lock that a migrating node holds ("isth")."""


class Unstorable(InvalidRequest, ValueError):
    """A value no column can hold, such as an id above PostgreSQL's 32 bits: whoever asked sent it.

    A ValueError, too: the ledger takes those for permanent.
    """

    default_message = "A number or a text is not one that the database can hold."


async def _told(work: Awaitable[T]) -> T:
    """What the work gives. Raises Unstorable where the database refuses a value."""
    try:
        return await work
    except DataError as error:
        raise Unstorable() from error


class Database:
    """SQLite (WAL, synchronous=FULL) or PostgreSQL."""

    def __init__(self, peewee: Any, kind: Literal["sqlite", "postgres"], lock_file: Path | None) -> None:
        self.peewee = peewee
        self.kind = kind
        self._lock_file = lock_file
        self._work: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, settings: CoreSettings) -> Database:
        """Connects. Raises TimeoutError, OSError, peewee.OperationalError where the database does not answer."""
        from core.store import models

        if settings.sql_dsn:
            database = cls(_postgres(settings), "postgres", None)
        else:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = Path(settings.sqlite_path) if settings.sqlite_path else settings.data / "isthmus.db"
            pragmas = {"journal_mode": "wal", "synchronous": "full", "busy_timeout": BUSY_MS}
            made = pwasyncio.AsyncSqliteDatabase(
                str(path), pragmas=pragmas, pool_size=min(settings.sql_max_open, SQLITE_MOST), acquire_timeout=10
            )
            database = cls(made, "sqlite", path.with_suffix(".lock"))
        models.bind(database.peewee)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await database.read(lambda: database.execute("SELECT 1"))
        except BaseException as error:
            for task in database._work:
                task.cancel()
            await database.close()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"it did not answer within {OPEN_SECONDS:.0f} s") from None
            raise
        return database

    async def read(self, fn: Callable[..., T], *args: Any) -> T:
        """Runs synchronous database code in a task of its own."""
        return await asyncio.shield(self._start(_told(self.peewee.run(fn, *args))))

    async def write(self, fn: Callable[..., T], *args: Any) -> T:
        """As read(), as one transaction. The caller's cancellation does not reach it."""
        return await asyncio.shield(self._start(_told(self._transaction(fn, args))))

    def _start(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled will not ask

    async def _transaction(self, fn: Callable[..., T], args: tuple[Any, ...]) -> T:
        def run() -> T:
            # A deferred SQLite transaction fails when it upgrades; an immediate one waits.
            kwargs = {"lock_type": "IMMEDIATE"} if self.kind == "sqlite" else {}
            with self.peewee.transaction(**kwargs):
                return fn(*args)

        result: T = await self.peewee.run(run)
        return result

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of hand-written SQL with `?` placeholders; only inside read() and write()."""
        return [tuple(row) for row in self.peewee.execute_sql(self._sql(sql), tuple(params)).fetchall()]

    def execute_count(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Rows changed by hand-written SQL; only inside write()."""
        return int(self.peewee.execute_sql(self._sql(sql), tuple(params)).rowcount)

    def _sql(self, sql: str) -> str:
        return sql if self.kind == "sqlite" else sql.replace("?", "%s")

    async def migrate(self) -> None:
        """Applies what is pending. Several starters wait for each other."""
        if self._lock_file is not None:
            with self._lock_file.open("a+") as lock:
                await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
                await self.read(self._apply)
        else:
            await self.read(self._apply_locked)

    def _apply(self) -> None:
        names = Runner(self.peewee, str(MIGRATIONS)).up()
        if names:
            logger.info("migrated", extra={"migrations": [str(name) for name in names]})

    def _apply_locked(self) -> None:
        self.peewee.execute_sql(f"SELECT pg_advisory_lock({ADVISORY_LOCK})")
        try:
            self._apply()
        finally:
            self.peewee.execute_sql(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})")

    async def close(self) -> None:
        """Waits for running work, closes the pool. An open pool would keep the process alive."""
        if self._work:
            await asyncio.wait(self._work, timeout=10)
        await self.peewee.close_pool()


class _Postgres(pwasyncio.AsyncPostgresqlDatabase):  # type: ignore[misc, unused-ignore]
    """asyncpg takes plain bytes; peewee would ask for psycopg's wrapper, which is not needed here."""

    def get_binary_type(self) -> type[bytes]:
        """What blobs are bound as."""
        return bytes


def _postgres(settings: CoreSettings) -> Any:
    """A PostgreSQL database from a DSN such as postgres://user:password@host:5432/name."""
    if not re.match(r"postgres(ql)?://", settings.sql_dsn):
        raise ValueError("SQL_DSN must begin with postgres://")
    parts = urlsplit(settings.sql_dsn)
    return _Postgres(
        parts.path.lstrip("/") or "postgres",
        user=unquote(parts.username or "postgres"),
        password=unquote(parts.password or "") or None,
        host=unquote(parts.hostname or "localhost"),
        port=parts.port or 5432,
        pool_size=settings.sql_max_open,
        pool_min_size=min(settings.sql_max_idle, settings.sql_max_open),
        max_inactive_connection_lifetime=settings.sql_max_lifetime,
        acquire_timeout=10,
    )

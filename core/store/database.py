"""The database behind everything: one pool, read() and write() in tasks of their own, migrations under a lock.

pwasyncio keeps a pooled connection until the asyncio task that used it ends;
so each piece of work runs in a task of its own and gives its connection back
when it is done.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from peewee import DataError
from playhouse import pwasyncio
from playhouse.migrations import Runner

from core.errors import InvalidRequest
from core.settings import CoreSettings
from core.store import dsn as dsns
from core.store import mysql
from core.store.dsn import Dsn, Kind

logger = logging.getLogger("isthmus.store")
T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MS = 10_000
"""How long SQLite waits for another writer."""
SQLITE_MOST = 8
"""Connections to a SQLite file: each is a thread with a page cache of 2 MB, all are opened at once, only one writes."""
SQLITE_STATEMENTS = 48
"""Statements each of them keeps compiled, some 20 kB each; Python keeps 128 where none is told."""
ACQUIRE_SECONDS = 10
"""Longest wait for a connection."""
OPEN_SECONDS = 8.0
"""Longest wait for the first answer: a failed start ends within 10 s."""
ADVISORY_LOCK = 0x69737468
"""PostgreSQL's advisory lock that a migrating node holds ("isth")."""
NAMED_LOCK = "isthmus migrates"
"""MySQL's."""
MIGRATION_SECONDS = 600
"""How long a node waits there for another that migrates."""
DEADLOCK_TRIES = 6
"""How often a transaction that a deadlock ended is run again."""
DEADLOCK_PAUSE = 0.02
"""Seconds before the first time, at most; doubled each time."""


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
    """SQLite (WAL, synchronous=FULL), PostgreSQL, or MySQL and MariaDB."""

    def __init__(self, peewee: Any, kind: Kind, lock_file: Path | None) -> None:
        self.peewee = peewee
        self.kind = kind
        self._lock_file = lock_file
        self._work: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(cls, settings: CoreSettings) -> Database:
        """Connects. Raises TimeoutError, OSError, peewee.OperationalError where the database does not answer."""
        from core.store import models

        if settings.sql_dsn:
            dsn = dsns.parse(settings.sql_dsn)
            database = cls(open_server(dsn, settings), dsn.kind, None)
        else:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = Path(settings.sqlite_path) if settings.sqlite_path else settings.data / "isthmus.db"
            pragmas = {"journal_mode": "wal", "synchronous": "full", "busy_timeout": BUSY_MS}
            made = pwasyncio.AsyncSqliteDatabase(
                str(path),
                pragmas=pragmas,
                pool_size=min(settings.sql_max_open, SQLITE_MOST),
                acquire_timeout=ACQUIRE_SECONDS,
                cached_statements=SQLITE_STATEMENTS,
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
        """Runs synchronous database code in a task of its own; again, once, where the connection was lost."""
        return await asyncio.shield(self._start(_told(self._read(fn, args))))

    async def write(self, fn: Callable[..., T], *args: Any) -> T:
        """As read(), as one transaction. The caller's cancellation does not reach it.

        fn runs again where a deadlock ended it, or a connection lost before COMMIT: it must be able to.
        """
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

    async def _read(self, fn: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            result: T = await self.peewee.run(fn, *args)
        except Exception as error:
            if not await self._reconnected(error):
                raise
            result = await self.peewee.run(fn, *args)
        return result

    async def _transaction(self, fn: Callable[..., T], args: tuple[Any, ...]) -> T:
        # A deferred SQLite transaction fails when it upgrades; an immediate one waits.
        kwargs = {"lock_type": "IMMEDIATE"} if self.kind == "sqlite" else {}
        committing, reconnected, deadlocks = False, False, 0

        def run() -> T:
            nonlocal committing
            committing = False
            with self.peewee.transaction(**kwargs):
                result = fn(*args)
                committing = True
            return result

        while True:
            try:
                result: T = await self.peewee.run(run)
            except Exception as error:
                if _is_deadlock(error) and deadlocks < DEADLOCK_TRIES:
                    deadlocks += 1
                    # Of two that met, one must be late.
                    await asyncio.sleep(random.random() * DEADLOCK_PAUSE * 2**deadlocks)  # noqa: S311
                # A COMMIT whose answer was lost may have happened: that is for the caller to find out.
                elif not committing and not reconnected and await self._reconnected(error):
                    reconnected = True
                else:
                    raise
            else:
                return result

    async def _reconnected(self, error: Exception) -> bool:
        """Whether the error is a lost connection, which is put away then. SQLite has none; asyncpg's pool looks."""
        if self.kind != "mysql" or mysql.code(error) not in mysql.GONE:
            return False
        logger.warning("the connection to the database was lost", extra={"error": mysql.code(error)})
        self.peewee.drop_connection()
        await self.peewee.aclose()
        return True

    def locked(self, query: Any) -> Any:
        """A query whose rows stay as they are until this transaction ends; SQLite has one writer at a time."""
        return query if self.kind == "sqlite" else query.for_update()

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of hand-written SQL with `?` placeholders; only inside read() and write()."""
        return [tuple(row) for row in self.peewee.execute_sql(self._sql(sql), tuple(params)).fetchall()]

    def execute_count(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Rows changed by hand-written SQL; only inside write()."""
        return int(self.peewee.execute_sql(self._sql(sql), tuple(params)).rowcount)

    def _sql(self, sql: str) -> str:
        if self.kind == "sqlite":
            return sql
        return (mysql.translate(sql) if self.kind == "mysql" else sql).replace("?", "%s")

    async def migrate(self) -> None:
        """Applies what is pending. Several starters wait for each other."""
        if self._lock_file is not None:
            with self._lock_file.open("a+") as lock:
                await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
                await self._alone(self._apply)
        else:
            await self._alone(self._apply_locked if self.kind == "postgres" else self._apply_named)

    async def _alone(self, work: Callable[[], None]) -> None:
        """As read(), never twice."""
        await asyncio.shield(self._start(_told(self.peewee.run(work))))

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

    def _apply_named(self) -> None:
        # Of the server: other databases on it have locks of their own.
        name = f"{NAMED_LOCK} {self.peewee.database}"[:64]
        ((got,),) = self.execute("SELECT GET_LOCK(?, ?)", (name, MIGRATION_SECONDS))
        if got != 1:
            raise TimeoutError("another node has been migrating the database for too long")
        self.peewee.migrating = True
        try:
            self._apply()
        finally:
            self.peewee.migrating = False
            self.execute("SELECT RELEASE_LOCK(?)", (name,))

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


def _is_deadlock(error: Exception) -> bool:
    """Whether the database ended this transaction to let another go on: none of it happened."""
    if mysql.code(error) == mysql.DEADLOCK:
        return True
    return any(type(part).__name__ in ("DeadlockDetectedError", "SerializationError") for part in (error, *error.args))


def open_server(dsn: Dsn, settings: CoreSettings) -> Any:
    """A pool for a server; nothing is connected yet."""
    return _OPENERS[dsn.kind](dsn, settings)


def _open_postgres(dsn: Dsn, settings: CoreSettings) -> Any:
    return _Postgres(
        dsn.name,
        user=dsn.user,
        password=dsn.password or None,
        host=dsn.host,
        port=dsn.port,
        pool_size=settings.sql_max_open,
        pool_min_size=min(settings.sql_max_idle, settings.sql_max_open),
        max_inactive_connection_lifetime=settings.sql_max_lifetime,
        acquire_timeout=ACQUIRE_SECONDS,
    )


def _open_mysql(dsn: Dsn, settings: CoreSettings) -> Any:
    return mysql.open_mysql(
        dsn,
        most=settings.sql_max_open,
        idle=settings.sql_max_idle,
        lifetime=settings.sql_max_lifetime,
        patience=ACQUIRE_SECONDS,
    )


_OPENERS: dict[str, Callable[[Dsn, CoreSettings], Any]] = {"postgres": _open_postgres, "mysql": _open_mysql}

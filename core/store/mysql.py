"""MySQL and MariaDB behave as the other databases do: types, upserts, modes, isolation, errors, lost connections.

What the store and the ledger rely on, and what is set for it on every connection:
sql_mode ANSI (names in double quotes) and strict (a value that does not fit is an
error), READ COMMITTED (a statement sees what was committed before it, as on
PostgreSQL), rows found rather than rows changed as the count of an UPDATE,
utf8mb4 with binary comparison ("Ada" is not "ada", as elsewhere).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import aiomysql.connection
from peewee import OP, SQL, DataError, IntegrityError, NodeList, OperationalError
from peewee import MySQLDatabase as PlainMySQL
from playhouse import pwasyncio
from pymysql.converters import escape_bytes

from core.store.dsn import Dsn

if not callable(aiomysql.connection.escape_bytes_prefixed):
    # PyMySQL 1.2 and later left aiomysql 0.3 a text under this name, so that no blob could be bound.
    aiomysql.connection.escape_bytes_prefixed = escape_bytes

LOCK_SECONDS = 10
"""How long a statement waits for another's row lock."""
FOUND_ROWS = 2
"""The client flag CLIENT_FOUND_ROWS."""
SQL_MODE = "ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
INIT = (
    f"SET SESSION sql_mode = '{SQL_MODE}';"
    " SET NAMES utf8mb4 COLLATE utf8mb4_bin;"
    " SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;"
    f" SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}"
)
TABLE = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
DEADLOCK = 1213
"""The whole transaction was rolled back: it may be run again."""
GONE = frozenset({1053, 1927, 2006, 2013, 2055})
"""Server shutdown, connection killed, server has gone away, connection lost."""
MADE_ALREADY = frozenset({1050, 1060, 1061})
"""Table, column, index exists: DDL commits by itself, so a migration that was cut off meets its own beginning."""
REFUSED: dict[int, type[Exception]] = {3819: IntegrityError, 4025: IntegrityError, 1690: DataError}
"""A CHECK that fails (MySQL, MariaDB), a number out of range in an expression: the driver calls them operational."""


def code(error: BaseException) -> int:
    """The server's (or the driver's) number of an error; 0: none."""
    for part in error.args:
        if isinstance(part, int):
            return part
        if isinstance(part, BaseException) and (found := code(part)):
            return found
    return 0


@lru_cache(maxsize=512)
def translate(sql: str) -> str:
    """Hand-written SQL in the form SQLite and PostgreSQL share, as MySQL takes it."""
    found = re.search(r"\s*ON CONFLICT\s*\(([^)]*)\)\s*DO\s+(NOTHING|UPDATE\s+SET\s+(.*))$", sql, re.S | re.I)
    if found:
        first = found[1].split(",")[0].strip()
        change = f"{first} = {first}"
        if found[3]:
            # The row that is there goes by the table's name in both; the row that was refused by VALUES().
            change = re.sub(r"\bexcluded\.(\w+)", r"VALUES(\1)", found[3])
        sql = f"{sql[: found.start()]} ON DUPLICATE KEY UPDATE {change}"
    return sql


@lru_cache(maxsize=512)
def translate_definition(sql: str) -> str:
    """CREATE and ALTER statements: whole 64-bit serials, texts and blobs of any length, binary comparison."""
    head = sql.lstrip()[:12].upper()
    if not head.startswith(("CREATE", "ALTER")):
        return sql
    for pattern, instead in _DEFINITIONS:
        sql = pattern.sub(instead, sql)
    return sql + TABLE if head.startswith("CREATE TABLE") else sql


_DEFINITIONS = tuple(
    (re.compile(pattern, re.I), instead)
    for pattern, instead in (
        (r"\bINTEGER PRIMARY KEY AUTOINCREMENT\b", "BIGINT AUTO_INCREMENT PRIMARY KEY"),
        (r"(?<![\"`\w])TEXT\b(?![\"`])", "LONGTEXT"),
        (r"(?<![\"`\w])BLOB\b(?![\"`])", "LONGBLOB"),
        # MySQL gives texts only expressions as defaults; MariaDB takes both forms.
        (r"(LONGTEXT NOT NULL) DEFAULT ('[^']*')", r"\1 DEFAULT (\2)"),
    )
)


class MySQL(pwasyncio.AsyncMySQLDatabase):  # type: ignore[misc, unused-ignore]
    """One class for both servers."""

    field_types = {**PlainMySQL.field_types, "TEXT": "LONGTEXT", "BLOB": "LONGBLOB", "FLOAT": "DOUBLE PRECISION"}  # noqa: RUF012
    operations = {  # noqa: RUF012
        **PlainMySQL.operations,
        "LIKE": "LIKE",
        "ILIKE": "COLLATE utf8mb4_general_ci LIKE",
        # Whole numbers divide to whole numbers, as on the other databases.
        OP.DIV: "DIV",
    }
    migrating = False
    """What a definition makes may be there already."""
    must_be_secure = False
    """The driver goes on in plain text where the server has no TLS."""

    def get_binary_type(self) -> type[bytes]:
        """What blobs are bound as."""
        return bytes

    def conflict_statement(self, on_conflict: Any, query: Any) -> Any:
        """No INSERT IGNORE, which would cut values that do not fit: see conflict_update()."""
        if _ignores(on_conflict):
            return None
        return super().conflict_statement(on_conflict, query)

    def conflict_update(self, on_conflict: Any, query: Any) -> Any:
        """ON DUPLICATE KEY knows no target: any unique key counts."""
        if _ignores(on_conflict):
            key = query.table._meta.primary_key.column  # noqa: SLF001
            return NodeList((SQL("ON DUPLICATE KEY UPDATE"), key, SQL("="), key))
        plain = on_conflict.clone()
        plain._conflict_target = None  # noqa: SLF001
        return super().conflict_update(plain, query)

    async def aconnect(self) -> Any:
        """The task's connection. Raises OperationalError inside a transaction whose connection was lost.

        A new one in its place would run the rest of the transaction by itself.
        """
        if self._state.transactions and self._lost():
            raise OperationalError(2013, "The connection was lost within a transaction.")
        return await super().aconnect()

    def _lost(self) -> bool:
        return self._state.conn is None or bool(self._state.conn.stale())

    def commit(self) -> None:
        """Raises OperationalError where there is nothing any more that could be committed."""
        if self._lost():
            raise OperationalError(2013, "The connection was lost before the transaction was committed.")
        super().commit()

    def rollback(self) -> None:
        """The server itself rolls back what a lost connection left."""
        if not self._lost():
            super().rollback()

    async def aexecute_sql(self, sql: str, params: Any = None) -> Any:
        """Raises IntegrityError and DataError for what the server refuses for good."""
        defines = sql.lstrip()[:6].upper() in ("CREATE", "ALTER ")
        try:
            return await super().aexecute_sql(translate_definition(sql) if defines else sql, params)
        except Exception as error:
            number = code(error)
            if defines and self.migrating and number in MADE_ALREADY:
                return pwasyncio.CursorAdapter()
            if number in REFUSED:
                raise REFUSED[number](*error.args) from error
            raise

    async def _pool_acquire(self, pool: Any) -> Any:
        connection = await super()._pool_acquire(pool)
        if self.must_be_secure and not connection.conn._secure:  # noqa: SLF001
            connection.conn.close()
            pool.release(connection.conn)
            raise OperationalError(2026, "The server offers no TLS, which SQL_DSN asks for.")
        return connection

    def drop_connection(self) -> None:
        """Closes the task's connection, so that the pool does not give it to anybody again."""
        connection = self._state.conn
        if connection is not None and connection.conn is not None:
            connection.conn.close()


def _ignores(on_conflict: Any) -> bool:
    return (on_conflict._action or "").lower() == "ignore"  # noqa: SLF001 - peewee's own drivers read it so


def open_mysql(dsn: Dsn, *, most: int, idle: int, lifetime: float, patience: float) -> MySQL:
    """A pool for a server; nothing is connected yet."""
    where: dict[str, Any] = {"host": dsn.host, "port": dsn.port}
    if dsn.socket:
        where = {"unix_socket": dsn.socket}
    if (context := dsn.tls_context()) is not None:
        where["ssl"] = context
    made = MySQL(
        dsn.name,
        user=dsn.user,
        password=dsn.password,
        charset="utf8mb4",
        init_command=INIT,
        client_flag=FOUND_ROWS,
        pool_size=most,
        pool_min_size=min(idle, most),
        # Above it a connection is made anew before it is used: servers end idle ones by themselves.
        pool_recycle=max(1, int(lifetime)),
        acquire_timeout=patience,
        **where,
    )
    made.must_be_secure = dsn.tls in ("true", "skip-verify")
    return made

"""The log at size: `python -m bench.logs --rows 1000000 [--dsn sqlite|postgres|postgres://...] [--repeat 40] [--keep DIR]`.

Makes a log of so many lines by straight SQL (skewed: few accounts, models and channels make most of them; 90 days;
one line in twenty is an error), sums it up as the migration does, and times what the pages of the console ask of the
store: lists, filters, statistics. Prints a table in Markdown: milliseconds at the median and at p95, and the slowest.
Without --dsn the database is SQLite in a temporary folder; `postgres` starts a throw-away server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
from isthmus.v1 import billing_pb2

from bench.table import markdown
from core.settings import CoreSettings
from core.store.database import MIGRATIONS, Database
from core.store.logs import Asked
from core.store.store import Store
from tests.servers.postgres import postgres

USERS, MODELS, CHANNELS, DAYS = 2000, 60, 30, 90
RECEIPT_BYTES = 700
STEP = 1_000_000
DAY = 86_400
AIM_MS = 200.0
INDEXES = (
    "logs_created_at_id", "logs_type_created_at", "logs_request_id", "logs_upstream_request_id", "logs_user_time",
    "logs_token_time", "logs_channel_time", "logs_model_time",
)  # fmt: skip
"""Made after the lines: in one go each."""
HOUR = "created_at / 3600 * 3600"

Ask = Callable[[], Awaitable[Any]]


def lines_sql(first: int, last: int, now: int, series: str) -> str:
    """Lines first..last: numbers that look like chance, the same in every database."""

    def chance(factor: int) -> str:
        return f"((n * {factor} % 1000003) / 1000003.0)"

    user, model, channel = (
        f"CAST({size} * {chance(factor)} * {chance(factor)} * {chance(factor)} AS INTEGER)"
        for size, factor in ((USERS, 7919), (MODELS, 104729), (CHANNELS, 15485863))
    )
    return (
        'INSERT INTO logs (user_id, created_at, type, content, username, token_name, model_name, "group", quota,'
        " prompt_tokens, completion_tokens, use_time, is_stream, channel_id, token_id, ip, request_id, entry, receipt,"
        f" other, upstream_request_id) SELECT u + 1, {now - DAYS * DAY} + CAST(n * {DAYS * DAY}.0 / :rows AS BIGINT),"
        " CASE WHEN n % 20 = 7 THEN 5 ELSE 2 END, '', 'user' || (u + 1), 'key' || (n % 3), 'model-' || m,"
        " CASE WHEN u % 10 = 0 THEN 'vip' ELSE 'default' END, CASE WHEN n % 20 = 7 THEN 0 ELSE n % 5000 END,"
        " n % 3000, n % 700, n % 30, :true, c + 1, u * 3 + n % 3 + 1, '', 'bench-' || n, 0, :receipt, '', 'up-' || n"
        f" FROM (SELECT n, {user} AS u, {model} AS m, {channel} AS c FROM {series}) AS made"
    )


def fill_sqlite(path: Path, rows: int, now: int) -> None:
    """Lines and sums of a SQLite file."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -400000", "temp_store = MEMORY"):
        database.execute(f"PRAGMA {pragma}")
    made = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'logs'"))
    for name in INDEXES:
        database.execute(f"DROP INDEX {name}")
    values = {"rows": rows, "receipt": os.urandom(RECEIPT_BYTES), "true": 1}
    for first in range(0, rows, STEP):
        last = min(first + STEP, rows) - 1
        series = (
            f"(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s)"
        )
        database.execute("BEGIN")
        database.execute(lines_sql(first, last, now, series), values)
        database.execute("COMMIT")
        tell(f"{last + 1} lines")
    for name in INDEXES:
        database.execute(made[name])
    tell("indexes")
    fill_sums(database.execute)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()


async def fill_postgres(dsn: str, rows: int, now: int) -> None:
    """Lines and sums of a PostgreSQL database."""
    database = await asyncpg.connect(dsn)
    found = await database.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'logs'")
    made = {row["indexname"]: row["indexdef"] for row in found}
    for name in INDEXES:
        await database.execute(f"DROP INDEX {name}")
    await database.execute("ALTER TABLE logs ALTER COLUMN receipt SET STORAGE EXTERNAL")
    receipt = f"'\\x{os.urandom(RECEIPT_BYTES).hex()}'::bytea"
    for first in range(0, rows, STEP):
        last = min(first + STEP, rows) - 1
        sql = lines_sql(first, last, now, f"generate_series({first}::bigint, {last}::bigint) AS s(n)")
        for name, value in (("rows", str(rows)), ("receipt", receipt), ("true", "true")):
            sql = sql.replace(f":{name}", value)
        await database.execute(sql)
        tell(f"{last + 1} lines")
    for name in INDEXES:
        await database.execute(made[name])
    tell("indexes")
    statements: list[str] = []
    fill_sums(statements.append)
    for statement in statements:
        await database.execute(statement)
    for table in ("logs", "usage_sums", "perf_metrics"):
        await database.execute(f"VACUUM ANALYZE {table}")
    await database.close()


def fill_sums(execute: Callable[[str], Any]) -> None:
    """What flushes would have added up."""
    (name,) = (path.stem for path in MIGRATIONS.glob("*_statistics.py"))
    importlib.import_module(f"core.store.migrations.{name}").fill(execute, HOUR)
    execute(
        'INSERT INTO perf_metrics (slot, bucket_ts, model_name, "group", request_count, success_count,'
        " total_latency_ms, ttft_sum_ms, ttft_count, output_tokens, generation_ms)"
        f" SELECT 'p' || MIN(id), {HOUR}, model_name, \"group\", COUNT(*), SUM(CASE WHEN type = 2 THEN 1 ELSE 0 END),"
        " SUM(use_time) * 1000, COUNT(*) * 300, COUNT(*), SUM(completion_tokens), SUM(use_time) * 900 FROM logs"
        f' GROUP BY {HOUR}, model_name, "group"'
    )
    tell("sums")


def tell(what: str) -> None:
    """Where it is, on the error stream."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


# -- what pages ask ---------------------------------------------------------------------------


def questions(store: Store, chance: random.Random, now: int, rows: int) -> Mapping[str, Ask]:
    """By name: what one look at a page asks of the store, about something else each time."""
    logs, usage = store.logs, store.statistics.usage

    def user() -> int:
        return int(USERS * chance.random() ** 3) + 1

    def model() -> str:
        return f"model-{int(MODELS * chance.random() ** 3)}"

    def past(days: int) -> int:
        return now - chance.randint(1, days * DAY)

    def listed(offset: int = 0, *, since: int = 0, until: int = 0, **equal: Any) -> Awaitable[Any]:
        return logs.list(Asked(equal, since=since, until=until), offset=offset, limit=100)

    def summed(since: int = 0, until: int = 0, **equal: Any) -> Awaitable[Any]:
        return logs.sums(now, Asked(equal, since=since, until=until))

    async def deep() -> None:
        at = past(DAYS)
        page = await logs.page(Asked(before=(at, 1 << 60)), 100)
        assert page

    def week() -> dict[str, int]:
        at = past(DAYS - 7)
        return {"since": at, "until": at + 7 * DAY}

    by = billing_pb2
    return {
        "list: newest": lambda: listed(),
        "list: page 100": lambda: listed(9_900),
        "list: by cursor, anywhere": deep,
        "list: a week": lambda: listed(**week()),
        "list: one account": lambda: listed(username=f"user{user()}"),
        "list: one's own, a week": lambda: listed(user_id=user(), **week()),
        "list: one model": lambda: listed(model_name=model()),
        "list: one channel, a week": lambda: listed(channel_id=chance.randint(1, CHANNELS), **week()),
        "list: one key": lambda: listed(token_id=user() * 3),
        "list: account and model": lambda: listed(username=f"user{user()}", model_name=model()),
        "list: errors": lambda: listed(type=5),
        "list: errors of a model": lambda: listed(type=5, model_name=model()),
        "list: a group": lambda: listed(group="vip"),
        "list: model pattern": lambda: listed(model_name=f"{model()}%"),
        "list: one request": lambda: listed(request_id=f"bench-{chance.randrange(rows)}"),
        "list: keys of a name": lambda: listed(token_name="key1"),
        "list: nobody's": lambda: listed(username="nobody"),
        "stat: everything": lambda: summed(),
        "stat: a week": lambda: summed(**week()),
        "stat: one account": lambda: summed(username=f"user{user()}"),
        "stat: one model, a week": lambda: summed(model_name=model(), **week()),
        "stat: one channel": lambda: summed(channel_id=chance.randint(1, CHANNELS)),
        "stat: one key of an account": lambda: summed(user_id=user(), token_name="key1"),
        "data: models, a day": lambda: usage(by.USAGE_BY_MODEL, since=(at := past(DAYS)), until=at + DAY),
        "data: models, 30 days": lambda: usage(by.USAGE_BY_MODEL, since=(at := past(DAYS)), until=at + 30 * DAY),
        "data: accounts, a day": lambda: usage(by.USAGE_BY_ACCOUNT, since=(at := past(DAYS)), until=at + DAY),
        "data: one's own, 30 days": lambda: usage(by.USAGE_BY_MODEL, since=now - 30 * DAY, user_id=user()),
        "data: channels, 7 days": lambda: usage(by.USAGE_BY_CHANNEL, since=(at := past(DAYS)), until=at + 7 * DAY),
        "flow: a day": lambda: usage(by.USAGE_BY_FLOW, since=(at := past(DAYS)), until=at + DAY),
        "flow: one's own, 30 days": lambda: usage(by.USAGE_BY_FLOW, since=now - 30 * DAY, user_id=user()),
        "performance: all models, 24 h": lambda: store.statistics.performance(now - DAY, 3600),
        "performance: one model, 30 days": lambda: store.statistics.performance(now - 30 * DAY, 3600, model=model()),
    }


async def measure(settings: CoreSettings, repeat: int, now: int, rows: int) -> list[tuple[str, ...]]:
    """Each question as often as asked, in turns, so that none finds its own pages still warm."""
    database = await Database.open(settings)
    try:
        asked = questions(Store(database, settings), random.Random(1), now, rows)
        times: dict[str, list[float]] = {name: [] for name in asked}
        for turn in range(repeat + 1):
            for name, ask in asked.items():
                began = time.perf_counter()
                await ask()
                if turn:
                    times[name].append((time.perf_counter() - began) * 1000)
    finally:
        await database.close()
    told = []
    for name, found in times.items():
        cuts = statistics.quantiles(found, n=20, method="inclusive")
        late = "" if cuts[18] <= AIM_MS else "above"
        told.append((name, f"{statistics.median(found):.1f}", f"{cuts[18]:.1f}", f"{max(found):.1f}", late))
    return told


@contextlib.contextmanager
def database_of(dsn: str, keep: str) -> Iterator[CoreSettings]:
    """Settings for a database of one's own."""
    with contextlib.ExitStack() as stack:
        folder = keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-logs-"))
        if dsn == "postgres":
            dsn = stack.enter_context(postgres())
        yield CoreSettings(data=Path(folder), sql_dsn="" if dsn == "sqlite" else dsn)


async def prepared(settings: CoreSettings) -> bool:
    """The tables; whether there are lines already."""
    database = await Database.open(settings)
    try:
        await database.migrate()
        return bool(await database.read(database.execute, "SELECT 1 FROM logs LIMIT 1"))
    finally:
        await database.close()


def main() -> None:
    """Fills, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dsn", default="sqlite", help="sqlite, postgres (a throw-away one), or an empty database")
    parser.add_argument("--repeat", type=int, default=40)
    parser.add_argument("--keep", default="", help="a folder for SQLite; a log that is there is measured as it is")
    arguments = parser.parse_args()
    now = int(time.time())
    with database_of(arguments.dsn, arguments.keep) as settings:
        began = time.monotonic()
        if not asyncio.run(prepared(settings)):
            if settings.sql_dsn:
                asyncio.run(fill_postgres(settings.sql_dsn, arguments.rows, now))
            else:
                fill_sqlite(settings.data / "isthmus.db", arguments.rows, now)
        filled = time.monotonic() - began
        told = asyncio.run(measure(settings, arguments.repeat, now, arguments.rows))
        print(f"{arguments.rows} lines, {arguments.dsn.split(':')[0]}, filled in {filled:.0f} s,", end=" ")
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print(markdown(("question", "median ms", "p95 ms", "slowest ms", f"{AIM_MS:.0f} ms"), told))


if __name__ == "__main__":
    main()

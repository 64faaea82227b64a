"""`isthmus import`: takes a database of New API over, and tells what became of every row."""

from __future__ import annotations

import sys
import time

from core.settings import CoreSettings
from core.store.database import Database
from core.store.store import Store
from core.takeover.source import NotNewApi, Source
from core.takeover.takeover import Takeover
from front.command.configuration import BadSetting

EVERY_SECONDS = 2.0
"""How often progress is told."""


class _Teller:
    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, table: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= EVERY_SECONDS:
            self._told = now
            print(f"{table}: {done} of {total}", file=sys.stderr, flush=True)  # noqa: T201


async def take_over(settings: CoreSettings, where: str, *, dry: bool, logs: bool) -> int:
    """Prints the report; 1 where what can be spent is not the same here as there."""
    try:
        source = await Source.open(where)
    except NotNewApi as error:
        raise BadSetting(f"--from: {error}") from error
    except ValueError as error:
        raise BadSetting(str(error).replace("SQL_DSN", "--from")) from error
    try:
        database = await Database.open(settings)
        try:
            await database.migrate()
            report = await Takeover(source, Store(database, settings), dry=dry, logs=logs, progress=_Teller()).run()
        finally:
            await database.close()
    finally:
        await source.close()
    print("\n".join(report.lines()), flush=True)  # noqa: T201
    return 0 if report.balanced else 1

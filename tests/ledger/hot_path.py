"""What the ledger costs every request, in CPU: `python -m tests.ledger.hot_path`. Figures, no promises."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from isthmus.v1 import billing_pb2, usage_pb2

from core.ledger import purses
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.ledger.tuning import Tuning
from core.settings import CoreSettings
from core.store.database import Database

REQUESTS = 500
ROUNDS = 40


def receipt(number: int) -> billing_pb2.Receipt:
    """A receipt as the pipeline makes one: an attempt, usage, four price lines."""
    made = billing_pb2.Receipt(
        request_id=f"req-{number:020d}",
        kind=billing_pb2.RECEIPT_KIND_CONSUME,
        settled_ms=1_700_000_000_000,
        account_id=7,
        username="ada",
        key_id=9,
        key_name="laptop",
        model="gpt-4o",
        group="default",
        started_ms=1_700_000_000_000,
        first_byte_ms=120,
        duration_ms=900,
        formula="(120 + 0 x 0.5 + 80 x 4) x 1.25 x 1",
        usage=usage_pb2.Usage(input_tokens=120, output_tokens=80),
        path="/v1/chat/completions",
    )
    made.attempts.add(channel_id=3)
    for _ in range(4):
        made.lines.add()
    made.factors["model_ratio"] = "1.25"
    made.factors["group_ratio"] = "1"
    return made


async def measure(folder: Path) -> None:
    """Prints microseconds of CPU for each step: the least of a few rounds."""
    settings = CoreSettings(data=folder, node="bench", journal_limit_mb=4096)
    database = await Database.open(settings)
    await database.migrate()
    wallet = await database.write(purses.create, database, 1, 1, "", 1 << 60)
    key = await database.write(purses.create, database, 2, 1, "", 1 << 60)
    ledger = await open_ledger(database, settings, tuning=Tuning(background=False, cap=1 << 50, batch=1 << 40))
    draws = Draws((key,), (wallet,))
    first = asyncio.ensure_future(ledger.reserve("first", draws, 100))
    while not first.done():
        await asyncio.sleep(0)
        await ledger.step()
    ledger.release(first.result())
    best = {"try_reserve": 9e9, "settle": 9e9, "flush": 9e9, "release": 9e9}

    def spent(name: str, started: float) -> None:
        best[name] = min(best[name], (time.process_time() - started) / REQUESTS * 1e6)

    for _ in range(ROUNDS):
        started = time.process_time()
        holds = [ledger.try_reserve(f"req-{number:020d}", draws, 100) for number in range(REQUESTS)]
        spent("try_reserve", started)
        started = time.process_time()
        for hold in holds:
            ledger.release(hold)
        spent("release", started)
        holds = [ledger.try_reserve(f"req-{number:020d}", draws, 100) for number in range(REQUESTS)]
        receipts = [receipt(number) for number in range(REQUESTS)]
        started = time.process_time()
        for hold, made in zip(holds, receipts, strict=True):
            ledger.settle(hold, 70, made)
        spent("settle", started)
        started = time.process_time()
        await ledger.flush()
        spent("flush", started)
    print(", ".join(f"{name} {cost:.1f} us" for name, cost in best.items()), f"({len(made.SerializeToString())} bytes)")
    ledger.abandon()
    await database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_folder:
        asyncio.run(measure(Path(made_folder)))

"""What the ledger's tests share: purses, receipts, what the database holds, journals of the dead."""

import asyncio
import struct

from isthmus.v1 import billing_pb2

from core.ledger import journal, purses
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger

HEADER_BYTES = 24
"""magic, base, carried: before a journal's first record."""


async def until(true, seconds=30.0):
    """Waits for a condition; the machine may be slow."""
    for _ in range(int(seconds * 100)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


async def purse_of(db, units, *, kind=1, owner=1):
    return await db.write(purses.create, db, kind, owner, "", units)


async def read(db, purse_id):
    found = await db.read(purses.read, db, purse_id)
    check_sums(found)
    return found


def check_sums(purse):
    assert purse.granted + purse.debt == purse.available + purse.leased + purse.settled
    assert min(purse.granted, purse.debt, purse.available, purse.leased, purse.settled) >= 0


def receipt():
    return billing_pb2.Receipt(kind=billing_pb2.RECEIPT_KIND_CONSUME, account_id=1)


async def rows(db, sql, params=()):
    return await db.read(db.execute, sql, params)


async def logged(db):
    return [row[0] for row in await rows(db, "SELECT request_id FROM logs ORDER BY request_id")]


async def dead_journal(db, settings, purse, count, units=10):
    """The path of the journal of a ledger that settled r0, r1, ... and died before it flushed any."""
    before = set((settings.data / "journal").glob("*" + journal.SUFFIX))
    ledger = await open_ledger(db, settings)
    for number in range(count):
        hold = await ledger.reserve(f"r{number}", Draws((), (purse,)), 50)
        ledger.settle(hold, units, receipt())
    ledger.abandon()
    (path,) = set((settings.data / "journal").glob("*" + journal.SUFFIX)) - before
    return path


def record_starts(data):
    starts, at = [], HEADER_BYTES
    while at < len(data):
        starts.append(at)
        at += 8 + struct.unpack_from("<I", data, at)[0]
    assert at == len(data)
    return starts

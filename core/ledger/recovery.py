"""What a dead worker left: its journal is replayed, its leases are given back.

Only who holds a journal's file lock replays it, and the lock is free only when
its owner is dead. Should a lock be useless (some network file systems), the
guard of every transaction still lets only one replayer through.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from isthmus.v1 import billing_pb2

from core.ledger import flush, journal, transactions
from core.ledger.purses import Sql
from core.ledger.record import ENDED, NOTED, PROGRESS, SETTLED, JournalDamaged, Record
from core.ledger.seams import REAL, Seams
from core.ledger.session import TOKEN_BYTES, Session
from core.ledger.transactions import Guard, GuardLost

logger = logging.getLogger("isthmus.ledger")
BATCH = 500


Refused = dict[Path, tuple[int, int, int]]
"""Journals that were not replayed, as they were then (inode, length, time of change): not read again until changed."""


async def recover_all(db: Any, folder: Path, seams: Seams = REAL, refused: Refused | None = None) -> int:
    """Replays every journal of the folder whose owner is dead; how many. Those that cannot be are kept and logged."""
    count = 0
    for path in sorted(folder.glob("*" + journal.SUFFIX)):
        fd = journal.lock(path)
        if fd is None:
            continue
        try:
            stat = os.fstat(fd)
            state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if refused is not None and refused.get(path) == state:
                continue
            try:
                count += await recover(db, fd, path, seams)
            except JournalDamaged as error:
                logger.critical("a journal is not replayed: %s", error)
                await db.write(_note_problem, db, path.name.removesuffix(journal.SUFFIX), str(error))
                if refused is not None:
                    refused[path] = state
            except GuardLost:
                logger.warning("another replayer was here first", extra={"journal": path.name})
        finally:
            os.close(fd)
    for path in sorted(folder.glob("*.new")):
        _sweep(path)
    return count


def _sweep(path: Path) -> None:
    """Removes a draft whose writer died before it bore a journal's name: nothing was ever promised from it."""
    fd = journal.lock(path)
    if fd is not None:
        path.unlink(missing_ok=True)
        os.close(fd)


async def recover(db: Any, fd: int, path: Path, seams: Seams = REAL) -> bool:
    """Replays one locked journal to its end and removes it; False: there was nothing to replay.

    Raises JournalDamaged, GuardLost, database errors.
    """
    incarnation = path.name.removesuffix(journal.SUFFIX)
    # In a thread, shielded: whoever waits may go, but a file being read is not closed under the reader.
    base, carried, records = await asyncio.shield(
        asyncio.ensure_future(asyncio.to_thread(_read, os.dup(fd), path.name))
    )
    row = await db.read(_row, db, incarnation)
    if row is None:
        if records or carried:
            # A database restored from a backup, or another one: what was settled must not vanish silently.
            raise JournalDamaged(f"{path.name}: the database does not know this journal; it is kept.")
        path.unlink(missing_ok=True)
        return False
    token, flushed_to, state = row
    if state == "closed":
        path.unlink(missing_ok=True)
        return False
    if flushed_to < base:
        raise JournalDamaged(f"{path.name}: begins at position {base}, but was flushed only to {flushed_to}.")
    todo = [record for record in records if record.end > flushed_to]
    left = _unfinished([*carried, *records])
    if left and flushed_to > (records[-1].end if records else base):
        # The machine died and took the file's end with it. What was flushed of it may have ended these requests.
        logger.critical(
            "the end of a journal is lost; the progress of unfinished requests is not billed",
            extra={"journal": path.name, "requests": len(left)},
        )
        left = []
    if state == "released":
        await _permanent_apart(lambda apart: db.write(_post_released, db, incarnation, [*todo, *left], seams, apart))
    else:
        session = Session(db, incarnation, token, flushed_to, seams)
        await _settle_rest(session, todo)
        await _permanent_apart(lambda apart: session.run(_finish, left, apart))
    logger.warning(
        "recovered the journal of a dead worker",
        extra={"journal": path.name, "records": len(todo), "state": state},
    )
    path.unlink(missing_ok=True)
    return True


def _read(fd: int, name: str) -> tuple[int, list[Record], list[Record]]:
    try:
        return journal.read(fd, name)
    finally:
        os.close(fd)


async def _permanent_apart(post: Callable[[bool], Awaitable[None]]) -> None:
    """Posts all at once; if the database refuses one of them for good, each by itself, those it refuses set aside."""
    try:
        await post(False)
    except Exception as error:
        if not flush.is_permanent(error):
            raise
        await post(True)


async def _settle_rest(session: Session, todo: Sequence[Record]) -> None:
    def posted(_: Sequence[Record], __: bool) -> None:
        """The database's offset is enough."""

    for start in range(0, len(todo), BATCH):
        await session.post(todo[start : start + BATCH], posted)


def _unfinished(records: Sequence[Record]) -> list[Record]:
    """What requests with progress and no end are billed: their last progress, as a settlement."""
    last: dict[str, Record] = {}
    for record in records:
        if record.kind == PROGRESS:
            last[record.request_id] = record
        elif record.kind in (SETTLED, ENDED, NOTED):
            last.pop(record.request_id, None)
    return [
        Record(SETTLED, record.request_id, record.entry, record.draws, _recovered(record)) for record in last.values()
    ]


def _recovered(record: Record) -> bytes:
    try:
        receipt = billing_pb2.Receipt.FromString(record.receipt)
    except DecodeError:
        return record.receipt  # posting it will meet the same, and set it aside
    receipt.ending = billing_pb2.ENDING_RECOVERED
    return receipt.SerializeToString()


def _finish(db: Sql, guard: Guard, left: Sequence[Record], apart: bool) -> None:
    transactions.enter(db, guard)
    post = flush.post_apart if apart else flush.post_within
    post(db, guard.incarnation, left, guard.seen_ms)
    transactions.close(db, guard.incarnation, "closed")


def _post_released(db: Sql, incarnation: str, todo: Sequence[Record], seams: Seams, apart: bool) -> None:
    """Receipts of a released incarnation: all units unbilled, no money moves; once, by the state."""
    changed = db.execute_count(
        "UPDATE journals SET state = 'closed', token = ? WHERE incarnation = ? AND state = 'released'",
        (seams.unique(TOKEN_BYTES), incarnation),
    )
    if changed != 1:
        raise GuardLost(incarnation)
    post = flush.post_apart if apart else flush.post_within
    post(db, incarnation, todo, seams.now_ms(), money=False)


def _row(db: Sql, incarnation: str) -> tuple[str, int, str] | None:
    rows = db.execute("SELECT token, flushed_to, state FROM journals WHERE incarnation = ?", (incarnation,))
    return (str(rows[0][0]), int(rows[0][1]), str(rows[0][2])) if rows else None


def _note_problem(db: Sql, incarnation: str, problem: str) -> None:
    db.execute_count("UPDATE journals SET problem = ? WHERE incarnation = ?", (problem, incarnation))


async def release_node(db: Any, node: str, seams: Seams = REAL) -> int:
    """Gives back the leases of a node that is gone with its disk; how many leases.

    Records found later are posted with all units unbilled, moving no money. A
    worker of that node that is alive after all stops taking requests.
    """
    return int(await db.write(_release, db, node, seams))


def _release(db: Sql, node: str, seams: Seams) -> int:
    leases = 0
    for (incarnation,) in db.execute(
        "SELECT incarnation FROM journals WHERE node = ? AND state = 'live' ORDER BY incarnation", (node,)
    ):
        # Takes the row's lock and voids the token, so that no flush under way can slip in between.
        if db.execute_count(
            "UPDATE journals SET token = ? WHERE incarnation = ? AND state = 'live'",
            (seams.unique(TOKEN_BYTES), incarnation),
        ):
            leases += transactions.close(db, incarnation, "released")
    return leases

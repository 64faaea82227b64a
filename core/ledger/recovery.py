"""What a dead worker left: its journal is replayed, its leases are given back.

Only who holds a journal's file lock replays it, and the lock is free only when
its owner is dead. Should a lock be useless (some network file systems), the
guard of every transaction still lets only one replayer through.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isthmus.v1 import billing_pb2

from core.ledger import flush, journal, transactions
from core.ledger.purses import Sql
from core.ledger.record import ENDED, NOTED, PROGRESS, SETTLED, JournalDamaged, Record
from core.ledger.session import Session, new_token
from core.ledger.transactions import Guard, GuardLost

logger = logging.getLogger("isthmus.ledger")
BATCH = 500


async def recover_all(db: Any, folder: Path) -> int:
    """Replays every journal of the folder whose owner is dead; how many. Those that cannot be are kept and logged."""
    count = 0
    for path in sorted(folder.glob("*" + journal.SUFFIX)):
        fd = journal.lock(path)
        if fd is None:
            continue
        try:
            count += await recover(db, fd, path)
        except JournalDamaged as error:
            logger.critical("a journal is damaged and is not replayed: %s", error)
            await db.write(_note_problem, db, path.name.removesuffix(journal.SUFFIX), str(error))
        except GuardLost:
            logger.warning("another replayer was here first", extra={"journal": path.name})
        finally:
            os.close(fd)
    for path in folder.glob("*.new"):
        _sweep(path)
    return count


def _sweep(path: Path) -> None:
    """Removes a draft whose writer died before it bore a journal's name: nothing was ever promised from it."""
    fd = journal.lock(path)
    if fd is not None:
        path.unlink(missing_ok=True)
        os.close(fd)


async def recover(db: Any, fd: int, path: Path) -> bool:
    """Replays one locked journal to its end and removes it. Raises JournalDamaged, GuardLost, database errors."""
    incarnation = path.name.removesuffix(journal.SUFFIX)
    base, carried, records = journal.read(fd, path.name)
    row = await db.read(_row, db, incarnation)
    if row is None:
        if records:
            # A database restored from a backup, or another one: what was settled must not vanish silently.
            logger.critical("the database does not know this journal; it is kept", extra={"journal": path.name})
            return False
        path.unlink(missing_ok=True)
        return False
    token, flushed_to, state = row
    if state == "closed":
        path.unlink(missing_ok=True)
        return False
    if flushed_to < base:
        raise JournalDamaged(f"{path.name}: begins at position {base}, but was flushed only to {flushed_to}.")
    todo = [record for record in records if record.end > flushed_to]
    if state == "released":
        await db.write(_post_released, db, incarnation, todo)
    else:
        session = Session(db, incarnation, token, flushed_to)
        await _settle_rest(session, todo)
        left = _unfinished([*carried, *records])
        await session.run(_finish, left)
    logger.warning(
        "recovered the journal of a dead worker",
        extra={"journal": path.name, "records": len(todo), "state": state},
    )
    path.unlink(missing_ok=True)
    return True


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
    billed = []
    for record in last.values():
        receipt = billing_pb2.Receipt.FromString(record.receipt)
        receipt.ending = billing_pb2.ENDING_RECOVERED
        billed.append(Record(SETTLED, record.request_id, record.entry, record.draws, receipt.SerializeToString()))
    return billed


def _finish(db: Sql, guard: Guard, left: Sequence[Record]) -> None:
    transactions.enter(db, guard)
    flush.post_within(db, guard.incarnation, left)
    transactions.close(db, guard.incarnation, "closed")


def _post_released(db: Sql, incarnation: str, todo: Sequence[Record]) -> None:
    """Receipts of a released incarnation: all units unbilled, no money moves; once, by the state."""
    changed = db.execute_count(
        "UPDATE journals SET state = 'closed', token = ? WHERE incarnation = ? AND state = 'released'",
        (new_token(), incarnation),
    )
    if changed != 1:
        raise GuardLost(incarnation)
    flush.post_within(db, incarnation, todo, money=False)


def _row(db: Sql, incarnation: str) -> tuple[str, int, str] | None:
    rows = db.execute("SELECT token, flushed_to, state FROM journals WHERE incarnation = ?", (incarnation,))
    return (str(rows[0][0]), int(rows[0][1]), str(rows[0][2])) if rows else None


def _note_problem(db: Sql, incarnation: str, problem: str) -> None:
    db.execute_count("UPDATE journals SET problem = ? WHERE incarnation = ?", (problem, incarnation))


async def release_node(db: Any, node: str) -> int:
    """Gives back the leases of a node that is gone with its disk; how many leases.

    Records found later are posted with all units unbilled, moving no money. A
    worker of that node that is alive after all stops taking requests.
    """
    return int(await db.write(_release, db, node))


def _release(db: Sql, node: str) -> int:
    leases = 0
    for (incarnation,) in db.execute(
        "SELECT incarnation FROM journals WHERE node = ? AND state = 'live' ORDER BY incarnation", (node,)
    ):
        # Takes the row's lock and voids the token, so that no flush under way can slip in between.
        if db.execute_count(
            "UPDATE journals SET token = ? WHERE incarnation = ? AND state = 'live'",
            (new_token(), incarnation),
        ):
            leases += transactions.close(db, incarnation, "released")
    return leases

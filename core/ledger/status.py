"""The state of the ledger, for operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.ledger.purses import Sql


@dataclass(frozen=True, slots=True)
class JournalState:
    """One incarnation that has not ended cleanly or is alive; leased in units, seen_ms Unix milliseconds."""

    incarnation: str
    node: str
    slot: int
    state: str
    seen_ms: int
    flushed_to: int
    leases: int
    leased: int
    problem: str


@dataclass(frozen=True, slots=True)
class Status:
    """Sums over all purses in units, journals that hold leases or live, records set aside."""

    purses: int
    granted: int
    available: int
    leased: int
    settled: int
    debt: int
    journals: tuple[JournalState, ...]
    set_aside: int

    def lines(self) -> list[str]:
        """The status as text."""
        text = [
            f"purses {self.purses}: granted {self.granted}, available {self.available}, leased {self.leased},"
            f" settled {self.settled}, debt {self.debt} units",
            f"records set aside: {self.set_aside}",
        ]
        text.extend(
            f"{each.node} slot {each.slot} {each.state}: {each.leases} leases of {each.leased} units,"
            f" last seen {each.seen_ms // 1000}, journal {each.incarnation}"
            + (f", PROBLEM: {each.problem}" if each.problem else "")
            for each in self.journals
        )
        return text


async def status(db: Any) -> Status:
    """Reads the state of the ledger."""
    found: Status = await db.read(_read, db)
    return found


def _read(db: Sql) -> Status:
    sums = db.execute(
        "SELECT count(*), coalesce(sum(granted), 0), coalesce(sum(available), 0), coalesce(sum(leased), 0),"
        " coalesce(sum(settled), 0), coalesce(sum(debt), 0) FROM purses"
    )[0]
    journals = db.execute(
        "SELECT j.incarnation, j.node, j.slot, j.state, j.seen_ms, j.flushed_to, count(l.purse_id),"
        " coalesce(sum(l.units), 0), j.problem FROM journals j LEFT JOIN leases l ON l.incarnation = j.incarnation"
        " WHERE j.state <> 'closed' GROUP BY j.incarnation, j.node, j.slot, j.state, j.seen_ms, j.flushed_to, j.problem"
        " ORDER BY j.node, j.slot, j.incarnation"
    )
    aside = int(db.execute("SELECT count(*) FROM set_aside")[0][0])
    return Status(
        purses=int(sums[0]),
        granted=int(sums[1]),
        available=int(sums[2]),
        leased=int(sums[3]),
        settled=int(sums[4]),
        debt=int(sums[5]),
        journals=tuple(
            JournalState(row[0], row[1], row[2], row[3], row[4], row[5], int(row[6]), int(row[7]), row[8])
            for row in journals
        ),
        set_aside=aside,
    )

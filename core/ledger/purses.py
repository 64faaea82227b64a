"""Purses: rows whose columns always add up, and the SQL that changes them.

granted + debt = available + leased + settled, each >= 0, held by CHECK
constraints. Functions here are synchronous: they run inside db.read or db.write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from isthmus.v1 import billing_pb2

from core.errors import RecordNotFound


class Sql(Protocol):
    """What these functions need of a Database: hand-written SQL inside a running transaction."""

    def execute(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def execute_count(self, sql: str, params: Any = ()) -> int:
        """The rows a statement changed."""


@dataclass(frozen=True, slots=True)
class Purse:
    """A purse as the database holds it; units. kind is a billing_pb2.PurseKind."""

    id: int
    kind: int
    owner_id: int
    period: str
    granted: int
    available: int
    leased: int
    settled: int
    debt: int

    @property
    def remaining(self) -> int:
        """What may still be spent: clients see it as quota."""
        return self.available + self.leased

    def message(self) -> billing_pb2.Purse:
        """The purse as a message."""
        return billing_pb2.Purse(
            id=self.id,
            kind=billing_pb2.PurseKind.ValueType(self.kind),
            owner_id=self.owner_id,
            period=self.period,
            granted=self.granted,
            available=self.available,
            leased=self.leased,
            settled=self.settled,
            debt=self.debt,
        )


_COLUMNS = "id, kind, owner_id, period, granted, available, leased, settled, debt"


def create(
    db: Sql, kind: int, owner_id: int, period: str = "", granted: int = 0, *, settled: int = 0, debt: int = 0
) -> int:
    """Makes a purse and gives its id; one that exists (same kind, owner, period) is left as it is.

    granted counts what may be spent; settled and debt are what an import brings
    along (used before, and a negative balance).
    """
    db.execute_count(
        "INSERT INTO purses (kind, owner_id, period, granted, available, leased, settled, debt)"
        " VALUES (?, ?, ?, ?, ?, 0, ?, ?) ON CONFLICT (kind, owner_id, period) DO NOTHING",
        (kind, owner_id, period, granted + max(settled - debt, 0), granted, max(settled, debt), debt),
    )
    return int(
        db.execute("SELECT id FROM purses WHERE kind = ? AND owner_id = ? AND period = ?", (kind, owner_id, period))[0][
            0
        ]
    )


def read_many(db: Sql, ids: Iterable[int]) -> dict[int, Purse]:
    """The purses of these ids that exist."""
    wanted = sorted(set(ids))
    found: dict[int, Purse] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ", ".join("?" * len(part))
        for row in db.execute(f"SELECT {_COLUMNS} FROM purses WHERE id IN ({marks})", part):  # noqa: S608 (marks only)
            purse = Purse(*row)
            found[purse.id] = purse
    return found


def read_owned(db: Sql, kind: int, owners: Iterable[int]) -> dict[int, Purse]:
    """The purses of one kind, without a period, that these owners have, by owner."""
    wanted = sorted(set(owners))
    found: dict[int, Purse] = {}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ", ".join("?" * len(part))
        sql = f"SELECT {_COLUMNS} FROM purses WHERE kind = ? AND period = '' AND owner_id IN ({marks})"  # noqa: S608 (marks only)
        found.update({row[2]: Purse(*row) for row in db.execute(sql, (kind, *part))})
    return found


def read(db: Sql, purse_id: int) -> Purse:
    """One purse. Raises RecordNotFound."""
    purse = read_many(db, (purse_id,)).get(purse_id)
    if purse is None:
        raise RecordNotFound("The purse does not exist.")
    return purse


def change(db: Sql, seen: Purse, delta: int, *, forgive: bool = False) -> bool:
    """Moves granted and available by delta, if the purse is still as seen and available stays >= 0.

    A grant pays debt first; with forgive the debt is granted away before. False:
    nothing was changed, read again (or recall leases).
    """
    granted, debt = seen.granted + delta, seen.debt
    if forgive:
        granted, debt = granted + debt, 0
    paid = min(debt, max(delta, 0))
    available = seen.available + delta - paid
    if available < 0 or granted < 0:
        return False
    return (
        db.execute_count(
            "UPDATE purses SET granted = ?, available = ?, debt = ?"
            " WHERE id = ? AND granted = ? AND available = ? AND debt = ? AND leased = ?",
            (granted, available, debt - paid, seen.id, seen.granted, seen.available, seen.debt, seen.leased),
        )
        == 1
    )


def grant(db: Sql, purse_id: int, units: int) -> None:
    """Adds units, debt paid first: one statement, whatever others do to the purse. Raises RecordNotFound."""
    if units < 0:
        raise ValueError("A grant is never negative.")
    # available before debt: MariaDB reads columns as the statement has left them so far.
    changed = db.execute_count(
        "UPDATE purses SET granted = granted + ?,"
        " available = available + CASE WHEN debt < ? THEN ? - debt ELSE 0 END,"
        " debt = CASE WHEN debt < ? THEN 0 ELSE debt - ? END WHERE id = ?",
        (units, units, units, units, units, purse_id),
    )
    if changed != 1:
        raise RecordNotFound("The purse does not exist.")


def spend(db: Sql, purse_id: int, units: int) -> bool:
    """Moves units that nobody holds from available to settled; False: there are not so many."""
    return (
        db.execute_count(
            "UPDATE purses SET available = available - ?, settled = settled + ? WHERE id = ? AND available >= ?",
            (units, units, purse_id, units),
        )
        == 1
    )


def recall(db: Sql, purse_id: int, until_ms: int) -> None:
    """Asks every worker to give back what it does not hold of this purse; void after until_ms (Unix ms)."""
    db.execute_count("UPDATE purses SET recall_until = ? WHERE id = ?", (until_ms, purse_id))

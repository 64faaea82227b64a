"""The transactions of one incarnation, each behind the same guard. Synchronous: they run inside db.write.

Every transaction begins by moving the journal row's token from the one known to
a new one, on the condition that flushed_to and the state are as known. One row,
or nothing happens. So each happens at most once, and after an error the token
tells which way it went (see fence).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.ledger.purses import Sql

LEASE_SHARE = 4
"""A lease takes at most available / (LEASE_SHARE x live workers)."""


class GuardLost(Exception):
    """The journal row is not as known: another replayer was here, or an operator released the node."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What a transaction expects of the journal row, and what it leaves there."""

    incarnation: str
    token: str
    flushed_from: int
    next_token: str
    flushed_to: int
    seen_ms: int


def enter(db: Sql, guard: Guard) -> None:
    """The first statement of every transaction. Raises GuardLost, so that all is rolled back."""
    changed = db.execute_count(
        "UPDATE journals SET flushed_to = ?, token = ?, seen_ms = ?"
        " WHERE incarnation = ? AND flushed_to = ? AND token = ? AND state = 'live'",
        (
            guard.flushed_to,
            guard.next_token,
            guard.seen_ms,
            guard.incarnation,
            guard.flushed_from,
            guard.token,
        ),
    )
    if changed != 1:
        raise GuardLost(guard.incarnation)


def fence(db: Sql, guard: Guard, fence_token: str) -> str:
    """After an error: makes sure the transaction can no longer happen, or finds that it did; the token that stands.

    The update waits for the row's lock, so for a commit still under way. Where it
    changes a row, the old token is gone and with it every delayed attempt.
    """
    db.execute_count(
        "UPDATE journals SET token = ? WHERE incarnation = ? AND token = ? AND state = 'live'",
        (fence_token, guard.incarnation, guard.token),
    )
    rows = db.execute("SELECT token, state FROM journals WHERE incarnation = ?", (guard.incarnation,))
    # The last transaction ends the incarnation: its token stands then, in a row that is no longer live.
    if not rows or (rows[0][1] != "live" and rows[0][0] != guard.next_token):
        raise GuardLost(guard.incarnation)
    return str(rows[0][0])


def register(db: Sql, incarnation: str, node: str, slot: int, now_ms: int, token: str) -> None:
    """The row of a new incarnation."""
    db.execute_count(
        "INSERT INTO journals (incarnation, node, slot, started_ms, seen_ms, flushed_to, token, state)"
        " VALUES (?, ?, ?, ?, ?, 0, ?, 'live')",
        (incarnation, node, slot, now_ms, now_ms, token),
    )


@dataclass(frozen=True, slots=True)
class Leased:
    """What lease() got of one purse, and what the purse held before: units."""

    units: int
    available: int
    leased: int


RECALL_MS = 1000
"""How long a shortage asks the other workers to give back what they do not hold."""


def lease(db: Sql, guard: Guard, needs: Mapping[int, Sequence[int]], cap: int) -> dict[int, Leased]:
    """Leases for waiting requests: purse id -> what each of them lacks, in order (none: a share in advance).

    As many requests as available covers are served, in order; beyond that the
    lease grows to its share, for those that come next. Where one is not served,
    or an administrator recalls, nobody leases more than requests need.
    """
    enter(db, guard)
    workers = max(1, int(db.execute("SELECT count(*) FROM journals WHERE state = 'live'")[0][0]))
    got: dict[int, Leased] = {}
    for purse_id in sorted(needs):
        for _ in range(3):
            rows = db.execute("SELECT available, leased, recall_until FROM purses WHERE id = ?", (purse_id,))
            available, leased, recall_until = rows[0] if rows else (0, 0, 0)
            got[purse_id] = Leased(0, available, leased)
            served, short = 0, False
            for need in needs[purse_id]:
                if served + need <= available:
                    served += need
                else:
                    short = True
            units = served
            if not short and recall_until <= guard.seen_ms:
                units = max(served, min(cap, available // (LEASE_SHARE * workers)))
            if short and leased:
                db.execute_count(
                    "UPDATE purses SET recall_until = ? WHERE id = ?", (guard.seen_ms + RECALL_MS, purse_id)
                )
            if units <= 0:
                break
            # Elsewhere the purse may have changed since it was read (PostgreSQL): conditional, and again.
            changed = db.execute_count(
                "UPDATE purses SET available = available - ?, leased = leased + ? WHERE id = ? AND available >= ?",
                (units, units, purse_id, units),
            )
            if changed == 1:
                db.execute_count(
                    "INSERT INTO leases (incarnation, purse_id, units) VALUES (?, ?, ?)"
                    " ON CONFLICT (incarnation, purse_id) DO UPDATE SET units = leases.units + excluded.units",
                    (guard.incarnation, purse_id, units),
                )
                got[purse_id] = Leased(units, available, leased)
                break
    return got


def give_back(db: Sql, guard: Guard, units: Mapping[int, int]) -> None:
    """Returns units of leases to their purses."""
    enter(db, guard)
    _return(db, guard.incarnation, units.items())


def move(db: Sql, incarnation: str, draws: Mapping[int, int]) -> None:
    """Moves units of leases to settled. Part of a flush, behind its guard."""
    for purse_id, units in sorted(draws.items()):
        purse = db.execute_count(
            "UPDATE purses SET leased = leased - ?, settled = settled + ? WHERE id = ?",
            (units, units, purse_id),
        )
        held = db.execute_count(
            "UPDATE leases SET units = units - ? WHERE incarnation = ? AND purse_id = ? AND units >= ?",
            (units, incarnation, purse_id, units),
        )
        if purse != 1 or held != 1:
            raise Inconsistent(f"The lease of {incarnation} on purse {purse_id} does not hold {units} units.")


class Inconsistent(ValueError):
    """A record wants units its lease does not hold: a defect; the record is set aside."""


def _return(db: Sql, incarnation: str, units: Iterable[tuple[int, int]]) -> None:
    for purse_id, part in sorted(units):
        db.execute_count(
            "UPDATE purses SET leased = leased - ?, available = available + ? WHERE id = ?",
            (part, part, purse_id),
        )
        db.execute_count(
            "UPDATE leases SET units = units - ? WHERE incarnation = ? AND purse_id = ?",
            (part, incarnation, purse_id),
        )
    db.execute_count("DELETE FROM leases WHERE incarnation = ? AND units = 0", (incarnation,))


def close(db: Sql, incarnation: str, state: str) -> int:
    """Gives back every lease of an incarnation and ends it; behind a guard, or by an operator. How many leases."""
    rows = db.execute("SELECT purse_id, units FROM leases WHERE incarnation = ?", (incarnation,))
    _return(db, incarnation, [(int(purse), int(units)) for purse, units in rows])
    db.execute_count("UPDATE journals SET state = ? WHERE incarnation = ?", (state, incarnation))
    return len(rows)


def recalled(db: Sql, incarnation: str, now_ms: int) -> list[int]:
    """Purses this incarnation leases of, that an administrator recalls."""
    return [
        int(row[0])
        for row in db.execute(
            "SELECT l.purse_id FROM leases l JOIN purses p ON p.id = l.purse_id"
            " WHERE l.incarnation = ? AND p.recall_until > ?",
            (incarnation, now_ms),
        )
    ]

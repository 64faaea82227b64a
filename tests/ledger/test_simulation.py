"""Seeds of the simulation, and the proof that it can fail: known bugs, each of which some seed must catch."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from core.ledger import journal, recovery, seams, transactions
from core.ledger.journal import Journal
from core.ledger.leases import Pools
from core.ledger.record import SETTLED
from core.ledger.safety import Safety
from core.ledger.session import Session
from core.ledger.settlement import Settlement
from core.ledger.transactions import GuardLost
from tests.ledger.simulation import simulate

SEEDS = 200
PARTS = 4
CATCH_WITHIN = 60
"""Seeds within which a known bug must be caught."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_breaks_in_whatever_order_the_promises_hold(part: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(part, SEEDS, PARTS):
        counts.update(simulate(seed).counts)
    # The seeds must not come to do nothing.
    for what in (
        "settled",
        "renewed",
        "paid-by-the-next",
        "released",
        "progress",
        "killed",
        "power-cut",
        "disk-lost",
        "full",
        "changed-purse",
    ):
        assert counts[what] > 0, f"no seed had {what}"


def test_a_seed_is_the_same_in_every_process() -> None:
    traces = set()
    for salt in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-m", "tests.ledger.simulation", "--seed", "11"],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        traces.add(printed.splitlines()[0])
    assert len(traces) == 1
    assert traces.pop().startswith("trace ")


def test_no_wall_clock_is_read_in_a_simulated_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("the world outside was asked")

    for name in ("clock", "now_ms", "unique", "write", "allocate", "sync"):
        before = getattr(seams.REAL, name)
        object.__setattr__(seams.REAL, name, never)
        try:
            simulate(3)
        finally:
            object.__setattr__(seams.REAL, name, before)
    for module in Path(journal.__file__).parent.glob("*.py"):
        names = {
            alias.name
            for node in ast.walk(ast.parse(module.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert module.name == "seams.py" or not names & {"time", "datetime", "random"}, module.name
    assert time.monotonic() > 0


# Known bugs


def skip_the_guard(patch: pytest.MonkeyPatch) -> None:
    def enter(db: Any, guard: Any) -> None:
        db.execute_count(
            "UPDATE journals SET flushed_to = ?, token = ? WHERE incarnation = ?",
            (guard.flushed_to, guard.next_token, guard.incarnation),
        )

    patch.setattr(transactions, "enter", enter)


def give_back_twice(patch: pytest.MonkeyPatch) -> None:
    give_back = transactions._return

    def twice(db: Any, incarnation: str, units: Any) -> None:
        parts = list(units)
        give_back(db, incarnation, parts)
        for purse, part in parts:
            db.execute_count(
                "UPDATE purses SET available = available + ?, granted = granted + ? WHERE id = ?", (part, part, purse)
            )

    patch.setattr(transactions, "_return", twice)


def pay_in_any_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pools, "is_short", lambda *_: True)


def bill_progress_and_settlement(patch: pytest.MonkeyPatch) -> None:
    unfinished = recovery._unfinished
    patch.setattr(
        recovery, "_unfinished", lambda records: unfinished([each for each in records if each.kind != SETTLED])
    )


def close_a_lease_by_age(patch: pytest.MonkeyPatch) -> None:
    lease = transactions.lease

    def close_old_ones(db: Any, guard: Any, *args: Any) -> Any:
        for (incarnation,) in db.execute(
            "SELECT incarnation FROM journals WHERE state = 'live' AND seen_ms < ?", (guard.seen_ms - 1000,)
        ):
            transactions.close(db, incarnation, "closed")
        return lease(db, guard, *args)

    patch.setattr(transactions, "lease", close_old_ones)


def forget_the_fence(patch: pytest.MonkeyPatch) -> None:
    async def resolve(self: Session) -> bool:
        attempt, self._unsure = self._unsure, None
        if attempt is not None:
            attempt.void()
        return False

    patch.setattr(Session, "resolve", resolve)


def ask_without_fencing(patch: pytest.MonkeyPatch) -> None:
    def look(db: Any, guard: Any, _: str) -> str:
        rows = db.execute("SELECT token, state FROM journals WHERE incarnation = ?", (guard.incarnation,))
        if not rows or rows[0][1] != "live":
            raise GuardLost(guard.incarnation)
        return str(rows[0][0]) if rows[0][0] == guard.next_token else guard.token

    patch.setattr(transactions, "fence", look)

    async def resolve(self: Session) -> bool:
        attempt = self._unsure
        if attempt is not None:
            attempt.fences.add(attempt.guard.token)
        return await found(self)

    found = Session.resolve
    patch.setattr(Session, "resolve", resolve)


def post_from_the_beginning(patch: pytest.MonkeyPatch) -> None:
    row = recovery._row

    def from_the_beginning(db: Any, incarnation: str) -> Any:
        found = row(db, incarnation)
        return found and (found[0], 0, found[2])

    def enter(db: Any, guard: Any) -> None:
        changed = db.execute_count(
            "UPDATE journals SET flushed_to = ?, token = ? WHERE incarnation = ? AND token = ? AND state = 'live'",
            (guard.flushed_to, guard.next_token, guard.incarnation, guard.token),
        )
        if changed != 1:
            raise GuardLost(guard.incarnation)

    patch.setattr(recovery, "_row", from_the_beginning)
    patch.setattr(transactions, "enter", enter)


def rotate_without_carrying(patch: pytest.MonkeyPatch) -> None:
    rotate = Journal.rotate
    patch.setattr(Journal, "rotate", lambda self, flushed_to, carried, room=0: rotate(self, flushed_to, (), room))


def ignore_the_lock(patch: pytest.MonkeyPatch) -> None:
    def unlocked(path: Path) -> int | None:
        try:
            return os.open(path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None

    patch.setattr(journal, "lock", unlocked)


def keep_no_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Journal, "room", lambda self, needed: True)


def progress_beyond_the_hold(patch: pytest.MonkeyPatch) -> None:
    split = Pools.split
    patch.setattr(Pools, "split", lambda self, hold, units, beyond: split(self, hold, units, beyond=True))


def answer_before_it_is_safe(patch: pytest.MonkeyPatch) -> None:
    async def settled(self: Safety) -> None:
        """At once."""

    patch.setattr(Safety, "settled", settled)


def settle_in_memory_only(patch: pytest.MonkeyPatch) -> None:
    append = Settlement._append

    def late(self: Settlement, data: bytes, *rest: Any) -> None:
        if len(self._books.pending) % 7 != 3:
            append(self, data, *rest)

    patch.setattr(Settlement, "_append", late)


def release_without_a_mark(patch: pytest.MonkeyPatch) -> None:
    def release(self: Settlement, hold: Any) -> None:
        self._books.pools.give_back(hold)
        self._ended(hold)

    patch.setattr(Settlement, "release", release)


BUGS = [
    skip_the_guard,
    give_back_twice,
    pay_in_any_order,
    bill_progress_and_settlement,
    close_a_lease_by_age,
    forget_the_fence,
    ask_without_fencing,
    post_from_the_beginning,
    rotate_without_carrying,
    ignore_the_lock,
    keep_no_room,
    progress_beyond_the_hold,
    answer_before_it_is_safe,
    settle_in_memory_only,
    release_without_a_mark,
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_known_bug_is_caught(bug: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)

    def all_seeds() -> None:
        for seed in range(CATCH_WITHIN):
            simulate(seed)

    with pytest.raises(AssertionError) as caught:
        all_seeds()
    # What fails says how to replay it.
    assert any("--seed" in note for note in caught.value.__notes__)

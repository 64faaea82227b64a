"""The transactions of one incarnation, one after the other, each certainly done or certainly void.

A commit whose answer was lost is neither, until the database can be asked:
the session then remembers it, and asks before it does anything else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from core.ledger import flush, transactions
from core.ledger.flush import is_permanent
from core.ledger.purses import Sql
from core.ledger.record import Record
from core.ledger.seams import REAL, Seams
from core.ledger.transactions import Guard, GuardLost

logger = logging.getLogger("isthmus.ledger")

TOKEN_BYTES = 12


class Unsure(Exception):
    """A transaction may or may not have happened, and the database does not tell now."""


def _ignore(_: Any = None) -> None:
    """Nothing depends on it."""


@dataclass(slots=True)
class _Attempt:
    guard: Guard
    done: Callable[[Any], None]
    void: Callable[[], None]
    results: list[Any] = field(default_factory=list)
    fences: set[str] = field(default_factory=set)


class Session:
    """Runs guarded transactions. Only one task may use it at a time."""

    def __init__(self, db: Any, incarnation: str, token: str, flushed_to: int, seams: Seams = REAL) -> None:
        self._db, self._seams = db, seams
        self.incarnation = incarnation
        self.token = token
        self.flushed_to = flushed_to
        self.lost = False
        """The journal row is no longer ours; nothing more may be done."""
        self._unsure: _Attempt | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether a transaction is under way, or its outcome is not known."""
        return self._unsure is not None

    async def run(
        self,
        fn: Callable[..., Any],
        *args: Any,
        to: int | None = None,
        done: Callable[[Any], None] = _ignore,
        void: Callable[[], None] = _ignore,
    ) -> None:
        """Runs fn(db, guard, *args) as one transaction, advancing flushed_to.

        Exactly one of done(result) and void() is called, be it later: after a
        lost answer (Unsure) the next run finds out first. Raises what fn raised
        once it is known to be void, GuardLost, Unsure.
        """
        try:
            await self.resolve()
        except BaseException:
            void()
            raise
        if self.lost:
            void()
            raise GuardLost(self.incarnation)
        target = self.flushed_to if to is None else to
        next_token, now_ms = self._seams.unique(TOKEN_BYTES), self._seams.now_ms()
        guard = Guard(self.incarnation, self.token, self.flushed_to, next_token, target, now_ms)
        attempt = _Attempt(guard, done, void)
        db: Sql = self._db

        def work() -> None:
            attempt.results[:] = [fn(db, guard, *args)]

        self._unsure = attempt
        try:
            await self._db.write(work)
        except Exception as error:
            if await self.resolve():
                return
            if isinstance(error, GuardLost):
                # The row was as known a moment later: a delayed write of our own met the fence.
                raise Unsure(self.incarnation) from error
            raise
        self._committed(attempt)

    def _committed(self, attempt: _Attempt) -> None:
        self._unsure = None
        self.token, self.flushed_to = attempt.guard.next_token, attempt.guard.flushed_to
        attempt.done(attempt.results[0])

    async def resolve(self) -> bool:
        """Finds out about a transaction whose answer was lost; True: it had happened. Raises Unsure, GuardLost."""
        attempt = self._unsure
        if attempt is None:
            return False
        mark = self._seams.unique(TOKEN_BYTES)
        attempt.fences.add(mark)
        try:
            stands = await self._db.write(transactions.fence, self._db, attempt.guard, mark)
        except GuardLost:
            self._lose(attempt)
            raise
        except Exception as error:
            raise Unsure(self.incarnation) from error
        if stands == attempt.guard.next_token:
            self._committed(attempt)
            return True
        if stands not in attempt.fences:
            self._lose(attempt)
            raise GuardLost(self.incarnation)
        self._unsure = None
        self.token = stands
        attempt.void()
        return False

    def _lose(self, attempt: _Attempt) -> None:
        self.lost, self._unsure = True, None
        attempt.void()

    async def post(self, records: Sequence[Record], posted: Callable[[Sequence[Record], bool], None]) -> None:
        """Flushes records; posted(part, moved) tells what has become final, in order.

        What the database refuses for good is found by halving and set aside: with
        its money if that can move, else without. Transient errors are raised, with
        what came before them posted.
        """
        end = records[-1].end
        try:
            await self.run(flush.post, records, to=end, done=lambda _: posted(records, True))
            return
        except Exception as error:
            if not is_permanent(error):
                raise
            reason = f"{type(error).__name__}: {error}"
        if len(records) > 1:
            middle = len(records) // 2
            await self.post(records[:middle], posted)
            await self.post(records[middle:], posted)
            return
        record = records[0]
        logger.critical(
            "a record cannot be posted and is set aside",
            extra={"request_id": record.request_id, "error": reason},
        )
        for moved in (True, False):
            try:
                await self.run(_aside, record, reason, moved, to=end, done=partial(_tell, posted, records, moved))
                return
            except Exception as error:
                if not is_permanent(error) or not moved:
                    raise


def _aside(db: Sql, guard: Guard, record: Record, reason: str, moved: bool) -> None:
    flush.aside(db, guard, record, reason, money=moved)


def _tell(posted: Callable[[Sequence[Record], bool], None], records: Sequence[Record], moved: bool, _: Any) -> None:
    posted(records, moved)

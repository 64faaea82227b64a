"""Check-ins: a row a day for each account, and what it was given for coming; row, purse and log in one transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from peewee import IntegrityError, fn

from core.errors import Conflict, RecordNotFound
from core.ledger import purses
from core.store.database import Database
from core.store.models import CheckIn, Log, User

SYSTEM = 4
"""logs.type of what the system does by itself (New API)."""


@dataclass(frozen=True, slots=True)
class Sums:
    """All of an account's: units, days."""

    quota: int
    days: int


class CheckIns:
    """Days are YYYY-MM-DD."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def month(self, user_id: int, month: str) -> tuple[list[CheckIn], Sums]:
        """The check-ins of a month, newest first, and the sums of all."""

        def run() -> tuple[list[CheckIn], Sums]:
            mine = CheckIn.user_id == user_id
            rows = (
                CheckIn.select()
                .where(mine, CheckIn.checkin_date.startswith(month))
                .order_by(CheckIn.checkin_date.desc())
            )
            sums: Any = CheckIn.select(fn.COALESCE(fn.SUM(CheckIn.quota_awarded), 0), fn.COUNT(CheckIn.id))
            quota, days = sums.where(mine).tuples().get()
            return list(rows.limit(31)), Sums(int(quota), int(days))

        return await self._database.read(run)

    async def on(self, user_id: int, day: str) -> bool:
        """Whether the account came on a day."""
        return bool(
            await self._database.read(
                lambda: CheckIn.select().where(CheckIn.user_id == user_id, CheckIn.checkin_date == day).exists()
            )
        )

    async def come(self, user_id: int, day: str, quota: int) -> None:
        """Notes that an account came, and gives it the units. Raises Conflict, with nothing given, if it did before."""

        def run() -> None:
            user = User.select().where(User.id == user_id, User.deleted_at == 0).first()
            if user is None:
                raise RecordNotFound("There is no such account.")
            now = int(time.time())
            # The guard: of all who come at once, one makes the row.
            CheckIn.create(user_id=user_id, checkin_date=day, quota_awarded=quota, created_at=now)
            if quota:
                purses.grant(self._database, user.purse_id, quota)
            Log.create(
                type=SYSTEM,
                user_id=user.id,
                username=user.username,
                quota=quota,
                content=f"checked in on {day}: got {quota} units",
                created_at=now,
            )

        try:
            await self._database.write(run)
        except IntegrityError as error:
            raise Conflict("You have checked in today.") from error

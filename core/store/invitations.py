"""What accounts get for inviting others: a purse beside the wallet, never leased, moved to the wallet by its owner."""

from __future__ import annotations

import time

from isthmus.v1 import billing_pb2

from core.errors import InsufficientQuota, Overloaded, RecordNotFound
from core.ledger import purses
from core.store.database import Database
from core.store.models import Log, User

KIND = billing_pb2.PURSE_KIND_INVITATION
SYSTEM = 4
"""logs.type of what the system does by itself (New API)."""
TRIES = 20
"""How often a wallet that other nodes change at the same moment is read again (PostgreSQL)."""


def reward(database: Database, inviter_id: int, units: int, invited: User) -> None:
    """Grants units to an inviter, inside a transaction of the caller's; a deleted one gets none."""
    inviter = User.select().where(User.id == inviter_id, User.deleted_at == 0).first()
    if inviter is None or units <= 0:
        return
    purse_id = purses.create(database, KIND, inviter.id)
    database.execute_count(
        "UPDATE purses SET granted = granted + ?, available = available + ? WHERE id = ?", (units, units, purse_id)
    )
    _note(inviter, units, f"got {units} units for inviting account {invited.id}")


def _note(user: User, units: int, content: str) -> None:
    Log.create(
        type=SYSTEM, user_id=user.id, username=user.username, quota=units, content=content, created_at=int(time.time())
    )


class Invitations:
    """Of every account that invited somebody."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def transfer(self, user_id: int, units: int) -> int:
        """Moves units to the wallet; what is left. Raises InsufficientQuota, Overloaded, with nothing changed."""
        database = self._database

        def run() -> int:
            user = User.select().where(User.id == user_id, User.deleted_at == 0).first()
            if user is None:
                raise RecordNotFound("There is no such account.")
            # The guard: of all who come at once, only as many pass as there are units.
            taken = database.execute_count(
                "UPDATE purses SET available = available - ?, settled = settled + ?"
                " WHERE kind = ? AND owner_id = ? AND period = '' AND available >= ?",
                (units, units, KIND, user_id, units),
            )
            if taken != 1:
                raise InsufficientQuota("There are not so many units from invitations.")
            for _ in range(TRIES):
                if purses.change(database, purses.read(database, user.purse_id), units):
                    break
            else:
                raise Overloaded("The wallet is being changed by others; try again.")
            _note(user, units, f"moved {units} units from invitations to the wallet")
            return purses.read_owned(database, KIND, (user_id,))[user_id].available

        return await database.write(run)

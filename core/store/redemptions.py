"""Redemption codes: encrypted rows found by their hash; redeeming moves code, purse and log in one transaction."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from core.errors import Overloaded, RecordNotFound
from core.ledger import purses
from core.store.database import Database
from core.store.models import Log, Redemption, User
from core.store.secrets import Vault

LIST_MOST = 100
ENABLED, USED = 1, 3
TOP_UP = 1
"""logs.type of money that came."""
CODE_BYTES = 16
TRIES = 20
"""How often a purse that other nodes change at the same moment is read again (PostgreSQL)."""


class Redemptions:
    """Deleted codes keep their row. Rows come with `key` decrypted."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def _open(self, row: Redemption) -> Redemption:
        row.key = self._vault.decrypt(row.key)
        return row

    async def create(self, count: int, **fields: Any) -> Sequence[str]:
        """New codes, all or none."""
        codes = [secrets.token_hex(CODE_BYTES) for _ in range(count)]
        sealed = [(self._vault.encrypt(code), self._vault.digest(code)) for code in codes]

        def run() -> None:
            now = int(time.time())
            for key, digest in sealed:
                Redemption.create(key=key, key_hash=digest, created_time=now, **fields)

        await self._database.write(run)
        return codes

    async def get(self, redemption_id: int) -> Redemption:
        """By id. Raises RecordNotFound."""
        row = await self._database.read(
            lambda: Redemption.select().where(Redemption.id == redemption_id, Redemption.deleted_at == 0).first()
        )
        if row is None:
            raise RecordNotFound("There is no such code.")
        return self._open(row)

    async def list(self, keyword: str = "", offset: int = 0, limit: int = 10) -> tuple[list[Redemption], int]:
        """Newest first, by the beginning of the name or by id; how many in all."""

        def run() -> tuple[list[Redemption], int]:
            query = Redemption.select().where(Redemption.deleted_at == 0)
            if keyword:
                match = Redemption.name.startswith(keyword)
                if keyword.isdecimal() and len(keyword) < 18:
                    match |= Redemption.id == int(keyword)
                query = query.where(match)
            page = query.order_by(Redemption.id.desc()).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count()

        rows, total = await self._database.read(run)
        return [self._open(row) for row in rows], total

    async def update(self, redemption_id: int, **fields: Any) -> Redemption:
        """Writes columns of a code that was not used. Raises RecordNotFound."""
        condition = (Redemption.id == redemption_id) & (Redemption.deleted_at == 0) & (Redemption.status != USED)

        def run() -> None:
            if fields and not Redemption.update(**fields).where(condition).execute():
                raise RecordNotFound("There is no such code, or it was used.")

        await self._database.write(run)
        return await self.get(redemption_id)

    async def delete(self, ids: Sequence[int], *, invalid: bool = False) -> int:
        """Softly: those of these ids, or every used, disabled or expired one; how many there were."""
        now = int(time.time())
        if invalid:
            ended = (Redemption.expired_time != 0) & (Redemption.expired_time < now)
            condition = (Redemption.status != ENABLED) | ended
        else:
            condition = Redemption.id.in_(list(ids))

        def run() -> int:
            query = Redemption.update(deleted_at=now).where(condition, Redemption.deleted_at == 0)
            return int(query.execute())

        return await self._database.write(run)

    async def redeem(self, code: str, account_id: int) -> int:
        """The units a code gave to an account's wallet. Raises RecordNotFound, Overloaded, with nothing changed."""
        digest = self._vault.digest(code)

        def run() -> int:
            now = int(time.time())
            row = Redemption.select().where(Redemption.key_hash == digest, Redemption.deleted_at == 0).first()
            user = User.select().where(User.id == account_id, User.deleted_at == 0).first()
            if row is None or user is None:
                raise RecordNotFound("The code is not valid.")
            # The guard: of all who come at once, one changes the row.
            taken = Redemption.update(status=USED, redeemed_time=now, used_user_id=account_id).where(
                Redemption.id == row.id,
                Redemption.status == ENABLED,
                Redemption.deleted_at == 0,
                (Redemption.expired_time == 0) | (Redemption.expired_time > now),
                # What is credited is what was read.
                Redemption.quota == row.quota,
            )
            if taken.execute() != 1:
                raise RecordNotFound("The code is not valid.")
            for _ in range(TRIES):
                if purses.change(self._database, purses.read(self._database, user.purse_id), row.quota):
                    break
            else:
                raise Overloaded("The wallet is being changed by others; try again.")
            Log.create(
                type=TOP_UP,
                user_id=user.id,
                username=user.username,
                quota=row.quota,
                content=f"redeemed code {row.id} for {row.quota} units",
                created_at=now,
            )
            return int(row.quota)

        return await self._database.write(run)

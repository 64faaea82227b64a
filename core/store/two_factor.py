"""Second factors: secrets encrypted, backup codes as keyed hashes; a try and its verdict are one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from core.store.database import Database
from core.store.models import BackupCode, TwoFactor, User
from core.store.secrets import Vault

FAILURES_MOST = 5
"""Wrong codes before none is taken for a while (New API's figure)."""
LOCK_SECONDS = 300
"""How long the first time (New API's figure); twice as long each time after, until a code was right."""
LOCK_SECONDS_MOST = 3600


class Verdict(Enum):
    """What became of a code."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    """Too many wrong ones came before: it was not looked at."""
    NONE = "none"
    """The account has no second factor (or none in this state)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's second factor. locked_until is Unix seconds."""

    enabled: bool
    locked_until: int
    backup_codes: int


Check = Callable[[str, int], int]
"""Secret and last step used -> the step a code belongs to, 0 for none."""


class TwoFactors:
    """One an account. Codes are looked at by the caller's check; this keeps count."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def standing(self, user_id: int) -> Standing:
        """How it is with an account."""

        def run() -> Standing:
            row = TwoFactor.select().where(TwoFactor.user_id == user_id, TwoFactor.is_enabled).first()
            if row is None:
                return Standing(False, 0, 0)
            left = BackupCode.select().where(BackupCode.user_id == user_id, ~BackupCode.is_used).count()
            return Standing(True, int(row.locked_until), int(left))

        return await self._database.read(run)

    async def prepare(self, user_id: int, secret: str, codes: Sequence[str]) -> bool:
        """Keeps a secret that is not asked for yet, with its backup codes; False where one is in force."""
        sealed, now = self._vault.encrypt(secret), int(time.time())

        def run() -> bool:
            held = TwoFactor.select().where(TwoFactor.user_id == user_id).first()
            if held is not None and held.is_enabled:
                return False
            columns: dict[str, Any] = {"secret": sealed, "created_at": now, "updated_at": now, "last_step": 0}
            if held is None:
                TwoFactor.create(user_id=user_id, **columns)
            elif not TwoFactor.update(**columns).where(TwoFactor.id == held.id, ~TwoFactor.is_enabled).execute():
                return False
            self._replace_codes(user_id, codes, now)
            return True

        return await self._database.write(run)

    async def renew_codes(self, user_id: int, codes: Sequence[str]) -> None:
        """Replaces the backup codes."""
        await self._database.write(self._replace_codes, user_id, codes, int(time.time()))

    def _replace_codes(self, user_id: int, codes: Sequence[str], now: int) -> None:
        BackupCode.delete().where(BackupCode.user_id == user_id).execute()
        for code in codes:
            BackupCode.create(user_id=user_id, code_hash=self._digest(user_id, code), created_at=now)

    def _digest(self, user_id: int, code: str) -> str:
        return self._vault.digest(f"backup code {user_id} {code}")

    async def attempt(self, user_id: int, check: Check, backup: str = "", *, enable: bool = False) -> Verdict:
        """Counts a try and looks at its code, by check, or as the backup code where one is named.

        enable: the secret is not in force yet and is from now on. A step of the authenticator, and a backup
        code, is good once: the row is held from the count to the verdict, so of two at once one is refused.
        """
        now = int(time.time())

        def run() -> Verdict:
            mine = (TwoFactor.user_id == user_id) & (TwoFactor.is_enabled == (not enable))
            counted = TwoFactor.update(failed_attempts=TwoFactor.failed_attempts + 1).where(
                mine, TwoFactor.locked_until <= now
            )
            if not counted.execute():
                return Verdict.LOCKED if TwoFactor.select().where(mine).exists() else Verdict.NONE
            row = TwoFactor.select().where(mine).first()
            step = 0 if backup else check(self._vault.decrypt(row.secret), row.last_step)
            if step or (backup and not enable and self._spend(user_id, backup, now)):
                columns = {"failed_attempts": 0, "last_used_at": now, "updated_at": now, "is_enabled": True}
                if step:
                    columns["last_step"] = step
                TwoFactor.update(**columns).where(TwoFactor.id == row.id).execute()
                return Verdict.RIGHT
            locks, rest = divmod(row.failed_attempts, FAILURES_MOST)
            if not rest:
                wait = min(LOCK_SECONDS << min(locks - 1, 8), LOCK_SECONDS_MOST)
                TwoFactor.update(locked_until=now + wait).where(TwoFactor.id == row.id).execute()
            return Verdict.WRONG

        return await self._database.write(run)

    def _spend(self, user_id: int, code: str, now: int) -> bool:
        spent = BackupCode.update(is_used=True, used_at=now).where(
            BackupCode.user_id == user_id, ~BackupCode.is_used, BackupCode.code_hash == self._digest(user_id, code)
        )
        return bool(spent.execute())

    async def remove(self, user_id: int) -> bool:
        """Forgets secret and codes; False where there was nothing."""
        return await self._database.write(forget, user_id)

    async def stats(self) -> tuple[int, int]:
        """Accounts that are not deleted, and those of them with a second factor."""

        def run() -> tuple[int, int]:
            living = User.select(User.id).where(User.deleted_at == 0)
            enabled = TwoFactor.select().where(TwoFactor.is_enabled, TwoFactor.user_id.in_(living))
            return living.count(), enabled.count()

        return await self._database.read(run)


def forget(user_id: int) -> bool:
    """The same inside a transaction of the caller's."""
    BackupCode.delete().where(BackupCode.user_id == user_id).execute()
    return bool(TwoFactor.delete().where(TwoFactor.user_id == user_id).execute())

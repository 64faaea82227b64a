"""Proofs: something to be shown once, soon, with few tries. Kept as keyed hashes, shared by all workers."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.store.database import Database
from core.store.models import Proof
from core.store.secrets import Vault

LOGIN = "login"
"""A sign-in whose password was right, and that waits for its second factor. The subject is the secret itself."""
ADDRESS = "address"
"""A code that proves a mail address."""
RESET = "reset"
"""A link that resets a password."""
PASSKEY = "passkey"
"""A challenge for a passkey. The subject is the secret that Begin gave, and the session it was made for."""
PASSKEY_SHOWN = "passkey-shown"
"""A session whose owner has just shown the passkey."""
HUMAN = "human"
"""A Turnstile token that was right, from an address."""
OAUTH = "oauth"
"""A sign-in at a provider. The subject is the state, and the secret of the browser that began it."""
COUNT = "count"
"""No proof but a count of tries, shared by all workers: allow()."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A proof that was right, or one that still stands. detail is what put() was given."""

    account_id: int
    detail: str


class Proofs:
    """One of a purpose for each subject; a new one replaces it."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def _subject(self, purpose: str, subject: str) -> str:
        return self._vault.digest(f"proof {purpose} {subject}")

    def _code(self, purpose: str, subject: str, code: str) -> str:
        return self._vault.digest(f"proof {purpose} {subject}\n{code}") if code else ""

    async def put(
        self,
        purpose: str,
        subject: str,
        seconds: int,
        attempts: int,
        *,
        code: str = "",
        account_id: int = 0,
        detail: str = "",
    ) -> None:
        """Keeps one for so many seconds and tries; those that ended are cleaned away by the way."""
        digest, sealed, now = self._subject(purpose, subject), self._code(purpose, subject, code), int(time.time())

        def run() -> None:
            Proof.delete().where(Proof.expires_at <= now).execute()
            columns = {
                Proof.code_hash: sealed, Proof.account_id: account_id, Proof.detail: detail,
                Proof.attempts: attempts, Proof.created_at: now, Proof.expires_at: now + seconds,
            }  # fmt: skip
            Proof.insert({Proof.purpose: purpose, Proof.subject_hash: digest, **columns}).on_conflict(
                conflict_target=[Proof.purpose, Proof.subject_hash], update=columns
            ).execute()

        await self._database.write(run)

    async def attempt(self, purpose: str, subject: str) -> Shown | None:
        """Takes one of its tries and leaves it standing; None: there is none, or no try is left."""
        digest, now = self._subject(purpose, subject), int(time.time())

        def run() -> Shown | None:
            mine = (Proof.purpose == purpose) & (Proof.subject_hash == digest)
            taken = Proof.update(attempts=Proof.attempts - 1).where(mine, Proof.attempts > 0, Proof.expires_at > now)
            if not taken.execute():
                return None
            row = Proof.select().where(mine).first()
            return Shown(int(row.account_id), str(row.detail))

        return await self._database.write(run)

    async def spend(self, purpose: str, subject: str, code: str = "") -> Shown | None:
        """Ends one, if its code is right; None: it is not, and a try is gone, or there was none."""
        digest, sealed, now = self._subject(purpose, subject), self._code(purpose, subject, code), int(time.time())

        def run() -> Shown | None:
            mine = (Proof.purpose == purpose) & (Proof.subject_hash == digest)
            # The update comes first: it holds the row, so of two at once the second finds it gone.
            taken = Proof.update(attempts=Proof.attempts - 1).where(mine, Proof.expires_at > now)
            if not taken.execute():
                return None
            row = Proof.select().where(mine).first()
            if (sealed and row.attempts < 0) or not hmac.compare_digest(str(row.code_hash), sealed):
                return None
            if not Proof.delete().where(Proof.id == row.id).execute():
                return None
            return Shown(int(row.account_id), str(row.detail))

        return await self._database.write(run)

    async def allow(self, most: Mapping[str, int], seconds: int) -> bool:
        """Counts one try of each name; False, and none counted, where one had its most within the seconds.

        The time begins with the first try of a name.
        """
        digests, now = {self._subject(COUNT, name): limit for name, limit in sorted(most.items())}, int(time.time())

        def run() -> bool:
            Proof.delete().where(Proof.expires_at <= now).execute()
            rows = [
                {"purpose": COUNT, "subject_hash": digest, "attempts": limit, "created_at": now,
                 "expires_at": now + seconds}
                for digest, limit in digests.items()
            ]  # fmt: skip
            Proof.insert_many(rows).on_conflict_ignore().execute()
            mine = (Proof.purpose == COUNT) & Proof.subject_hash.in_(list(digests))
            taken = Proof.update(attempts=Proof.attempts - 1).where(mine, Proof.attempts > 0)
            if taken.execute() == len(digests):
                return True
            raise _Refused

        try:
            return await self._database.write(run)
        except _Refused:
            return False

    async def settle(self, forget: Sequence[str], give_back: str = "") -> None:
        """Forgets what was counted of names; takes back one count of another."""
        gone = [self._subject(COUNT, name) for name in forget]
        back = self._subject(COUNT, give_back) if give_back else ""

        def run() -> None:
            if gone:
                Proof.delete().where(Proof.purpose == COUNT, Proof.subject_hash.in_(gone)).execute()
            if back:
                Proof.update(attempts=Proof.attempts + 1).where(
                    Proof.purpose == COUNT, Proof.subject_hash == back
                ).execute()

        await self._database.write(run)


class _Refused(Exception):
    """Rolls counts back."""

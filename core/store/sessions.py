"""Sessions that are open: a row each, so that they can be shown and ended one by one."""

from __future__ import annotations

import time

from core.store import changes
from core.store.database import Database
from core.store.models import OpenSession
from core.store.secrets import Vault

MOST = 100
"""Of one account; the oldest go."""
SEEN_SECONDS = 600
"""A session that is used is written so often at most."""


class Sessions:
    """What a browser shows is not kept, only its keyed hash."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def digest(self, session: str) -> str:
        """By which a session is found."""
        return self._vault.digest(f"session {session}")

    async def open(self, session: str, user_id: int, expires_at: int, method: str, address: str, agent: str) -> None:
        """Keeps one; those that ended are cleaned away by the way."""
        digest, now = self.digest(session), int(time.time())

        def run() -> None:
            OpenSession.delete().where(OpenSession.expires_at <= now).execute()
            kept = OpenSession.select(OpenSession.id).where(OpenSession.user_id == user_id)
            old = [row.id for row in kept.order_by(OpenSession.id.desc()).offset(MOST - 1).limit(MOST)]
            if old:
                OpenSession.delete().where(OpenSession.id.in_(old)).execute()
                changes.note(self._database, changes.ACCOUNT, user_id)
            OpenSession.create(
                user_id=user_id,
                session_hash=digest,
                method=method[:64],
                address=address[:64],
                agent=agent[:255],
                created_at=now,
                last_seen_at=now,
                expires_at=expires_at,
            )

        await self._database.write(run)

    async def alive(self, digest: str, idle: float) -> bool:
        """Whether it is open and was used within the last idle seconds (0: whenever); notes that it is used."""
        now = int(time.time())
        row = await self._database.read(
            lambda: OpenSession.select().where(OpenSession.session_hash == digest, OpenSession.expires_at > now).first()
        )
        if row is None or (idle and row.last_seen_at + idle <= now):
            return False
        if row.last_seen_at + SEEN_SECONDS <= now:
            await self._database.write(
                lambda: OpenSession.update(last_seen_at=now).where(OpenSession.id == row.id).execute()
            )
        return True

    async def of(self, user_id: int, idle: float) -> list[OpenSession]:
        """An account's that are open, newest first."""
        now = int(time.time())

        def run() -> list[OpenSession]:
            query = OpenSession.select().where(
                OpenSession.user_id == user_id,
                OpenSession.expires_at > now,
                OpenSession.last_seen_at > (now - idle if idle else -1),
            )
            return list(query.order_by(OpenSession.id.desc()).limit(MOST))

        return await self._database.read(run)

    async def end(self, user_id: int, session_id: int = 0, *, digest: str = "") -> bool:
        """Ends one of an account's, by id or by hash; False where there is none."""
        one = (OpenSession.session_hash == digest) if digest else (OpenSession.id == session_id)

        def run() -> bool:
            ended = OpenSession.delete().where(OpenSession.user_id == user_id, one).execute()
            if ended:
                changes.note(self._database, changes.ACCOUNT, user_id)
            return bool(ended)

        return await self._database.write(run)


def forget(user_id: int) -> None:
    """All of an account's, inside a transaction of the caller's."""
    OpenSession.delete().where(OpenSession.user_id == user_id).execute()

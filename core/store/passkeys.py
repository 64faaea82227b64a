"""Passkeys: one an account, found by the hash of the credential's id."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

from peewee import IntegrityError

from core.errors import Conflict
from core.store.database import Database
from core.store.models import Passkey


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a browser has shown. credential_id and public_key are base64."""

    raw_id: bytes
    credential_id: str
    public_key: str
    attestation_type: str
    aa_guid: str
    sign_count: int
    user_verified: bool
    backup_eligible: bool
    backup_state: bool


def _hash(raw_id: bytes) -> str:
    return hashlib.sha256(raw_id).hexdigest()


class Passkeys:
    """Nothing in here is secret: a passkey's private half never leaves its device."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: int) -> Passkey | None:
        """An account's."""
        return await self._database.read(lambda: Passkey.select().where(Passkey.user_id == user_id).first())

    async def find(self, raw_id: bytes) -> Passkey | None:
        """By the credential's id."""
        return await self._database.read(
            lambda: Passkey.select().where(Passkey.credential_hash == _hash(raw_id)).first()
        )

    async def put(self, user_id: int, made: NewPasskey) -> None:
        """Keeps one instead of what the account had. Raises Conflict where the credential is another account's."""

        def run() -> None:
            Passkey.delete().where(Passkey.user_id == user_id).execute()
            Passkey.create(
                user_id=user_id,
                credential_hash=_hash(made.raw_id),
                credential_id=made.credential_id,
                public_key=made.public_key,
                attestation_type=made.attestation_type,
                aa_guid=made.aa_guid,
                sign_count=made.sign_count,
                user_verified=made.user_verified,
                backup_eligible=made.backup_eligible,
                backup_state=made.backup_state,
                created_at=int(time.time()),
            )

        try:
            await self._database.write(run)
        except IntegrityError as error:
            raise Conflict("The passkey belongs to an account already.") from error

    async def used(self, seen: Passkey, sign_count: int, user_verified: bool, backup_state: bool) -> bool:
        """Notes a sign-in; False where another one came between, whose counter was read, too."""
        columns = {
            "sign_count": sign_count, "user_verified": user_verified, "backup_state": backup_state,
            "last_used_at": int(time.time()),
        }  # fmt: skip

        def run() -> bool:
            mine = (Passkey.id == seen.id) & (Passkey.sign_count == seen.sign_count)
            return bool(Passkey.update(**columns).where(mine).execute())

        return await self._database.write(run)

    async def suspect(self, passkey_id: int) -> None:
        """Its counter went back: there may be a copy of it."""
        await self._database.write(lambda: Passkey.update(clone_warning=True).where(Passkey.id == passkey_id).execute())

    async def remove(self, user_id: int) -> bool:
        """False where there was none."""
        return await self._database.write(forget, user_id)


def forget(user_id: int) -> bool:
    """The same inside a transaction of the caller's."""
    return bool(Passkey.delete().where(Passkey.user_id == user_id).execute())

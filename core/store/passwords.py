"""Passwords: argon2id; New API's bcrypt hashes are accepted and replaced at the next login."""

from __future__ import annotations

import asyncio

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()
_NOBODY = _hasher.hash("nobody's password")
"""Checked for unknown names, so that they take as long as known ones."""


def _verify(stored: str, password: str) -> tuple[bool, bool]:
    if stored.startswith("$2"):
        try:
            return bcrypt.checkpw(password.encode()[:72], stored.encode()), True
        except ValueError:
            return False, False
    try:
        _hasher.verify(stored or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False, False
    return bool(stored), _hasher.check_needs_rehash(stored or _NOBODY)


async def hash_password(password: str) -> str:
    """The hash to store; takes some 50 ms, in a thread."""
    return await asyncio.to_thread(_hasher.hash, password)


async def verify_password(stored: str, password: str) -> tuple[bool, bool]:
    """Whether it is right, and whether the hash should be made anew. stored "": nobody; takes as long."""
    return await asyncio.to_thread(_verify, stored, password)

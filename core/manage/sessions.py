"""Sessions: a signed text that names an account and when it was issued; nothing is kept on the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import struct
import time
from dataclasses import dataclass

from core.errors import Forbidden, SessionInvalid

LIFE_SECONDS = 30 * 24 * 3600
"""As New API's cookie."""
_BODY = struct.Struct(">qqq8s")
"""Account, issued, expires, chance: no two sign-ins give the same text."""


@dataclass(frozen=True, slots=True)
class Session:
    """Whose, since when, until when (Unix seconds)."""

    account_id: int
    issued_at: int
    expires_at: int


def next_epoch(current: int) -> int:
    """An epoch that ends every session there is: those of this very second, and those a newer epoch was given."""
    return max(int(time.time()), current) + 1


def issue(key: bytes, account_id: int, now: int) -> tuple[str, Session]:
    """The text that proves a new session."""
    session = Session(account_id, now, now + LIFE_SECONDS)
    body = _BODY.pack(session.account_id, session.issued_at, session.expires_at, os.urandom(8))
    return base64.urlsafe_b64encode(body + _sign(key, body)).decode(), session


def read(key: bytes, text: str, now: int) -> Session:
    """The session a text proves. Raises SessionInvalid."""
    try:
        raw = base64.urlsafe_b64decode(text.encode())
    except ValueError as error:
        raise SessionInvalid() from error
    body, signature = raw[: _BODY.size], raw[_BODY.size :]
    if len(body) != _BODY.size or not hmac.compare_digest(signature, _sign(key, body)):
        raise SessionInvalid()
    session = Session(*_BODY.unpack(body)[:3])
    if session.expires_at <= now:
        raise SessionInvalid()
    return session


VERIFIED_SECONDS = 300
"""How long a verification opens guarded calls (New API's figure)."""
_VERIFIED = struct.Struct(">q16s")
"""Its end, and the method it was made by."""


class VerificationRequired(Forbidden):
    """The call asks for a fresh proof of who is calling: AccessService.Verify."""

    reason = "VERIFICATION_REQUIRED"
    code = "VERIFICATION_REQUIRED"
    default_message = "Prove once more who you are."


class VerificationExpired(VerificationRequired):
    """The proof is too old."""

    reason = "VERIFICATION_EXPIRED"
    code = "VERIFICATION_EXPIRED"


class VerificationInvalid(VerificationRequired):
    """The proof is not of this session."""

    reason = "VERIFICATION_INVALID"
    code = "VERIFICATION_INVALID"


def issue_verification(key: bytes, session: str, now: int, method: str) -> tuple[str, int]:
    """The text that proves a verification of this very session by a method, and its end."""
    ends = now + VERIFIED_SECONDS
    body = _VERIFIED.pack(ends, method.encode())
    return base64.urlsafe_b64encode(body + _sign(key, b"verified" + body + session.encode())).decode(), ends


def check_verification(key: bytes, session: str, text: str, now: int, methods: tuple[str, ...] = ()) -> None:
    """Whether a session was verified; by one of these methods, where some are named.

    Raises VerificationRequired, VerificationInvalid, VerificationExpired.
    """
    if not session or not text:
        raise VerificationRequired()
    try:
        raw = base64.urlsafe_b64decode(text.encode())
    except ValueError as error:
        raise VerificationInvalid() from error
    body, signature = raw[: _VERIFIED.size], raw[_VERIFIED.size :]
    if len(body) != _VERIFIED.size or not hmac.compare_digest(
        signature, _sign(key, b"verified" + body + session.encode())
    ):
        raise VerificationInvalid()
    ends, method = _VERIFIED.unpack(body)
    if ends <= now:
        raise VerificationExpired()
    if methods and method.rstrip(b"\0").decode() not in methods:
        raise VerificationRequired(f"Prove once more who you are, by {' or '.join(methods)}.")


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()

"""Sessions: a signed text that names an account and when it was issued; nothing is kept on the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass

from core.errors import SessionInvalid

LIFE_SECONDS = 30 * 24 * 3600
"""As New API's cookie."""
_BODY = struct.Struct(">qqq")


@dataclass(frozen=True, slots=True)
class Session:
    """Whose, since when, until when (Unix seconds)."""

    account_id: int
    issued_at: int
    expires_at: int


def issue(key: bytes, account_id: int, now: int) -> tuple[str, Session]:
    """The text that proves a new session."""
    session = Session(account_id, now, now + LIFE_SECONDS)
    body = _BODY.pack(session.account_id, session.issued_at, session.expires_at)
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
    session = Session(*_BODY.unpack(body))
    if session.expires_at <= now:
        raise SessionInvalid()
    return session


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()

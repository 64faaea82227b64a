"""One-time passwords by time (RFC 6238 over RFC 4226): SHA-1, six digits, 30 s, as authenticators expect. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from urllib.parse import quote, urlencode

DIGITS = 6
STEP_SECONDS = 30
WINDOW = 1
"""Steps a clock may be off, either way."""
SECRET_BYTES = 20
"""As long as SHA-1's output (RFC 4226, 4: at least 16, 20 recommended)."""


def password(key: bytes, step: int, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """The password of one step."""
    digest = hmac.new(key, struct.pack(">Q", step), getattr(hashlib, algorithm)).digest()
    at = digest[-1] & 0x0F
    number = struct.unpack_from(">I", digest, at)[0] & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def find_step(secret: str, code: str, now: int, last_step: int) -> int:
    """The step a code belongs to, later than the last one used; 0: none. secret: base32, without padding."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    found = 0
    for step in range(now // STEP_SECONDS - WINDOW, now // STEP_SECONDS + WINDOW + 1):
        # Every step is looked at, so that the time taken tells nothing.
        right = hmac.compare_digest(password(key, step).encode(), code.encode())
        if right and step > last_step:
            found = step
    return found


def encode_secret(raw: bytes) -> str:
    """As people type it: base32 without padding."""
    return base64.b32encode(raw).decode().rstrip("=")


def uri(secret: str, issuer: str, name: str) -> str:
    """What a QR code holds for authenticators (Google Authenticator's key URI format)."""
    label = quote(f"{issuer}:{name}", safe="")
    asked = urlencode({"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}, quote_via=quote)
    return f"otpauth://totp/{label}?{asked}"

"""Signatures of thoughts and calls: opaque to clients, checked when they come back.

A signature holds a digest of what it signs, a salt of the answer, and a MAC of both, 33 bytes, so that one changed
letter is seen, and no two answers share one. The key is public: it protects nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_KEY = b"isthmus sandbox"
_DIGEST, _SALT, _MAC = 8, 8, 17


def sign(kind: str, content: str, salt: str) -> str:
    """Base64 of 33 bytes; salt is hex, of 16 letters at least. kind keeps a text's from passing for a call's."""
    return _signed(kind, _digest(content) + bytes.fromhex(salt[: 2 * _SALT]))


def holds(kind: str, content: str | None, signature: object) -> bool:
    """Whether sign made it, for this content; for any, where content is None. Both alphabets of base64 are read."""
    if not isinstance(signature, str):
        return False
    usual = signature.replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(usual, validate=True)
    except (binascii.Error, ValueError):
        return False
    mark = raw[: _DIGEST + _SALT]
    if not hmac.compare_digest(usual.encode(), _signed(kind, mark).encode()):
        return False
    return content is None or mark[:_DIGEST] == _digest(content)


def _digest(content: str) -> bytes:
    """The first bytes of the content's hash."""
    return hashlib.sha256(content.encode("utf-8", "replace")).digest()[:_DIGEST]


def _signed(kind: str, mark: bytes) -> str:
    """The mark with its MAC."""
    return base64.b64encode(mark + hmac.digest(_KEY, kind.encode() + b"\0" + mark, "sha256")[:_MAC]).decode()

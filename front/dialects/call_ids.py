"""Thought signatures of Gemini, carried by the ids of tool calls.

Gemini signs its calls, and refuses the next turn where the signature is missing. OpenAI's dialect has no place for
it that every client keeps, but all of them give the id of a call back as it came. So the signature travels in the
id: nothing is kept here, and the next turn may reach any worker. An id so made is letters, digits, "_" and "-".
Vendors never see such an id: parse() takes it apart, and core/vendors/shared/carry.py cleans bytes that are
relayed as they came.
"""

from __future__ import annotations

import base64
import binascii
import zlib

MARK = "__ts__"


def join(call_id: str, signature: bytes) -> str:
    """The id with the signature behind it; the id alone where there is no signature."""
    if not signature:
        return call_id
    text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    return f"{call_id}{MARK}{zlib.crc32(signature):08x}{text}"


def split(call_id: str) -> tuple[str, bytes]:
    """The vendor's own id and the signature; empty where none is carried, or where it was cut on its way."""
    own, mark, carried = call_id.partition(MARK)
    if not mark:
        return call_id, b""
    try:
        signature = base64.b64decode(carried[8:] + "=" * (-len(carried[8:]) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return own, b""
    return own, signature if f"{zlib.crc32(signature):08x}" == carried[:8] else b""

"""Ids of tool calls that carry a thought signature (front/dialects/call_ids.py says how and why)."""

from __future__ import annotations

import re

MADE = "gcall_"
"""How ids begin that were made because the vendor told none; they do not go back to it."""
_CARRIED = re.compile(rb"__ts__[0-9a-f]{8}[A-Za-z0-9_-]+(?=\")")


def stripped(body: bytes) -> bytes:
    """A client's own JSON bytes with plain ids: vendors bound the length of ids, and never made these."""
    return _CARRIED.sub(b"", body) if b"__ts__" in body else body

"""Telegram's login widget: its signed fields (https://core.telegram.org/widgets/login#checking-authorization). Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

FIELDS = frozenset({"id", "first_name", "last_name", "username", "photo_url", "auth_date", "hash"})
AGE_SECONDS = 300
"""How old a signature may be."""
AHEAD_SECONDS = 60


class Forged(Exception):
    """Not signed by the bot's token, or too long ago."""


def check(fields: Mapping[str, str], bot_token: str, now: float) -> str:
    """The person's id at Telegram. Raises Forged."""
    if not fields.keys() <= FIELDS or not {"id", "auth_date", "hash"} <= fields.keys() or not bot_token:
        raise Forged("The fields are not Telegram's.")
    told = "\n".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "hash")
    key = hashlib.sha256(bot_token.encode()).digest()
    right = hmac.new(key, told.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), fields["hash"].lower().encode()):
        raise Forged("The signature is wrong.")
    when, person = fields["auth_date"], fields["id"]
    if not (when.isascii() and when.isdecimal() and len(when) < 13 and person.isascii() and person.isdecimal()):
        raise Forged("The fields are not Telegram's.")
    if not -AHEAD_SECONDS <= now - int(when) <= AGE_SECONDS:
        raise Forged("The signature is too old.")
    return person[:20]

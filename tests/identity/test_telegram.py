"""Telegram's signature, by its own recipe."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from core.identity.telegram import AGE_SECONDS, Forged, check

BOT = "123456:AAE-bot-token"
NOW = 1_700_000_000


def signed(bot: str = BOT, **fields: str) -> dict[str, str]:
    """Fields as the widget sends them."""
    told = {"id": "4242", "first_name": "Ann", "auth_date": str(NOW), **fields}
    text = "\n".join(f"{name}={told[name]}" for name in sorted(told))
    return {**told, "hash": hmac.new(hashlib.sha256(bot.encode()).digest(), text.encode(), hashlib.sha256).hexdigest()}


def test_signed() -> None:
    assert check(signed(), BOT, NOW) == "4242"
    assert check(signed(username="ann", photo_url="https://t.me/i/a.jpg"), BOT, NOW + AGE_SECONDS) == "4242"


@pytest.mark.parametrize(
    "fields",
    [{}, {**signed(), "id": "1"}, {**signed(), "hash": "0" * 64}, {**signed(), "hash": ""}, signed("other:token"),
     signed(auth_date=str(NOW - AGE_SECONDS - 1)), signed(auth_date=str(NOW + 3600)), signed(auth_date="soon"),
     signed(auth_date="9" * 40), signed(id="x"), signed(id=""), signed(admin="1"),
     {name: value for name, value in signed().items() if name != "auth_date"}, {**signed(), "hash": "ü"}],
)  # fmt: skip
def test_forged(fields: dict[str, str]) -> None:
    with pytest.raises(Forged):
        check(fields, BOT, NOW)


def test_without_a_bot() -> None:
    with pytest.raises(Forged):
        check(signed(""), "", NOW)

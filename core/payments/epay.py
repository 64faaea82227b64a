"""The epay protocol: a form signed by MD5, and a notice signed the same way.

Source: the protocol's own pages (submit.php, notify_url) as its gateways publish them: parameters in order of
their names without sign, sign_type and empty ones, joined as a query, the merchant's key appended, MD5 in hex.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from core.payments.interface import OTHER, PAID, SignatureWrong, Told, exact, short

UNSIGNED = frozenset({"sign", "sign_type"})
SUCCESS = "TRADE_SUCCESS"
FIELDS_MOST = 64
"""Parameters of a notice; the protocol has a dozen."""


def sign(form: Mapping[str, str], key: str) -> str:
    """The signature of a form, in lower case."""
    text = "&".join(f"{name}={form[name]}" for name in sorted(form) if name not in UNSIGNED and form[name] != "")
    return hashlib.md5((text + key).encode(), usedforsecurity=False).hexdigest()


def order_form(
    merchant: str, key: str, *, trade_no: str, method: str, name: str, money: str, notify_url: str, return_url: str
) -> dict[str, str]:
    """What the payer's browser submits."""
    form = {
        "pid": merchant,
        "type": method,
        "out_trade_no": trade_no,
        "notify_url": notify_url,
        "return_url": return_url,
        "name": name,
        "money": money,
        "device": "pc",
    }
    return {**form, "sign": sign(form, key), "sign_type": "MD5"}


def told(form: Mapping[str, str], merchant: str, key: str) -> Told:
    """A notice, proved. Raises SignatureWrong."""
    if len(form) > FIELDS_MOST or form.get("sign_type", "MD5").upper() != "MD5":
        raise SignatureWrong()
    given = form.get("sign", "").lower()
    if not hmac.compare_digest(given.encode("utf-8", "replace"), sign(form, key).encode()):
        raise SignatureWrong()
    if form.get("pid", "") != merchant:
        raise SignatureWrong("The notice is another merchant's.")
    money = exact(form.get("money", ""))
    return Told(
        state=PAID if form.get("trade_status") == SUCCESS else OTHER,
        trade_no=short(form.get("out_trade_no", "")),
        reference=short(form.get("trade_no", "")),
        sums=(money,) if money is not None else (),
        product=short(form.get("type", "")),
    )

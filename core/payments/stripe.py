"""Stripe: a checkout session, and webhooks signed with a time.

Source: docs.stripe.com/api/checkout/sessions and docs.stripe.com/webhooks#verify-manually: the header
Stripe-Signature holds t and v1 values; v1 is the hex HMAC-SHA256 of "t.body" by the endpoint's secret.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from core.payments.interface import (
    EXPIRED,
    FAILED,
    OTHER,
    PAID,
    PENDING,
    RENEWED,
    SignatureWrong,
    Told,
    short,
    unreadable,
    whole,
)
from core.upstream.interface import UpstreamRequest

TOLERANCE_SECONDS = 300
"""How far a webhook's time may be from ours (Stripe's own libraries' figure)."""
SIGNATURES_MOST = 16
AGREEMENT_MOST = 128
ADDRESS = "https://api.stripe.com"
STATES = {
    "checkout.session.completed": "",
    "checkout.session.async_payment_succeeded": PAID,
    "checkout.session.async_payment_failed": FAILED,
    "checkout.session.expired": EXPIRED,
}
"""Event -> what it says; "": payment_status says it."""
INVOICE, CYCLE = "invoice.paid", "subscription_cycle"
"""The invoice of a further period. That of the first (subscription_create) says what its session says."""


def session_request(
    secret: str,
    *,
    address: str,
    trade_no: str,
    price_id: str,
    quantity: int,
    success_url: str,
    cancel_url: str,
    subscription: bool = False,
    customer: str = "",
    email: str = "",
    promotion_codes: bool = False,
) -> UpstreamRequest:
    """Makes a checkout session. The same trade number never makes two."""
    form = {
        "mode": "subscription" if subscription else "payment",
        "client_reference_id": trade_no,
        "line_items[0][price]": price_id,
        "line_items[0][quantity]": str(quantity),
        "success_url": success_url,
        "cancel_url": cancel_url,
        "metadata[trade_no]": trade_no,
    }
    if promotion_codes:
        form["allow_promotion_codes"] = "true"
    if customer:
        form["customer"] = customer
    else:
        if email:
            form["customer_email"] = email
        if not subscription:
            form["customer_creation"] = "always"
    if subscription:
        # Invoices repeat it, so that a renewal finds its order also where nobody told us the subscription's id.
        form["subscription_data[metadata][trade_no]"] = trade_no
    headers = (
        ("Authorization", f"Bearer {secret}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Idempotency-Key", trade_no),
    )
    return UpstreamRequest("POST", f"{address}/v1/checkout/sessions", headers, urlencode(form).encode())


def proved(body: bytes, header: str, secret: str, now: float) -> Mapping[str, Any]:
    """The event of a webhook. Raises SignatureWrong, InvalidRequest."""
    moment = ""
    given: list[str] = []
    for piece in header[:4096].split(","):
        name, _, value = piece.strip().partition("=")
        if name == "t":
            moment = value
        elif name == "v1" and len(given) < SIGNATURES_MOST:
            given.append(value)
    if not (moment.isascii() and moment.isdecimal() and len(moment) < 13):
        raise SignatureWrong()
    wanted = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    # Every one is compared, so that the time tells nothing.
    fits = [hmac.compare_digest(value.encode("utf-8", "replace"), wanted) for value in given]
    if not any(fits) or abs(now - int(moment)) > TOLERANCE_SECONDS:
        raise SignatureWrong()
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise unreadable("event") from None
    if not isinstance(event, dict):
        raise unreadable("event")
    return event


def told(event: Mapping[str, Any]) -> Told:
    """What an event says of an order."""
    kind = event.get("type")
    data = event.get("data")
    session = data.get("object") if isinstance(data, dict) else None
    if kind == INVOICE and isinstance(session, dict):
        return _renewal(session)
    if not isinstance(kind, str) or kind not in STATES or not isinstance(session, dict):
        return Told(OTHER)
    state = STATES[kind]
    if not state:
        state = PAID if session.get("payment_status") in ("paid", "no_payment_required") else PENDING
    # What was asked for before promotion codes and taxes: both are the operator's own arrangement with Stripe.
    subtotal = whole(session.get("amount_subtotal"))
    return Told(
        state=state,
        trade_no=short(session.get("client_reference_id")),
        reference=short(session.get("id")),
        sums=(subtotal,) if subtotal is not None else (),
        currency=short(session.get("currency")).upper(),
        customer=short(session.get("customer"), 64),
        agreement=short(session.get("subscription"), AGREEMENT_MOST),
    )


def _renewal(invoice: Mapping[str, Any]) -> Told:
    """What a paid invoice says: docs.stripe.com/api/invoices/object, and as it was before 2025-03-31."""
    if invoice.get("billing_reason") != CYCLE or invoice.get("status") != "paid":
        return Told(OTHER)
    parent = invoice.get("parent")
    details = parent.get("subscription_details") if isinstance(parent, dict) else invoice.get("subscription_details")
    if not isinstance(details, dict):
        details = {}
    metadata = details.get("metadata")
    subtotal = whole(invoice.get("subtotal"))
    return Told(
        state=RENEWED,
        trade_no=short(metadata.get("trade_no")) if isinstance(metadata, dict) else "",
        reference=short(invoice.get("id")),
        sums=(subtotal,) if subtotal is not None else (),
        currency=short(invoice.get("currency")).upper(),
        agreement=short(details.get("subscription") or invoice.get("subscription"), AGREEMENT_MOST),
    )

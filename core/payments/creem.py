"""Creem: a checkout, and webhooks signed over their body.

Source: docs.creem.io (create-checkout, webhooks): the header creem-signature is the hex HMAC-SHA256 of the body
by the webhook's secret; sums are in hundredths.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import orjson

from core.payments.interface import OTHER, PAID, PENDING, SignatureWrong, Told, short, unreadable, whole
from core.upstream.interface import UpstreamRequest

ADDRESS, TEST_ADDRESS = "https://api.creem.io", "https://test-api.creem.io"
COMPLETED = "checkout.completed"


def checkout_request(
    key: str, *, address: str, trade_no: str, product_id: str, email: str, success_url: str
) -> UpstreamRequest:
    """Makes a checkout of one product."""
    body: dict[str, Any] = {"product_id": product_id, "request_id": trade_no, "metadata": {"trade_no": trade_no}}
    if success_url:
        body["success_url"] = success_url
    if email:
        body["customer"] = {"email": email}
    headers = (("x-api-key", key), ("Content-Type", "application/json"))
    return UpstreamRequest("POST", f"{address}/v1/checkouts", headers, orjson.dumps(body))


def told(body: bytes, signature: str, secret: str) -> Told:
    """What a webhook says of an order. Raises SignatureWrong, InvalidRequest."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
    if not hmac.compare_digest(signature[:256].strip().lower().encode("utf-8", "replace"), wanted):
        raise SignatureWrong()
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise unreadable("event") from None
    if not isinstance(event, dict):
        raise unreadable("event")
    checkout = event.get("object")
    if event.get("eventType") != COMPLETED or not isinstance(checkout, dict):
        return Told(OTHER)
    order = checkout.get("order")
    if not isinstance(order, dict):
        return Told(OTHER)
    # With taxes inside the price the subtotal is below it; with taxes on top the sum is above.
    sums = tuple(found for name in ("sub_total", "amount") if (found := whole(order.get(name))) is not None)
    product = order.get("product") or checkout.get("product")
    return Told(
        state=PAID if order.get("status") == "paid" else PENDING,
        trade_no=short(checkout.get("request_id")),
        reference=short(order.get("id") or checkout.get("id")),
        sums=sums,
        currency=short(order.get("currency")).upper(),
        product=short(product.get("id") if isinstance(product, dict) else product),
    )

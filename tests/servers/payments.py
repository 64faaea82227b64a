"""Stand-ins for Stripe, Creem and an epay gateway: they take what the real ones take, and sign as they do."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import stripe

STRIPE_SECRET, STRIPE_HOOK = "sk_test_1", "whsec_test_1"
CREEM_KEY, CREEM_HOOK = "creem_test_1", "creem_hook_1"
EPAY_ID, EPAY_KEY = "1000", "epay-key-1"
UNIT_PRICE = 730
"""Hundredths that one of StripePriceId costs at the stand-in."""


@dataclass
class Desk:
    """What was asked of the stand-ins."""

    url: str = ""
    sessions: list[dict[str, Any]] = field(default_factory=list)
    checkouts: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    broken: bool = False
    """They answer with an error that names a secret."""


def _handler(desk: Desk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            desk.headers.append({name.lower(): value for name, value in self.headers.items()})
            if desk.broken:
                return self._reply(400, {"error": {"message": "Invalid API Key provided: sk_test_1"}})
            if self.path == "/v1/checkout/sessions" and self.headers["Authorization"] == f"Bearer {STRIPE_SECRET}":
                return self._reply(200, self._session(dict(parse_qsl(body.decode()))))
            if self.path == "/v1/checkouts" and self.headers["x-api-key"] == CREEM_KEY:
                asked = json.loads(body)
                made = {
                    "id": f"ch_{len(desk.checkouts)}",
                    "object": "checkout",
                    "request_id": asked["request_id"],
                    "checkout_url": f"https://creem.example/checkout/{len(desk.checkouts)}",
                }
                desk.checkouts.append({**asked, "id": made["id"]})
                return self._reply(200, made)
            return self._reply(401, {"error": "who are you?"})

        def _session(self, asked: dict[str, str]) -> dict[str, Any]:
            quantity = int(asked["line_items[0][quantity]"])
            made = {
                "id": f"cs_test_{len(desk.sessions)}",
                "object": "checkout.session",
                "mode": asked["mode"],
                "client_reference_id": asked["client_reference_id"],
                "amount_subtotal": quantity * UNIT_PRICE,
                "amount_total": quantity * UNIT_PRICE,
                "currency": "cny",
                "payment_status": "unpaid",
                "url": f"https://checkout.stripe.example/{len(desk.sessions)}",
            }
            desk.sessions.append({**made, "asked": asked})
            return made

        def _reply(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


@contextmanager
def payment_desk() -> Iterator[Desk]:
    """Both APIs at one address, for the time of the block."""
    desk = Desk()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(desk))
    desk.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stripe_event(session: dict[str, Any], kind: str = "checkout.session.completed", **changes: Any) -> bytes:
    """An event about a session, as Stripe writes it."""
    held = {name: value for name, value in session.items() if name != "asked"}
    told = {**held, "payment_status": "paid", "status": "complete", "customer": "cus_1", **changes}
    event = {"id": "evt_1", "object": "event", "type": kind, "created": int(time.time()), "data": {"object": told}}
    return json.dumps(event, indent=2).encode()


def stripe_invoice(number: str, agreement: str, cents: int, old: bool = False, **changes: Any) -> bytes:
    """invoice.paid of a further period, as Stripe writes it; old: as before its version 2025-03-31."""
    trade_no = changes.pop("trade_no", "")
    details = {"subscription": agreement, "metadata": {"trade_no": trade_no} if trade_no else {}}
    told = {
        "id": number, "object": "invoice", "billing_reason": "subscription_cycle", "status": "paid",
        "subtotal": cents, "amount_paid": cents, "currency": "cny", "customer": "cus_1",
        **({"subscription": agreement} if old else {"parent": {"type": "subscription_details",
        "subscription_details": details}}), **changes,
    }  # fmt: skip
    event = {"id": "evt_2", "object": "event", "type": "invoice.paid", "data": {"object": told}}
    return json.dumps(event, indent=2).encode()


def stripe_signature(body: bytes, secret: str = STRIPE_HOOK, at: int = 0) -> str:
    """The header Stripe-Signature, by Stripe's own library."""
    moment = at or int(time.time())
    return f"t={moment},v1={stripe.WebhookSignature._compute_signature(f'{moment}.{body.decode()}', secret)}"


def creem_event(checkout: dict[str, Any], cents: int, currency: str = "USD", **changes: Any) -> bytes:
    """checkout.completed, as Creem writes it (docs.creem.io, webhooks)."""
    order = {
        "id": "ord_1", "object": "order", "product": checkout["product_id"], "amount": cents, "currency": currency,
        "status": "paid", "type": "onetime", "mode": "test", **changes,
    }  # fmt: skip
    told = {
        "id": checkout["id"], "object": "checkout", "request_id": checkout["request_id"], "order": order,
        "product": {"id": checkout["product_id"], "object": "product"}, "status": "completed", "mode": "test",
    }  # fmt: skip
    return json.dumps({"id": "evt_1", "eventType": "checkout.completed", "object": told}).encode()


def creem_signature(body: bytes, secret: str = CREEM_HOOK) -> str:
    """The header creem-signature."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def epay_notice(form: dict[str, str], key: str = EPAY_KEY, **changes: str) -> dict[str, str]:
    """The notice a gateway sends once a form was paid; written apart from core/payments/epay.py."""
    told = {
        "pid": form["pid"], "trade_no": "20261125" + form["out_trade_no"][-6:], "out_trade_no": form["out_trade_no"],
        "type": form["type"], "name": form["name"], "money": form["money"], "trade_status": "TRADE_SUCCESS",
        "param": "", **changes,
    }  # fmt: skip
    text = ""
    for name, value in sorted(told.items()):
        if value:
            text += f"{'&' if text else ''}{name}={value}"
    return {**told, "sign": hashlib.md5((text + key).encode()).hexdigest(), "sign_type": "MD5"}

"""What all payments share: the terms, which providers are set up, what is sent to them and believed of them."""

from __future__ import annotations

import logging
import re
import secrets
import string
import time
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from isthmus.v1 import payment_pb2

from core.errors import Forbidden, InvalidRequest, IsthmusError, VendorBroken, VendorError
from core.manage import fields
from core.options.kinds import TRUE
from core.payments import creem, epay, stripe
from core.payments.interface import CREEM, EPAY, STRIPE, PaymentOff, Told
from core.pipeline.attempt import failure_error
from core.services.context import Services
from core.state.types import Principal
from core.store.models import Order
from core.upstream.interface import Timeouts, UpstreamFailure, UpstreamRequest

logger = logging.getLogger("isthmus.payments")

TERMS_VERSION = "v1"
CONFIRMED = "payment_setting.compliance_confirmed"
SECONDS = 20.0
"""Longest a provider may take to answer."""
ANSWER_LIMIT = 1 << 20
BODY_MOST = 512 << 10
"""Bytes of a webhook."""
PROVIDERS = {
    payment_pb2.PAYMENT_PROVIDER_EPAY: EPAY,
    payment_pb2.PAYMENT_PROVIDER_STRIPE: STRIPE,
    payment_pb2.PAYMENT_PROVIDER_CREEM: CREEM,
}
NEEDED = {
    EPAY: ("PayAddress", "EpayId", "EpayKey"),
    STRIPE: ("StripeApiSecret", "StripeWebhookSecret"),
    CREEM: ("CreemApiKey", "CreemWebhookSecret"),
}
"""Options without which a provider is off. A webhook without a secret would be anybody's."""
URL_MOST = 2048
LETTERS = string.ascii_letters + string.digits


class TermsMissing(Forbidden):
    """Nothing is sold before root has confirmed the terms of payments."""

    reason = "TERMS_NOT_CONFIRMED"
    default_message = "The site's administrator has not confirmed the terms of payments yet."


def raw(services: Services) -> Mapping[str, str]:
    """The options in force."""
    return services.state.snapshot.options.raw


def confirmed(options: Mapping[str, str]) -> bool:
    """Whether root confirmed the terms, those in force."""
    return options[CONFIRMED] == TRUE and options["payment_setting.compliance_terms_version"] == TERMS_VERSION


def set_up(options: Mapping[str, str], provider: str) -> bool:
    """Whether a provider's options are there."""
    return all(options[name].strip() for name in NEEDED[provider])


def must_sell(options: Mapping[str, str], provider: str) -> None:
    """Raises TermsMissing, PaymentOff."""
    if not confirmed(options):
        raise TermsMissing()
    if not set_up(options, provider):
        raise PaymentOff()


async def confirm(
    services: Services, principal: Principal, request: payment_pb2.ConfirmTermsRequest
) -> payment_pb2.ConfirmTermsResponse:
    """Keeps who confirmed the terms, when and from where. Raises InvalidRequest."""
    if not request.confirmed:
        raise InvalidRequest("confirmed must be true.", param="confirmed")
    now = int(time.time())
    await services.store.options.set_many(
        {
            CONFIRMED: TRUE,
            "payment_setting.compliance_terms_version": TERMS_VERSION,
            "payment_setting.compliance_confirmed_at": str(now),
            "payment_setting.compliance_confirmed_by": str(principal.account.id),
            "payment_setting.compliance_confirmed_ip": principal.client_address,
        }
    )
    await services.state.refresh()
    return payment_pb2.ConfirmTermsResponse(version=TERMS_VERSION, confirmed_at=now, confirmed_by=principal.account.id)


def site(options: Mapping[str, str]) -> str:
    """The site's own address, never a request's Host. Raises PaymentOff where it is not set."""
    base = options["ServerAddress"].strip().rstrip("/")
    if not base:
        raise PaymentOff("The site's address (ServerAddress) is not set.")
    return base


def new_trade_no(provider: str, account_id: int) -> str:
    """An order's number: nobody guesses it."""
    if provider == EPAY:
        tail = "".join(secrets.choice(LETTERS) for _ in range(6))
        return f"USR{account_id}NO{tail}{time.time_ns() // 1_000_000}"
    return "ref_" + secrets.token_hex(20)


def back(url: str, otherwise: str, param: str) -> str:
    """Where a payer comes back to. Raises InvalidRequest."""
    if not url:
        return otherwise
    if not re.fullmatch(r"https?://[^\s\\@]+", fields.text(url, param, URL_MOST)):
        raise InvalidRequest(f"{param} must be an http or https address.", param=param)
    return url


def epay_page(options: Mapping[str, str]) -> str:
    """Where the payer's form goes."""
    return options["PayAddress"].strip().rstrip("/") + "/submit.php"


def epay_form(options: Mapping[str, str], order: Order, name: str, path: str) -> dict[str, str]:
    """What the payer's browser submits for an order; path: which of our routes hears of it. Raises PaymentOff."""
    base = site(options)
    callback = options["CustomCallbackAddress"].strip().rstrip("/") or base
    return epay.order_form(
        options["EpayId"],
        options["EpayKey"],
        trade_no=order.trade_no,
        method=order.payment_method,
        name=name,
        money=order.money,
        notify_url=f"{callback}/api/{path}/epay/notify",
        return_url=f"{callback}/api/subscription/epay/return" if path == "subscription" else f"{base}/console/log",
    )


def creem_checkout(services: Services, order: Order, email: str) -> UpstreamRequest:
    """The request that opens a page at Creem."""
    options = raw(services)
    address = services.settings.creem_url.rstrip("/")
    if not address:
        address = creem.TEST_ADDRESS if options["CreemTestMode"] == TRUE else creem.ADDRESS
    base = options["ServerAddress"].strip().rstrip("/")
    return creem.checkout_request(
        options["CreemApiKey"],
        address=address,
        trade_no=order.trade_no,
        product_id=order.product,
        email=email,
        success_url=f"{base}/console/topup" if base else "",
    )


async def ask(services: Services, request: UpstreamRequest) -> dict[str, Any]:
    """A provider's answer. Raises VendorError, without the key and without the provider's own address."""
    request.timeouts = Timeouts(services.settings.connect_timeout, SECONDS, SECONDS)
    try:
        answer = await services.upstream.send(request)
        try:
            body = await answer.read(ANSWER_LIMIT)
        finally:
            await answer.aclose()
    except UpstreamFailure as failure:
        raise failure_error(failure) from failure
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if answer.status >= 400 or not isinstance(told, dict):
        # The provider's words may name the operator's account; they are for the log.
        logger.error(
            "a payment provider refused", extra={"status": answer.status, "body": body[:500].decode(errors="replace")}
        )
        raise VendorError("The payment provider refused; the operator must look at its settings.", http_status=502)
    return told


async def open_checkout(services: Services, order: Order, request: UpstreamRequest, member: str) -> str:
    """The page where an order is paid; what the provider says of its sum is kept. Raises VendorError."""
    try:
        told = await ask(services, request)
        page = told.get(member)
        if not isinstance(page, str) or not re.match(r"https?://", page):
            raise VendorBroken("The payment provider named no page to pay at.")
    except IsthmusError as error:
        await services.store.orders.close(order.id, "failed", error.message)
        raise
    if order.payment_provider == STRIPE:
        expected, currency = told.get("amount_subtotal"), str(told.get("currency") or "").upper()[:8]
        if type(expected) is not int or expected <= 0:
            await services.store.orders.close(order.id, "failed", "Stripe named no sum")
            raise VendorBroken("The payment provider named no sum.")
        await services.store.orders.started(order.id, str(told.get("id") or "")[:255], str(expected), currency)
    return page


def believed(services: Services, request: payment_pb2.NotifyPaymentRequest) -> tuple[str, Told]:
    """Who says what; proved. Raises PaymentOff, SignatureWrong, InvalidRequest."""
    provider = PROVIDERS.get(request.provider)
    if provider is None:
        raise InvalidRequest("Which provider?", param="provider")
    options = raw(services)
    if not set_up(options, provider):
        raise PaymentOff()
    if len(request.body) > BODY_MOST:
        raise InvalidRequest("The message is too long.", param="body")
    if provider == EPAY:
        return provider, epay.told(dict(request.form), options["EpayId"], options["EpayKey"])
    if provider == CREEM:
        return provider, creem.told(request.body, request.signature, options["CreemWebhookSecret"])
    event = stripe.proved(request.body, request.signature, options["StripeWebhookSecret"], time.time())
    return provider, stripe.told(event)


def mismatch(order: Order, provider: str, told: Told) -> str:
    """Why a payment is not the order's; "" where it is."""
    if order.payment_provider != provider:
        return f"paid by {provider}, not by {order.payment_provider}"
    try:
        expected = Decimal(order.expected)
    except InvalidOperation:
        return "the provider never told the order's sum"
    if not any(paid >= expected for paid in told.sums):
        paid = " or ".join(str(each) for each in told.sums) or "nothing"
        return f"paid {paid}, not {expected}"
    if order.currency and told.currency and told.currency != order.currency:
        return f"paid in {told.currency}, not in {order.currency}"
    if provider == CREEM and told.product != order.product:
        return f"paid for product {told.product}, not for {order.product}"
    if provider == STRIPE and told.reference != order.reference:
        return f"paid in session {told.reference}, not in {order.reference}"
    return ""

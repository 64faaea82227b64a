"""Top-ups by payment providers: for those who pay, for administrators, and for the providers themselves."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import grpc
import orjson
from isthmus.v1 import payment_pb2
from sanic.response import HTTPResponse

from front.errors import FrontError, from_rpc
from front.rest.manager import Call, Level, Raw, Route, items

EPAY = payment_pb2.PAYMENT_PROVIDER_EPAY
STRIPE = payment_pb2.PAYMENT_PROVIDER_STRIPE
CREEM = payment_pb2.PAYMENT_PROVIDER_CREEM
FIELDS_MOST = 64
GOOD = frozenset({payment_pb2.PAYMENT_OUTCOME_CREDITED, payment_pb2.PAYMENT_OUTCOME_DONE})
EARLY = frozenset(
    {"SESSION_INVALID", "ACCESS_TOKEN_UNKNOWN", "ACCOUNT_DISABLED", "ROLE_TOO_LOW", "TERMS_NOT_CONFIRMED"}
)
"""Refusals that are told in the usual form, not in that of payments."""


class Plain(Raw):
    """A reply of one word."""

    def __init__(self, word: str, status: int = 200) -> None:
        self.response = HTTPResponse(word, status, {}, "text/plain; charset=utf-8")


def number(text: str) -> float | int:
    """A decimal as a JSON number."""
    found = float(text or 0)
    return int(found) if found.is_integer() else found


async def told(work: Any) -> Any:
    """New API's form of payment replies: message is "success" or "error", and what it is about stands in data."""
    try:
        return Raw({"message": "success", **await work})
    except (FrontError, grpc.aio.AioRpcError) as problem:
        error = from_rpc(problem) if isinstance(problem, grpc.aio.AioRpcError) else problem
        if error.reason in EARLY or error.status in (413, 429, 500, 503):
            raise
        return Raw({"message": "error", "data": error.message})


# -- those who pay ----------------------------------------------------------------------------


async def ways(c: Call) -> Any:
    """How money can come."""
    found = await c.m.payments.GetWays(payment_pb2.GetWaysRequest(), metadata=c.who)
    methods = [
        {
            name: value
            for name, value in (
                ("name", one.name), ("type", one.type), ("color", one.color), ("icon", one.icon),
                ("min_topup", one.least),
            )
            if value
        }
        for one in found.methods
    ]  # fmt: skip
    if found.stripe:
        methods.append({"name": "Stripe", "type": "stripe", "icon": "SiStripe", "min_topup": found.stripe_least})
    products = [
        {
            "productId": one.id,
            "name": one.name,
            "price": number(one.price),
            "currency": one.currency,
            "quota": one.quota,
        }
        for one in found.products
    ]
    return {
        "enable_online_topup": found.epay,
        "enable_stripe_topup": found.stripe,
        "enable_creem_topup": found.creem,
        "enable_redemption": True,
        "payment_compliance_confirmed": found.terms_confirmed,
        "payment_compliance_terms_version": found.terms_version,
        "creem_products": orjson.dumps(products).decode(),
        "pay_methods": methods,
        "min_topup": number(found.least),
        "stripe_min_topup": number(found.stripe_least),
        "amount_options": list(found.amounts),
        "discount": {amount: float(factor) for amount, factor in found.discounts.items()},
        "topup_link": found.link,
    }


def _quote(provider: payment_pb2.PaymentProvider.ValueType) -> Any:
    async def amount(c: Call) -> Any:
        """What would be paid, with two places."""
        body = await c.body()

        async def work() -> dict[str, Any]:
            asked = payment_pb2.QuoteTopUpRequest(amount=body.number("amount"), provider=provider)
            return {"data": (await c.m.payments.QuoteTopUp(asked, metadata=c.who)).money}

        return await told(work())

    return amount


async def pay(c: Call) -> Any:
    """An order at the epay gateway: a form to submit, and where."""
    body = await c.body()

    async def work() -> dict[str, Any]:
        asked = payment_pb2.StartTopUpRequest(
            provider=EPAY, amount=body.number("amount"), method=body.text("payment_method")
        )
        found = await c.m.payments.StartTopUp(asked, metadata=c.who)
        return {"data": dict(found.form), "url": found.url}

    return await told(work())


def trusted(c: Call, url: str, param: str) -> str:
    """An address that payers may come back to. Raises FrontError 400."""
    if url:
        try:
            host = (urlsplit(url).hostname or "").lower()
        except ValueError:
            host = ""
        domains = [one.strip().lower() for one in c.m.settings.trusted_redirects.split(",") if one.strip()]
        if not any(host == domain or host.endswith("." + domain) for domain in domains):
            raise FrontError(
                400, f"{param} leads to a domain that is not trusted.", param=param, reason="UNTRUSTED_DOMAIN"
            )
    return url


async def pay_by_stripe(c: Call) -> Any:
    """An order at Stripe: the page to pay at."""
    body = await c.body()
    try:
        urls = [trusted(c, body.text(name), name) for name in ("success_url", "cancel_url")]
    except FrontError as error:
        return Raw({"message": error.message, "data": ""}, error.status)

    async def work() -> dict[str, Any]:
        if body.text("payment_method", "stripe") != "stripe":
            raise FrontError(400, "payment_method must be stripe.", param="payment_method")
        asked = payment_pb2.StartTopUpRequest(
            provider=STRIPE, amount=body.number("amount"), success_url=urls[0], cancel_url=urls[1]
        )
        return {"data": {"pay_link": (await c.m.payments.StartTopUp(asked, metadata=c.who)).url}}

    return await told(work())


async def pay_by_creem(c: Call) -> Any:
    """An order at Creem: the page to pay at."""
    body = await c.body()

    async def work() -> dict[str, Any]:
        if body.text("payment_method", "creem") != "creem":
            raise FrontError(400, "payment_method must be creem.", param="payment_method")
        asked = payment_pb2.StartTopUpRequest(provider=CREEM, product_id=body.text("product_id"))
        found = await c.m.payments.StartTopUp(asked, metadata=c.who)
        return {"data": {"checkout_url": found.url, "order_id": found.trade_no}}

    return await told(work())


# -- orders -----------------------------------------------------------------------------------


def order(found: payment_pb2.Order) -> dict[str, Any]:
    """New API's TopUp, with what an administrator must look at."""
    shown = {
        "id": found.id,
        "user_id": found.account_id,
        "amount": found.amount,
        "money": number(found.money),
        "trade_no": found.trade_no,
        "payment_method": found.method,
        "payment_provider": found.provider,
        "create_time": found.created_at,
        "complete_time": found.completed_at,
        "status": found.status,
    }
    return {**shown, "problem": found.problem} if found.problem else shown


def _orders(everybody: bool) -> Any:
    async def orders(c: Call) -> Any:
        """Newest first, by number."""
        asked = payment_pb2.ListOrdersRequest(page=c.page(), all_accounts=everybody, keyword=c.text("keyword"))
        found = await c.m.payments.ListOrders(asked, metadata=c.who)
        return items(found.page, [order(row) for row in found.orders])

    return orders


async def complete(c: Call) -> Any:
    """Completes a pending order by hand."""
    asked = payment_pb2.CompleteOrderRequest(trade_no=(await c.body()).text("trade_no"))
    await c.m.payments.CompleteOrder(asked, metadata=c.who)


async def confirm(c: Call) -> Any:
    """Confirms the terms of payments; by session only."""
    asked = payment_pb2.ConfirmTermsRequest(confirmed=(await c.body()).flag("confirmed"))
    try:
        found = await c.m.payments.ConfirmTerms(asked, metadata=c.who)
    except grpc.aio.AioRpcError as problem:
        error = from_rpc(problem)
        if error.reason != "FORBIDDEN":
            raise
        return Raw({"success": False, "message": error.message}, 403)
    return {
        "confirmed": True,
        "terms_version": found.version,
        "confirmed_at": found.confirmed_at,
        "confirmed_by": found.confirmed_by,
    }


# -- providers --------------------------------------------------------------------------------


async def form_of(c: Call) -> dict[str, str]:
    """Parameters of the query, or of a form. Raises FrontError."""
    text = c.request.query_string
    if c.request.method == "POST":
        raw = await c.m.read(c.request, c.m.settings.anonymous_body_kb << 10)
        text = raw.decode("utf-8", "replace") or text
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MOST)
    except ValueError:
        raise FrontError(400, "There are too many parameters.") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        # A name that comes twice is no form of the protocol's: the first counts, and the signature fails or not.
        form.setdefault(name, value)
    return form


async def epay_outcome(c: Call) -> payment_pb2.PaymentOutcome.ValueType:
    """What a notice of the epay gateway changed; MISMATCH where it is refused."""
    try:
        asked = payment_pb2.NotifyPaymentRequest(provider=EPAY, form=await form_of(c))
        found = await c.m.payments.NotifyPayment(asked, metadata=c.who)
    except (FrontError, grpc.aio.AioRpcError):
        return payment_pb2.PAYMENT_OUTCOME_MISMATCH
    return found.outcome  # type: ignore[no-any-return, unused-ignore]


async def by_epay(c: Call) -> Any:
    """The gateway's notice; it asks for a word, and comes again for another."""
    return Plain("success" if await epay_outcome(c) in GOOD else "fail")


async def _hooked(c: Call, provider: payment_pb2.PaymentProvider.ValueType, header: str, wrong: int) -> Raw:
    """A webhook: 200 once it is dealt with, wrong where the signature is; they come again for 5xx."""
    try:
        body = await c.m.read(c.request, c.m.settings.anonymous_body_kb << 10)
        asked = payment_pb2.NotifyPaymentRequest(
            provider=provider, body=body, signature=str(c.request.headers.get(header, ""))[:4096]
        )
        await c.m.payments.NotifyPayment(asked, metadata=c.who)
    except (FrontError, grpc.aio.AioRpcError) as problem:
        error = from_rpc(problem) if isinstance(problem, grpc.aio.AioRpcError) else problem
        status = {"PAYMENT_OFF": 403, "SIGNATURE_WRONG": wrong}.get(error.reason, error.status)
        return Raw({"message": error.message}, status)
    return Raw({"message": "success"})


async def by_stripe(c: Call) -> Any:
    """Stripe's webhook."""
    return await _hooked(c, STRIPE, "stripe-signature", 400)


async def by_creem(c: Call) -> Any:
    """Creem's webhook."""
    return await _hooked(c, CREEM, "creem-signature", 401)


ROUTES = (
    Route("GET", "/api/user/topup/info", Level.USER, ways),
    Route("GET", "/api/user/topup/self", Level.USER, _orders(False)),
    Route("GET", "/api/user/topup", Level.ADMIN, _orders(True)),
    Route("POST", "/api/user/topup/complete", Level.ADMIN, complete),
    Route("POST", "/api/user/amount", Level.USER, _quote(EPAY)),
    Route("POST", "/api/user/pay", Level.USER, pay, limit="critical"),
    Route("POST", "/api/user/stripe/amount", Level.USER, _quote(STRIPE)),
    Route("POST", "/api/user/stripe/pay", Level.USER, pay_by_stripe, limit="critical"),
    Route("POST", "/api/user/creem/pay", Level.USER, pay_by_creem, limit="critical"),
    Route("POST", "/api/user/epay/notify", Level.PUBLIC, by_epay),
    Route("GET", "/api/user/epay/notify", Level.PUBLIC, by_epay),
    Route("POST", "/api/stripe/webhook", Level.PUBLIC, by_stripe),
    Route("POST", "/api/creem/webhook", Level.PUBLIC, by_creem),
    Route("POST", "/api/option/payment_compliance", Level.ROOT, confirm),
)

"""Top-ups: how they can be paid, orders, and what becomes of a provider's word."""

from __future__ import annotations

import json
import logging
import time

from isthmus.v1 import payment_pb2

from core.errors import Conflict, InvalidRequest, RecordNotFound
from core.manage import fields, payments
from core.manage.logs import paging
from core.options.kinds import TRUE
from core.payments import amounts, stripe
from core.payments.interface import CREEM, EPAY, EXPIRED, FAILED, PAID, RENEWED, STRIPE, PaymentOff, Told
from core.pricing.shown import text
from core.services.context import Services
from core.state.types import ROLE_ADMIN, Principal
from core.store import orders as states
from core.store.models import Order

logger = logging.getLogger("isthmus.payments")

HISTORY_SECONDS = 30 * 86_400
"""How far back an account sees its orders (New API's figure)."""
TRADE_NO_MOST = 191


def ways(services: Services) -> payment_pb2.GetWaysResponse:
    """How accounts may pay here; nothing is told of a way that is off."""
    options = payments.raw(services)
    sold = payments.confirmed(options)
    on = {name: sold and payments.set_up(options, name) for name in payments.NEEDED}
    found = payment_pb2.GetWaysResponse(
        terms_confirmed=sold,
        epay=on[EPAY],
        stripe=on[STRIPE] and bool(options["StripePriceId"].strip()),
        creem=on[CREEM] and bool(amounts.products(options)),
        least=text(amounts.least(options, EPAY)),
        stripe_least=text(amounts.least(options, STRIPE)),
        amounts=json.loads(options["payment_setting.amount_options"] or "[]"),
        link=options["TopUpLink"],
        terms_version=options["payment_setting.compliance_terms_version"],
    )
    for amount, factor in amounts.table(options["payment_setting.amount_discount"]).items():
        found.discounts[amount] = text(amounts.decimal(factor, "1"))
    if found.epay:
        found.methods.extend(methods(options["PayMethods"]))
    if found.creem:
        for one in amounts.products(options):
            found.products.add(id=one.id, name=one.name, price=text(one.price), currency=one.currency, quota=one.units)
    return found


def methods(told: str) -> list[payment_pb2.PayMethod]:
    """The ways at the epay gateway."""
    found = []
    for entry in json.loads(told or "[]"):
        kind = str(entry.get("type") or "")
        if kind and kind not in (STRIPE, CREEM):
            found.append(
                payment_pb2.PayMethod(
                    name=str(entry.get("name") or kind),
                    type=kind,
                    color=str(entry.get("color") or ""),
                    icon=str(entry.get("icon") or ""),
                    least=str(entry.get("min_topup") or ""),
                )
            )
    return found


def quote(
    services: Services, principal: Principal, request: payment_pb2.QuoteTopUpRequest
) -> payment_pb2.QuoteTopUpResponse:
    """What an amount costs the caller. Raises InvalidRequest."""
    provider = payments.PROVIDERS.get(request.provider, EPAY)
    options = payments.raw(services)
    found = amounts.quote(options, request.amount, principal.account.group, provider)
    units = found.units
    if provider == STRIPE:
        units = amounts.stripe_order(options, request.amount, principal.account.group).units
    return payment_pb2.QuoteTopUpResponse(money=f"{found.money:.2f}", quota=units)


# -- orders -----------------------------------------------------------------------------------


async def start(
    services: Services, principal: Principal, request: payment_pb2.StartTopUpRequest
) -> payment_pb2.StartTopUpResponse:
    """An order. Raises InvalidRequest, PaymentOff, TermsMissing, RateLimited, VendorError."""
    provider = payments.PROVIDERS.get(request.provider)
    if provider is None:
        raise InvalidRequest("Which provider?", param="provider")
    payments.must_sell(payments.raw(services), provider)
    begin = {EPAY: _by_epay, STRIPE: _by_stripe, CREEM: _by_creem}[provider]
    return await begin(services, principal, request)


async def _by_epay(
    services: Services, principal: Principal, request: payment_pb2.StartTopUpRequest
) -> payment_pb2.StartTopUpResponse:
    options = payments.raw(services)
    method = next((each for each in methods(options["PayMethods"]) if each.type == request.method), None)
    if method is None:
        raise InvalidRequest("There is no such way to pay.", param="payment_method")
    found = amounts.quote(options, request.amount, principal.account.group, EPAY)
    least = amounts.shown(options, amounts.decimal(method.least))
    if found.amount < least:
        raise InvalidRequest(f"{method.name} takes {text(least)} or more.", param="amount")
    payments.site(options)
    money = f"{found.money:.2f}"
    order = await services.store.orders.create(
        user_id=principal.account.id,
        amount=found.amount,
        money=money,
        quota=found.units,
        trade_no=payments.new_trade_no(EPAY, principal.account.id),
        payment_method=method.type[:50],
        payment_provider=EPAY,
        expected=money,
        terms=json.dumps(found.terms),
    )
    form = payments.epay_form(options, order, f"TUC{found.amount}", "user")
    return payment_pb2.StartTopUpResponse(trade_no=order.trade_no, url=payments.epay_page(options), form=form)


async def _by_stripe(
    services: Services, principal: Principal, request: payment_pb2.StartTopUpRequest
) -> payment_pb2.StartTopUpResponse:
    options = payments.raw(services)
    if not options["StripePriceId"].strip():
        raise PaymentOff()
    found = amounts.stripe_order(options, request.amount, principal.account.group)
    base = payments.site(options)
    success = payments.back(request.success_url, f"{base}/console/log", "success_url")
    cancel = payments.back(request.cancel_url, f"{base}/console/topup", "cancel_url")
    user = await services.store.accounts.get(principal.account.id)
    order = await services.store.orders.create(
        user_id=user.id,
        amount=found.amount,
        money=text(found.money),
        currency="USD",
        quota=found.units,
        trade_no=payments.new_trade_no(STRIPE, user.id),
        payment_method=STRIPE,
        payment_provider=STRIPE,
        terms=json.dumps({**found.terms, "quantity": str(found.quantity), "price_id": options["StripePriceId"]}),
    )
    wire = stripe.session_request(
        options["StripeApiSecret"],
        address=services.settings.stripe_url.rstrip("/"),
        trade_no=order.trade_no,
        price_id=options["StripePriceId"].strip(),
        quantity=found.quantity,
        success_url=success,
        cancel_url=cancel,
        customer=user.stripe_customer,
        email=user.email,
        promotion_codes=options["StripePromotionCodesEnabled"] == TRUE,
    )
    page = await payments.open_checkout(services, order, wire, "url")
    return payment_pb2.StartTopUpResponse(trade_no=order.trade_no, url=page)


async def _by_creem(
    services: Services, principal: Principal, request: payment_pb2.StartTopUpRequest
) -> payment_pb2.StartTopUpResponse:
    options = payments.raw(services)
    product = next((one for one in amounts.products(options) if one.id == request.product_id), None)
    if product is None:
        raise InvalidRequest("There is no such product.", param="product_id")
    user = await services.store.accounts.get(principal.account.id)
    order = await services.store.orders.create(
        user_id=user.id,
        amount=product.units,
        money=text(product.price),
        currency=product.currency[:8],
        quota=product.units,
        trade_no=payments.new_trade_no(CREEM, user.id),
        payment_method=CREEM,
        payment_provider=CREEM,
        product=product.id[:128],
        expected=text(amounts.minor(product.price)),
        terms=json.dumps({"product": product.name, "price": text(product.price)}),
    )
    page = await payments.open_checkout(
        services, order, payments.creem_checkout(services, order, user.email), "checkout_url"
    )
    return payment_pb2.StartTopUpResponse(trade_no=order.trade_no, url=page)


async def notified(
    services: Services, request: payment_pb2.NotifyPaymentRequest
) -> payment_pb2.PaymentOutcome.ValueType:
    """What a provider's word changed. Raises PaymentOff, SignatureWrong, InvalidRequest; then it changed nothing."""
    provider, told = payments.believed(services, request)
    if told.state == RENEWED:
        return await _renewed(services, provider, told)
    if told.state not in (PAID, FAILED, EXPIRED) or not told.trade_no:
        return payment_pb2.PAYMENT_OUTCOME_IGNORED
    orders = services.store.orders
    order = await orders.find(told.trade_no[:TRADE_NO_MOST])
    if order is None:
        logger.warning("a payment is of no order here", extra={"provider": provider, "trade_no": told.trade_no})
        return payment_pb2.PAYMENT_OUTCOME_IGNORED
    if told.state != PAID:
        if order.payment_provider != provider or (order.reference and told.reference != order.reference):
            return payment_pb2.PAYMENT_OUTCOME_IGNORED
        closed = await orders.close(order.id, states.EXPIRED if told.state == EXPIRED else states.FAILED)
        return payment_pb2.PAYMENT_OUTCOME_CLOSED if closed else payment_pb2.PAYMENT_OUTCOME_DONE
    if order.status == states.SUCCESS:
        return payment_pb2.PAYMENT_OUTCOME_DONE
    if wrong := payments.mismatch(order, provider, told):
        logger.critical("a payment does not fit its order", extra={"order": order.trade_no, "reason": wrong})
        await orders.doubt(order.id, wrong)
        return payment_pb2.PAYMENT_OUTCOME_MISMATCH
    credited = await orders.complete(
        order.id, customer=told.customer, reference=told.reference, agreement=told.agreement
    )
    return payment_pb2.PAYMENT_OUTCOME_CREDITED if credited else payment_pb2.PAYMENT_OUTCOME_DONE


async def _renewed(services: Services, provider: str, told: Told) -> payment_pb2.PaymentOutcome.ValueType:
    """What the payment of a further period changed: an order of its own, whose number is the payment's.

    Raises Conflict where it is to be told again later.
    """
    orders = services.store.orders
    first = await orders.agreed(provider, told.agreement, told.trade_no)
    if first is None or not 0 < len(told.reference) <= TRADE_NO_MOST:
        begun = await orders.find(told.trade_no[:TRADE_NO_MOST]) if told.trade_no else None
        if begun and begun.plan_id and begun.payment_provider == provider and begun.status != states.SUCCESS:
            await orders.doubt(
                begun.id, f"renewed by {told.reference[:TRADE_NO_MOST]}, and its first payment never came"
            )
            # Refused, so that the provider comes again: notices overtake each other.
            raise Conflict("The first payment was not told yet.")
        # The operator may sell other things by the same account at the provider.
        details = {"provider": provider, "agreement": told.agreement, "payment": told.reference}
        logger.error("a renewal is of no subscription here", extra=details)
        return payment_pb2.PAYMENT_OUTCOME_IGNORED
    order = await orders.renewal(first, told.reference)
    if order.status == states.SUCCESS:
        return payment_pb2.PAYMENT_OUTCOME_DONE
    wrong = payments.mismatch(order, provider, told)
    if not wrong:
        try:
            credited = await orders.complete(order.id, agreement=told.agreement)
            return payment_pb2.PAYMENT_OUTCOME_CREDITED if credited else payment_pb2.PAYMENT_OUTCOME_DONE
        except states.NotRenewable as ended:
            wrong = ended.message
    logger.critical("a renewal is not credited", extra={"order": order.trade_no, "reason": wrong})
    await orders.doubt(order.id, wrong)
    return payment_pb2.PAYMENT_OUTCOME_MISMATCH


async def complete(services: Services, principal: Principal, trade_no: str) -> bool:
    """Completes a pending order by hand; False: it was done. Raises RecordNotFound, InvalidRequest."""
    order = await services.store.orders.find(fields.text(trade_no.strip(), "trade_no", TRADE_NO_MOST))
    if order is None:
        raise RecordNotFound("There is no such order.")
    if order.status not in (states.PENDING, states.SUCCESS):
        raise InvalidRequest(f"The order has {order.status}; only a pending one is completed.", param="trade_no")
    return await services.store.orders.complete(order.id, by=principal.account.id)


# -- history ----------------------------------------------------------------------------------


def message(order: Order, principal: Principal) -> payment_pb2.Order:
    """An order as the caller may see it."""
    told = payment_pb2.Order(
        id=order.id,
        account_id=order.user_id,
        amount=order.amount,
        money=order.money,
        trade_no=order.trade_no,
        method=order.payment_method,
        provider=order.payment_provider,
        created_at=order.create_time,
        completed_at=order.complete_time,
        status=order.status,
        quota=order.quota,
        plan_id=order.plan_id,
    )
    if principal.account.role >= ROLE_ADMIN:
        told.problem = order.problem
    for name, figure in json.loads(order.terms or "{}").items():
        told.terms[name] = str(figure)
    return told


async def history(
    services: Services, principal: Principal, request: payment_pb2.ListOrdersRequest
) -> payment_pb2.ListOrdersResponse:
    """A page of orders. Whose is decided here alone."""
    number, size, offset = paging(request.page)
    everybody = request.all_accounts
    rows, total = await services.store.orders.list(
        user_id=0 if everybody else principal.account.id,
        keyword=fields.text(request.keyword, "keyword", TRADE_NO_MOST),
        since=0 if everybody else int(time.time()) - HISTORY_SECONDS,
        offset=offset,
        limit=size,
    )
    response = payment_pb2.ListOrdersResponse(orders=[message(row, principal) for row in rows])
    response.page.page, response.page.page_size, response.page.total = number, size, total
    return response

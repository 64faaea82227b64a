"""Subscriptions: plans for administrators, purchases for everybody else."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

from isthmus.v1 import payment_pb2, subscription_pb2

from core.errors import InsufficientQuota, InvalidRequest, RecordNotFound
from core.manage import fields, payments
from core.manage.topups import methods
from core.payments import amounts, stripe
from core.payments.interface import CREEM, EPAY, STRIPE, PaymentOff, exact
from core.services.context import Services
from core.state.types import Principal
from core.store.models import Plan, Subscription
from core.subscriptions.periods import RESETS, SECONDS_LEAST, SECONDS_MOST, UNITS, end_of

PRICE_MOST = 9999
TRIES, PAUSE = 30, 0.1
"""How long a purchase waits for what requests under way hold of the wallet."""


# -- plans ------------------------------------------------------------------------------------


def plan_message(row: Plan) -> subscription_pb2.Plan:
    """A plan."""
    return subscription_pb2.Plan(
        id=row.id,
        title=row.title,
        subtitle=row.subtitle,
        price=row.price_amount,
        currency=row.currency,
        duration_unit=row.duration_unit,
        duration_value=row.duration_value,
        custom_seconds=row.custom_seconds,
        enabled=row.enabled,
        sort_order=row.sort_order,
        allow_balance_pay=row.allow_balance_pay,
        allow_wallet_overflow=row.allow_wallet_overflow,
        stripe_price_id=row.stripe_price_id,
        creem_product_id=row.creem_product_id,
        max_purchase_per_user=row.max_purchase_per_user,
        upgrade_group=row.upgrade_group,
        downgrade_group=row.downgrade_group,
        quota=row.total_amount,
        reset_period=row.quota_reset_period,
        reset_custom_seconds=row.quota_reset_custom_seconds,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def message(row: Subscription, used: int) -> subscription_pb2.Subscription:
    """A subscription, with the units used in its period."""
    return subscription_pb2.Subscription(
        id=row.id,
        account_id=row.user_id,
        plan_id=row.plan_id,
        quota=row.amount_total,
        used=used,
        started_at=row.start_time,
        ends_at=row.end_time,
        status=row.status,
        source=row.source,
        last_reset_at=row.last_reset_time,
        next_reset_at=row.next_reset_time,
        upgrade_group=row.upgrade_group,
        previous_group=row.prev_user_group,
        downgrade_group=row.downgrade_group,
        allow_wallet_overflow=row.allow_wallet_overflow,
        purse_id=row.purse_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def columns(services: Services, plan: subscription_pb2.Plan) -> dict[str, Any]:
    """A plan's columns. Raises InvalidRequest with the field's name."""
    price = exact(plan.price)
    if price is None or price > PRICE_MOST or price != round(price, 6):
        raise InvalidRequest(f"price_amount must be 0 to {PRICE_MOST}, with six places at most.", param="price_amount")
    if not 1 <= len(plan.title.strip()) <= 128:
        raise InvalidRequest("A title has 1 to 128 characters.", param="title")
    unit, reset = plan.duration_unit or "month", plan.reset_period or "never"
    if unit not in UNITS:
        raise InvalidRequest(f"duration_unit must be one of {', '.join(UNITS)}.", param="duration_unit")
    if reset not in RESETS:
        raise InvalidRequest(f"quota_reset_period must be one of {', '.join(RESETS)}.", param="quota_reset_period")
    value = fields.whole(plan.duration_value, "duration_value", 0 if unit == "custom" else 1, SECONDS_MOST)
    custom = fields.whole(plan.custom_seconds, "custom_seconds", SECONDS_LEAST if unit == "custom" else 0, SECONDS_MOST)
    try:
        end_of(int(time.time()), unit, value, custom)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"duration_value: {error}", param="duration_value") from error
    groups = services.state.snapshot.options.group_names
    for name, group in (("upgrade_group", plan.upgrade_group), ("downgrade_group", plan.downgrade_group)):
        if group and group not in groups:
            raise InvalidRequest(f"{name} names no group.", param=name)
    return {
        "title": fields.text(plan.title.strip(), "title", 128),
        "subtitle": fields.text(plan.subtitle, "subtitle"),
        "price_amount": format(price.normalize(), "f"),
        "duration_unit": unit,
        "duration_value": value,
        "custom_seconds": custom,
        "enabled": plan.enabled,
        "sort_order": fields.whole(plan.sort_order, "sort_order", -fields.NUMBER_MOST),
        "allow_balance_pay": plan.allow_balance_pay,
        "allow_wallet_overflow": plan.allow_wallet_overflow,
        "stripe_price_id": fields.text(plan.stripe_price_id, "stripe_price_id", 128),
        "creem_product_id": fields.text(plan.creem_product_id, "creem_product_id", 128),
        "max_purchase_per_user": fields.whole(plan.max_purchase_per_user, "max_purchase_per_user"),
        "upgrade_group": plan.upgrade_group,
        "downgrade_group": plan.downgrade_group,
        "total_amount": fields.whole(plan.quota, "total_amount", 0, amounts.UNITS_MOST),
        "quota_reset_period": reset,
        "quota_reset_custom_seconds": fields.whole(
            plan.reset_custom_seconds,
            "quota_reset_custom_seconds",
            SECONDS_LEAST if reset == "custom" else 0,
            SECONDS_MOST,
        ),
    }


def must_be_confirmed(services: Services) -> None:
    """Raises TermsMissing."""
    if not payments.confirmed(payments.raw(services)):
        raise payments.TermsMissing()


async def update_plan(services: Services, request: subscription_pb2.UpdatePlanRequest) -> Plan:
    """All of a plan anew, or whether it is sold. Raises InvalidRequest, RecordNotFound, TermsMissing."""
    must_be_confirmed(services)
    if request.HasField("plan"):
        return await services.store.subscriptions.update_plan(request.id, **columns(services, request.plan))
    if not request.HasField("enabled"):
        raise InvalidRequest("Nothing is to be changed.", param="enabled")
    return await services.store.subscriptions.update_plan(request.id, enabled=request.enabled)


# -- purchases --------------------------------------------------------------------------------


async def buy(
    services: Services, principal: Principal, request: subscription_pb2.BuyPlanRequest
) -> subscription_pb2.BuyPlanResponse:
    """An order, or by the wallet the subscription itself. Raises what stands in the way, with nothing changed."""
    must_be_confirmed(services)
    if request.provider == payment_pb2.PAYMENT_PROVIDER_BALANCE:
        return await _by_balance(services, principal, request.plan_id)
    provider = payments.PROVIDERS.get(request.provider)
    if provider is None:
        raise InvalidRequest("Which provider?", param="provider")
    options = payments.raw(services)
    payments.must_sell(options, provider)
    plan = await services.store.subscriptions.plan(request.plan_id)
    if not plan.enabled:
        raise RecordNotFound("The plan is not sold.")
    await services.store.subscriptions.may_buy(principal.account.id, plan)
    price = Decimal(plan.price_amount)
    if price < amounts.CENT:
        raise InvalidRequest("The plan costs too little to be paid so.", param="plan_id")
    base = payments.site(options)
    user = await services.store.accounts.get(principal.account.id)
    order: dict[str, Any] = {
        "user_id": user.id,
        "plan_id": plan.id,
        "money": plan.price_amount,
        "currency": plan.currency,
        "trade_no": payments.new_trade_no(provider, user.id),
        "payment_method": provider,
        "payment_provider": provider,
        "terms": json.dumps({"plan": plan.title, "price": plan.price_amount}),
    }
    if provider == EPAY:
        if request.method not in {each.type for each in methods(options["PayMethods"])}:
            raise InvalidRequest("There is no such way to pay.", param="payment_method")
        # The gateway takes the site's own currency: what a USD costs there.
        money = f"{(price * amounts.decimal(options['Price'], '1')).quantize(amounts.CENT):.2f}"
        row = await services.store.orders.create(
            **{**order, "payment_method": request.method[:50], "money": money, "currency": "", "expected": money}
        )
        form = payments.epay_form(options, row, f"SUB{plan.id}", "subscription")
        return subscription_pb2.BuyPlanResponse(trade_no=row.trade_no, url=payments.epay_page(options), form=form)
    if provider == CREEM:
        if not plan.creem_product_id:
            raise PaymentOff("The plan is not sold by Creem.")
        expected = str(amounts.minor(price))
        row = await services.store.orders.create(**order, product=plan.creem_product_id, expected=expected)
        wire, member = payments.creem_checkout(services, row, user.email), "checkout_url"
    else:
        if not plan.stripe_price_id:
            raise PaymentOff("The plan is not sold by Stripe.")
        row = await services.store.orders.create(**order)
        wire, member = _stripe_session(services, row, plan, user, base), "url"
    page = await payments.open_checkout(services, row, wire, member)
    return subscription_pb2.BuyPlanResponse(trade_no=row.trade_no, url=page)


def _stripe_session(services: Services, order: Any, plan: Plan, user: Any, base: str) -> Any:
    return stripe.session_request(
        payments.raw(services)["StripeApiSecret"],
        address=services.settings.stripe_url.rstrip("/"),
        trade_no=order.trade_no,
        price_id=plan.stripe_price_id,
        quantity=1,
        success_url=f"{base}/console/topup",
        cancel_url=f"{base}/console/topup",
        subscription=True,
        customer=user.stripe_customer,
        email=user.email,
    )


async def _by_balance(services: Services, principal: Principal, plan_id: int) -> subscription_pb2.BuyPlanResponse:
    unit = amounts.decimal(payments.raw(services)["QuotaPerUnit"], "500000")
    number = payments.new_trade_no(STRIPE, principal.account.id).replace("ref_", "bal_")
    for _ in range(TRIES):
        if await services.store.subscriptions.buy(principal.account.id, plan_id, unit, number) is not None:
            await services.state.refresh()
            return subscription_pb2.BuyPlanResponse(trade_no=number)
        await asyncio.sleep(PAUSE)
    raise InsufficientQuota("Requests under way hold what the plan costs; try again.")

"""Subscriptions: plans, purchases, and what an account has; in New API's shapes."""

from __future__ import annotations

import time
from typing import Any

import orjson
from isthmus.v1 import access_pb2, payment_pb2, subscription_pb2
from sanic.response import HTTPResponse

from front.errors import bad
from front.rest.manager import Call, Level, Raw, Route
from front.rest.payments import GOOD, by_epay, epay_outcome, number, told
from front.rest.sent import Sent

PREFERENCES = ("subscription_first", "wallet_first", "subscription_only", "wallet_only")
TEXTS = {
    "title": "title", "subtitle": "subtitle", "duration_unit": "duration_unit", "stripe_price_id": "stripe_price_id",
    "creem_product_id": "creem_product_id", "upgrade_group": "upgrade_group", "downgrade_group": "downgrade_group",
    "quota_reset_period": "reset_period",
}  # fmt: skip
NUMBERS = {
    "custom_seconds": "custom_seconds", "sort_order": "sort_order", "max_purchase_per_user": "max_purchase_per_user",
    "total_amount": "quota", "quota_reset_custom_seconds": "reset_custom_seconds",
}  # fmt: skip


def plan(found: subscription_pb2.Plan) -> dict[str, Any]:
    """New API's SubscriptionPlan."""
    shown = {name: getattr(found, member) for name, member in {**TEXTS, **NUMBERS}.items()}
    return {
        "id": found.id,
        **shown,
        "price_amount": number(found.price),
        "currency": found.currency,
        "duration_value": found.duration_value,
        "enabled": found.enabled,
        "allow_balance_pay": found.allow_balance_pay,
        "allow_wallet_overflow": found.allow_wallet_overflow,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


def subscription(found: subscription_pb2.Subscription) -> dict[str, Any]:
    """New API's UserSubscription."""
    return {
        "id": found.id,
        "user_id": found.account_id,
        "plan_id": found.plan_id,
        "amount_total": found.quota,
        "amount_used": found.used,
        "start_time": found.started_at,
        "end_time": found.ends_at,
        "status": found.status,
        "source": found.source,
        "last_reset_time": found.last_reset_at,
        "next_reset_time": found.next_reset_at,
        "upgrade_group": found.upgrade_group,
        "prev_user_group": found.previous_group,
        "downgrade_group": found.downgrade_group,
        "allow_wallet_overflow": found.allow_wallet_overflow,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


# -- everybody --------------------------------------------------------------------------------


def _plans(everything: bool) -> Any:
    async def plans(c: Call) -> Any:
        """In the order they are shown in."""
        asked = subscription_pb2.ListPlansRequest(all=everything)
        found = await c.m.subscriptions.ListPlans(asked, metadata=c.who)
        return [{"plan": plan(row)} for row in found.plans]

    return plans


async def own(c: Call) -> Any:
    """What the caller has, and which purse pays first."""
    found = await c.m.subscriptions.ListSubscriptions(subscription_pb2.ListSubscriptionsRequest(), metadata=c.who)
    rows = [{"subscription": subscription(row)} for row in found.subscriptions]
    now = time.time()
    running = [
        row for row in rows if row["subscription"]["status"] == "active" and row["subscription"]["end_time"] > now
    ]
    return {"billing_preference": found.preference, "subscriptions": running, "all_subscriptions": rows}


async def prefer(c: Call) -> Any:
    """Which purse pays first; what is none of them counts as the first."""
    chosen = (await c.body()).text("billing_preference")
    chosen = chosen if chosen in PREFERENCES else PREFERENCES[0]
    patch = orjson.dumps({"billing_preference": chosen}).decode()
    await c.m.access.UpdateSettings(access_pb2.UpdateSettingsRequest(settings_json=patch), metadata=c.who)
    return {"billing_preference": chosen}


async def _buy(c: Call, provider: payment_pb2.PaymentProvider.ValueType) -> subscription_pb2.BuyPlanResponse:
    body = await c.body()
    asked = subscription_pb2.BuyPlanRequest(
        plan_id=body.number("plan_id"), provider=provider, method=body.text("payment_method")
    )
    found: subscription_pb2.BuyPlanResponse = await c.m.subscriptions.BuyPlan(asked, metadata=c.who)
    return found


async def buy_by_balance(c: Call) -> Any:
    """At once, by the wallet."""
    await _buy(c, payment_pb2.PAYMENT_PROVIDER_BALANCE)


async def buy_by_epay(c: Call) -> Any:
    """A form to submit."""

    async def work() -> dict[str, Any]:
        found = await _buy(c, payment_pb2.PAYMENT_PROVIDER_EPAY)
        return {"data": dict(found.form), "url": found.url}

    return await told(work())


async def buy_by_stripe(c: Call) -> Any:
    """The page to pay at."""

    async def work() -> dict[str, Any]:
        return {"data": {"pay_link": (await _buy(c, payment_pb2.PAYMENT_PROVIDER_STRIPE)).url}}

    return await told(work())


async def buy_by_creem(c: Call) -> Any:
    """The page to pay at."""

    async def work() -> dict[str, Any]:
        found = await _buy(c, payment_pb2.PAYMENT_PROVIDER_CREEM)
        return {"data": {"checkout_url": found.url, "order_id": found.trade_no}}

    return await told(work())


class Moved(Raw):
    """The browser goes elsewhere."""

    def __init__(self, place: str) -> None:
        self.response = HTTPResponse(b"", 302, {"Location": place})


async def come_back(c: Call) -> Any:
    """The payer's browser returns from the gateway with a notice of its own: it counts as one."""
    outcome = await epay_outcome(c)
    word = "success" if outcome in GOOD else "fail"
    if outcome == payment_pb2.PAYMENT_OUTCOME_IGNORED:
        word = "pending"
    # A path of this site: nobody's parameter decides where it leads.
    return Moved(f"/console/topup?pay={word}")


# -- administrators ---------------------------------------------------------------------------


def _sent(body: Sent) -> subscription_pb2.Plan:
    part = body.part("plan")
    price = part.raw("price_amount")
    if price is None:
        price = 0
    if isinstance(price, bool) or not isinstance(price, int | float | str):
        raise bad("price_amount must be a number.", "price_amount")
    found = subscription_pb2.Plan(
        price=str(price)[:40],
        duration_value=part.number("duration_value", 1),
        enabled=part.flag("enabled", True),
        allow_balance_pay=part.flag("allow_balance_pay", True),
        allow_wallet_overflow=part.flag("allow_wallet_overflow", True),
    )
    for name, member in TEXTS.items():
        setattr(found, member, part.text(name))
    for name, member in NUMBERS.items():
        setattr(found, member, part.number(name))
    return found


async def create(c: Call) -> Any:
    """A new plan."""
    asked = subscription_pb2.CreatePlanRequest(plan=_sent(await c.body()))
    return plan((await c.m.subscriptions.CreatePlan(asked, metadata=c.who)).plan)


async def update(c: Call, plan_id: int) -> Any:
    """All of a plan anew."""
    asked = subscription_pb2.UpdatePlanRequest(id=plan_id, plan=_sent(await c.body()))
    await c.m.subscriptions.UpdatePlan(asked, metadata=c.who)


async def switch(c: Call, plan_id: int) -> Any:
    """Whether a plan is sold."""
    asked = subscription_pb2.UpdatePlanRequest(id=plan_id, enabled=(await c.body()).flag("enabled"))
    await c.m.subscriptions.UpdatePlan(asked, metadata=c.who)


def _moved(group: str) -> Any:
    return {"message": f"The account's group is {group} now."} if group else None


async def bind(c: Call) -> Any:
    """Gives an account a subscription."""
    body = await c.body()
    asked = subscription_pb2.GrantPlanRequest(account_id=body.number("user_id"), plan_id=body.number("plan_id"))
    return _moved((await c.m.subscriptions.GrantPlan(asked, metadata=c.who)).group)


async def give(c: Call, user_id: int) -> Any:
    """Gives an account a subscription."""
    asked = subscription_pb2.GrantPlanRequest(account_id=user_id, plan_id=(await c.body()).number("plan_id"))
    return _moved((await c.m.subscriptions.GrantPlan(asked, metadata=c.who)).group)


async def of_account(c: Call, user_id: int) -> Any:
    """What an account has."""
    asked = subscription_pb2.ListSubscriptionsRequest(account_id=user_id)
    found = await c.m.subscriptions.ListSubscriptions(asked, metadata=c.who)
    return [{"subscription": subscription(row)} for row in found.subscriptions]


def _end(delete: bool) -> Any:
    async def end(c: Call, subscription_id: int) -> Any:
        """Ends a subscription now."""
        asked = subscription_pb2.EndSubscriptionRequest(id=subscription_id, delete=delete)
        return _moved((await c.m.subscriptions.EndSubscription(asked, metadata=c.who)).group)

    return end


BASE = "/api/subscription"
ADMIN = f"{BASE}/admin"
ROUTES = (
    Route("GET", f"{BASE}/plans", Level.USER, _plans(False)),
    Route("GET", f"{BASE}/self", Level.USER, own),
    Route("PUT", f"{BASE}/self/preference", Level.USER, prefer),
    Route("POST", f"{BASE}/balance/pay", Level.USER, buy_by_balance, limit="critical"),
    Route("POST", f"{BASE}/epay/pay", Level.USER, buy_by_epay, limit="critical"),
    Route("POST", f"{BASE}/stripe/pay", Level.USER, buy_by_stripe, limit="critical"),
    Route("POST", f"{BASE}/creem/pay", Level.USER, buy_by_creem, limit="critical"),
    Route("GET", f"{ADMIN}/plans", Level.ADMIN, _plans(True)),
    Route("POST", f"{ADMIN}/plans", Level.ADMIN, create),
    Route("PUT", f"{ADMIN}/plans/<plan_id:int>", Level.ADMIN, update),
    Route("PATCH", f"{ADMIN}/plans/<plan_id:int>", Level.ADMIN, switch),
    Route("POST", f"{ADMIN}/bind", Level.ADMIN, bind),
    Route("GET", f"{ADMIN}/users/<user_id:int>/subscriptions", Level.ADMIN, of_account),
    Route("POST", f"{ADMIN}/users/<user_id:int>/subscriptions", Level.ADMIN, give),
    Route("POST", f"{ADMIN}/user_subscriptions/<subscription_id:int>/invalidate", Level.ADMIN, _end(False)),
    Route("DELETE", f"{ADMIN}/user_subscriptions/<subscription_id:int>", Level.ADMIN, _end(True)),
    Route("GET", f"{BASE}/epay/notify", Level.PUBLIC, by_epay),
    Route("POST", f"{BASE}/epay/notify", Level.PUBLIC, by_epay),
    Route("GET", f"{BASE}/epay/return", Level.PUBLIC, come_back),
    Route("POST", f"{BASE}/epay/return", Level.PUBLIC, come_back),
)

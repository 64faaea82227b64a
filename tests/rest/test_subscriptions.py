"""Subscriptions: plans, purchases, periods, and which purse pays for a request."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.house import House, house, http, until
from tests.rest.people import Person, make, sign_in
from tests.rest.test_payments import OPTIONS, creem_hook, paid, refused, stripe_hook
from tests.servers import payments as desk_of
from tests.servers.databases import dsn_of
from tests.servers.payments import Desk, payment_desk

PLAN = {
    "title": "Monthly", "price_amount": 9.99, "duration_unit": "month", "duration_value": 1, "total_amount": 1_000_000,
    "stripe_price_id": "price_m", "creem_product_id": "prod_m",
}  # fmt: skip
BASE = "/api/subscription"
COST = 4_995_000
UNIT = desk_of.UNIT_PRICE


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with payment_desk() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, desk: Desk) -> Iterator[House]:
    environ = {"ISTHMUS_STRIPE_URL": desk.url, "ISTHMUS_CREEM_URL": desk.url}
    with (
        dsn_of(request.config.getoption("--database")) as dsn,
        house(tmp_path_factory.mktemp("subscriptions"), environ={**environ, "SQL_DSN": dsn}) as made,
    ):
        made.add_channel()
        yield made


@pytest.fixture(scope="module")
def admin(gateway: House) -> Person:
    """An administrator, the site selling."""
    root = sign_in(gateway, "root")
    made = make(gateway, 10)
    assert "terms" in made.refused("POST", f"{BASE}/admin/plans", {"plan": PLAN})
    assert made.get("GET", f"{BASE}/plans") == []
    for name, value in OPTIONS.items():
        gateway.option(name, value)
    root.get("POST", "/api/option/payment_compliance", {"confirmed": True})
    return made


def quota(person: Person) -> int:
    return int(person.get("GET", "/api/user/self")["quota"])


def plan(admin: Person, **changes: Any) -> int:
    return int(admin.get("POST", f"{BASE}/admin/plans", {"plan": {**PLAN, **changes}})["id"])


def mine(person: Person) -> list[dict[str, Any]]:
    return [row["subscription"] for row in person.get("GET", f"{BASE}/self")["all_subscriptions"]]


def used(person: Person, at_least: int = 1) -> int:
    """Units of the newest subscription, once they are flushed."""
    return int(until(lambda: (found := mine(person)[0]["amount_used"]) >= at_least and found, "nothing was used"))


def test_plans(admin: Person, gateway: House) -> None:
    number = plan(admin, sort_order=5, subtitle="s", upgrade_group="vip", quota_reset_period="weekly")
    person = make(gateway)
    shown = next(row["plan"] for row in person.get("GET", f"{BASE}/plans") if row["plan"]["id"] == number)
    assert (shown["price_amount"], shown["currency"], shown["allow_balance_pay"]) == (9.99, "USD", True)
    assert set(shown) == {
        "id", "title", "subtitle", "price_amount", "currency", "duration_unit", "duration_value", "custom_seconds",
        "enabled", "sort_order", "allow_balance_pay", "allow_wallet_overflow", "stripe_price_id", "creem_product_id",
        "max_purchase_per_user", "upgrade_group", "downgrade_group", "total_amount", "quota_reset_period",
        "quota_reset_custom_seconds", "created_at", "updated_at",
    }  # fmt: skip
    admin.get("PUT", f"{BASE}/admin/plans/{number}", {"plan": {**PLAN, "title": "Other"}})
    admin.get("PATCH", f"{BASE}/admin/plans/{number}", {"enabled": False})
    assert number not in [row["plan"]["id"] for row in person.get("GET", f"{BASE}/plans")]
    kept = next(row["plan"] for row in admin.get("GET", f"{BASE}/admin/plans") if row["plan"]["id"] == number)
    assert (kept["title"], kept["enabled"]) == ("Other", False)
    assert "not sold" in person.refused("POST", f"{BASE}/balance/pay", {"plan_id": number})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"title": ""}, "title"), ({"price_amount": -1}, "price_amount"), ({"price_amount": 10_000}, "price_amount"),
        ({"price_amount": "NaN"}, "price_amount"), ({"price_amount": 0.0000001}, "price_amount"),
        ({"duration_unit": "week"}, "duration_unit"), ({"duration_value": 0}, "duration_value"),
        ({"duration_unit": "custom"}, "custom_seconds"), ({"upgrade_group": "nobody"}, "upgrade_group"),
        ({"total_amount": -1}, "total_amount"), ({"quota_reset_period": "hourly"}, "quota_reset_period"),
        ({"quota_reset_period": "custom", "quota_reset_custom_seconds": 5}, "quota_reset_custom_seconds"),
        ({"max_purchase_per_user": -1}, "max_purchase"), ({"enabled": "yes"}, "enabled"),
    ],
)  # fmt: skip
def test_wrong_plans(admin: Person, wrong: dict[str, Any], named: str) -> None:
    assert named in admin.refused("POST", f"{BASE}/admin/plans", {"plan": {**PLAN, **wrong}})


def test_bought_by_the_wallet(admin: Person, gateway: House) -> None:
    number = plan(admin, max_purchase_per_user=1, upgrade_group="vip")
    person = make(gateway, quota=COST + 7)
    poor = make(gateway, quota=COST - 1)
    assert "wallet" in poor.refused("POST", f"{BASE}/balance/pay", {"plan_id": number})
    assert quota(poor) == COST - 1
    assert mine(poor) == []
    person.get("POST", f"{BASE}/balance/pay", {"plan_id": number})
    assert quota(person) == 7
    told = person.get("GET", f"{BASE}/self")
    assert told["billing_preference"] == "subscription_first"
    (row,) = [each["subscription"] for each in told["subscriptions"]]
    assert (row["status"], row["source"], row["amount_total"], row["amount_used"]) == (
        "active",
        "balance",
        1_000_000,
        0,
    )
    assert person.get("GET", "/api/user/self")["group"] == "vip"
    assert "as often" in person.refused("POST", f"{BASE}/balance/pay", {"plan_id": number})
    (order,) = person.get("GET", "/api/user/topup/self")["items"]
    assert (order["amount"], order["money"], order["payment_provider"]) == (0, 9.99, "balance")
    unsold = plan(admin, allow_balance_pay=False)
    assert "balance" in person.refused("POST", f"{BASE}/balance/pay", {"plan_id": unsold})


def test_two_purchases_at_once_take_the_wallet_once(admin: Person, gateway: House) -> None:
    number = plan(admin)
    person = make(gateway, quota=COST + COST // 2)
    with ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(lambda _: person.ask("POST", f"{BASE}/balance/pay", {"plan_id": number}).json(), range(8))
        )
    assert sum(reply["success"] for reply in replies) == 1
    assert quota(person) == COST // 2
    assert len(mine(person)) == 1


@pytest.mark.parametrize("provider", ["epay", "stripe", "creem"])
def test_bought_by_a_provider_once(admin: Person, gateway: House, desk: Desk, provider: str) -> None:
    number = plan(admin)
    person = make(gateway)
    body = {"plan_id": number, "payment_method": "alipay"}
    data = paid(person, f"{BASE}/{provider}/pay", body)["data"]
    admin.get("PATCH", f"{BASE}/admin/plans/{number}", {"enabled": False})
    if provider == "epay":
        assert (data["money"], data["notify_url"]) == ("72.93", f"https://gateway.example{BASE}/epay/notify")
        notice = urlencode(desk_of.epay_notice(data))
        short = urlencode(desk_of.epay_notice(data, money="9.99"))
        assert http("GET", f"{gateway.base}{BASE}/epay/notify?{short}").body == b"fail"
        replies = [http("GET", f"{gateway.base}{BASE}/epay/notify?{notice}").body for _ in range(3)]
        assert replies == [b"success"] * 3
    elif provider == "stripe":
        session = desk.sessions[-1]
        assert (session["asked"]["mode"], session["asked"]["line_items[0][price]"]) == ("subscription", "price_m")
        stripe_hook(gateway, desk_of.stripe_event(session, amount_subtotal=1))
        assert mine(person) == []
        assert [stripe_hook(gateway, desk_of.stripe_event(session)).status for _ in range(3)] == [200] * 3
    else:
        checkout = desk.checkouts[-1]
        creem_hook(gateway, desk_of.creem_event(checkout, 998))
        assert mine(person) == []
        assert [creem_hook(gateway, desk_of.creem_event(checkout, 999)).status for _ in range(3)] == [200] * 3
    (row,) = mine(person)
    assert (row["source"], row["plan_id"]) == ("order", number), "also where it is no longer sold: it was paid for"
    assert quota(person) == 0
    assert refused(person, f"{BASE}/{provider}/pay", body)


def agreed(admin: Person, gateway: House, desk: Desk, agreement: str, **changes: Any) -> Person:
    """Somebody who bought a plan by Stripe."""
    person = make(gateway)
    paid(person, f"{BASE}/stripe/pay", {"plan_id": plan(admin, **changes)})
    event = desk_of.stripe_event(desk.sessions[-1], subscription=agreement)
    assert stripe_hook(gateway, event).status == 200
    assert len(mine(person)) == 1
    return person


@pytest.mark.parametrize("old", [False, True])
def test_an_invoice_of_a_further_period_gives_one(admin: Person, gateway: House, desk: Desk, old: bool) -> None:
    tag = f"{old:d}"
    person = agreed(admin, gateway, desk, f"sub_a{tag}", upgrade_group="vip")
    (bought,) = mine(person)
    first = desk_of.stripe_invoice(f"in_a0{tag}", f"sub_a{tag}", UNIT, old, billing_reason="subscription_create")
    assert stripe_hook(gateway, first).status == 200
    assert len(mine(person)) == 1, "the session has given it"
    body = desk_of.stripe_invoice(f"in_a1{tag}", f"sub_a{tag}", UNIT, old)
    assert stripe_hook(gateway, body, "t=1,v1=0").status == 400
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: stripe_hook(gateway, body).status, range(8)))
    assert statuses == [200] * 8
    further, kept = mine(person)
    assert {**kept, "updated_at": 0} == {**bought, "updated_at": 0}
    assert further["amount_total"] == bought["amount_total"]
    assert 27 <= (further["end_time"] - bought["end_time"]) / 86_400 <= 32, "no time is lost"
    stripe_hook(gateway, desk_of.stripe_invoice(f"in_a2{tag}", f"sub_a{tag}", UNIT, old))
    stripe_hook(gateway, body)
    assert len(mine(person)) == 3
    assert mine(person)[0]["end_time"] > further["end_time"]
    for row in mine(person)[::-1]:
        admin.get("POST", f"{BASE}/admin/user_subscriptions/{row['id']}/invalidate")
    assert person.get("GET", "/api/user/self")["group"] == "default", "as it was before all of them"


def test_an_invoice_that_does_not_fit_gives_nothing(admin: Person, gateway: House, desk: Desk) -> None:
    person = agreed(admin, gateway, desk, "sub_b")
    wrong = [
        desk_of.stripe_invoice("in_b1", "sub_b", UNIT - 1), desk_of.stripe_invoice("in_b2", "sub_b", UNIT, currency="usd"),
        desk_of.stripe_invoice("in_b3", "sub_unknown", UNIT), desk_of.stripe_invoice("in_b4", "", UNIT),
        desk_of.stripe_invoice("in_b5", "sub_b", UNIT, status="open"),
        desk_of.stripe_invoice("in_b6", "sub_b", UNIT, billing_reason="subscription_update"),
        desk_of.stripe_invoice("in_b7", "sub_other", UNIT, trade_no=desk.sessions[-1]["client_reference_id"]),
    ]  # fmt: skip
    assert [stripe_hook(gateway, body).status for body in wrong] == [200] * len(wrong)
    assert len(mine(person)) == 1
    held = gateway.rows(
        "SELECT trade_no, status, problem FROM top_ups WHERE trade_no LIKE ? ORDER BY trade_no", "in_b%"
    )
    assert [(row[0], row[1], bool(row[2])) for row in held] == [("in_b1", "pending", True), ("in_b2", "pending", True)]


def test_what_an_administrator_ended_is_not_renewed_silently(admin: Person, gateway: House, desk: Desk) -> None:
    person = agreed(admin, gateway, desk, "sub_c")
    admin.get("POST", f"{BASE}/admin/user_subscriptions/{mine(person)[0]['id']}/invalidate")
    body = desk_of.stripe_invoice("in_c1", "sub_c", UNIT)
    assert [stripe_hook(gateway, body).status for _ in range(2)] == [200, 200]
    assert [row["status"] for row in mine(person)] == ["cancelled"]
    ((status, problem),) = gateway.rows("SELECT status, problem FROM top_ups WHERE trade_no = 'in_c1'")
    assert (status, "ended here" in problem) == ("pending", True)
    admin.get("POST", "/api/user/topup/complete", {"trade_no": "in_c1"})
    assert [row["status"] for row in mine(person)] == ["active", "cancelled"], "he may decide otherwise"


def test_an_order_completed_by_hand_is_renewed_too(admin: Person, gateway: House, desk: Desk) -> None:
    person = make(gateway)
    paid(person, f"{BASE}/stripe/pay", {"plan_id": plan(admin)})
    asked = desk.sessions[-1]["asked"]
    number = asked["subscription_data[metadata][trade_no]"]
    body = desk_of.stripe_invoice("in_d1", "sub_d", UNIT, trade_no=number)
    assert stripe_hook(gateway, body).status == 409, "Stripe comes again with what overtook the first payment"
    assert mine(person) == []
    admin.get("POST", "/api/user/topup/complete", {"trade_no": number})
    assert stripe_hook(gateway, body).status == 200
    assert len(mine(person)) == 2


def test_the_payers_return_is_a_notice_and_leads_nowhere_else(admin: Person, gateway: House) -> None:
    import urllib.request

    person = make(gateway)
    data = paid(person, f"{BASE}/epay/pay", {"plan_id": plan(admin), "payment_method": "wxpay"})["data"]

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.ProxyHandler({}))
    for query, word in (
        ("sign=0&return_url=https://evil.example", "fail"),
        (urlencode(desk_of.epay_notice(data)), "success"),
    ):
        with pytest.raises(urllib.request.HTTPError) as caught:  # type: ignore[attr-defined]
            opener.open(f"{gateway.base}{BASE}/epay/return?{query}", timeout=30)
        assert caught.value.code == 302
        assert caught.value.headers["location"] == f"/console/topup?pay={word}"
    assert len(mine(person)) == 1


# -- who pays ---------------------------------------------------------------------------------


def subscribed(admin: Person, gateway: House, wallet: int = 1_000_000, **changes: Any) -> tuple[Person, str]:
    person = make(gateway, quota=wallet)
    admin.get("POST", f"{BASE}/admin/bind", {"user_id": person.id, "plan_id": plan(admin, **changes)})
    return person, person.key(unlimited_quota=True)[1]


def test_a_request_is_paid_by_the_purse_the_account_prefers(admin: Person, gateway: House) -> None:
    person, key = subscribed(admin, gateway)
    assert gateway.chat(key).status == 200
    first = used(person)
    assert quota(person) == 1_000_000
    for wish, wallet_pays in (("wallet_first", True), ("subscription_only", False), ("wallet_only", True)):
        told = person.get("PUT", f"{BASE}/self/preference", {"billing_preference": wish})
        assert told == {"billing_preference": wish}
        wallet, plan_used = quota(person), mine(person)[0]["amount_used"]
        reply = gateway.chat(key)
        assert reply.status == 200
        if wallet_pays:
            until(lambda wallet=wallet: quota(person) < wallet, "the wallet did not pay")
            assert mine(person)[0]["amount_used"] == plan_used
        else:
            assert used(person, plan_used + 1) > plan_used
            assert quota(person) == wallet
    assert person.get("PUT", f"{BASE}/self/preference", {"billing_preference": "x"})["billing_preference"] == (
        "subscription_first"
    )
    assert first > 0


def test_what_a_subscription_does_not_cover_the_wallet_pays_if_the_plan_allows(admin: Person, gateway: House) -> None:
    person, key = subscribed(admin, gateway, total_amount=1)
    assert gateway.chat(key).status == 200
    until(lambda: quota(person) < 1_000_000, "the wallet did not pay")
    assert mine(person)[0]["amount_used"] <= 1
    strict, strict_key = subscribed(admin, gateway, total_amount=1, allow_wallet_overflow=False)
    reply = gateway.chat(strict_key)
    assert (reply.status, reply.json()["error"]["code"]) == (403, "insufficient_user_quota")
    assert quota(strict) == 1_000_000


def test_who_pays_by_subscription_alone_and_has_none_is_refused(gateway: House) -> None:
    person = make(gateway, quota=1_000_000)
    person.get("PUT", f"{BASE}/self/preference", {"billing_preference": "subscription_only"})
    _, key = person.key(unlimited_quota=True)
    reply = gateway.chat(key)
    assert (reply.status, reply.json()["error"]["code"]) == (403, "insufficient_user_quota")
    assert gateway.chat(key, stream=True).status == 403
    assert quota(person) == 1_000_000


def test_many_requests_at_once_never_use_more_than_the_plan_gives(admin: Person, gateway: House) -> None:
    person, key = subscribed(admin, gateway, wallet=0, total_amount=600, allow_wallet_overflow=False)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: gateway.chat(key, max_tokens=5).status, range(40)))
    assert set(statuses) <= {200, 403}
    assert 403 in statuses
    gateway.money()
    assert 0 < mine(person)[0]["amount_used"] <= 600
    lines = gateway.rows("SELECT SUM(quota) FROM logs WHERE user_id = ? AND type = 2", person.id)
    assert lines == [(mine(person)[0]["amount_used"],)], "what was billed is what the purse gave"


# -- time -------------------------------------------------------------------------------------


def turn_back(gateway: House, subscription: int, seconds: int) -> None:
    """A subscription that began earlier, so that nobody has to wait."""
    gateway.rows(
        "UPDATE user_subscriptions SET start_time = start_time - ?, end_time = end_time - ?,"
        " next_reset_time = CASE WHEN next_reset_time > 0 THEN next_reset_time - ? ELSE 0 END WHERE id = ?",
        seconds, seconds, seconds, subscription,
    )  # fmt: skip
    ((owner,),) = gateway.rows("SELECT user_id FROM user_subscriptions WHERE id = ?", subscription)
    gateway.rows("INSERT INTO changes (kind, entity_id) VALUES ('account', ?)", owner)
    time.sleep(0.8)


def test_a_new_period_begins_with_the_first_request_after_it(admin: Person, gateway: House) -> None:
    person, key = subscribed(
        admin, gateway, wallet=0, total_amount=2000, quota_reset_period="custom", quota_reset_custom_seconds=3600,
        allow_wallet_overflow=False,
    )  # fmt: skip
    assert gateway.chat(key, max_tokens=5).status == 200
    before = used(person)
    (row,) = mine(person)
    turn_back(gateway, row["id"], 3 * 3600 + 60)
    assert gateway.chat(key, max_tokens=5).status == 200
    (after,) = mine(person)
    assert after["last_reset_time"] == row["start_time"] - 60
    assert after["next_reset_time"] > time.time()
    until(lambda: 0 < mine(person)[0]["amount_used"] <= before, "the period is a new one")
    kept = gateway.rows("SELECT COUNT(*), SUM(settled) FROM purses WHERE kind = 3 AND owner_id = ?", row["id"])
    assert kept == [(2, before + mine(person)[0]["amount_used"])], "settled is never zeroed"


def test_at_the_end_the_group_goes_back_and_the_wallet_pays(admin: Person, gateway: House) -> None:
    person, key = subscribed(admin, gateway, upgrade_group="vip", duration_unit="hour")
    assert person.get("GET", "/api/user/self")["group"] == "vip"
    turn_back(gateway, mine(person)[0]["id"], 3601)
    assert gateway.chat(key).status == 200
    assert mine(person)[0]["status"] == "expired"
    assert person.get("GET", "/api/user/self")["group"] == "default"
    until(lambda: quota(person) < 1_000_000, "the wallet did not pay")
    assert mine(person)[0]["amount_used"] == 0


def test_administrators_end_and_delete(admin: Person, gateway: House) -> None:
    person, key = subscribed(admin, gateway, upgrade_group="vip", downgrade_group="svip")
    second = plan(admin, upgrade_group="vip")
    admin.get("POST", f"{BASE}/admin/users/{person.id}/subscriptions", {"plan_id": second})
    newer, older = mine(person)
    assert admin.get("POST", f"{BASE}/admin/user_subscriptions/{older['id']}/invalidate") is None
    assert person.get("GET", "/api/user/self")["group"] == "vip", "another one still raises it"
    person.refused("DELETE", f"{BASE}/admin/user_subscriptions/{newer['id']}")
    admin.get("DELETE", f"{BASE}/admin/user_subscriptions/{newer['id']}")
    (row,) = [each["subscription"] for each in admin.get("GET", f"{BASE}/admin/users/{person.id}/subscriptions")]
    assert row["status"] == "cancelled"
    assert gateway.chat(key).status in (200, 503), "no subscription pays any more"
    admin.refused("POST", f"{BASE}/admin/bind", {"user_id": 999_999_999, "plan_id": second})

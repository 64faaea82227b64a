"""Top-ups by epay, Stripe and Creem, against stand-ins that sign as they do."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.house import House, Reply, house, http
from tests.rest.people import Person, make, sign_in
from tests.servers import payments as desk_of
from tests.servers.databases import dsn_of
from tests.servers.payments import Desk, payment_desk

PRODUCTS = '[{"productId":"prod_1","name":"Starter","price":9.99,"currency":"USD","quota":4000000}]'
OPTIONS = {
    "ServerAddress": "https://gateway.example", "PayAddress": "https://pay.example/", "EpayId": desk_of.EPAY_ID,
    "EpayKey": desk_of.EPAY_KEY, "StripeApiSecret": desk_of.STRIPE_SECRET, "StripeWebhookSecret": desk_of.STRIPE_HOOK,
    "StripePriceId": "price_1", "CreemApiKey": desk_of.CREEM_KEY, "CreemWebhookSecret": desk_of.CREEM_HOOK,
    "CreemProducts": PRODUCTS, "TopupGroupRatio": '{"default":1,"vip":0.5}',
    "payment_setting.amount_discount": '{"100":0.9}',
}  # fmt: skip


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with payment_desk() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, desk: Desk) -> Iterator[House]:
    environ = {
        "ISTHMUS_STRIPE_URL": desk.url, "ISTHMUS_CREEM_URL": desk.url, "TRUSTED_REDIRECT_DOMAINS": "shop.example, b.example"
    }  # fmt: skip
    with (
        dsn_of(request.config.getoption("--database")) as dsn,
        house(tmp_path_factory.mktemp("payments"), environ={**environ, "SQL_DSN": dsn}) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def root(gateway: House) -> Person:
    return sign_in(gateway, "root")


@pytest.fixture(scope="module")
def selling(gateway: House, root: Person) -> House:
    """The terms confirmed, every provider set up."""
    for name, value in OPTIONS.items():
        gateway.option(name, value)
    root.get("POST", "/api/option/payment_compliance", {"confirmed": True})
    return gateway


def quota(person: Person) -> int:
    return int(person.get("GET", "/api/user/self")["quota"])


def paid(person: Person, path: str, body: Any) -> Any:
    """The reply of a payment route that must succeed."""
    answer = person.ask("POST", path, body).json()
    assert answer["message"] == "success", answer
    return answer


def refused(person: Person, path: str, body: Any) -> str:
    answer = person.ask("POST", path, body).json()
    assert answer["message"] == "error", answer
    return str(answer["data"])


def notify(house: House, form: dict[str, str], method: str = "POST") -> str:
    """What the gateway's word is for an epay notice."""
    url = house.base + "/api/user/epay/notify"
    if method == "GET":
        reply = http("GET", f"{url}?{urlencode(form)}")
    else:
        reply = http("POST", url, urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    assert reply.status == 200
    return reply.body.decode()


def stripe_hook(house: House, body: bytes, signature: str = "") -> Reply:
    headers = {"Stripe-Signature": signature or desk_of.stripe_signature(body)}
    return http("POST", house.base + "/api/stripe/webhook", body, headers)


def creem_hook(house: House, body: bytes, signature: str = "") -> Reply:
    headers = {"creem-signature": signature or desk_of.creem_signature(body)}
    return http("POST", house.base + "/api/creem/webhook", body, headers)


# -- before anything is sold ------------------------------------------------------------------


def test_nothing_is_sold_before_the_terms_are_confirmed(gateway: House, root: Person) -> None:
    person = make(gateway)
    told = person.get("GET", "/api/user/topup/info")
    assert set(told) == {
        "enable_online_topup", "enable_stripe_topup", "enable_creem_topup", "enable_redemption",
        "payment_compliance_confirmed", "payment_compliance_terms_version", "creem_products", "pay_methods",
        "min_topup", "stripe_min_topup", "amount_options", "discount", "topup_link",
    }  # fmt: skip
    assert (told["enable_online_topup"], told["payment_compliance_confirmed"], told["pay_methods"]) == (
        False,
        False,
        [],
    )
    for path, body in (
        ("/api/user/pay", {"amount": 10, "payment_method": "alipay"}), ("/api/user/stripe/pay", {"amount": 10}),
        ("/api/user/creem/pay", {"product_id": "prod_1"}),
    ):  # fmt: skip
        assert "terms" in person.refused("POST", path, body)
    root.refused("PUT", "/api/option/", {"key": "payment_setting.compliance_confirmed", "value": "true"})
    root.refused("POST", "/api/option/payment_compliance", {"confirmed": False})
    by_token = {"Authorization": gateway.access_token, "New-Api-User": str(gateway.root_id)}
    reply = http("POST", gateway.base + "/api/option/payment_compliance", {"confirmed": True}, by_token)
    assert (reply.status, reply.json()["success"]) == (403, False)
    assert stripe_hook(gateway, b"{}", "t=1,v1=0").status == 403
    assert creem_hook(gateway, b"{}", "0").status == 403
    assert notify(gateway, {"sign": "0"}) == "fail"


def test_the_terms(selling: House, root: Person) -> None:
    told = root.get("POST", "/api/option/payment_compliance", {"confirmed": True})
    assert (told["confirmed"], told["terms_version"], told["confirmed_by"]) == (True, "v1", root.id)
    assert told["confirmed_at"] == pytest.approx(time.time(), abs=60)
    shown = {row["key"]: row["value"] for row in root.get("GET", "/api/option/")}
    assert shown["payment_setting.compliance_confirmed"] == "true"
    assert not {"EpayKey", "StripeApiSecret", "StripeWebhookSecret", "CreemApiKey", "CreemWebhookSecret"} & shown.keys()
    assert desk_of.STRIPE_SECRET not in str(selling.rows("SELECT value FROM options")), "encrypted at rest"


def test_ways_to_pay(selling: House) -> None:
    told = make(selling).get("GET", "/api/user/topup/info")
    assert [told[f"enable_{name}_topup"] for name in ("online", "stripe", "creem")] == [True, True, True]
    assert [one["type"] for one in told["pay_methods"]] == ["alipay", "wxpay", "custom1", "stripe"]
    assert told["pay_methods"][2]["min_topup"] == "50"
    assert '"productId":"prod_1"' in told["creem_products"]
    assert told["discount"] == {"100": 0.9}
    assert told["amount_options"] == [10, 20, 50, 100, 200, 500]


def test_what_would_be_paid(selling: House) -> None:
    person = make(selling)
    assert paid(person, "/api/user/amount", {"amount": 10})["data"] == "73.00"
    assert paid(person, "/api/user/amount", {"amount": 100})["data"] == "657.00"
    assert paid(person, "/api/user/stripe/amount", {"amount": 10})["data"] == "80.00"
    selling.manage("PUT", "/api/user/", {"id": person.id, "username": person.name, "group": "vip"})
    assert paid(person, "/api/user/amount", {"amount": 10})["data"] == "36.50"
    for wrong in (0, -1, 1 << 60):
        assert refused(person, "/api/user/amount", {"amount": wrong})
    assert "whole number" in refused(person, "/api/user/amount", {"amount": 1.5})


# -- epay -------------------------------------------------------------------------------------


def epay_order(person: Person, amount: int = 10, method: str = "alipay") -> dict[str, str]:
    answer = paid(person, "/api/user/pay", {"amount": amount, "payment_method": method})
    assert answer["url"] == "https://pay.example/submit.php"
    form: dict[str, str] = answer["data"]
    return form


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_epay_from_beginning_to_end(selling: House, method: str) -> None:
    person = make(selling)
    form = epay_order(person)
    assert (form["pid"], form["type"], form["money"]) == (desk_of.EPAY_ID, "alipay", "73.00")
    assert form["notify_url"] == "https://gateway.example/api/user/epay/notify"
    assert desk_of.EPAY_KEY not in str(form)
    assert form["out_trade_no"].startswith(f"USR{person.id}NO")
    (order,) = person.get("GET", "/api/user/topup/self")["items"]
    assert order == {
        "id": order["id"], "user_id": person.id, "amount": 10, "money": 73, "trade_no": form["out_trade_no"],
        "payment_method": "alipay", "payment_provider": "epay", "create_time": order["create_time"],
        "complete_time": 0, "status": "pending",
    }  # fmt: skip
    assert quota(person) == 0
    notice = desk_of.epay_notice(form)
    assert notify(selling, notice, method) == "success"
    assert quota(person) == 5_000_000
    assert [notify(selling, notice, method) for _ in range(3)] == ["success"] * 3, "a duplicate is done already"
    assert quota(person) == 5_000_000
    (line,) = person.get("GET", "/api/log/self?type=1")["items"]
    assert "73.00 by epay for 5000000 units" in line["content"]
    (order,) = person.get("GET", "/api/user/topup/self")["items"]
    assert order["status"] == "success"
    assert order["complete_time"] >= order["create_time"]


def test_forged_and_wrong_epay_notices_give_nothing(selling: House, root: Person) -> None:
    person = make(selling)
    form = epay_order(person)
    notice = desk_of.epay_notice(form)
    for wrong in (
        {**notice, "sign": "0" * 32}, {**notice, "money": "730.00"}, desk_of.epay_notice(form, key="other"),
        desk_of.epay_notice({**form, "pid": "1001"}), desk_of.epay_notice(form, trade_status="TRADE_CLOSED"),
        desk_of.epay_notice(form, out_trade_no="USR1NOnobody1"), desk_of.epay_notice(form, money="72.99"),
        desk_of.epay_notice(form, money="-73.00"), desk_of.epay_notice(form, money="NaN"),
        desk_of.epay_notice(form, money=""), {},
    ):  # fmt: skip
        assert notify(selling, wrong) == "fail", wrong
    assert quota(person) == 0
    (seen,) = root.get("GET", f"/api/user/topup?keyword={form['out_trade_no']}")["items"]
    assert (seen["status"], "not 73.00" in seen["problem"]) == ("pending", True)
    assert "problem" not in person.get("GET", "/api/user/topup/self")["items"][0]
    assert notify(selling, desk_of.epay_notice(form, money="73.0")) == "success", "the same sum, told otherwise"
    assert quota(person) == 5_000_000


def test_the_price_of_an_order_is_that_of_its_beginning(selling: House) -> None:
    """Receipts keep the prices they used: what an administrator changes meanwhile changes no order."""
    person = make(selling)
    form = epay_order(person)
    selling.option("Price", "100")
    selling.option("QuotaPerUnit", "1")
    try:
        assert notify(selling, desk_of.epay_notice(form)) == "success"
    finally:
        selling.option("Price", "7.3")
        selling.option("QuotaPerUnit", "500000")
    assert quota(person) == 5_000_000
    ((terms,),) = selling.rows("SELECT terms FROM top_ups WHERE trade_no = ?", form["out_trade_no"])
    assert '"price": "7.3"' in terms


def test_ways_and_amounts_that_are_refused(selling: House) -> None:
    person = make(selling)
    for body, named in (
        ({"amount": 10, "payment_method": "barter"}, "way to pay"), ({"amount": 10}, "way to pay"),
        ({"amount": 49, "payment_method": "custom1"}, "50"), ({"amount": 0, "payment_method": "alipay"}, "least"),
        ({"amount": "10", "payment_method": "alipay"}, "whole number"),
    ):  # fmt: skip
        assert named in refused(person, "/api/user/pay", body)
    assert person.get("GET", "/api/user/topup/self")["total"] == 0


def test_unpaid_orders_are_limited(selling: House) -> None:
    person = make(selling)
    for _ in range(50):
        epay_order(person)
    assert person.ask("POST", "/api/user/pay", {"amount": 10, "payment_method": "alipay"}).status == 429
    assert person.get("GET", "/api/user/topup/self?page_size=100")["total"] == 50


# -- Stripe -----------------------------------------------------------------------------------


def stripe_order(person: Person, desk: Desk, amount: int = 10, **body: Any) -> dict[str, Any]:
    link = paid(person, "/api/user/stripe/pay", {"amount": amount, "payment_method": "stripe", **body})["data"]
    session = desk.sessions[-1]
    assert link == {"pay_link": session["url"]}
    return session


def test_stripe_from_beginning_to_end(selling: House, desk: Desk) -> None:
    person = make(selling)
    session = stripe_order(person, desk)
    asked = session["asked"]
    assert (asked["line_items[0][price]"], asked["line_items[0][quantity]"]) == ("price_1", "10")
    assert (asked["success_url"], asked["mode"]) == ("https://gateway.example/console/log", "payment")
    assert desk.headers[-1]["idempotency-key"] == asked["client_reference_id"]
    assert stripe_hook(selling, desk_of.stripe_event(session, payment_status="unpaid")).status == 200
    assert quota(person) == 0, "the bank has not paid yet"
    body = desk_of.stripe_event(session, "checkout.session.async_payment_succeeded")
    assert [stripe_hook(selling, body).status for _ in range(3)] == [200] * 3
    assert quota(person) == 5_000_000
    assert selling.rows("SELECT stripe_customer FROM users WHERE id = ?", person.id) == [("cus_1",)]
    stripe_order(person, desk)
    assert desk.sessions[-1]["asked"]["customer"] == "cus_1"


def test_forged_expired_and_wrong_stripe_webhooks_give_nothing(selling: House, desk: Desk, root: Person) -> None:
    person = make(selling)
    session = stripe_order(person, desk)
    body = desk_of.stripe_event(session)
    for signature in (
        desk_of.stripe_signature(body, "whsec_other"), desk_of.stripe_signature(body + b" "), "t=1", "x",
        desk_of.stripe_signature(body, at=int(time.time()) - 600),
    ):  # fmt: skip
        assert stripe_hook(selling, body, signature).status == 400
    for changes in (
        {"amount_subtotal": 1}, {"currency": "usd"}, {"id": "cs_other"}, {"amount_subtotal": None},
        {"amount_subtotal": "7300"}, {"client_reference_id": "ref_nobody"}, {"client_reference_id": None},
    ):  # fmt: skip
        assert stripe_hook(selling, desk_of.stripe_event(session, **changes)).status == 200
    assert quota(person) == 0
    (seen,) = root.get("GET", f"/api/user/topup?keyword={session['client_reference_id']}")["items"]
    assert seen["status"] == "pending"
    assert seen["problem"]
    assert stripe_hook(selling, body).status == 200
    assert quota(person) == 5_000_000


def test_stripe_webhooks_in_any_order_credit_once(selling: House, desk: Desk) -> None:
    rng = random.Random(7)
    kinds = ["checkout.session.completed", "checkout.session.expired", "checkout.session.async_payment_failed"] * 2
    for _ in range(4):
        person = make(selling)
        session = stripe_order(person, desk)
        rng.shuffle(kinds)
        for kind in kinds:
            status = "paid" if kind.endswith("completed") else "unpaid"
            assert stripe_hook(selling, desk_of.stripe_event(session, kind, payment_status=status)).status == 200
        assert quota(person) == 5_000_000, kinds
        assert person.get("GET", "/api/user/topup/self")["items"][0]["status"] == "success"


def test_a_session_that_expires(selling: House, desk: Desk) -> None:
    person = make(selling)
    for kind, state in (("expired", "expired"), ("async_payment_failed", "failed")):
        session = stripe_order(person, desk)
        assert stripe_hook(selling, desk_of.stripe_event(session, f"checkout.session.{kind}")).status == 200
        assert person.get("GET", "/api/user/topup/self")["items"][0]["status"] == state
        selling_refuses = make(selling, 10)
        assert state in selling_refuses.refused(
            "POST", "/api/user/topup/complete", {"trade_no": session["client_reference_id"]}
        )
    assert quota(person) == 0


def test_payers_come_back_to_trusted_domains_alone(selling: House, desk: Desk) -> None:
    person = make(selling)
    for url in (
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://shop.example@evil.example/",
        "x",
    ):
        reply = person.ask("POST", "/api/user/stripe/pay", {"amount": 10, "success_url": url})
        assert reply.status == 400, url
    session = stripe_order(
        person, desk, success_url="https://my.shop.example/thanks", cancel_url="https://b.example/no"
    )
    assert session["asked"]["success_url"] == "https://my.shop.example/thanks"


def test_a_provider_that_refuses_is_not_quoted(selling: House, desk: Desk) -> None:
    person = make(selling)
    desk.broken = True
    try:
        for path, body in (("stripe", {"amount": 10}), ("creem", {"product_id": "prod_1"})):
            reply = person.ask("POST", f"/api/user/{path}/pay", body)
            assert reply.json()["message"] != "success"
            assert b"sk_test" not in reply.body
            assert desk.url.removeprefix("http://").encode() not in reply.body
    finally:
        desk.broken = False
    assert [row["status"] for row in person.get("GET", "/api/user/topup/self")["items"]] == ["failed", "failed"]


# -- Creem ------------------------------------------------------------------------------------


def creem_order(person: Person, desk: Desk) -> dict[str, Any]:
    told = paid(person, "/api/user/creem/pay", {"product_id": "prod_1", "payment_method": "creem"})["data"]
    checkout = desk.checkouts[-1]
    assert told["order_id"] == checkout["request_id"]
    assert told["checkout_url"].startswith("https://creem.example/")
    return checkout


def test_creem_from_beginning_to_end(selling: House, desk: Desk) -> None:
    person = make(selling)
    checkout = creem_order(person, desk)
    body = desk_of.creem_event(checkout, 999)
    assert [creem_hook(selling, body).status for _ in range(3)] == [200] * 3
    assert quota(person) == 4_000_000
    assert "product" in refused(person, "/api/user/creem/pay", {"product_id": "prod_2"})


def test_forged_and_wrong_creem_webhooks_give_nothing(selling: House, desk: Desk) -> None:
    person = make(selling)
    checkout = creem_order(person, desk)
    body = desk_of.creem_event(checkout, 999)
    for signature in ("0" * 64, desk_of.creem_signature(body, "other"), desk_of.creem_signature(body)[:-1], "é"):
        assert creem_hook(selling, body, signature.encode("utf-8").decode("latin-1")).status == 401
    for wrong in (
        desk_of.creem_event(checkout, 998), desk_of.creem_event(checkout, 999, "EUR"),
        desk_of.creem_event(checkout, 999, status="pending"), desk_of.creem_event(checkout, 999, product="prod_cheap"),
        desk_of.creem_event({**checkout, "request_id": "ref_nobody"}, 999),
    ):  # fmt: skip
        assert creem_hook(selling, wrong).status == 200
    assert quota(person) == 0
    assert creem_hook(selling, body).status == 200
    assert quota(person) == 4_000_000


def test_one_providers_word_pays_no_order_of_anothers(selling: House, desk: Desk) -> None:
    """A cheap order at one provider must not complete a dear one at another."""
    person = make(selling)
    form, session = epay_order(person), stripe_order(person, desk)
    creem_hook(selling, desk_of.creem_event(
        {"id": "ch_x", "product_id": "prod_1", "request_id": form["out_trade_no"]}, 99_999
    ))  # fmt: skip
    notify(selling, desk_of.epay_notice(form, out_trade_no=session["client_reference_id"], money="999999.00"))
    assert quota(person) == 0


# -- once, and by hand ------------------------------------------------------------------------


def test_concurrent_notices_credit_exactly_once(selling: House, desk: Desk) -> None:
    person = make(selling)
    form, session, checkout = epay_order(person), stripe_order(person, desk), creem_order(person, desk)
    notice = desk_of.epay_notice(form)
    event, done = desk_of.stripe_event(session), desk_of.creem_event(checkout, 999)
    admin = make(selling, 10)
    works: list[Any] = [
        lambda: notify(selling, notice), lambda: stripe_hook(selling, event), lambda: creem_hook(selling, done),
        lambda: admin.ask("POST", "/api/user/topup/complete", {"trade_no": form["out_trade_no"]}),
    ]  # fmt: skip
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda turn: works[turn % 4](), range(48)))
    assert quota(person) == 5_000_000 + 5_000_000 + 4_000_000
    assert len(person.get("GET", "/api/log/self?type=1")["items"]) == 3


def test_an_administrator_completes_an_order(selling: House, root: Person) -> None:
    person, admin = make(selling), make(selling, 10)
    form = epay_order(person, 20)
    body = {"trade_no": form["out_trade_no"]}
    person.refused("POST", "/api/user/topup/complete", body)
    admin.get("POST", "/api/user/topup/complete", body)
    admin.get("POST", "/api/user/topup/complete", body)
    assert notify(selling, desk_of.epay_notice(form)) == "success", "the late notice finds it done"
    assert quota(person) == 10_000_000
    assert "no such order" in admin.refused("POST", "/api/user/topup/complete", {"trade_no": "USR1NOx"})
    lines = root.get("GET", "/api/log/?type=3&page_size=100")["items"]
    assert any("topup.complete done" in line["content"] for line in lines)


def test_history_is_ones_own_and_everybodys_for_administrators(selling: House) -> None:
    person, other, admin = make(selling), make(selling), make(selling, 10)
    mine, theirs = epay_order(person), epay_order(other)
    assert [row["trade_no"] for row in person.get("GET", "/api/user/topup/self")["items"]] == [mine["out_trade_no"]]
    assert person.get("GET", f"/api/user/topup/self?keyword={theirs['out_trade_no']}")["items"] == []
    person.refused("GET", "/api/user/topup")
    everybody = [row["trade_no"] for row in admin.get("GET", "/api/user/topup")["items"]]
    assert everybody[:2] == [theirs["out_trade_no"], mine["out_trade_no"]]
    found = admin.get("GET", f"/api/user/topup?keyword=USR{person.id}NO%25")["items"]
    assert [row["trade_no"] for row in found] == [mine["out_trade_no"]]
    admin.refused("GET", "/api/user/topup?keyword=%25%25")

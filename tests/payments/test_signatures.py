"""What providers sign: accepted as they sign it, refused as soon as anything is changed."""

from __future__ import annotations

import hashlib
import time

import pytest
import stripe as official
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest
from core.payments import creem, epay, stripe
from core.payments.interface import EXPIRED, FAILED, OTHER, PAID, PENDING, SignatureWrong
from tests.servers.payments import creem_event, creem_signature, epay_notice, stripe_event, stripe_signature

FORM = epay.order_form(
    "1000", "epay-key-1", trade_no="USR1NOabc1", method="alipay", name="TUC10", money="73.00", notify_url="https://a/n",
    return_url="https://a/r",
)  # fmt: skip
SESSION = {"id": "cs_1", "client_reference_id": "ref_1", "amount_subtotal": 100, "currency": "usd"}
CHECKOUT = {"id": "ch_1", "request_id": "ref_2", "product_id": "prod_1"}


def test_the_epay_form_is_signed_as_the_protocol_says() -> None:
    signed = "device=pc&money=73.00&name=TUC10&notify_url=https://a/n&out_trade_no=USR1NOabc1&pid=1000"
    signed += "&return_url=https://a/r&type=alipay"
    assert FORM["sign"] == hashlib.md5(f"{signed}epay-key-1".encode()).hexdigest()
    assert FORM["sign_type"] == "MD5"


def test_an_epay_notice_is_believed_by_its_signature_alone() -> None:
    notice = epay_notice(FORM)
    told = epay.told(notice, "1000", "epay-key-1")
    assert (told.state, told.trade_no) == (PAID, "USR1NOabc1")
    assert [str(paid) for paid in told.sums] == ["73.00"]
    assert epay.told(epay_notice(FORM, trade_status="WAIT"), "1000", "epay-key-1").state == OTHER
    for name in notice:
        if name in ("sign_type", "param"):
            continue
        with pytest.raises(SignatureWrong):
            epay.told({**notice, name: notice[name] + "0"}, "1000", "epay-key-1")
    for wrong in ({**notice, "extra": "1"}, {**notice, "sign": ""}, {**notice, "sign_type": "RSA"}, {}):
        with pytest.raises(SignatureWrong):
            epay.told(wrong, "1000", "epay-key-1")
    with pytest.raises(SignatureWrong):
        epay.told(epay_notice({**FORM, "pid": "1001"}), "1000", "epay-key-1")


def test_stripes_own_signature_is_accepted() -> None:
    body = stripe_event(SESSION)
    told = stripe.told(stripe.proved(body, stripe_signature(body), "whsec_test_1", time.time()))
    assert (told.state, told.trade_no, told.reference, told.currency) == (PAID, "ref_1", "cs_1", "USD")
    assert [int(paid) for paid in told.sums] == [100]
    rotated = stripe_signature(body, "whsec_old") + "," + stripe_signature(body).split(",")[1]
    assert stripe.proved(body, rotated, "whsec_test_1", time.time())


def test_what_stripes_own_library_refuses_is_refused() -> None:
    body, now = stripe_event(SESSION), int(time.time())
    good = stripe_signature(body, at=now)
    for header, sent, secret in (
        (good, body + b" ", "whsec_test_1"), (good, body, "whsec_other"), (good[:-1], body, "whsec_test_1"),
        (f"t={now + 1},{good.split(',')[1]}", body, "whsec_test_1"), ("", body, "whsec_test_1"),
        (good.split(",")[1], body, "whsec_test_1"), (good.replace("v1=", "v0="), body, "whsec_test_1"),
        (stripe_signature(body, at=now - 301), body, "whsec_test_1"), (f"t=-1,{good}", body[:-1], "whsec_test_1"),
    ):  # fmt: skip
        with pytest.raises(official.SignatureVerificationError):
            official.Webhook.construct_event(sent, header, secret, tolerance=300)  # type: ignore[no-untyped-call]
        with pytest.raises(SignatureWrong):
            stripe.proved(sent, header, secret, now)
    with pytest.raises(SignatureWrong):
        stripe.proved(body, stripe_signature(body, at=now + 301), "whsec_test_1", now)


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("checkout.session.completed", "paid", PAID), ("checkout.session.completed", "unpaid", PENDING),
        ("checkout.session.async_payment_succeeded", "paid", PAID),
        ("checkout.session.async_payment_failed", "unpaid", FAILED), ("checkout.session.expired", "unpaid", EXPIRED),
        ("invoice.paid", "paid", OTHER), ("invoice.payment_failed", "paid", OTHER), ("", "paid", OTHER),
    ],
)  # fmt: skip
def test_what_stripes_events_say(kind: str, status: str, state: str) -> None:
    body = stripe_event(SESSION, kind, payment_status=status)
    assert stripe.told(stripe.proved(body, stripe_signature(body), "whsec_test_1", time.time())).state == state


def test_creems_signature() -> None:
    body = creem_event(CHECKOUT, 1000)
    told = creem.told(body, creem_signature(body), "creem_hook_1")
    assert (told.state, told.trade_no, told.product, told.currency) == (PAID, "ref_2", "prod_1", "USD")
    for sent, signature in (
        (body + b" ", creem_signature(body)), (body, ""), (body, creem_signature(body, "other")),
        (body, creem_signature(body)[:-1]),
    ):  # fmt: skip
        with pytest.raises(SignatureWrong):
            creem.told(sent, signature, "creem_hook_1")
    unpaid = creem_event(CHECKOUT, 1000, status="pending")
    assert creem.told(unpaid, creem_signature(unpaid), "creem_hook_1").state == PENDING


@given(st.binary(max_size=300), st.text(max_size=80))
def test_bytes_of_any_kind_are_refused(body: bytes, header: str) -> None:
    with pytest.raises((SignatureWrong, InvalidRequest)):
        stripe.proved(body, header, "whsec_test_1", 1000.0)
    with pytest.raises((SignatureWrong, InvalidRequest)):
        creem.told(body, header, "creem_hook_1")
    with pytest.raises(SignatureWrong):
        epay.told({"out_trade_no": header, "sign": header}, "1000", "epay-key-1")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["type", "data", "object", "eventType", "order", "id", "x"]), inner)
        ),
        max_leaves=20,
    )
)
def test_signed_json_of_any_shape_is_read(value: object) -> None:
    """A provider may change its messages: what is proved is read without an accident."""
    import orjson

    try:
        body = orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return
    for read in (
        lambda: stripe.told(stripe.proved(body, stripe_signature(body), "whsec_test_1", time.time())),
        lambda: creem.told(body, creem_signature(body), "creem_hook_1"),
    ):
        try:
            assert read().state in (OTHER, PENDING)
        except InvalidRequest:
            assert not isinstance(value, dict)

"""What a top-up costs and gives."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest
from core.options.table import DEFAULTS
from core.payments.amounts import UNITS_MOST, products, quote, stripe_order
from core.payments.interface import EPAY, STRIPE


def options(**values: str) -> dict[str, str]:
    return {**DEFAULTS, **{name.replace("__", "."): value for name, value in values.items()}}


@pytest.mark.parametrize(
    ("amount", "changes", "money", "units"),
    [
        (10, {}, "73.00", 5_000_000),
        (10, {"Price": "7.123"}, "71.23", 5_000_000),
        (10, {"Price": "0.1005"}, "1.01", 5_000_000),
        (10, {"TopupGroupRatio": '{"vip": 0.9}'}, "65.70", 5_000_000),
        (10, {"TopupGroupRatio": '{"vip": 0}'}, "73.00", 5_000_000),
        (10, {"TopupGroupRatio": '{"default": 2}'}, "73.00", 5_000_000),
        (100, {"payment_setting__amount_discount": '{"100": 0.85, "10": 0.5}'}, "620.50", 50_000_000),
        (99, {"payment_setting__amount_discount": '{"100": 0.85}'}, "722.70", 49_500_000),
        (5_000_000, {"general_setting__quota_display_type": "TOKENS"}, "73.00", 5_000_000),
        (750_000, {"general_setting__quota_display_type": "TOKENS"}, "10.95", 750_000),
    ],
)
def test_sums(amount: int, changes: dict[str, str], money: str, units: int) -> None:
    found = quote(options(**changes), amount, "vip", EPAY)
    assert (f"{found.money:.2f}", found.units) == (money, units)


@pytest.mark.parametrize(
    ("amount", "changes"),
    [
        (0, {}), (-5, {}), (4, {"MinTopUp": "5"}), (1, {"Price": "0.01"}), (10**10, {}), (1 << 62, {}),
        (499_999, {"general_setting__quota_display_type": "TOKENS"}),
    ],
)  # fmt: skip
def test_amounts_that_are_refused(amount: int, changes: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        quote(options(**changes), amount, "default", EPAY)


def test_at_stripe_the_price_is_paid_so_many_times() -> None:
    found = stripe_order(options(TopupGroupRatio='{"vip": 1.5}'), 20, "vip")
    assert (found.quantity, str(found.money), found.units) == (20, "30.00", 15_000_000)
    assert f"{quote(options(), 20, 'default', STRIPE).money:.2f}" == "160.00", "StripeUnitPrice is what is told"
    for amount in (10_001, 0):
        with pytest.raises(InvalidRequest):
            stripe_order(options(), amount, "default")
    with pytest.raises(InvalidRequest):
        stripe_order(options(general_setting__quota_display_type="TOKENS"), 750_000, "default")


@given(st.integers(-10, 10**12), st.decimals(0, 1000, places=4), st.floats(0, 100), st.floats(0.01, 1))
def test_a_quote_is_never_below_a_cent_nor_beyond_what_a_ledger_holds(
    amount: int, price: Decimal, ratio: float, factor: float
) -> None:
    raw = options(
        Price=str(price),
        TopupGroupRatio=f'{{"g": {ratio}}}',
        payment_setting__amount_discount=f'{{"{amount}": {factor}}}',
    )
    try:
        found = quote(raw, amount, "g", EPAY)
    except InvalidRequest:
        return
    assert found.money > Decimal("0.01")
    assert 0 < found.units <= UNITS_MOST


def test_products_that_cannot_be_sold_are_left_out() -> None:
    raw = options(
        CreemProducts='[{"productId":"p1","name":"One","price":9.99,"currency":"usd","quota":500000},'
        '{"productId":"","price":1,"quota":1},{"productId":"p2","price":0,"quota":1},{"productId":"p3","price":1},'
        '{"productId":"p4","price":1,"quota":-1},{"productId":"p5","price":"x","quota":5},{"productId":"p6","price":1,"quota":true}]'
    )
    (sold,) = products(raw)
    assert (sold.id, str(sold.price), sold.currency, sold.units) == ("p1", "9.99", "USD", 500_000)

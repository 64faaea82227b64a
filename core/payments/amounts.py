"""What a top-up costs and gives: exact decimals, from the options alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from core.errors import InvalidRequest
from core.options.table import DISPLAY
from core.payments.interface import STRIPE
from core.pricing.shown import text

CENT = Decimal("0.01")
AMOUNT_MOST = 10**9
"""USD of one order."""
UNITS_MOST = 1 << 52
"""Units of one order: what JSON numbers and every column hold."""
STRIPE_MOST = 10_000
"""Times the price at Stripe that one order may be (New API's figure)."""


@dataclass(frozen=True, slots=True)
class Quote:
    """money is what is paid, units what is given; quantity: times the price at Stripe."""

    amount: int
    money: Decimal
    units: int
    quantity: int
    terms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Product:
    """One of CreemProducts."""

    id: str
    name: str
    price: Decimal
    currency: str
    units: int


def decimal(value: object, default: str = "0") -> Decimal:
    """A number of the options; what is none counts as the default."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return Decimal(default)
    return found if found.is_finite() else Decimal(default)


def table(value: str) -> dict[str, object]:
    """A JSON object of the options."""
    found = json.loads(value or "{}")
    return found if isinstance(found, dict) else {}


def shown(raw: Mapping[str, str], dollars: Decimal) -> Decimal:
    """USD in what the site shows quota in."""
    return dollars * decimal(raw["QuotaPerUnit"], "500000") if raw[DISPLAY] == "TOKENS" else dollars


def least(raw: Mapping[str, str], provider: str) -> Decimal:
    """The least amount, in what the site shows quota in."""
    return shown(raw, decimal(raw["StripeMinTopUp" if provider == STRIPE else "MinTopUp"], "1"))


def group_ratio(raw: Mapping[str, str], group: str) -> Decimal:
    """TopupGroupRatio of a group; 0 and none count as 1."""
    return decimal(table(raw["TopupGroupRatio"]).get(group, 1), "1") or Decimal(1)


def discount(raw: Mapping[str, str], amount: int) -> Decimal:
    """What the price of exactly this amount is multiplied by."""
    return decimal(table(raw["payment_setting.amount_discount"]).get(str(amount), 1), "1")


def quote(raw: Mapping[str, str], amount: int, group: str, provider: str) -> Quote:
    """What the amount costs an account of this group: amount x price x group x discount. Raises InvalidRequest."""
    unit = decimal(raw["QuotaPerUnit"], "500000")
    shown_in_units = raw[DISPLAY] == "TOKENS"
    lowest = least(raw, provider)
    if amount < lowest:
        raise InvalidRequest(f"The least amount is {text(lowest)}.", param="amount")
    dollars = Decimal(amount) / unit if shown_in_units else Decimal(amount)
    if dollars > AMOUNT_MOST or dollars * unit > UNITS_MOST:
        raise InvalidRequest("The amount is too large.", param="amount")
    price = decimal(raw["StripeUnitPrice" if provider == STRIPE else "Price"], "1")
    ratio, factor = group_ratio(raw, group), discount(raw, amount)
    money = (dollars * price * ratio * factor).quantize(CENT, ROUND_HALF_UP)
    if money <= CENT:
        raise InvalidRequest("The amount is too small to be paid.", param="amount")
    terms = {
        "price": text(price),
        "group_ratio": text(ratio),
        "discount": text(factor),
        "quota_per_unit": text(unit),
        "group": group,
    }
    return Quote(amount, money, int(dollars * unit), int(dollars) if dollars == int(dollars) else 0, terms)


def stripe_order(raw: Mapping[str, str], amount: int, group: str) -> Quote:
    """As quote(); at Stripe the price's own sum is paid so many times, and USD x the group's ratio are given.

    Raises InvalidRequest.
    """
    found = quote(raw, amount, group, STRIPE)
    if not 1 <= found.quantity <= STRIPE_MOST:
        raise InvalidRequest(f"Stripe takes 1 to {STRIPE_MOST} USD, whole ones.", param="amount")
    dollars = found.quantity * group_ratio(raw, group)
    units = int(dollars * decimal(raw["QuotaPerUnit"], "500000"))
    if not 0 < units <= UNITS_MOST:
        raise InvalidRequest("The amount gives no quota.", param="amount")
    return Quote(amount, dollars.quantize(CENT, ROUND_HALF_UP), units, found.quantity, found.terms)


def products(raw: Mapping[str, str]) -> list[Product]:
    """The products of CreemProducts that can be sold; others are left out."""
    found = []
    for entry in json.loads(raw["CreemProducts"] or "[]"):
        price, units = decimal(entry.get("price")), entry.get("quota")
        name, currency = str(entry.get("productId") or ""), str(entry.get("currency") or "USD").upper()
        if (
            name
            and price > 0
            and isinstance(units, int | float)
            and not isinstance(units, bool)
            and 1 <= units <= UNITS_MOST
        ):
            found.append(Product(name, str(entry.get("name") or name), price, currency, int(units)))
    return found


def minor(money: Decimal) -> Decimal:
    """A sum in hundredths."""
    return (money * 100).quantize(Decimal(1), ROUND_HALF_UP)

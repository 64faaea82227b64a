"""What every provider's word comes down to, and how a sum is told."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from core.errors import Forbidden, InvalidRequest, Unauthenticated

EPAY, STRIPE, CREEM, BALANCE = "epay", "stripe", "creem", "balance"
"""top_ups.payment_provider (New API's names)."""
PAID, PENDING, FAILED, EXPIRED, OTHER = "paid", "pending", "failed", "expired", "other"
"""What a provider says of an order; OTHER: nothing that concerns one."""
RENEWED = "renewed"
"""A further period of an agreement was paid."""


class PaymentOff(Forbidden):
    """The provider is not set up, or the terms were not confirmed."""

    reason = "PAYMENT_OFF"
    default_message = "This way to pay is not set up here."


class SignatureWrong(Unauthenticated):
    """Whoever sent it is not the provider, or it was sent too long ago."""

    reason = "SIGNATURE_WRONG"
    code = "invalid_signature"
    default_message = "The signature is wrong or too old."


@dataclass(frozen=True, slots=True)
class Told:
    """A provider's word, proved.

    sums: what it says was paid; one of them must cover the order. reference: its own id of the payment.
    agreement: its id of the subscription by which it goes on charging.
    """

    state: str
    trade_no: str = ""
    reference: str = ""
    sums: tuple[Decimal, ...] = ()
    currency: str = ""
    product: str = ""
    customer: str = ""
    agreement: str = ""


def whole(value: object) -> Decimal | None:
    """A sum in the smallest unit, as JSON holds it; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        return None
    return Decimal(value)


def exact(value: object) -> Decimal | None:
    """A sum as text, such as "12.30"; None where it is none."""
    if not isinstance(value, str) or not 0 < len(value) <= 32:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None


def short(value: object, most: int = 255) -> str:
    """A text of the provider's, at most so long; "" for what is none."""
    return value[:most] if isinstance(value, str) and "\0" not in value else ""


def unreadable(what: str) -> InvalidRequest:
    """A proved message that is none of the provider's."""
    return InvalidRequest(f"The message is no {what} of the provider's.")

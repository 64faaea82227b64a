"""Which purses pay for an account's requests, in which order."""

from __future__ import annotations

from core.state.types import Account


def purses_of(account: Account, now: float) -> tuple[int, ...]:
    """Subscriptions by their end, and the wallet where the account wishes; empty: nothing may pay.

    The wallet pays for what a subscription no longer covers unless every plan forbids it.
    """
    running = [each for each in account.allowances if each.until > now]
    plans = tuple(each.purse_id for each in running)
    wallet = (account.purse_id,)
    if account.billing_preference == "wallet_only" or (
        not running and account.billing_preference != "subscription_only"
    ):
        return wallet
    if account.billing_preference == "subscription_only":
        return plans
    if account.billing_preference == "wallet_first":
        return wallet + plans
    return plans + wallet if any(each.overflow for each in running) else plans


def is_stale(account: Account, now: float) -> bool:
    """Whether a period has ended since the account was read."""
    return any(each.until <= now for each in account.allowances)

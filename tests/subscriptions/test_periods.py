"""Ends and periods by the calendar; which purse pays first."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.state.types import Account, Allowance
from core.subscriptions.periods import end_of, next_reset
from core.subscriptions.preference import is_stale, purses_of

SHANGHAI = "Asia/Shanghai"


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("start", "unit", "value", "custom", "end"),
    [
        ("2026-01-31T10:00", "month", 1, 0, "2026-02-28T10:00"), ("2028-02-29T10:00", "year", 1, 0, "2029-02-28T10:00"),
        ("2026-11-25T10:00", "month", 2, 0, "2027-01-25T10:00"), ("2026-12-31T23:59", "month", 12, 0, "2027-12-31T23:59"),
        ("2026-11-25T10:00", "day", 7, 0, "2026-12-02T10:00"), ("2026-11-25T10:00", "hour", 30, 0, "2026-11-26T16:00"),
        ("2026-11-25T10:00", "custom", 0, 90, "2026-11-25T10:01:30"),
    ],
)  # fmt: skip
def test_ends(start: str, unit: str, value: int, custom: int, end: str) -> None:
    assert end_of(at(start), unit, value, custom) == at(end)
    assert end_of(at(start, SHANGHAI), unit, value, custom, SHANGHAI) == at(end, SHANGHAI)


@pytest.mark.parametrize(
    ("unit", "value", "custom"), [("custom", 1, 59), ("year", 101, 0), ("day", 0, 0), ("hour", 10**9, 0)]
)
def test_durations_that_are_none(unit: str, value: int, custom: int) -> None:
    with pytest.raises(ValueError, match="duration"):
        end_of(0, unit, value, custom)


@pytest.mark.parametrize(
    ("period", "following"),
    [
        ("daily", "2026-11-26T00:00"), ("weekly", "2026-11-30T00:00"), ("monthly", "2026-12-01T00:00"), ("never", None),
        ("custom", "2026-11-25T10:20"),
    ],
)  # fmt: skip
def test_resets(period: str, following: str | None) -> None:
    for zone in ("UTC", SHANGHAI):
        moment, end = at("2026-11-25T10:15", zone), at("2027-11-25T10:15", zone)
        wanted = at(following, zone) if following else 0
        assert next_reset(moment, period, 600, end, zone, at("2026-11-25T10:00", zone)) == wanted
        assert next_reset(moment, period, 600, moment + 1, zone, moment) == 0, "none after the end"
    december = at("2026-12-31T10:00")
    assert next_reset(december, "monthly", 0, december * 2) == at("2027-01-01T00:00")


@given(st.integers(0, 4_000_000_000), st.sampled_from(["daily", "weekly", "monthly", "custom"]), st.integers(60, 10**6))
def test_a_reset_is_always_later(moment: int, period: str, seconds: int) -> None:
    found = next_reset(moment, period, seconds, moment * 2 + 10**9, "Europe/Berlin", moment // 2)
    assert moment < found <= moment + max(seconds, 32 * 86_400)


def account(preference: str, *allowances: Allowance) -> Account:
    return Account(1, "a", 1, 1, "default", 7, billing_preference=preference, allowances=allowances)


def test_which_purse_pays_first() -> None:
    open_, shut, over = Allowance(11, 200, True), Allowance(12, 300, False), Allowance(13, 100, True)
    for wish, held, wanted in (
        ("subscription_first", (open_, shut), (11, 12, 7)), ("subscription_first", (shut,), (12,)),
        ("subscription_first", (), (7,)), ("wallet_first", (open_, shut), (7, 11, 12)), ("wallet_first", (), (7,)),
        ("subscription_only", (open_, shut), (11, 12)), ("subscription_only", (), ()), ("wallet_only", (open_,), (7,)),
        ("subscription_first", (over,), (7,)), ("subscription_only", (over, shut), (12,)),
    ):  # fmt: skip
        assert purses_of(account(wish, *held), 150.0) == wanted, (wish, held)
    assert is_stale(account("wallet_only", over), 100.0)
    assert not is_stale(account("wallet_only", over), 99.0)

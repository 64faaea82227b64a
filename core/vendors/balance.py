"""What a vendor says is left of a channel's money: which questions, and how the answers are read. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from core.errors import InvalidRequest
from core.vendors.interface import BadAnswer, Call, VendorRequest
from core.vendors.shared.headers import headers
from core.vendors.table import ROWS

Read = Callable[[Sequence[dict[str, Any]], Decimal], Decimal]
"""The answers, and what a dollar costs (option Price) -> what is left."""


@dataclass(frozen=True, slots=True)
class Balance:
    """paths may hold {start} and {end}, the month so far as dates."""

    paths: tuple[str, ...]
    read: Read
    base: str = ""
    """Stands for the channel's address."""
    auth: str = ""


def _number(holder: Any, *path: str) -> Decimal:
    """A number, or a text that is one, at the end of a path. Raises BadAnswer."""
    for name in path:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, bool) or not isinstance(holder, int | float | str):
        raise BadAnswer(f"the balance has no {path[-1]}")
    try:
        found = Decimal(str(holder))
    except InvalidOperation:
        raise BadAnswer(f"{path[-1]} of the balance is no number") from None
    if not found.is_finite():
        raise BadAnswer(f"{path[-1]} of the balance is no number")
    return found


def _openai(told: Sequence[dict[str, Any]], price: Decimal) -> Decimal:
    return _number(told[0], "hard_limit_usd") - _number(told[1], "total_usage") / 100


def _deepseek(told: Sequence[dict[str, Any]], price: Decimal) -> Decimal:
    found = told[0].get("balance_infos")
    for info in found if isinstance(found, list) else ():
        if isinstance(info, dict) and info.get("currency") == "CNY":
            return _number(info, "total_balance")
    raise BadAnswer("the balance has no yuan")


def _at(*path: str) -> Read:
    return lambda told, price: _number(told[0], *path)


_BILLING = Balance(
    ("/v1/dashboard/billing/subscription", "/v1/dashboard/billing/usage?start_date={start}&end_date={end}"), _openai
)
BALANCES: Mapping[int, Balance] = {
    1: _BILLING,
    8: _BILLING,
    10: Balance(("/api/report/getUserOverview",), _at("data", "totalPoints"), "https://aiproxy.io", "api-key"),
    12: Balance(("/dashboard/billing/credit_grants",), _at("total_remaining")),
    13: Balance(("/dashboard/billing/credit_grants",), _at("total_available")),
    20: Balance(
        ("/v1/credits",),
        lambda told, price: _number(told[0], "data", "total_credits") - _number(told[0], "data", "total_usage"),
    ),
    25: Balance(("/v1/users/me/balance",), lambda told, price: _number(told[0], "data", "available_balance") / price),
    40: Balance(("/v1/user/info",), _at("data", "totalBalance")),
    43: Balance(("/user/balance",), _deepseek),
}
"""Types that tell a balance (spec: balances)."""
_ROWS = {row.number: row for row in ROWS}


def questions(call: Call, today: datetime.date) -> list[VendorRequest]:
    """What to ask. Raises InvalidRequest where the type tells no balance, ChannelError."""
    found = BALANCES.get(call.channel.type)
    row = _ROWS.get(call.channel.type)
    if found is None or row is None:
        raise InvalidRequest(f"{row.name if row else 'This type'} tells no balance.", param="type")
    base = found.base or call.channel.base_url.rstrip("/")
    dates = {"start": today.replace(day=1).isoformat(), "end": today.isoformat()}
    return [
        VendorRequest("GET", base + path.format(**dates), headers(row, call, found.auth), b"") for path in found.paths
    ]


def left(call: Call, bodies: Sequence[bytes], price: Decimal) -> Decimal:
    """The answers read; price is what a dollar costs. Raises BadAnswer."""
    told: list[dict[str, Any]] = []
    for body in bodies:
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise BadAnswer("the balance is not a JSON object")
        told.append(answer)
    return BALANCES[call.channel.type].read(told, price)

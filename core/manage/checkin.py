"""Check-in: a few units for coming by, once a day of the site's own zone."""

from __future__ import annotations

import datetime
import re
import secrets
import time
from zoneinfo import ZoneInfo

from isthmus.v1 import billing_pb2

from core.errors import Forbidden, InvalidRequest
from core.manage import human
from core.options.kinds import TRUE
from core.services.context import Services
from core.state.types import Principal
from core.subscriptions.periods import known_zone

MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")


class CheckInOff(Forbidden):
    """checkin_setting.enabled is off."""

    reason = "CHECK_IN_OFF"
    default_message = "Check-in is switched off."


def _bounds(services: Services) -> tuple[int, int]:
    """The least and the most units. Raises CheckInOff."""
    raw = services.state.snapshot.options.raw
    if raw["checkin_setting.enabled"] != TRUE:
        raise CheckInOff()
    low, high = int(raw["checkin_setting.min_quota"]), int(raw["checkin_setting.max_quota"])
    return low, max(low, high)


def _today(services: Services) -> str:
    zone = ZoneInfo(known_zone(services.settings.time_zone) or "UTC")
    return datetime.datetime.fromtimestamp(time.time(), zone).date().isoformat()


async def standing(
    services: Services, principal: Principal, request: billing_pb2.GetCheckInsRequest
) -> billing_pb2.GetCheckInsResponse:
    """The caller's, of a month. Raises CheckInOff, InvalidRequest."""
    low, high = _bounds(services)
    today = _today(services)
    month = request.month or today[:7]
    if MONTH.fullmatch(month) is None:
        raise InvalidRequest("month is YYYY-MM.", param="month")
    rows, sums = await services.store.checkins.month(principal.account.id, month)
    return billing_pb2.GetCheckInsResponse(
        least=low,
        most=high,
        total_quota=sums.quota,
        total_days=sums.days,
        today=await services.store.checkins.on(principal.account.id, today),
        check_ins=[billing_pb2.CheckIn(day=row.checkin_date, quota=row.quota_awarded) for row in rows],
    )


async def come(
    services: Services, principal: Principal, request: billing_pb2.DoCheckInRequest, address: str
) -> billing_pb2.CheckIn:
    """Today's units to the caller's wallet. Raises CheckInOff, Conflict on the second try, human.NotHuman."""
    low, high = _bounds(services)
    await human.check(services, request.turnstile, address)
    day, quota = _today(services), low + secrets.randbelow(high - low + 1)
    await services.store.checkins.come(principal.account.id, day, quota)
    return billing_pb2.CheckIn(day=day, quota=quota)

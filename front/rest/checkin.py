"""Check-in: a few units a day."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import billing_pb2

from front.rest.manager import Call, Level, Route
from front.rest.session import turnstile


def _shown(found: billing_pb2.CheckIn) -> dict[str, Any]:
    return {"checkin_date": found.day, "quota_awarded": found.quota}


async def month(c: Call) -> Any:
    """What one gives, and those of a month."""
    found = await c.m.billing.GetCheckIns(billing_pb2.GetCheckInsRequest(month=c.text("month")), metadata=c.who)
    stats = {
        "total_quota": found.total_quota,
        "total_checkins": found.total_days,
        "checkin_count": len(found.check_ins),
        "checked_in_today": found.today,
        "records": [_shown(each) for each in found.check_ins],
    }
    return {"enabled": True, "min_quota": found.least, "max_quota": found.most, "stats": stats}


async def come(c: Call) -> Any:
    """Today's."""
    found = await c.m.billing.DoCheckIn(billing_pb2.DoCheckInRequest(turnstile=turnstile(c)), metadata=c.who)
    return _shown(found.check_in)


ROUTES = (
    Route("GET", "/api/user/checkin", Level.USER, month),
    Route("POST", "/api/user/checkin", Level.USER, come),
)

"""Check-ins: once a day however many come, within bounds, through the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from isthmus.client import Client
from isthmus.v1 import billing_pb2

from tests.integration.house import House
from tests.rest.people import Person, make


@pytest.fixture(autouse=True)
def on(gateway: House) -> Iterator[None]:
    for name, value in (("enabled", "true"), ("min_quota", "1000"), ("max_quota", "1003")):
        gateway.option(f"checkin_setting.{name}", value)
    yield
    gateway.option("checkin_setting.enabled", "false")


def quota(person: Person) -> int:
    return int(person.get("GET", "/api/user/self")["quota"])


def test_once_a_day(gateway: House, root: Person) -> None:
    person = make(gateway)
    before = quota(person)
    told = person.get("GET", "/api/user/checkin")
    assert (told["enabled"], told["min_quota"], told["max_quota"]) == (True, 1000, 1003)
    assert told["stats"] == {
        "total_quota": 0, "total_checkins": 0, "checkin_count": 0, "checked_in_today": False, "records": [],
    }  # fmt: skip
    found = person.get("POST", "/api/user/checkin")
    assert 1000 <= found["quota_awarded"] <= 1003
    assert quota(person) == before + found["quota_awarded"]
    assert "today" in person.refused("POST", "/api/user/checkin")
    assert quota(person) == before + found["quota_awarded"]
    stats = person.get("GET", f"/api/user/checkin?month={found['checkin_date'][:7]}")["stats"]
    assert (stats["checked_in_today"], stats["total_checkins"], stats["records"]) == (True, 1, [found])
    stats = person.get("GET", "/api/user/checkin?month=2001-01")["stats"]
    assert (stats["checkin_count"], stats["total_checkins"], stats["records"]) == (0, 1, [])
    line = root.get("GET", f"/api/log/?type=4&username={person.name}")["items"][0]
    assert line["content"] == f"checked in on {found['checkin_date']}: got {found['quota_awarded']} units"
    for wrong in ("2025", "2025-13", "2025-1", "%25", "2025-01-01"):
        person.refused("GET", f"/api/user/checkin?month={wrong}")


def test_once_however_many_come(gateway: House) -> None:
    person = make(gateway)
    before = quota(person)
    with ThreadPoolExecutor(8) as pool:
        replies = [reply.json() for reply in pool.map(lambda _: person.ask("POST", "/api/user/checkin"), range(8))]
    given = [reply["data"]["quota_awarded"] for reply in replies if reply["success"]]
    assert len(given) == 1
    assert quota(person) == before + given[0]
    assert not gateway.rows("SELECT 1 FROM purses WHERE granted + debt <> available + leased + settled")


def test_bounds(gateway: House) -> None:
    gateway.option("checkin_setting.max_quota", "0")
    assert make(gateway).get("POST", "/api/user/checkin")["quota_awarded"] == 1000, "a most below the least"
    gateway.option("checkin_setting.min_quota", "0")
    person = make(gateway)
    assert person.get("POST", "/api/user/checkin")["quota_awarded"] == 0
    person.refused("POST", "/api/user/checkin")


def test_switched_off(gateway: House, user: Person) -> None:
    gateway.option("checkin_setting.enabled", "false")
    assert "off" in user.refused("GET", "/api/user/checkin")
    assert "off" in user.refused("POST", "/api/user/checkin")
    assert Person(gateway).get("GET", "/api/status")["checkin_enabled"] is False


async def test_over_grpc(gateway: House) -> None:
    person = make(gateway)
    metadata = (("isthmus-session", person.cookie.removeprefix("session=").strip('"')),)
    async with Client(gateway.grpc) as client:
        found = (await client.billing.DoCheckIn(billing_pb2.DoCheckInRequest(), metadata=metadata)).check_in
        told = await client.billing.GetCheckIns(billing_pb2.GetCheckInsRequest(), metadata=metadata)
        assert list(told.check_ins) == [found]
        assert told.today

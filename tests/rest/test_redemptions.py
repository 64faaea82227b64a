"""Redemption codes and top-up by code."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.house import House
from tests.rest.people import Person, make

CODE = {"name": "spring", "quota": 1000, "count": 1, "expired_time": 0}


def quota(person: Person) -> int:
    return int(person.get("GET", "/api/user/self")["quota"])


def test_a_code_from_beginning_to_end(gateway: House, admin: Person) -> None:
    person = make(gateway)
    first, second = admin.get("POST", "/api/redemption/", {**CODE, "count": 2})
    assert len(first) == 32
    assert int(first, 16) >= 0
    told = admin.get("GET", "/api/redemption/")["items"]
    assert [row["key"] for row in told] == [second, first]
    assert set(told[0]) == {
        "id", "user_id", "key", "status", "name", "quota", "created_time", "redeemed_time", "count", "used_user_id",
        "expired_time", "DeletedAt",
    }  # fmt: skip
    assert person.get("POST", "/api/user/topup", {"key": f" {first} "}) == 1000
    assert quota(person) == 1000
    used = admin.get("GET", f"/api/redemption/{told[1]['id']}")
    assert (used["status"], used["used_user_id"]) == (3, person.id)
    assert used["redeemed_time"] > 0
    (line,) = person.get("GET", "/api/log/self?type=1")["items"]
    assert "1000 units" in line["content"]
    assert first not in str(line)
    messages = {
        person.refused("POST", "/api/user/topup", {"key": key}).split(" (")[0] for key in (first, "0" * 32, "", "%")
    }
    assert messages == {"The code is not valid."}, "why is not told"
    assert quota(person) == 1000


def test_states(gateway: House, admin: Person) -> None:
    person = make(gateway)
    (code,) = admin.get("POST", "/api/redemption/", {**CODE, "name": "other"})
    (row,) = admin.get("GET", "/api/redemption/search?keyword=oth")["items"]
    assert admin.get("GET", "/api/redemption/search?keyword=ther")["items"] == []
    assert admin.get("GET", f"/api/redemption/search?keyword={row['id']}")["items"] == [row]
    admin.get("PUT", "/api/redemption/?status_only=1", {"id": row["id"], "status": 2})
    person.refused("POST", "/api/user/topup", {"key": code})
    admin.get("PUT", "/api/redemption/?status_only=1", {"id": row["id"], "status": 1})
    changed = admin.get("PUT", "/api/redemption/", {"id": row["id"], "name": "new", "quota": 5, "status": 2})
    assert (changed["name"], changed["quota"], changed["status"]) == ("new", 5, 1)
    assert person.get("POST", "/api/user/topup", {"key": code}) == 5
    for change in ({"name": "x", "quota": 9}, {"status": 1}):
        query = "?status_only=1" if "status" in change else ""
        assert "used" in admin.refused("PUT", "/api/redemption/" + query, {"id": row["id"], **change})
    assert admin.get("DELETE", "/api/redemption/invalid") >= 1
    admin.refused("GET", f"/api/redemption/{row['id']}")
    (gone,) = admin.get("POST", "/api/redemption/", CODE)
    newest = admin.get("GET", "/api/redemption/")["items"][0]
    admin.get("DELETE", f"/api/redemption/{newest['id']}")
    person.refused("POST", "/api/user/topup", {"key": gone})
    (brief,) = admin.get("POST", "/api/redemption/", {**CODE, "expired_time": int(time.time()) + 4})
    time.sleep(4.5)
    person.refused("POST", "/api/user/topup", {"key": brief})
    assert quota(person) == 5


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": ""}, "name"), ({"name": "x" * 21}, "name"), ({"quota": 0}, "quota"), ({"quota": -5}, "quota"),
        ({"quota": 1 << 62}, "quota"), ({"count": 0}, "count"), ({"count": 1001}, "count"), ({"count": -1}, "count"),
        ({"expired_time": 5}, "past"), ({"expired_time": -1}, "expired_time"), ({"quota": "9"}, "quota"),
    ],
)  # fmt: skip
def test_wrong_codes(admin: Person, wrong: dict[str, Any], named: str) -> None:
    before = admin.get("GET", "/api/redemption/")["total"]
    assert named in admin.refused("POST", "/api/redemption/", {**CODE, **wrong})
    assert admin.get("GET", "/api/redemption/")["total"] == before


def test_a_code_gives_once_however_many_come(gateway: House, admin: Person) -> None:
    people = [make(gateway) for _ in range(3)]
    (code,) = admin.get("POST", "/api/redemption/", {**CODE, "quota": 77})
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda turn: people[turn % 3].ask("POST", "/api/user/topup", {"key": code}), range(12)))
    assert sum(reply.json()["success"] for reply in replies) == 1
    assert sum(quota(person) for person in people) == 77


def test_guessing_is_slowed(gateway: House, admin: Person) -> None:
    person = make(gateway)
    statuses = [person.ask("POST", "/api/user/topup", {"key": f"{turn:032x}"}).status for turn in range(22)]
    assert statuses == [200] * 20 + [429] * 2
    (code,) = admin.get("POST", "/api/redemption/", CODE)
    assert person.ask("POST", "/api/user/topup", {"key": code}).status == 429


def test_ways_to_pay(user: Person) -> None:
    told = user.get("GET", "/api/user/topup/info")
    assert told["enable_redemption"] is True
    assert told["enable_online_topup"] is False

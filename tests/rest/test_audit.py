"""The audit: who did what, what stood there before and after, secrets masked, refused tries too; for root alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isthmus.client import Client
from isthmus.v1 import admin_pb2

from core.manage import before_after
from tests.integration.house import House
from tests.rest.people import Person, make

SECRET = "hunter2-hunter2"


def entries(root: Person, query: str = "") -> list[Any]:
    return list(root.get("GET", f"/api/isthmus/audit?page_size=100&{query}")["items"])


def newest(root: Person, who: Person, action: str) -> Any:
    return entries(root, f"account_id={who.id}&action={action}")[0]


def test_accounts(gateway: House, root: Person, admin: Person) -> None:
    person = make(gateway)
    body = {"id": person.id, "username": person.name, "display_name": "New", "group": "vip", "remark": "r"}
    admin.get("PUT", "/api/user/", {**body, "password": SECRET})
    found = newest(root, admin, "user.update")
    assert found["changes"]["group"] == ["default", "vip"]
    assert found["changes"]["display_name"] == [person.name, "New"]
    assert found["changes"]["password"] == ["***", "***"]
    assert "username" not in found["changes"], "what stays is not told"
    assert (found["username"], found["role"], found["success"], found["reason"]) == (admin.name, 10, True, "")
    assert found["auth_method"] == "session"
    assert found["ip"] == "127.0.0.1"
    assert found["params"] == {"id": person.id}
    for mode, value, after in (("add", 500, 500), ("subtract", 200, 300), ("override", 42, 42)):
        change = {"id": person.id, "action": "add_quota", "mode": mode, "value": value}
        before = int(gateway.rows("SELECT available FROM purses WHERE kind = 1 AND owner_id = ?", person.id)[0][0])
        admin.get("POST", "/api/user/manage", change)
        assert newest(root, admin, "user.add_quota")["changes"] == {"quota": [before, after]}
        lines = root.get("GET", f"/api/log/?type=3&username={person.name}")["items"]
        assert f"({mode} {value}): from {before} to {after} units" in lines[0]["content"]
    admin.get("POST", "/api/user/manage", {"id": person.id, "action": "disable"})
    assert newest(root, admin, "user.disable")["changes"] == {"status": [1, 2]}
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "promote"})
    assert newest(root, root, "user.promote")["changes"] == {"role": [1, 10]}
    admin.get("DELETE", f"/api/user/{make(gateway).id}")
    assert newest(root, admin, "user.erase")["success"]


def test_refused_tries(gateway: House, root: Person, admin: Person, user: Person) -> None:
    equal = make(gateway, 10)
    for action in ("disable", "delete", "demote", "add_quota"):
        admin.refused("POST", "/api/user/manage", {"id": equal.id, "action": action, "mode": "add", "value": 5})
        found = newest(root, admin, f"user.{action}")
        assert (found["success"], found["reason"], found["changes"]) == (False, "ROLE_TOO_LOW", {})
    admin.refused("PUT", "/api/user/", {"id": equal.id, "username": "x", "group": "vip"})
    assert newest(root, admin, "user.update")["reason"] == "ROLE_TOO_LOW"
    admin.refused("PUT", "/api/option/", {"key": "SystemName", "value": "mine"})
    found = newest(root, admin, "generic")
    assert (found["params"], found["reason"]) == ({"route": "PUT /api/option/"}, "ROLE_TOO_LOW")
    user.refused("POST", "/api/user/manage", {"id": equal.id, "action": "disable"})
    assert entries(root, f"account_id={user.id}") == [], "of administrators"
    refused = entries(root, "success=false")
    assert refused
    assert not any(entry["success"] for entry in refused)
    assert all(entry["success"] for entry in entries(root, "success=true"))


def test_secrets_are_masked(gateway: House, root: Person) -> None:
    for name, value in (("GitHubClientSecret", SECRET), ("SMTPToken", SECRET), ("Notice", "hello " + "x" * 1000)):
        root.get("PUT", "/api/option/", {"key": name, "value": value})
    root.get("PUT", "/api/option/", {"key": "GitHubClientSecret", "value": SECRET + "2"})
    found = entries(root, f"account_id={root.id}&action=option.update")
    assert found[0]["changes"] == {"GitHubClientSecret": ["***", "***"]}
    assert len(found[1]["changes"]["Notice"][1]) <= before_after.VALUE_MOST + 1
    assert found[2]["changes"] == {"SMTPToken": ["", "***"]}
    channel = gateway.channels[0]
    told = {"id": channel, "key": SECRET, "base_url": f"http://user:{SECRET}@{gateway.sandbox.split('//')[1]}"}
    root.get("PUT", "/api/channel/", {**told, "setting": json.dumps({"proxy": f"http://u:{SECRET}@p"})})
    changes = newest(root, root, "channel.update")["changes"]
    assert changes["key"] == ["***", "***"]
    assert changes["base_url"][1].startswith("http://***@127.0.0.1")
    assert changes["setting"][1] == "***"
    root.get("PUT", "/api/channel/", {"id": channel, "key": "sandbox-key", "base_url": gateway.sandbox, "setting": ""})
    assert SECRET not in str([tuple(row) for row in gateway.rows("SELECT params, changes FROM audit_entries")])
    assert SECRET not in str([tuple(row) for row in gateway.rows("SELECT content, other FROM logs")])


def test_reading(gateway: House, root: Person, admin: Person) -> None:
    admin.refused("GET", "/api/isthmus/audit")
    page = root.get("GET", "/api/isthmus/audit?p=1&page_size=2")
    assert len(page["items"]) == 2 <= page["total"]
    after = root.get("GET", "/api/isthmus/audit?p=2&page_size=2")["items"]
    assert page["items"][1]["id"] > after[0]["id"]
    now = page["items"][0]["created_at"]
    assert entries(root, f"start_timestamp={now + 3600}") == []
    assert entries(root, "end_timestamp=1000") == []
    assert entries(root, "action=user.%25") == [], "no pattern"
    root.get("DELETE", f"/api/log/?target_timestamp={now + 3600}")
    assert len(entries(root)) > 2, "cleaning the log leaves it alone"


async def test_over_grpc(gateway: House, root: Person) -> None:
    metadata = (("isthmus-session", root.cookie.removeprefix("session=").strip('"')),)
    async with Client(gateway.grpc) as client:
        asked = admin_pb2.ListAuditRequest(action="user.", refused=False)
        found = await client.admin.ListAudit(asked, metadata=metadata)
        assert found.entries
        assert all(entry.action.startswith("user.") and not entry.reason for entry in found.entries)


@pytest.mark.parametrize("name", ["password", "key", "SMTPToken", "oidc.client_secret", "StripeApiSecret", "setting"])
def test_masks(name: str) -> None:
    assert before_after.shown(name, SECRET) == "***"
    assert before_after.shown(name, {"a": SECRET}) == "***"
    assert before_after.shown(name, 12345) == "***"
    assert before_after.shown(name, "") == ""


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="/@'\""), max_size=30))
def test_credentials_in_addresses(secret: str) -> None:
    told = before_after.shown("base_url", f"https://u:{secret}-end@host.example/p")
    assert told == "https://***@host.example/p"


def test_outside_of_an_action_nothing_is_kept() -> None:
    before_after.changed({}, {"a": 1})
    with before_after.kept() as box:
        before_after.changed({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None})
        for number in range(200):
            before_after.changed({}, {f"n{number}": 1})
    assert box["b"] == [2, 3]
    assert len(box) == before_after.NAMES_MOST

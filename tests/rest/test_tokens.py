"""One's own API keys."""

from __future__ import annotations

import time

import pytest

from tests.integration.house import House, http
from tests.rest.people import Person, make

TOKEN = {"name": "work", "expired_time": -1, "remain_quota": 1000, "unlimited_quota": False}


@pytest.fixture
def person(gateway: House) -> Person:
    return make(gateway, quota=5_000_000)


def newest(person: Person) -> dict[str, object]:
    """The last key as the list shows it."""
    found: dict[str, object] = person.get("GET", "/api/token/?page_size=1")["items"][0]
    return found


def test_a_key_from_beginning_to_end(gateway: House, person: Person) -> None:
    sent = {
        **TOKEN, "model_limits_enabled": True, "model_limits": "gpt-4o, gpt-4o-mini", "allow_ips": "127.0.0.1,10.0.0.0/8",
        "group": "vip", "cross_group_retry": True,
    }  # fmt: skip
    assert person.get("POST", "/api/token/", sent) is None, "the key is not in the reply"
    told = newest(person)
    assert set(told) == {
        "id", "user_id", "key", "status", "name", "created_time", "accessed_time", "expired_time", "remain_quota",
        "unlimited_quota", "model_limits_enabled", "model_limits", "allow_ips", "used_quota", "group",
        "cross_group_retry", "limits", "DeletedAt",
    }  # fmt: skip
    assert (told["status"], told["remain_quota"], told["group"], told["used_quota"]) == (1, 1000, "vip", 0)
    assert told["model_limits"] == "gpt-4o,gpt-4o-mini"
    assert told["allow_ips"] == "127.0.0.1\n10.0.0.0/8"
    secret = person.get("POST", f"/api/token/{told['id']}/key")["key"]
    assert len(secret) == 48
    assert told["key"] == secret[:4] + "*" * 10 + secret[-4:]
    changed = person.get(
        "PUT", "/api/token/", {**TOKEN, "id": told["id"], "name": "new", "status": 2, "remain_quota": 7}
    )
    assert (changed["name"], changed["remain_quota"], changed["status"], changed["group"]) == ("new", 7, 1, "")
    changed = person.get("PUT", "/api/token/?status_only=true", {"id": told["id"], "status": 2, "name": "ignored"})
    assert (changed["name"], changed["status"]) == ("new", 2)
    person.get("DELETE", f"/api/token/{told['id']}")
    person.refused("GET", f"/api/token/{told['id']}")
    reply = http("GET", gateway.base + "/v1/models", headers={"Authorization": f"Bearer sk-{secret}"})
    assert reply.status == 401


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": "é" * 26}, "bytes"),
        ({"name": "nul\0"}, "NUL"),
        ({"name": 5}, "text"),
        ({"remain_quota": -1}, "remain_quota"),
        ({"remain_quota": 10**9 * 500_000 + 1}, "remain_quota"),
        ({"remain_quota": 10**30}, "remain_quota"),
        ({"remain_quota": 1.5}, "whole number"),
        ({"remain_quota": True}, "whole number"),
        ({"expired_time": -2}, "expired_time"),
        ({"unlimited_quota": "yes"}, "true or false"),
        ({"allow_ips": "not-an-address"}, "no address"),
        ({"group": "svip-of-others"}, "group"),
        ({"model_limits": "m" * 300}, "model_limits"),
        ({"model_limits": ",".join(f"m{number}" for number in range(1001))}, "at most"),
    ],
)
def test_wrong_members(user: Person, wrong: dict[str, object], named: str) -> None:
    assert named in user.refused("POST", "/api/token/", {**TOKEN, **wrong})
    assert user.get("GET", "/api/token/")["total"] == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"ids": 5}', b'{"ids": ["1"]}', b'{"ids": []}', b'{"ids": [0]}'])
def test_wrong_bodies(user: Person, body: bytes) -> None:
    user.refused("POST", "/api/token/batch", body)
    user.refused("POST", "/api/token/batch/keys", body)


def test_batches(person: Person) -> None:
    made = [person.key(name=f"b{number}") for number in range(3)]
    ids = [key_id for key_id, _ in made]
    told = person.get("POST", "/api/token/batch/keys", {"ids": [*ids, 10**9]})["keys"]
    assert told == {str(key_id): secret.removeprefix("sk-") for key_id, secret in made}
    assert "1 to 100" in person.refused("POST", "/api/token/batch/keys", {"ids": list(range(1, 102))})
    assert person.get("POST", "/api/token/batch", {"ids": ids[:2]}) == 2
    assert person.get("GET", "/api/token/")["total"] == 1


def test_search(person: Person) -> None:
    for name in ("alpha", "alp_a", "beta", "100%"):
        person.get("POST", "/api/token/", {**TOKEN, "name": name})
    for keyword, names in (
        ("alpha", ["alpha"]), ("alp", []), ("alp%25", ["alp_a", "alpha"]), ("%25pha", ["alpha"]), ("alp_a", ["alp_a"]),
        ("alp_%25", ["alp_a"]), ("%25e%25t%25", None), ("%25%25", None), ("%25a", None), ("", ["100%", "beta", "alp_a", "alpha"]),
    ):  # fmt: skip
        if names is None:
            assert "pattern" in person.refused("GET", f"/api/token/search?keyword={keyword}")
        else:
            assert [
                item["name"] for item in person.get("GET", f"/api/token/search?keyword={keyword}")["items"]
            ] == names
    assert "whole secret" in person.refused("GET", "/api/token/search?token=ab%25")


def test_expired_keys_are_enabled_only_with_a_later_end(person: Person) -> None:
    key_id, _ = person.key(expired_time=int(time.time()) - 5)
    person.get("PUT", "/api/token/?status_only=1", {"id": key_id, "status": 2})
    assert "expired" in person.refused("PUT", "/api/token/?status_only=1", {"id": key_id, "status": 1})
    person.get("PUT", "/api/token/", {**TOKEN, "id": key_id})
    assert person.get("PUT", "/api/token/?status_only=1", {"id": key_id, "status": 1})["status"] == 1
    for status in (0, 3, 4, 5, -1, 1 << 40):
        person.refused("PUT", "/api/token/?status_only=1", {"id": key_id, "status": status})


def test_the_number_of_keys_is_limited(gateway: House, person: Person, root: Person) -> None:
    root.get("PUT", "/api/option/", {"key": "token_setting.max_user_tokens", "value": 2})
    try:
        person.key()
        person.key()
        assert "at most 2" in person.refused("POST", "/api/token/", TOKEN)
    finally:
        root.get("PUT", "/api/option/", {"key": "token_setting.max_user_tokens", "value": 1000})


def test_paging(person: Person) -> None:
    for number in range(5):
        person.get("POST", "/api/token/", {**TOKEN, "name": f"k{number}"})
    for query, page, size, names in (
        ("p=1&page_size=2", 1, 2, ["k4", "k3"]), ("p=3&page_size=2", 3, 2, ["k0"]), ("p=0&ps=2", 1, 2, ["k4", "k3"]),
        ("p=-4&size=1", 1, 1, ["k4"]), ("p=9", 9, 10, []), ("page_size=100000", 1, 100, ["k4", "k3", "k2", "k1", "k0"]),
        ("p=x&page_size=y", 1, 10, ["k4", "k3", "k2", "k1", "k0"]),
    ):  # fmt: skip
        told = person.get("GET", f"/api/token/?{query}")
        assert (told["page"], told["page_size"], told["total"]) == (page, size, 5), query
        assert [item["name"] for item in told["items"]] == names, query
    for path in ("/api/token/99999999999999999999999999", "/api/token/-1", "/api/token/0"):
        assert not person.ask("GET", path).json()["success"]


def test_key_usage(gateway: House, person: Person, root: Person) -> None:
    key_id, secret = person.key(remain_quota=500_000, model_limits_enabled=True, model_limits="gpt-4o")
    headers = {"Authorization": f"Bearer {secret}"}
    person.get("PUT", "/api/token/?status_only=1", {"id": key_id, "status": 2})
    told = http("GET", gateway.base + "/api/usage/token/", headers=headers).json()
    assert told["code"] is True
    assert told["data"] == {
        "object": "token_usage", "name": "k", "total_granted": 500_000, "total_used": 0, "total_available": 500_000,
        "unlimited_quota": False, "model_limits": {"gpt-4o": True}, "model_limits_enabled": True, "expires_at": 0,
    }  # fmt: skip
    for prefix in ("", "/v1"):
        limit = http("GET", f"{gateway.base}{prefix}/dashboard/billing/subscription", headers=headers).json()
        assert limit["hard_limit_usd"] == 1.0
        assert (
            http("GET", f"{gateway.base}{prefix}/dashboard/billing/usage", headers=headers).json()["total_usage"] == 0
        )
    for option, value, limit_told in (
        ("DisplayTokenStatEnabled", False, 10.0), ("DisplayInCurrencyEnabled", False, 5_000_000),
    ):  # fmt: skip
        root.get("PUT", "/api/option/", {"key": option, "value": value})
        found = http("GET", f"{gateway.base}/v1/dashboard/billing/subscription", headers=headers).json()
        assert found["hard_limit_usd"] == limit_told
    for option in ("DisplayTokenStatEnabled", "DisplayInCurrencyEnabled"):
        root.get("PUT", "/api/option/", {"key": option, "value": True})
    error = http("GET", f"{gateway.base}/v1/dashboard/billing/usage").json()["error"]
    assert error["code"] == "invalid_api_key"
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "disable"})
    assert http("GET", gateway.base + "/api/usage/token/", headers=headers).status == 403

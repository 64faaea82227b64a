"""Nobody sees or changes another's keys, logs or account, whatever ids are guessed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from isthmus.client import ApiError, Client

from tests.integration.house import House, http
from tests.rest.people import Person, make

HELLO = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
SECRETS = ("key_hash", "purse_id", "access_token_hash", "password_hash", "$argon2")


def chat(house: House, secret: str) -> str:
    """One billed request; its id."""
    reply = http("POST", house.base + "/v1/chat/completions", HELLO, {"Authorization": f"Bearer {secret}"})
    assert reply.status == 200, reply.body
    return reply.headers["x-request-id"]


def until(look: Callable[[], Any]) -> Any:
    """What a look gives once it gives something: records reach the database a moment after the answer."""
    deadline = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


class Owner:
    """Somebody with a key and a request, and somebody else who guesses."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.owner, self.other = make(house, quota=5_000_000), make(house, quota=5_000_000)
        self.key_id, self.secret = self.owner.key(name="mine")
        self.other_key, self.other_secret = self.other.key(name="theirs")
        self.request_id = chat(house, self.secret)
        until(lambda: self.owner.get("GET", f"/api/log/self?request_id={self.request_id}")["items"])

    def key(self) -> Any:
        return self.owner.get("GET", f"/api/token/{self.key_id}")


@pytest.fixture(scope="module")
def two(gateway: House) -> Owner:
    return Owner(gateway)


def test_keys_of_others(two: Owner) -> None:
    before = two.key()
    other = two.other
    change = {"id": two.key_id, "name": "stolen", "remain_quota": 1, "unlimited_quota": True, "status": 2}
    for method, path, body in (
        ("GET", f"/api/token/{two.key_id}", None),
        ("POST", f"/api/token/{two.key_id}/key", None),
        ("PUT", "/api/token/", change),
        ("PUT", "/api/token/?status_only=1", change),
        ("DELETE", f"/api/token/{two.key_id}", None),
    ):
        assert "no such key" in other.refused(method, path, body)
    assert other.get("POST", "/api/token/batch", {"ids": [two.key_id]}) == 0
    assert other.get("POST", "/api/token/batch/keys", {"ids": [two.key_id]}) == {"keys": {}}
    for query in ("keyword=mine", f"token={two.secret}"):
        assert other.get("GET", f"/api/token/search?{query}")["items"] == []
    assert two.owner.get("GET", f"/api/token/search?token={two.secret}")["items"][0]["id"] == two.key_id
    # A claimed owner is not believed.
    other.get("POST", "/api/token/", {"name": "planted", "user_id": two.owner.id, "unlimited_quota": True})
    assert "planted" not in [item["name"] for item in two.owner.get("GET", "/api/token/")["items"]]
    assert two.key() == before


def test_an_administrator_has_no_way_to_others_keys(two: Owner, admin: Person, root: Person) -> None:
    for person in (admin, root):
        person.refused("GET", f"/api/token/{two.key_id}")
        person.refused("POST", f"/api/token/{two.key_id}/key")
        person.refused("DELETE", f"/api/token/{two.key_id}")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_guessed_ids(two: Owner, data: st.DataObject) -> None:
    """Whatever ids are named, together with one's own or not: only one's own are told or deleted."""
    own = two.other_key
    ids = data.draw(st.lists(st.integers(1, 60) | st.just(two.key_id) | st.just(own), min_size=1, max_size=20))
    told = two.other.get("POST", "/api/token/batch/keys", {"ids": ids})["keys"]
    mine = {str(item["id"]) for item in two.other.get("GET", "/api/token/?page_size=100")["items"]}
    assert set(told) == mine & {str(key_id) for key_id in ids}
    foreign = [key_id for key_id in ids if str(key_id) not in mine]
    if foreign:
        assert two.other.get("POST", "/api/token/batch", {"ids": foreign}) == 0
    assert two.key()["status"] == 1


def test_logs_of_others(two: Owner) -> None:
    name, other = two.owner.name, two.other
    for query in ("", f"username={name}", f"request_id={two.request_id}", f"user_id={two.owner.id}", "token_name=mine"):
        for item in other.get("GET", f"/api/log/self?page_size=100&{query}")["items"]:
            assert item["username"] == other.name
        assert other.get("GET", f"/api/log/self/stat?{query}")["quota"] == 0
    assert other.get("GET", f"/api/data/self?username={name}&start_timestamp={int(time.time()) - 3600}") == []
    span = f"start_timestamp={int(time.time()) - 3600}&end_timestamp={int(time.time()) + 60}"
    assert other.get("GET", f"/api/data/flow/self?username={name}&{span}") == []
    headers = {"Authorization": f"Bearer {two.other_secret}"}
    assert http("GET", f"{two.house.base}/api/log/token", headers=headers).json()["data"] == []
    mine = http("GET", f"{two.house.base}/api/log/token", headers={"Authorization": f"Bearer {two.secret}"}).json()
    assert [line["request_id"] for line in mine["data"]] == [two.request_id]


async def test_receipts_of_others(two: Owner) -> None:
    async with Client(two.house.grpc, two.other_secret) as client:
        with pytest.raises(ApiError) as refused:
            await client.receipt(two.request_id)
        assert refused.value.reason == "RECORD_NOT_FOUND"
    async with Client(two.house.grpc, two.secret) as client:
        assert (await client.receipt(two.request_id)).quota > 0


def test_users_do_not_learn_which_channel_served_them(two: Owner) -> None:
    (line,) = two.owner.get("GET", f"/api/log/self?request_id={two.request_id}")["items"]
    assert (line["channel"], line["channel_name"], line["upstream_request_id"]) == (0, "", "")
    assert "admin_info" not in line["other"]
    assert "sandbox" not in line["other"]


def test_nobody_raises_himself(two: Owner) -> None:
    """Mass assignment: members that are not the caller's to set are left aside."""
    owner = two.owner
    before = owner.get("GET", "/api/user/self")
    wanted = {
        "id": two.other.id, "role": 100, "status": 1, "quota": 10**12, "used_quota": 0, "group": "vip",
        "aff_quota": 10**9, "inviter_id": 1, "username": owner.name, "display_name": "Ada",
        "original_password": "correct-horse-7",
    }  # fmt: skip
    owner.get("PUT", "/api/user/self", wanted)
    after = owner.get("GET", "/api/user/self")
    assert after == {**before, "display_name": "Ada"}
    assert two.other.get("GET", "/api/user/self")["username"] == two.other.name
    owner.get("PUT", "/api/user/setting", {"notify_type": "email", "role": 100, "quota": 10**12})
    assert owner.get("GET", "/api/user/self")["quota"] == before["quota"]
    owner.get("POST", "/api/token/", {"name": "greedy", "used_quota": -(10**9), "id": two.other_key})
    assert owner.get("GET", "/api/token/search?keyword=greedy")["items"][0]["used_quota"] == 0
    body = {"username": "self-made", "password": "password-77", "role": 100, "quota": 10**12, "group": "vip"}
    reply = http("POST", two.house.base + "/api/user/register", body)
    assert reply.json()["success"]
    made = http("POST", two.house.base + "/api/user/login", body).json()["data"]
    assert (made["role"], made["group"]) == (1, "default")


def test_admins_do_not_raise_accounts_by_the_way(two: Owner, admin: Person) -> None:
    before = admin.get("GET", f"/api/user/{two.other.id}")
    change = {
        "id": two.other.id, "username": two.other.name, "display_name": "x", "group": "default", "remark": "r",
        "role": 100, "quota": 10**12, "status": 2, "used_quota": 5,
    }  # fmt: skip
    admin.get("PUT", "/api/user/", change)
    after = admin.get("GET", f"/api/user/{two.other.id}")
    assert after == {**before, "display_name": "x", "remark": "r"}


def test_nothing_tells_a_secret(two: Owner, root: Person) -> None:
    """No list, log or option holds a key, a hash, a password or another's own secrets."""
    setting = {"notify_type": "webhook", "webhook_url": "https://example.org/hook", "webhook_secret": "hook-secret-1"}
    two.owner.get("PUT", "/api/user/setting", setting)
    assert "hook-secret-1" in two.owner.get("GET", "/api/user/self")["setting"]
    root.refused("PUT", "/api/user/", {"id": 10**9, "username": "x", "password": "sent-in-clear-1"})
    for path in (
        "/api/user/?page_size=100", f"/api/user/{two.owner.id}", "/api/user/search?keyword=person",
        "/api/channel/", "/api/channel/1", "/api/channel/search?keyword=sandbox", "/api/option/",
        "/api/log/?page_size=100", "/api/token/",
    ):  # fmt: skip
        reply = root.ask("GET", path)
        assert reply.json()["success"]
        text = reply.body.decode()
        for secret in (*SECRETS, "sandbox-key", "hook-secret-1", "sent-in-clear-1", two.secret.removeprefix("sk-")):
            assert secret not in text, (path, secret)

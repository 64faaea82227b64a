"""Secrets of keys: made in batches, rotated with an overlap, shown again or kept as hashes alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc
import pytest
from isthmus.v1 import admin_pb2, admin_pb2_grpc

from tests.integration.house import PASSWORD, House, http, until
from tests.rest.people import Person, make

TOKEN = {"name": "work", "expired_time": -1, "remain_quota": 1000, "unlimited_quota": False}


@pytest.fixture
def person(gateway: House) -> Person:
    return make(gateway, quota=5_000_000)


@pytest.fixture
def reveal(gateway: House) -> Iterator[None]:
    """What a test sets ends with it."""
    yield
    gateway.option("token_setting.reveal", "on")


def works(gateway: House, secret: str) -> bool:
    return http("GET", gateway.base + "/v1/models", headers={"Authorization": f"Bearer {secret}"}).status == 200


def test_a_batch_is_made_whole_or_not_at_all(gateway: House, person: Person) -> None:
    made = person.get("POST", "/api/isthmus/token/batch", {**TOKEN, "count": 3})
    assert [key["name"] for key in made] == ["work-1", "work-2", "work-3"]
    assert len({key["secret"] for key in made}) == 3
    assert all(works(gateway, key["secret"]) for key in made)
    assert person.get("GET", "/api/token/")["total"] == 3
    for wrong, named in (({"count": 0}, "count"), ({"count": 101}, "count"), ({"name": "x" * 49, "count": 2}, "name")):
        assert named in person.refused("POST", "/api/isthmus/token/batch", {**TOKEN, **wrong})
    gateway.option("token_setting.max_user_tokens", "5")
    try:
        assert "5 keys" in person.refused("POST", "/api/isthmus/token/batch", {**TOKEN, "count": 3})
    finally:
        gateway.option("token_setting.max_user_tokens", "1000")
    assert person.get("GET", "/api/token/")["total"] == 3
    assert person.get("POST", "/api/token/batch", {"ids": [key["id"] for key in made]}) == 3
    assert not any(works(gateway, key["secret"]) for key in made)


def test_a_rotation_with_an_overlap(gateway: House, person: Person) -> None:
    key_id, first = person.key()
    made = person.get("POST", f"/api/isthmus/token/{key_id}/rotate", {"overlap_seconds": 2})
    second = made["secret"]
    assert second != first
    assert made["old_until"] <= time.time() + 2
    assert works(gateway, second)
    assert works(gateway, first), "the old one goes on for a while"
    assert person.get("POST", f"/api/token/{key_id}/key")["key"] == second.removeprefix("sk-")
    assert made["key"] == second[3:7] + "*" * 10 + second[-4:]
    # Though it is in the cache.
    until(lambda: not works(gateway, first), "the old secret did not end")
    assert works(gateway, second)
    third = person.get("POST", f"/api/isthmus/token/{key_id}/rotate", {})["secret"]
    assert not works(gateway, second), "without an overlap the old one ends at once"
    fourth = person.get("POST", f"/api/isthmus/token/{key_id}/rotate", {"overlap_seconds": 600})["secret"]
    fifth = person.get("POST", f"/api/isthmus/token/{key_id}/rotate", {"overlap_seconds": 600})["secret"]
    assert [works(gateway, secret) for secret in (third, fourth, fifth)] == [False, True, True], "one old secret"
    person.get("PUT", "/api/token/?status_only=true", {"id": key_id, "status": 2})
    assert not works(gateway, fourth)
    assert not works(gateway, fifth)


def test_a_rotation_that_is_refused(gateway: House, person: Person) -> None:
    key_id, secret = person.key()
    for seconds in (-1, 31 * 24 * 3600):
        assert "overlap_seconds" in person.refused(
            "POST", f"/api/isthmus/token/{key_id}/rotate", {"overlap_seconds": seconds}
        )
    make(gateway).refused("POST", f"/api/isthmus/token/{key_id}/rotate", {})
    assert works(gateway, secret)


def test_shown_after_a_fresh_proof(gateway: House, person: Person, reveal: None) -> None:
    key_id, _ = person.key()
    gateway.option("token_setting.reveal", "verified")
    for path in (f"/api/token/{key_id}/key", "/api/token/batch/keys", f"/api/isthmus/token/{key_id}/rotate"):
        reply = person.ask("POST", path, {"ids": [key_id]})
        assert (reply.status, reply.json()["code"]) == (403, "VERIFICATION_REQUIRED"), path
    proof = person.ask("POST", "/api/verify", {"method": "password", "password": PASSWORD})
    assert proof.json()["success"], proof.body
    person.cookie += "; " + proof.headers["set-cookie"].split(";")[0]
    assert len(person.get("POST", f"/api/token/{key_id}/key")["key"]) == 48
    assert list(person.get("POST", "/api/token/batch/keys", {"ids": [key_id]})["keys"]) == [str(key_id)]
    assert works(gateway, person.get("POST", f"/api/isthmus/token/{key_id}/rotate", {})["secret"])


def test_kept_as_hashes_alone(gateway: House, person: Person, reveal: None) -> None:
    """A stolen database, even with the secret of the data folder, does not reveal a key."""
    key_id, before = person.key()
    gateway.option("token_setting.reveal", "off")
    assert gateway.rows("SELECT count(*) FROM tokens WHERE \"key\" <> ''") == [(0,)], "those that were kept are gone"
    for path in (f"/api/token/{key_id}/key", "/api/token/batch/keys"):
        assert "not kept" in person.refused("POST", path, {"ids": [key_id]})
    made = person.get("POST", "/api/token/", TOKEN)
    assert set(made) == {"id", "key"}
    batch = person.get("POST", "/api/isthmus/token/batch", {**TOKEN, "count": 2})
    after = "sk-" + made["key"]
    rotated = person.get("POST", f"/api/isthmus/token/{key_id}/rotate", {"overlap_seconds": 60})["secret"]
    for secret in (before, after, rotated, *(key["secret"] for key in batch)):
        assert works(gateway, secret)
    stored = str(gateway.rows("SELECT * FROM tokens"))
    assert not any(secret.removeprefix("sk-") in stored for secret in (before, after, rotated))
    assert gateway.rows("SELECT count(*) FROM tokens WHERE \"key\" <> ''") == [(0,)]
    found = person.get("GET", f"/api/token/search?token={after}")["items"]
    assert [key["id"] for key in found] == [made["id"]]
    gateway.option("token_setting.reveal", "on")
    assert "told once" in person.refused("POST", f"/api/token/{key_id}/key"), "what is gone is gone"


async def test_over_grpc(gateway: House, person: Person) -> None:
    token = person.get("GET", "/api/user/token")
    who = (("authorization", f"Bearer {token}"), ("isthmus-user", str(person.id)))
    async with grpc.aio.insecure_channel(gateway.grpc) as channel:
        admin = admin_pb2_grpc.AdminServiceStub(channel)
        wanted = admin_pb2.ApiKey(name="g", unlimited_quota=True)
        made = await admin.CreateKeys(admin_pb2.CreateKeysRequest(key=wanted, count=2), metadata=who)
        assert [key.name for key in made.keys] == ["g-1", "g-2"]
        assert all(works(gateway, "sk-" + secret) for secret in made.secrets)
        rotated = await admin.RotateKey(
            admin_pb2.RotateKeyRequest(id=made.keys[0].id, overlap_seconds=60), metadata=who
        )
        assert rotated.old_until > time.time()
        assert works(gateway, "sk-" + rotated.secret)
        assert works(gateway, "sk-" + made.secrets[0])

"""Passwords: New API's hashes are taken and replaced; guessing is slowed per account and address, by all workers."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import pytest

from tests.integration.house import PASSWORD, House, house, http
from tests.rest.people import make, sign_in


def stored(gateway: House, account_id: int) -> str:
    return str(gateway.rows("SELECT password FROM users WHERE id = ?", account_id)[0][0])


@pytest.mark.parametrize("password", ["short-77", "ü" * 36, "x" * 72], ids=["short", "two bytes each", "the longest"])
def test_bcrypt_is_upgraded(gateway: House, password: str) -> None:
    person = make(gateway)
    old = bcrypt.hashpw(password.encode(), bcrypt.gensalt(10, prefix=b"2a")).decode()
    assert old.startswith("$2a$10$"), "as New API writes them"
    gateway.rows("UPDATE users SET password = ? WHERE id = ?", old, person.id)
    body = {"username": person.name, "password": password + "x"}
    if len(password.encode()) < 72:  # bcrypt looks at no more
        assert not http("POST", gateway.base + "/api/user/login", body).json()["success"]
    assert stored(gateway, person.id) == old, "only a right password upgrades"
    sign_in(gateway, person.name, password).get("GET", "/api/user/self")
    new = stored(gateway, person.id)
    assert new.startswith("$argon2id$")
    sign_in(gateway, person.name, password)
    assert stored(gateway, person.id) == new


def test_a_broken_hash_lets_nobody_in(gateway: House) -> None:
    person = make(gateway)
    for broken in ("$2a$10$short", "$argon2id$v=19$broken", "plain", ""):
        gateway.rows("UPDATE users SET password = ? WHERE id = ?", broken, person.id)
        for password in (broken, PASSWORD, ""):
            body = {"username": person.name, "password": password}
            reply = http("POST", gateway.base + "/api/user/login", body)
            assert (reply.status, reply.json()["success"]) == (200, False), broken


def test_guessing_is_slowed_by_all_workers_together(tmp_path: Path) -> None:
    with house(tmp_path, workers=2) as gateway:
        gateway.add_member("ada", 0)

        def statuses(name: str, password: str, count: int, client: str) -> list[int]:
            body = {"username": name, "password": password}
            headers = {"X-Forwarded-For": client}
            return [http("POST", gateway.base + "/api/user/login", body, headers).status for _ in range(count)]

        assert statuses("ada", "wrong", 24, "") == [200] * 20 + [429] * 4
        assert statuses("ada", PASSWORD, 4, "") == [429] * 4, "not even the right one, at any worker"


def test_each_address_is_slowed_whatever_names_it_tries(tmp_path: Path) -> None:
    with house(tmp_path, environ={"ISTHMUS_TRUSTED_PROXIES": "1"}) as gateway:
        for name in ("ada", "bob"):
            gateway.add_member(name, 0)

        def status(name: str, password: str, client: str) -> int:
            body = {"username": name, "password": password}
            return http("POST", gateway.base + "/api/user/login", body, {"X-Forwarded-For": client}).status

        assert [status(f"nobody{turn}", "wrong", "192.0.2.7") for turn in range(20)] == [200] * 20
        assert status("ada", PASSWORD, "192.0.2.7") == 429
        assert status("ada", PASSWORD, "192.0.2.8") == 200, "others are let in"
        assert [status("bob", "wrong", f"192.0.2.{turn}") for turn in range(20, 41)] == [200] * 20 + [429]
        for _ in range(19):
            status("nobody", "wrong", "192.0.2.9")
            assert status("ada", PASSWORD, "192.0.2.8") == 200, "who signs in is not counted"

"""Sessions: shown, ended one by one or all at once, rotated, idle ones refused; a stolen cookie ends with them."""

from __future__ import annotations

import time

import pytest
from isthmus.client import ApiError, Client
from isthmus.v1 import access_pb2

from tests.integration.house import PASSWORD, House, http
from tests.rest.people import Person, make, sign_in


def listed(person: Person) -> list[dict[str, object]]:
    return list(person.get("GET", "/api/isthmus/sessions"))


def test_shown_and_ended(gateway: House) -> None:
    first = make(gateway)
    second = sign_in(gateway, first.name)
    found = listed(second)
    assert [each["current"] for each in found] == [True, False], "newest first"
    assert found[0]["method"] == "password"
    assert found[0]["ip"] == "127.0.0.1"
    assert str(found[0]["user_agent"]).startswith("Python-urllib")
    assert abs(int(str(found[0]["created_at"])) - time.time()) < 300
    stranger = make(gateway)
    assert "no such session" in stranger.refused("DELETE", f"/api/isthmus/sessions/{found[1]['id']}")
    second.get("DELETE", f"/api/isthmus/sessions/{found[1]['id']}")
    assert first.ask("GET", "/api/user/self").status == 401
    assert len(listed(second)) == 1
    second.refused("DELETE", f"/api/isthmus/sessions/{found[1]['id']}")
    kept = gateway.rows("SELECT session_hash FROM sessions")
    assert second.cookie.removeprefix("session=").strip('"') not in str([tuple(row) for row in kept])


def test_logging_out_ends_the_session(gateway: House) -> None:
    person = make(gateway)
    other = sign_in(gateway, person.name)
    stolen = Person(gateway, person.id, person.name, person.cookie)
    person.get("GET", "/api/user/logout")
    assert stolen.ask("GET", "/api/user/self").status == 401, "not the cookie alone"
    other.get("GET", "/api/user/self")
    assert stolen.ask("GET", "/api/user/logout").json()["success"], "once more"
    assert http("GET", gateway.base + "/api/user/logout", headers={"Cookie": "session=nonsense"}).json()["success"]


def test_logging_out_everywhere(gateway: House) -> None:
    people = [make(gateway)]
    people += [sign_in(gateway, people[0].name) for _ in range(2)]
    people[1].get("POST", "/api/user/logout")
    assert [person.ask("GET", "/api/user/self").status for person in people] == [401] * 3
    fresh = sign_in(gateway, people[0].name)
    assert len(listed(fresh)) == 1


def test_rotation(gateway: House, root: Person) -> None:
    person = make(gateway)
    again = sign_in(gateway, person.name)
    assert again.cookie != person.cookie, "every sign-in has its own"
    reply = person.ask("PUT", "/api/user/self", {"password": "password-78", "original_password": PASSWORD})
    renewed = Person(gateway, person.id, person.name, reply.headers["set-cookie"].split(";")[0])
    assert again.ask("GET", "/api/user/self").status == 401
    assert person.ask("GET", "/api/user/self").status == 401
    assert [each["method"] for each in listed(renewed)] == ["renewed"]
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "promote"})
    assert renewed.ask("GET", "/api/user/self").status == 401, "more power wants a new sign-in"


def test_ends(gateway: House) -> None:
    idle, old = make(gateway), make(gateway)
    gateway.rows("UPDATE sessions SET last_seen_at = 1 WHERE user_id = ?", idle.id)
    gateway.rows("UPDATE sessions SET expires_at = 1 WHERE user_id = ?", old.id)
    # Nothing was cached: neither was asked for before.
    assert idle.ask("GET", "/api/user/self").status == 401
    assert old.ask("GET", "/api/user/self").status == 401
    used = make(gateway)
    gateway.rows("UPDATE sessions SET last_seen_at = last_seen_at - 1000 WHERE user_id = ?", used.id)
    used.get("GET", "/api/user/self")
    seen = gateway.rows("SELECT last_seen_at FROM sessions WHERE user_id = ?", used.id)[0][0]
    assert seen > time.time() - 600, "use is noted"


def test_an_account_has_few(gateway: House) -> None:
    person = make(gateway)
    columns = "user_id, session_hash, method, address, agent, created_at, last_seen_at, expires_at"
    now = int(time.time())
    for number in range(120):
        gateway.rows(
            f"INSERT INTO sessions ({columns}) VALUES (?, ?, '', '', '', ?, ?, ?)",
            person.id, f"hash-{person.id}-{number}", now, now, now + 1000,
        )  # fmt: skip
    fresh = sign_in(gateway, person.name)
    assert len(listed(fresh)) == 100


async def test_over_grpc(gateway: House) -> None:
    import grpc

    person = make(gateway)
    session = person.cookie.removeprefix("session=").strip('"')
    metadata = (("isthmus-session", session), ("isthmus-client-agent", "forged"))
    async with Client(gateway.grpc) as client:
        asked = access_pb2.LoginRequest(username=person.name, password=PASSWORD)
        await client.access.Login(asked, metadata=(("isthmus-client-agent", "forged"),))
        found = (await client.access.ListSessions(access_pb2.ListSessionsRequest(), metadata=metadata)).sessions
        assert [each.current for each in found] == [False, True]
        assert found[0].agent == "", "only a front says what a browser calls itself"
        await client.access.Logout(access_pb2.LogoutRequest(), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.access.GetSelf(access_pb2.GetSelfRequest(), metadata=metadata)
        assert ApiError.of(refused.value).reason == "SESSION_INVALID"

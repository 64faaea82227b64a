"""The second factor over REST and gRPC: set up, asked for, spent, locked, taken away."""

from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pytest
from isthmus.client import ApiError, Client
from isthmus.v1 import access_pb2

from core.manage import totp
from tests.integration.house import PASSWORD, House, Reply, http
from tests.rest.people import Person, make, sign_in


class Phone:
    """An authenticator: each step's code is given out once, later steps before their time."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._last = int(time.time()) // totp.STEP_SECONDS - 2

    def code(self) -> str:
        """A code that was not used and that is taken now."""
        while self._last + 1 > time.time() // totp.STEP_SECONDS + totp.WINDOW:
            time.sleep(0.5)
        self._last = max(self._last + 1, int(time.time()) // totp.STEP_SECONDS - totp.WINDOW)
        return totp.password(base64.b32decode(self._secret), self._last)

    def wrong(self) -> str:
        """A code that belongs to no step near now."""
        key = base64.b32decode(self._secret)
        near = {totp.password(key, int(time.time()) // totp.STEP_SECONDS + off) for off in range(-3, 9)}
        return next(code for code in (f"{number:06}" for number in range(100)) if code not in near)


def equip(gateway: House, role: int = 1) -> tuple[Person, Phone, list[str]]:
    """Somebody with a second factor, his phone and his backup codes."""
    person = make(gateway, role)
    told = person.get("POST", "/api/user/2fa/setup")
    phone = Phone(told["secret"])
    reply = person.ask("POST", "/api/user/2fa/enable", {"code": phone.code()})
    assert reply.json()["success"], reply.json()
    person.cookie = cookie(reply, "session")
    return person, phone, told["backup_codes"]


def cookie(reply: Reply, name: str) -> str:
    """name=value of a reply's cookie; http() keeps the last header of a name, so they are looked for in all."""
    found = [part for part in reply.headers["set-cookie"].split(",") if part.strip().startswith(name + "=")]
    assert found, reply.headers
    return found[0].split(";")[0].strip()


def begin(gateway: House, person: Person) -> str:
    """The cookie of a sign-in whose password was right."""
    reply = http("POST", gateway.base + "/api/user/login", {"username": person.name, "password": PASSWORD})
    assert reply.json() == {"success": True, "message": "", "data": {"require_2fa": True}}
    assert "session=" not in reply.headers["set-cookie"]
    flags = reply.headers["set-cookie"].lower()
    assert all(flag in flags for flag in ("httponly", "samesite=strict", "max-age=300"))
    return cookie(reply, "pending_login")


def finish(gateway: House, pending: str, code: str) -> Any:
    """The second step's answer."""
    return http("POST", gateway.base + "/api/user/login/2fa", {"code": code}, {"Cookie": pending}).json()


def test_setting_up(gateway: House) -> None:
    person = make(gateway)
    assert person.get("GET", "/api/user/2fa/status") == {"enabled": False, "locked": False}
    told = person.get("POST", "/api/user/2fa/setup")
    assert set(told) == {"secret", "qr_code_data", "backup_codes"}
    parts = urlsplit(told["qr_code_data"])
    assert (parts.scheme, parse_qs(parts.query)["secret"]) == ("otpauth", [told["secret"]])
    assert len(set(told["backup_codes"])) == 4
    assert all(len(code) == 9 and code[4] == "-" for code in told["backup_codes"])
    sign_in(gateway, person.name)  # not in force yet
    for code in ("000000x", "", told["backup_codes"][0], Phone(told["secret"]).wrong()):
        assert "code" in person.refused("POST", "/api/user/2fa/enable", {"code": code})
    elsewhere = sign_in(gateway, person.name)
    phone = Phone(told["secret"])
    reply = person.ask("POST", "/api/user/2fa/enable", {"code": phone.code()})
    assert reply.json() == {"success": True, "message": ""}
    assert elsewhere.ask("GET", "/api/user/self").status == 401, "sessions opened without it end"
    assert person.ask("GET", "/api/user/self").status == 401, "the caller's, too: it was replaced"
    person.cookie = cookie(reply, "session")
    assert person.get("GET", "/api/user/2fa/status") == {"enabled": True, "locked": False, "backup_codes_remaining": 4}
    assert "in force" in person.refused("POST", "/api/user/2fa/setup")
    assert "first" in make(gateway).refused("POST", "/api/user/2fa/enable", {"code": "123456"})


def test_signing_in(gateway: House, root: Person) -> None:
    person, phone, backup = equip(gateway)
    pending = begin(gateway, person)
    assert http("GET", gateway.base + "/api/user/self", headers={"Cookie": pending}).status == 401
    code = phone.code()
    assert finish(gateway, "pending_login=x", code)["success"] is False, "another browser"
    assert finish(gateway, "", code)["success"] is False
    answer = finish(gateway, pending, code)
    assert answer["success"]
    assert set(answer["data"]) == {"id", "username", "display_name", "role", "status", "group"}
    assert not finish(gateway, pending, phone.code())["success"], "a sign-in is finished once"
    assert not finish(gateway, begin(gateway, person), code)["success"], "a code is good once"
    pending = begin(gateway, person)
    spare = backup[0].lower().replace("-", " ")
    assert finish(gateway, pending, spare)["success"], "as people type it"
    assert not finish(gateway, begin(gateway, person), backup[0])["success"], "a backup code is good once"
    lines = root.get("GET", f"/api/log/?type=7&username={person.name}")["items"]
    assert ['"login_method": "2fa"' in line["other"] for line in lines[:3]] == [True, True, False]


def test_a_pending_sign_in_has_few_tries(gateway: House) -> None:
    person, _, backup = equip(gateway)
    pending = begin(gateway, person)
    for _ in range(5):
        assert not finish(gateway, pending, "ABC")["success"]
    assert "begin again" in finish(gateway, pending, backup[0])["message"], "five tries, whatever they were"
    assert finish(gateway, begin(gateway, person), backup[0])["success"], "what is no code does not lock the account"
    pending = begin(gateway, person)
    reply = person.ask("PUT", "/api/user/self", {"password": "brand-new-9", "original_password": PASSWORD})
    assert reply.json()["success"]
    assert "begin again" in finish(gateway, pending, backup[1])["message"], "the old password opened it"


def test_wrong_codes_lock_it(gateway: House) -> None:
    person, phone, backup = equip(gateway)
    for _ in range(5):
        assert not finish(gateway, begin(gateway, person), phone.wrong())["success"]
    reply = http("POST", gateway.base + "/api/user/login/2fa", {"code": backup[0]}, {"Cookie": begin(gateway, person)})
    assert reply.status == 429
    assert int(reply.headers.get("retry-after", "300")) > 0
    assert person.get("GET", "/api/user/2fa/status")["locked"] is True
    assert person.ask("POST", "/api/user/2fa/disable", {"code": backup[0]}).status == 429


def test_switching_off_and_new_codes(gateway: House) -> None:
    person, phone, backup = equip(gateway)
    assert "authenticator" in person.refused("POST", "/api/user/2fa/backup_codes", {"code": backup[0]})
    fresh = person.get("POST", "/api/user/2fa/backup_codes", {"code": phone.code()})["backup_codes"]
    assert len(set(fresh) - set(backup)) == 4
    person.refused("POST", "/api/user/2fa/disable", {"code": backup[0]})
    reply = person.ask("POST", "/api/user/2fa/disable", {"code": fresh[0]})
    assert reply.json()["success"]
    person.cookie = cookie(reply, "session")
    assert person.get("GET", "/api/user/2fa/status") == {"enabled": False, "locked": False}
    sign_in(gateway, person.name)
    assert "no second factor" in person.refused("POST", "/api/user/2fa/disable", {"code": fresh[1]})


def test_the_password_alone_no_longer_verifies(gateway: House, root: Person) -> None:
    person, phone, _ = equip(gateway, 10)
    assert "method 2fa" in person.refused("POST", "/api/verify", {"method": "password", "code": PASSWORD})
    person.refused("POST", "/api/verify", {"method": "2fa", "code": phone.wrong()})
    assert person.get("POST", "/api/verify", {"method": "2fa", "code": phone.code()})["verified"] is True
    plain = make(gateway, 10)
    assert "method password" in plain.refused("POST", "/api/verify", {"method": "2fa", "code": "123456"})
    assert plain.get("POST", "/api/verify", {"method": "password", "code": PASSWORD})["verified"] is True


def test_administrators(gateway: House, admin: Person, root: Person) -> None:
    person, _, _ = equip(gateway)
    peer, _, _ = equip(gateway, 10)
    told = admin.get("GET", "/api/user/2fa/stats")
    assert told["enabled_users"] >= 2
    assert told["enabled_rate"] == f"{100 * told['enabled_users'] / told['total_users']:.1f}%"
    admin.get("DELETE", f"/api/user/{person.id}/2fa")
    sign_in(gateway, person.name)
    assert "no second factor" in admin.refused("DELETE", f"/api/user/{person.id}/2fa")
    assert "level" in admin.refused("DELETE", f"/api/user/{peer.id}/2fa")
    root.get("DELETE", f"/api/user/{peer.id}/2fa")
    lines = root.get("GET", f"/api/log/?type=3&username={admin.name}")["items"]
    assert "user.2fa_remove" in lines[0]["other"]


def test_logout_everywhere(gateway: House) -> None:
    person = make(gateway)
    elsewhere = sign_in(gateway, person.name)
    assert elsewhere.cookie != person.cookie, "no two sign-ins give the same session"
    elsewhere.get("GET", "/api/user/self")
    person.get("POST", "/api/user/logout")
    assert [each.ask("GET", "/api/user/self").status for each in (person, elsewhere)] == [401, 401]
    sign_in(gateway, person.name).get("GET", "/api/user/self")


def test_a_promotion_ends_sessions(gateway: House, root: Person) -> None:
    person = make(gateway)
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "promote"})
    assert person.ask("GET", "/api/user/self").status == 401
    sign_in(gateway, person.name).get("GET", "/api/channel/")


async def test_over_grpc(gateway: House) -> None:
    person, phone, _ = equip(gateway)
    async with Client(gateway.grpc) as client:
        login = await client.access.Login(access_pb2.LoginRequest(username=person.name, password=PASSWORD))
        assert login.pending
        assert (login.session, login.account.id) == ("", 0)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.access.FinishLogin(access_pb2.FinishLoginRequest(pending=login.pending, code=phone.wrong()))
        assert ApiError.of(refused.value).reason == "WRONG_CODE"
        done = await client.access.FinishLogin(access_pb2.FinishLoginRequest(pending=login.pending, code=phone.code()))
        metadata = (("isthmus-session", done.session),)
        found = await client.access.GetTwoFactor(access_pb2.GetTwoFactorRequest(), metadata=metadata)
        assert (found.enabled, found.locked, found.backup_codes) == (True, False, 4)
        await client.access.Logout(access_pb2.LogoutRequest(everywhere=True), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.access.GetSelf(access_pb2.GetSelfRequest(), metadata=metadata)
        assert ApiError.of(refused.value).reason == "SESSION_INVALID"

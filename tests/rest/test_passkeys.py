"""Passkeys by a software authenticator: made, shown, taken away, and every way they must not work."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from isthmus.client import ApiError, Client
from isthmus.v1 import access_pb2
from soft_webauthn import SoftWebauthnDevice

from tests.integration.house import PASSWORD, House
from tests.rest.browser import Browser
from tests.rest.people import Person, make
from tests.rest.test_second_factor import Phone

SITE = "https://site.example"
RP = "site.example"
UP, UV = 1, 4


def pack(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def unpack(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def wire(found: dict[str, Any]) -> dict[str, Any]:
    """A credential as a browser's page sends it."""
    response = {name: pack(value) for name, value in found["response"].items()}
    return {"id": pack(found["rawId"]), "rawId": pack(found["rawId"]), "type": "public-key", "response": response}


class Device(SoftWebauthnDevice):  # type: ignore[misc]
    """One authenticator with one passkey."""

    def made(self, options: dict[str, Any], origin: str = SITE) -> dict[str, Any]:
        public = dict(options["publicKey"])
        public["challenge"] = unpack(public["challenge"])
        public["user"] = {**public["user"], "id": unpack(public["user"]["id"])}
        return wire(self.create({"publicKey": public}, origin))

    def shown(self, options: dict[str, Any], origin: str = SITE, flags: int = UP, **changed: Any) -> dict[str, Any]:
        """An assertion, by hand, so that a test can say what the device claims."""
        self.sign_count += 1
        client = {"type": "webauthn.get", "challenge": options["publicKey"]["challenge"], "origin": origin, **changed}
        data = json.dumps(client).encode()
        head = hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.sign_count.to_bytes(4, "big")
        signature = self.private_key.sign(head + hashlib.sha256(data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"authenticatorData": head, "clientDataJSON": data, "signature": signature}
        return wire({"rawId": self.credential_id, "response": {**response, "userHandle": self.user_handle}})


@pytest.fixture(scope="module", autouse=True)
def site(gateway: House) -> None:
    for name, value in (("ServerAddress", SITE + "/"), ("passkey.enabled", "true"), ("SystemName", "My site")):
        gateway.option(name, value)


@pytest.fixture
def person(gateway: House) -> Browser:
    """Somebody at his browser."""
    return Browser(gateway, SITE).sign_in(make(gateway).name)


@pytest.fixture(scope="module")
def owner(gateway: House) -> tuple[Browser, Device]:
    """Somebody with a passkey, whom tests leave as he is."""
    browser = Browser(gateway, SITE).sign_in(make(gateway).name)
    return browser, register(browser)


def register(browser: Browser) -> Device:
    device = Device()
    options = browser.get("POST", "/api/user/passkey/register/begin")["options"]
    browser.get("POST", "/api/user/passkey/register/finish", device.made(options))
    return device


def begin(browser: Browser) -> dict[str, Any]:
    found: dict[str, Any] = browser.get("POST", "/api/user/passkey/login/begin")["options"]
    return found


def test_made_and_shown(gateway: House, person: Browser) -> None:
    assert person.get("GET", "/api/user/passkey") == {"enabled": False}
    options = person.get("POST", "/api/user/passkey/register/begin")["options"]["publicKey"]
    assert options["rp"] == {"id": RP, "name": "My site"}
    assert unpack(options["user"]["id"]) == str(person.account).encode(), "New API's handle: passkeys move over"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["attestation"] == "none"
    device = register(person)
    assert person.get("GET", "/api/user/passkey") == {"enabled": True, "last_used_at": None}

    other = Browser(gateway, SITE)
    asked = begin(other)
    assert asked["publicKey"]["rpId"] == RP
    assert asked["publicKey"].get("allowCredentials", []) == [], "whoever asks learns of no account"
    data = other.get("POST", "/api/user/passkey/login/finish", device.shown(asked))
    assert data.keys() == {"id", "username", "display_name", "role", "status", "group"}
    assert data["id"] == person.account
    other.account = data["id"]
    assert other.get("GET", "/api/user/passkey")["last_used_at"]
    cookie = other.cookie("session")
    assert cookie is not None
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Strict"
    line = gateway.manage("GET", f"/api/log/?type=7&username={data['username']}")["items"][0]
    assert json.loads(line["other"])["login_method"] == "passkey"


def test_status(gateway: House) -> None:
    told = Browser(gateway).get("GET", "/api/status")
    assert told["passkey_login"] is True
    assert told["passkey_user_verification"] == "preferred"
    assert {"passkey_display_name", "passkey_rp_id", "passkey_origins", "passkey_allow_insecure"} <= told.keys()


def other_origin(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    return device.shown(asked, "https://site.example.evil.org")


def other_challenge(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    return device.shown({"publicKey": {**asked["publicKey"], "challenge": pack(os.urandom(32))}})


def other_party(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    device.rp_id = "evil.org"
    found = device.shown(asked)
    device.rp_id = RP
    return found


def other_key(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    kept, device.private_key = device.private_key, ec.generate_private_key(ec.SECP256R1())
    found = device.shown(asked)
    device.private_key = kept
    return found


def other_handle(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    found = device.shown(asked)
    found["response"]["userHandle"] = pack(b"1")
    return found


def no_handle(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    found = device.shown(asked)
    found["response"]["userHandle"] = None
    return found


def unknown(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    found = device.shown(asked)
    return {**found, "id": pack(b"nobody"), "rawId": pack(b"nobody")}


def absent(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    return device.shown(asked, flags=0)


def other_type(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    return device.shown(asked, type="webauthn.create")


def cut(device: Device, asked: dict[str, Any]) -> dict[str, Any]:
    found = device.shown(asked)
    found["response"]["authenticatorData"] = pack(b"\x00" * 36)
    return found


FORGERIES = [other_origin, other_challenge, other_party, other_key, other_handle, no_handle, unknown, absent,
             other_type, cut]  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_forged(
    gateway: House, owner: tuple[Browser, Device], forge: Callable[[Device, dict[str, Any]], dict[str, Any]]
) -> None:
    device = owner[1]
    other = Browser(gateway, SITE)
    assert "not recognised" in other.refused("POST", "/api/user/passkey/login/finish", forge(device, begin(other)))
    assert other.cookie("session") is None
    other.get("POST", "/api/user/passkey/login/finish", device.shown(begin(other)))


def test_a_challenge_is_good_once_and_for_one_browser(gateway: House, owner: tuple[Browser, Device]) -> None:
    person, device = owner
    mine, theirs = Browser(gateway, SITE), Browser(gateway, SITE)
    asked = begin(mine)
    begin(theirs)
    assert theirs.refused("POST", "/api/user/passkey/login/finish", device.shown(asked)), "another's challenge"
    ceremony = mine.cookie("passkey")
    assert ceremony is not None
    shown = device.shown(asked)
    mine.get("POST", "/api/user/passkey/login/finish", shown)
    again = Browser(gateway, SITE)
    again.jar.set_cookie(ceremony)
    assert "begin again" in again.refused("POST", "/api/user/passkey/login/finish", shown)
    assert "begin again" in Browser(gateway, SITE).refused("POST", "/api/user/passkey/login/finish", shown)
    # One that failed is spent, too.
    asked = begin(again)
    ceremony = again.cookie("passkey")
    assert ceremony is not None
    again.refused("POST", "/api/user/passkey/login/finish", other_key(device, asked))
    again.jar.set_cookie(ceremony)
    assert "begin again" in again.refused("POST", "/api/user/passkey/login/finish", device.shown(asked))
    # What was asked for to make a passkey, or to prove an owner, signs nobody in.
    verifying = person.get("POST", "/api/user/passkey/verify/begin")["options"]
    assert "begin again" in person.refused("POST", "/api/user/passkey/login/finish", device.shown(verifying))


def test_challenges_end(gateway: House, owner: tuple[Browser, Device]) -> None:
    device = owner[1]
    other = Browser(gateway, SITE)
    asked = begin(other)
    gateway.rows("UPDATE proofs SET expires_at = 1 WHERE purpose = 'passkey'")
    assert "begin again" in other.refused("POST", "/api/user/passkey/login/finish", device.shown(asked))


def test_a_copy_is_noticed(gateway: House, person: Browser) -> None:
    device = register(person)
    other = Browser(gateway, SITE)
    device.sign_count = 10
    other.get("POST", "/api/user/passkey/login/finish", device.shown(begin(other)))
    device.sign_count = 5
    other.refused("POST", "/api/user/passkey/login/finish", device.shown(begin(other)))
    sql = "SELECT clone_warning, sign_count FROM passkey_credentials WHERE user_id = ?"
    assert [tuple(row) for row in gateway.rows(sql, person.account)] == [(1, 11)]


@pytest.mark.parametrize(
    "body",
    [{}, {"id": "x"}, {"response": {}}, {"response": []}, {"id": 1, "rawId": 2, "type": "public-key", "response": {}},
     {"id": "a", "rawId": "ü", "response": {"userHandle": 5}}, {"rawId": "!" * 9, "response": {}},
     {"response": {"x": "y" * 70_000}}],
)  # fmt: skip
def test_malformed(gateway: House, owner: tuple[Browser, Device], body: dict[str, Any]) -> None:
    other = Browser(gateway, SITE)
    begin(other)
    other.refused("POST", "/api/user/passkey/login/finish", body)
    owner[0].get("POST", "/api/user/passkey/register/begin")
    owner[0].refused("POST", "/api/user/passkey/register/finish", body)
    other.get("POST", "/api/user/passkey/login/finish", owner[1].shown(begin(other)))  # the passkey is what it was


def test_registration_belongs_to_its_session(gateway: House, person: Browser) -> None:
    options = person.get("POST", "/api/user/passkey/register/begin")["options"]
    ceremony = person.cookie("passkey")
    assert ceremony is not None
    thief = Browser(gateway, SITE).sign_in(make(gateway).name)
    thief.jar.set_cookie(ceremony)
    assert "begin again" in thief.refused("POST", "/api/user/passkey/register/finish", Device().made(options))
    assert person.refused("POST", "/api/user/passkey/register/finish", Device().made(options, "https://evil.org"))
    device = register(person)
    newer = register(person)
    other = Browser(gateway, SITE)
    other.refused("POST", "/api/user/passkey/login/finish", device.shown(begin(other)))  # the older one has ended
    other.get("POST", "/api/user/passkey/login/finish", newer.shown(begin(other)))


def test_one_credential_has_one_account(gateway: House, person: Browser) -> None:
    device = register(person)
    thief = Browser(gateway, SITE).sign_in(make(gateway).name)
    options = thief.get("POST", "/api/user/passkey/register/begin")["options"]

    class Same(Device):
        def cred_init(self, rp_id: str, user_handle: bytes) -> None:
            self.credential_id, self.private_key = device.credential_id, device.private_key
            self.rp_id, self.user_handle = rp_id, user_handle

    assert "belongs to an account" in thief.refused("POST", "/api/user/passkey/register/finish", Same().made(options))


def test_verifying_and_removing(gateway: House, person: Browser) -> None:
    assert "no passkey" in person.refused("POST", "/api/user/passkey/verify/begin")
    device = register(person)
    assert "VERIFICATION_REQUIRED" in person.ask("DELETE", "/api/user/passkey").body.decode()
    assert "first" in person.refused("POST", "/api/verify", {"method": "passkey", "code": "x"})
    stranger = register(Browser(gateway, SITE).sign_in(make(gateway).name))
    options = person.get("POST", "/api/user/passkey/verify/begin")["options"]
    assert [unpack(each["id"]) for each in options["publicKey"]["allowCredentials"]] == [device.credential_id]
    person.refused("POST", "/api/user/passkey/verify/finish", stranger.shown(options))
    options = person.get("POST", "/api/user/passkey/verify/begin")["options"]
    person.get("POST", "/api/user/passkey/verify/finish", device.shown(options))
    proof = person.cookie("passkey_proof")
    assert proof is not None
    thief = Browser(gateway, SITE).sign_in(person.get("GET", "/api/user/self")["username"])
    thief.jar.set_cookie(proof)
    assert thief.refused("POST", "/api/verify", {"method": "passkey"}), "another session's"
    told = person.get("POST", "/api/verify", {"method": "passkey"})
    assert told["verified"] is True
    assert person.refused("POST", "/api/verify", {"method": "passkey"}), "good once"
    person.get("DELETE", "/api/user/passkey")
    assert person.get("GET", "/api/user/passkey") == {"enabled": False}
    other = Browser(gateway, SITE)
    other.refused("POST", "/api/user/passkey/login/finish", device.shown(begin(other)))


def test_beside_a_second_factor(gateway: House, person: Browser) -> None:
    device = register(person)
    phone = Phone(person.get("POST", "/api/user/2fa/setup")["secret"])
    person.get("POST", "/api/user/2fa/enable", {"code": phone.code()})
    reply = person.ask("POST", "/api/user/passkey/register/begin")
    assert (reply.status, reply.json()["code"]) == (403, "VERIFICATION_REQUIRED")
    # A device that asked nobody is one factor; one that did is two.
    other = Browser(gateway, SITE)
    assert other.get("POST", "/api/user/passkey/login/finish", device.shown(begin(other))) == {"require_2fa": True}
    assert other.cookie("session") is None
    other.get("POST", "/api/user/login/2fa", {"code": phone.code()})
    assert other.cookie("session") is not None
    sure = Browser(gateway, SITE)
    assert sure.get("POST", "/api/user/passkey/login/finish", device.shown(begin(sure), flags=UP | UV))["id"]
    # A verification must be by the second factor; by the passkey it must be a sure one, and does not remove it.
    options = person.get("POST", "/api/user/passkey/verify/begin")["options"]
    assert options["publicKey"]["userVerification"] == "required"
    person.refused("POST", "/api/user/passkey/verify/finish", device.shown(options))
    options = person.get("POST", "/api/user/passkey/verify/begin")["options"]
    person.get("POST", "/api/user/passkey/verify/finish", device.shown(options, flags=UP | UV))
    person.get("POST", "/api/verify", {"method": "passkey"})
    assert person.ask("DELETE", "/api/user/passkey").status == 403
    assert "2fa or passkey" in person.refused("POST", "/api/verify", {"method": "password", "code": PASSWORD})


def test_required_verification(gateway: House, person: Browser) -> None:
    gateway.option("passkey.user_verification", "required")
    try:
        options = person.get("POST", "/api/user/passkey/register/begin")["options"]
        assert options["publicKey"]["authenticatorSelection"]["userVerification"] == "required"
        person.refused("POST", "/api/user/passkey/register/finish", Device().made(options))  # it asked nobody
    finally:
        gateway.option("passkey.user_verification", "preferred")


def test_a_disabled_account_stays_out(gateway: House, person: Browser) -> None:
    device = register(person)
    gateway.manage("POST", "/api/user/manage", {"id": person.account, "action": "disable"})
    other = Browser(gateway, SITE)
    other.refused("POST", "/api/user/passkey/login/finish", device.shown(begin(other)))


def test_administrators_take_it_away(gateway: House, person: Browser, admin: Person, root: Person) -> None:
    device = register(person)
    path = f"/api/user/{person.account}/reset_passkey"
    equal = Browser(gateway, SITE).sign_in(make(gateway, 10).name)
    register(equal)
    admin.refused("DELETE", f"/api/user/{equal.account}/reset_passkey")
    admin.get("DELETE", path)
    assert "no passkey" in admin.refused("DELETE", path)
    other = Browser(gateway, SITE)
    other.refused("POST", "/api/user/passkey/login/finish", device.shown(begin(other)))
    lines = root.get("GET", f"/api/log/?type=3&username={admin.name}")["items"]
    assert any("user.passkey_remove done" in line["content"] for line in lines)


def test_tokens_will_not_do(gateway: House) -> None:
    member = gateway.sign_in("root")
    person = Person(gateway)
    known = {"Authorization": member.access_token, "New-Api-User": str(member.id)}
    gateway.access_token = member.access_token
    for path in ("register/begin", "register/finish", "verify/begin", "verify/finish"):
        assert person.ask("POST", f"/api/user/passkey/{path}", {"response": {}}, **known).status == 401, path


def test_switched_off(gateway: House, owner: tuple[Browser, Device]) -> None:
    other = Browser(gateway, SITE)
    person, device = owner
    asked = begin(other)
    gateway.option("passkey.enabled", "false")
    try:
        assert "switched off" in other.refused("POST", "/api/user/passkey/login/begin")
        assert "switched off" in person.refused("POST", "/api/user/passkey/register/begin")
        assert "switched off" in other.refused("POST", "/api/user/passkey/login/finish", device.shown(asked))
    finally:
        gateway.option("passkey.enabled", "true")


async def test_over_grpc(gateway: House, owner: tuple[Browser, Device]) -> None:
    person, device = owner
    async with Client(gateway.grpc) as client:
        begun = await client.access.BeginPasskeyLogin(access_pb2.BeginPasskeyLoginRequest())
        shown = json.dumps(device.shown(json.loads(begun.options_json)))
        asked = access_pb2.FinishPasskeyLoginRequest(ceremony=begun.ceremony, credential_json=shown)
        found = await client.access.FinishPasskeyLogin(asked)
        assert found.account.id == person.account
        metadata = (("isthmus-session", found.session),)
        assert (await client.access.GetPasskey(access_pb2.GetPasskeyRequest(), metadata=metadata)).enabled
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.access.FinishPasskeyLogin(asked)
        assert ApiError.of(refused.value).reason == "WRONG_PASSKEY"

"""By mail: registering with a code, binding an address, a forgotten password; what is told and what is not."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import grpc
import pytest
from isthmus.client import ApiError, Client
from isthmus.v1 import access_pb2

from tests.integration.house import House, house, http, until
from tests.rest.people import Person, make, sign_in
from tests.servers.smtp import MailHouse, Taken
from tests.servers.smtp import smtp as serve

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def post() -> Iterator[MailHouse]:
    with serve() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, post: MailHouse) -> Iterator[House]:
    """A gateway that sends mail."""
    with house(tmp_path_factory.mktemp("mail"), environ={"ISTHMUS_MAIL_LIMIT": "0"}) as made:
        options = {
            "SMTPServer": "127.0.0.1", "SMTPPort": str(post.port), "SMTPAccount": "me@site.example",
            "SMTPToken": "mail-pass", "ServerAddress": "https://site.example/", "SystemName": "My site",
        }  # fmt: skip
        for name, value in options.items():
            made.option(name, value)
        yield made


@pytest.fixture
def address() -> str:
    """An address nobody had before."""
    return f"person{next(_numbers)}@example.org"


def mail(post: MailHouse, address: str, words: str) -> Taken:
    """The newest mail to an address that holds these words, once it came."""

    def look() -> Taken | None:
        return next((each for each in reversed(post.taken) if each.to == address and words in each.text), None)

    found = until(look, f"no mail to {address}")
    assert found is not None
    post.taken.remove(found)
    return found


def code(nobody: Person, post: MailHouse, address: str) -> str:
    """A fresh code for an address."""
    assert nobody.get("GET", f"/api/verification?email={quote(address)}") is None
    found = re.search(r"code is ([A-Z2-9]{6})\n", mail(post, address, "Your code is").text)
    assert found is not None
    return found[1]


def owner(gateway: House, nobody: Person, post: MailHouse, address: str) -> Person:
    """Somebody with this address."""
    person = make(gateway)
    body = {"email": address, "code": code(nobody, post, address)}
    assert person.get("POST", "/api/oauth/email/bind", body) is None
    return person


def register(address: str, told: str) -> dict[str, Any]:
    name = f"by_mail{next(_numbers)}"
    return {"username": name, "password": "password-77", "email": address, "verification_code": told}


@pytest.fixture
def asked(root: Person) -> Iterator[None]:
    """Registration asks for a code."""
    root.get("PUT", "/api/option/", {"key": "EmailVerificationEnabled", "value": True})
    yield
    root.get("PUT", "/api/option/", {"key": "EmailVerificationEnabled", "value": False})


@pytest.mark.usefixtures("asked")
def test_registering(gateway: House, nobody: Person, post: MailHouse, address: str) -> None:
    assert nobody.get("GET", "/api/status")["email_verification"] is True
    told = code(nobody, post, address)
    body = register(address, told)
    for wrong in ({"email": ""}, {"verification_code": ""}, {"verification_code": "AAAAAA"}, {"email": "else@x.org"}):
        nobody.refused("POST", "/api/user/register", {**body, **wrong})
    assert "taken" in nobody.refused("POST", "/api/user/register", {**body, "username": "root"})
    typed = {**body, "email": address.upper(), "verification_code": f" {told.lower()} "}
    nobody.get("POST", "/api/user/register", typed)
    person = sign_in(gateway, body["username"], "password-77")
    assert person.get("GET", "/api/user/self")["email"] == address
    assert sign_in(gateway, address, "password-77").id == person.id
    assert sign_in(gateway, address.upper(), "password-77").id == person.id
    nobody.refused("POST", "/api/user/register", register(address, told))  # the code is good once
    assert "@" in nobody.refused("POST", "/api/user/register", {**register(address, told), "username": "a@b.c"})


@pytest.mark.usefixtures("asked")
def test_codes_have_few_tries(nobody: Person, post: MailHouse, address: str) -> None:
    told = code(nobody, post, address)
    for _ in range(5):
        nobody.refused("POST", "/api/user/register", register(address, "ZZZZZZ"))
    nobody.refused("POST", "/api/user/register", register(address, told))
    nobody.get("POST", "/api/user/register", register(address, code(nobody, post, address)))


def test_a_taken_address_is_told_by_mail_alone(gateway: House, nobody: Person, post: MailHouse, address: str) -> None:
    owner(gateway, nobody, post, address)
    free = nobody.ask("GET", f"/api/verification?email={next(_numbers)}@example.org").json()
    taken = nobody.ask("GET", f"/api/verification?email={address}").json()
    assert free == taken == {"success": True, "message": "", "data": None}
    found = mail(post, address, "belongs to an account")
    assert "code is" not in found.text


def test_rules(nobody: Person, root: Person) -> None:
    ask = "/api/verification?email="
    for wrong in ("", "x", "@example.org", "a@b", "a b@example.org", "a@example.org,b@example.org", "a@-x.org",
                  "a@example.org\r\nBcc: e@x.org", ".a@example.org", "a..b@example.org", "ü@example.org",
                  "x" * 65 + "@example.org", "a@" + "x." * 100 + "org"):  # fmt: skip
        assert "no mail address" in nobody.refused("GET", ask + quote(wrong)), wrong
    root.get("PUT", "/api/option/", {"key": "EmailAliasRestrictionEnabled", "value": True})
    for alias in ("a.b@gmail.com", "a+b@gmail.com"):
        assert "before the @" in nobody.refused("GET", ask + quote(alias))
    root.get("PUT", "/api/option/", {"key": "EmailAliasRestrictionEnabled", "value": False})
    root.get("PUT", "/api/option/", {"key": "EmailDomainRestrictionEnabled", "value": True})
    root.get("PUT", "/api/option/", {"key": "EmailDomainWhitelist", "value": "example.org,Mail.example"})
    for domain, taken in (("x.org", False), ("sub.example.org", False), ("mail.EXAMPLE", True), ("example.org", True)):
        answer = nobody.ask("GET", f"{ask}rule{next(_numbers)}@{domain}").json()
        assert answer["success"] is taken, (domain, answer)
    root.get("PUT", "/api/option/", {"key": "EmailDomainRestrictionEnabled", "value": False})


def test_binding(gateway: House, nobody: Person, post: MailHouse, address: str) -> None:
    person = owner(gateway, nobody, post, address)
    assert person.get("GET", "/api/user/self")["email"] == address
    other = "new-" + address
    told = code(nobody, post, other)
    person.refused("POST", "/api/oauth/email/bind", {"email": other, "code": "AAAAAA"})
    person.refused("POST", "/api/oauth/email/bind", {"email": "x" + other, "code": told})
    person.get("POST", "/api/oauth/email/bind", {"email": other, "code": told})
    assert person.get("GET", "/api/user/self")["email"] == other
    assert "another mail address" in mail(post, address, "another").text, "the old address learns of it"


def test_a_forgotten_password(gateway: House, nobody: Person, post: MailHouse, address: str) -> None:
    person = owner(gateway, nobody, post, address)
    assert nobody.ask("GET", f"/api/reset_password?email={address}").json()["success"]
    found = mail(post, address, "new password")
    assert found.user == "PLAIN me@site.example"
    link = re.search(r"https://\S+", found.text)
    assert link is not None
    parts = urlsplit(link[0])
    assert (parts.netloc, parts.path) == ("site.example", "/user/reset"), "never what the request calls itself"
    sent = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert sent["email"] == address
    for wrong in ({"token": ""}, {"token": "x" * 43}, {"email": "x" + address}):
        nobody.refused("POST", "/api/user/reset", {**sent, **wrong})
    password = nobody.get("POST", "/api/user/reset", sent)
    assert len(password) == 12
    assert person.ask("GET", "/api/user/self").status == 401, "every session ends"
    sign_in(gateway, person.name, password).get("GET", "/api/user/self")
    nobody.refused("POST", "/api/user/reset", sent)  # good once


def test_a_link_ends_with_what_else_happens(
    gateway: House, nobody: Person, post: MailHouse, root: Person, address: str
) -> None:
    person = owner(gateway, nobody, post, address)
    nobody.get("GET", f"/api/reset_password?email={address}")
    token = parse_qs(urlsplit(re.findall(r"https://\S+", mail(post, address, "new password").text)[0]).query)["token"][
        0
    ]
    person.get("POST", "/api/user/logout")
    nobody.refused("POST", "/api/user/reset", {"email": address, "token": token})
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "disable"})
    assert nobody.ask("GET", f"/api/reset_password?email={address}").json()["success"], "not told"


def test_who_has_no_account_gets_no_mail(nobody: Person, post: MailHouse, gateway: House, address: str) -> None:
    answer = nobody.ask("GET", f"/api/reset_password?email=nobody-{address}").json()
    owner(gateway, nobody, post, address)
    assert answer == nobody.ask("GET", f"/api/reset_password?email={address}").json()
    mail(post, address, "new password")  # the later one has come
    assert not [each for each in post.taken if each.to == f"nobody-{address}"]


def test_no_address_is_flooded(nobody: Person, address: str) -> None:
    statuses = [nobody.ask("GET", f"/api/verification?email={address}").status for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    assert nobody.ask("GET", f"/api/reset_password?email={address.upper()}").status == 429, "however it is asked for"


def test_a_client_asks_for_few(tmp_path_factory: pytest.TempPathFactory, post: MailHouse) -> None:
    with house(tmp_path_factory.mktemp("few")) as made:
        replies = [http("GET", made.base + "/api/verification?email=x") for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
        assert "Too many mails" in replies[2].json()["message"]
        body = {"key": "ServerAddress", "value": "https://s.example"}
        made.manage("PUT", "/api/option/", body)
        answer = http("GET", made.base + "/api/reset_password?email=a@example.org").json()
        assert "sends no mail" in answer["message"]


async def test_over_grpc(gateway: House, address: str) -> None:
    async with Client(gateway.grpc) as client:
        await client.access.SendVerification(access_pb2.SendVerificationRequest(email=address))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.access.SendVerification(access_pb2.SendVerificationRequest(email="x"))
        assert ApiError.of(refused.value).reason == "INVALID_REQUEST"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.access.BindEmail(access_pb2.BindEmailRequest(email=address, code="AAAAAA"))
        assert ApiError.of(refused.value).reason == "SESSION_INVALID"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.access.ResetPassword(access_pb2.ResetPasswordRequest(email=address, token="x"))
        assert ApiError.of(refused.value).reason == "INVALID_REQUEST"

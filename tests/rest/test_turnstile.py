"""Where Turnstile is on, each route that brings people in asks for its token; a site without Cloudflare lets nobody by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.house import House
from tests.rest.people import Person, make

ROUTES = [
    ("GET", "/api/verification?email=a@example.org"), ("GET", "/api/reset_password?email=a@example.org"),
    ("POST", "/api/user/register"), ("POST", "/api/user/login"), ("POST", "/api/user/checkin"),
]  # fmt: skip


@pytest.fixture(scope="module")
def guarded(gateway: House) -> Iterator[Person]:
    person = make(gateway)
    values = {
        "TurnstileSiteKey": "site-key", "TurnstileSecretKey": "secret-key", "TurnstileCheckEnabled": "true",
        "checkin_setting.enabled": "true",
    }  # fmt: skip
    for name, value in values.items():
        gateway.option(name, value)
    yield person
    gateway.option("TurnstileCheckEnabled", "false")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_asked(gateway: House, guarded: Person, method: str, path: str) -> None:
    person = guarded if path.endswith("checkin") else Person(gateway)
    body = {"username": "root", "password": "password-77"} if method == "POST" else None
    assert "token is wanted" in person.refused(method, path, body)
    joined = path + ("&" if "?" in path else "?") + "turnstile="
    assert "token is wanted" in person.refused(method, joined + "x" * 2049, body)


def test_status(gateway: House, guarded: Person) -> None:
    told = Person(gateway).ask("GET", "/api/status")
    assert told.json()["data"]["turnstile_check"] is True
    assert told.json()["data"]["turnstile_site_key"] == "site-key"
    assert b"secret-key" not in told.body

"""What passkeys are made for, by the options."""

from __future__ import annotations

import pytest

from core.errors import InvalidRequest
from core.manage.relying_party import PasskeysOff, origin_of, party_of
from core.options.table import DEFAULTS

ON = {**DEFAULTS, "passkey.enabled": "true"}


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Site.Example/path?x", "https://site.example"),
        ("https://site.example:443", "https://site.example"),
        ("http://site.example:8080/", "http://site.example:8080"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("site.example", ""),
        ("javascript:alert(1)", ""),
        ("https://", ""),
        ("https://x:99999", ""),
    ],
)
def test_origins(address: str, origin: str) -> None:
    assert origin_of(address) == origin


def test_where_the_site_is() -> None:
    with pytest.raises(PasskeysOff):
        party_of(DEFAULTS, "https://a.example")
    found = party_of(ON, "https://a.example")
    assert (found.id, found.origins, found.name) == ("a.example", ("https://a.example",), "Isthmus")
    told = {**ON, "ServerAddress": "https://b.example/"}
    assert party_of(told, "https://evil.example").origins == ("https://b.example",), "a page's word counts last"
    told |= {"passkey.origins": "https://x.b.example, https://y.b.example", "passkey.rp_display_name": "B"}
    found = party_of(told, "https://evil.example")
    assert (found.id, found.origins, found.name) == ("b.example", ("https://x.b.example", "https://y.b.example"), "B")
    assert party_of({**told, "passkey.rp_id": "Other.example"}, "").id == "other.example"


def test_insecure_origins() -> None:
    assert party_of(ON, "http://localhost:3000").id == "localhost"
    for origin in ("http://a.example", "", "null", "ftp://a.example"):
        with pytest.raises(InvalidRequest):
            party_of(ON, origin)
    assert party_of({**ON, "passkey.allow_insecure_origin": "true"}, "http://a.example").origins == (
        "http://a.example",
    )

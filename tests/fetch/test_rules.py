"""Which addresses may be fetched: every way there is to write a machine's own, private or metadata address."""

from __future__ import annotations

import ipaddress

import pytest

from core.fetch.rules import Refused, Rules, place_of, rules_of
from core.options.table import DEFAULTS

GUARD = rules_of(DEFAULTS)


def allowed(url: str, rules: Rules = GUARD) -> bool:
    """Whether an address may be asked, as far as can be told without a look-up."""
    try:
        rules.check_place(place_of(url))
    except Refused:
        return False
    return True


def connected(address: str, rules: Rules = GUARD) -> bool:
    """Whether what a name resolves to may be connected."""
    try:
        rules.check_address(ipaddress.ip_address(address))
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
        "http://0177.0.0.1/", "http://017700000001/", "http://127.0.0.1./", "http://0/", "http://0.0.0.0/",
        "http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://[::1]/", "http://[::]/",
        "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/",
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b:1::a00:1]/",
        "http://[2002:7f00:1::]/", "http://[2002:a9fe:a9fe::1]/", "http://[2001:0:7f00:1::]/",
        "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fc00::1]/", "http://[fd00:ec2::254]/",
        "http://[ff02::1]/", "http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/",
        "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data/", "http://169.254.170.2/",
        "http://100.64.0.1/", "http://100.100.100.200/", "http://168.63.129.16/", "http://192.0.0.192/",
        "http://metadata.google.internal/", "http://metadata/", "http://224.0.0.1/", "http://255.255.255.255/",
        "http://198.18.0.1/", "http://240.0.0.1/", "http://203.0.113.5/",
        "http://１２７.0.0.1/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/",  # noqa: RUF001
        "http://8.8.8.8:22/", "http://example.org:6379/", "http://example.org:0/",
        "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "data:text/plain,x", "//example.org/",
        "http:///x", "http://", "http://user@example.org/", "http://user:secret@example.org/",
        "http://example.org\\@127.0.0.1/", "http://exa mple.org/", "http://example.org/a\r\nHost: x",
        "http://exam%70le.org/", "http://-a.org/", "http://a..org/", "http://" + "a" * 64 + ".org/",
        "http://1.2.3.4.5/", "http://example.0x1/", "https://example.org/" + "a" * 9000, "http://[::1", "http://[1]/",
    ],
)  # fmt: skip
def test_refused(url: str) -> None:
    assert not allowed(url)


@pytest.mark.parametrize(
    "url",
    ["https://example.org/a.png", "http://example.org:8080/?a=b", "https://8.8.8.8/x", "https://[2606:4700::1111]/",
     "https://bücher.example/ü?q=ü", "https://xn--bcher-kva.example/", "https://a_b.example.org./x",
     "https://1.example.org/"],
)  # fmt: skip
def test_allowed(url: str) -> None:
    assert allowed(url)


def test_what_goes_out_is_ascii_and_one_line() -> None:
    place = place_of("https://bücher.example:8443/ü a".replace(" ", "%20") + "?q=ü#part")
    assert (place.host, place.authority) == ("xn--bcher-kva.example", "xn--bcher-kva.example:8443")
    assert place.path == "/%C3%BC%20a?q=%C3%BC"
    assert place_of("http://[2606:4700:0::1111]:8080/").authority == "[2606:4700::1111]:8080"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "fe80::1", "0.0.0.0"],
)
def test_what_a_name_resolves_to_is_judged(address: str) -> None:
    assert not connected(address)
    # The lists may be left aside for names; what is private never is.
    assert not connected(address, Rules(names_too=False))


def test_private_addresses_where_the_operator_lets_them() -> None:
    rules = Rules(private=True)
    assert allowed("http://127.0.0.1/", rules)
    assert allowed("http://localhost/", rules)
    assert connected("10.0.0.1", rules)
    assert connected("::ffff:10.0.0.1", rules)
    # Secrets of the cloud stay closed until they are named.
    assert not connected("169.254.169.254", rules)
    assert not allowed("http://metadata.google.internal/", rules)
    named = Rules(private=True, networks_allow=True, networks=(ipaddress.ip_network("169.254.0.0/16"),))
    assert connected("169.254.169.254", named)
    assert not connected("8.8.8.8", named)


def test_domains() -> None:
    refused = Rules(domains=("evil.org", "*.bad.org"))
    assert not allowed("https://evil.org/", refused)
    assert not allowed("https://EVIL.org./", refused)
    assert not allowed("https://a.b.bad.org/", refused)
    assert allowed("https://bad.org/", refused)
    assert allowed("https://notevil.org/", refused)
    only = Rules(domains=("*.good.org",), domains_allow=True)
    assert allowed("https://cdn.good.org/", only)
    assert not allowed("https://good.org.evil.org/", only)
    assert not allowed("https://other.org/", only)
    assert not allowed("https://other.org/", Rules(domains_allow=True))


def test_networks() -> None:
    net = (ipaddress.ip_network("93.184.0.0/16"),)
    assert not connected("93.184.216.34", Rules(networks=net))
    assert not connected("::ffff:93.184.216.34", Rules(networks=net))
    assert connected("8.8.8.8", Rules(networks=net))
    only = Rules(networks=net, networks_allow=True)
    assert connected("93.184.216.34", only)
    assert not connected("8.8.8.8", only)
    # For names only where the operator wants it; for addresses always.
    assert connected("8.8.8.8", Rules(networks=net, networks_allow=True, names_too=False))
    assert not allowed("https://8.8.8.8/", Rules(networks=net, networks_allow=True, names_too=False))


def test_ports_and_the_switch() -> None:
    ranged = rules_of({**DEFAULTS, "fetch_setting.allowed_ports": '["8000-8100", 443]'})
    assert allowed("https://example.org/", ranged)
    assert allowed("https://example.org:8050/", ranged)
    assert not allowed("http://example.org/", ranged)
    assert allowed("http://example.org:22/", rules_of({**DEFAULTS, "fetch_setting.allowed_ports": "[]"}))
    off = rules_of({**DEFAULTS, "fetch_setting.enable_ssrf_protection": "false"})
    assert allowed("http://127.0.0.1:22/", off)
    assert connected("169.254.169.254", off)
    assert not allowed("file:///etc/passwd", off)

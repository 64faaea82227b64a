"""What may be fetched for a client: addresses, names and ports. Pure: no look-up, no connection.

Every address is judged as the machine it reaches: what is wrapped in IPv6 (mapped, 6to4, Teredo, NAT64) is unwrapped
first, and a host that looks like a number but is no dotted quad (2130706433, 0x7f.1, 0177.0.0.1) is no host at all.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from core.options.kinds import TRUE

URL_MOST = 8192
"""Characters of an address."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23",  # AWS and others
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure; a public address that only its machines reach
            "192.0.0.192",  # Oracle
            "fd20:ce::254",  # Google
        ),
    )
)  # fmt: skip
"""Where clouds tell their machines secrets."""
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"})
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_OLD_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")


class Refused(Exception):
    """An address that may not be fetched; the text says why, without saying what is behind it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address leads: scheme, host (an address's host is its canonical text), port, what is asked for."""

    scheme: str
    host: str
    port: int
    path: str
    authority: str
    literal: Address | None
    """Where the host is an address itself."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's fetch_setting.* options."""

    guarded: bool = True
    private: bool = False
    domains: tuple[str, ...] = ()
    domains_allow: bool = False
    networks: tuple[Network, ...] = ()
    networks_allow: bool = False
    ports: tuple[tuple[int, int], ...] = ()
    """Ranges; none: any port."""
    names_too: bool = True
    """The list of networks counts for what names resolve to, too."""

    def check_place(self, place: Place) -> None:
        """Whether a scheme, host and port may be asked. Raises Refused."""
        if not self.guarded:
            return
        if self.ports and not any(low <= place.port <= high for low, high in self.ports):
            raise Refused(f"port {place.port} is not allowed")
        if place.literal is not None:
            self.check_address(place.literal, literal=True)
            return
        host = place.host
        own = host == "localhost" or host.endswith(".localhost")
        if host in _METADATA_NAMES or (own and not self.private):
            raise Refused("its host is not allowed")
        listed = any(
            host == domain or (domain.startswith("*.") and host.endswith(domain[1:])) for domain in self.domains
        )
        if listed != self.domains_allow:
            raise Refused("its host is not allowed")

    def check_address(self, address: Address, *, literal: bool = False) -> None:
        """Whether a machine may be connected. literal: the client named it so itself. Raises Refused."""
        if not self.guarded:
            return
        for reached in reached_by(address):
            listed = any(reached.version == net.version and reached in net for net in self.networks)
            if reached in _METADATA and not (self.networks_allow and listed):
                raise Refused("its host is not allowed")
            if not self.private and not _public(reached):
                raise Refused("its host is not on the public internet")
            if (literal or self.names_too) and listed != self.networks_allow:
                raise Refused("its host is not allowed")


def _public(address: Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def reached_by(address: Address) -> tuple[Address, ...]:
    """The address itself and those that packets to it may reach: IPv4 inside of IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    inner: list[Address] = [address]
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner.extend(address.teredo)
    if any(address in net for net in (*_NAT64, _OLD_COMPATIBLE)):
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(inner)


def place_of(url: str) -> Place:
    """The parts of an http or https address. Raises Refused."""
    if len(url) > URL_MOST:
        raise Refused("it is too long")
    if _UNPRINTABLE.search(url):
        raise Refused("it is no valid address")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").rstrip(".")
        if not host.isascii():
            host = host.encode("idna").decode()
    except (ValueError, UnicodeError):
        raise Refused("it is no valid address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Refused("only http and https addresses are fetched")
    if parts.username is not None or parts.password is not None or "%" in host:
        raise Refused("it is no valid address")
    host = host.lower()
    literal: Address | None = None
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        labels = host.split(".")
        if ":" in host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
            raise Refused("it is no valid address") from None
        # What the resolver of this machine would read as an address, in whatever base.
        if _NUMBER.fullmatch(labels[-1]):
            raise Refused("it is no valid address") from None
    else:
        host = str(literal)
    default = 443 if parts.scheme == "https" else 80
    if port == 0:
        raise Refused("it is no valid address")
    shown = f"[{host}]" if literal is not None and literal.version == 6 else host
    if port not in (None, default):
        shown = f"{shown}:{port}"
    return Place(parts.scheme, host, port or default, _path(parts.path, parts.query), shown, literal)


def _path(path: str, query: str) -> str:
    """What stands in the request line: printable ASCII, as it came where it was."""
    made = (path or "/") + (f"?{query}" if query else "")
    return (
        made
        if made.isascii()
        else "".join(
            char if char.isascii() else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
            for char in made
        )
    )


def rules_of(raw: Mapping[str, str]) -> Rules:
    """The rules that options (as text, defaults filled in) say."""
    return _rules(
        raw["fetch_setting.enable_ssrf_protection"],
        raw["fetch_setting.allow_private_ip"],
        raw["fetch_setting.domain_filter_mode"],
        raw["fetch_setting.domain_list"],
        raw["fetch_setting.ip_filter_mode"],
        raw["fetch_setting.ip_list"],
        raw["fetch_setting.allowed_ports"],
        raw["fetch_setting.apply_ip_filter_for_domain"],
    )


@lru_cache(maxsize=4)
def _rules(
    guarded: str, private: str, domain_mode: str, domains: str, ip_mode: str, ips: str, ports: str, names: str
) -> Rules:
    ranges = []
    for one in json.loads(ports or "[]"):
        first, _, last = str(one).partition("-")
        ranges.append((int(first), int(last or first)))
    return Rules(
        guarded=guarded == TRUE,
        private=private == TRUE,
        domains=tuple(str(one).strip().lower().rstrip(".") for one in json.loads(domains or "[]")),
        domains_allow=domain_mode == TRUE,
        networks=tuple(ipaddress.ip_network(one, strict=False) for one in json.loads(ips or "[]")),
        networks_allow=ip_mode == TRUE,
        ports=tuple(ranges),
        names_too=names == TRUE,
    )

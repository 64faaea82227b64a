"""URLs and request heads: what is written on the wire, checked and put together cheaply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

from core.upstream.interface import ProtocolBroken, UpstreamRequest

_OURS = frozenset(
    (
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "expect",
        "accept-encoding",
        "te",
        "proxy-connection",
        "proxy-authorization",
        "upgrade",
        "trailer",
    )
)
"""Headers a caller does not decide: they belong to the connection."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. path is what stands in the request line, authority what stands in Host."""

    scheme: str
    host: str
    port: int
    path: str
    authority: str


@lru_cache(maxsize=1024)
def parse_url(url: str) -> Target:
    """The parts of an http:// or https:// URL. Raises ProtocolBroken, without showing it."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("ascii" if (parts.hostname or "").isascii() else "idna").decode()
    except (ValueError, UnicodeError):
        raise ProtocolBroken("The address is not a valid URL.", "connect") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ProtocolBroken("The address is not an http:// or https:// URL.", "connect")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~[]|")
    if parts.query:
        path += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=-._~?[]|{}")
    default = 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    if port not in (None, default):
        shown = f"{shown}:{port}"
    return Target(parts.scheme, host, port or default, path, shown)


def checked(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that may go out. Raises ProtocolBroken where one would break out of its line."""
    kept = []
    for name, value in headers:
        if name.lower() in _OURS:
            continue
        if _TOKEN.fullmatch(name) is None or _FORBIDDEN.search(value) is not None:
            raise ProtocolBroken("A header of the request is not valid.", "write")
        kept.append((name, value))
    return kept


def head_of(request: UpstreamRequest, target: Target) -> bytes:
    """Request line and headers. Raises ProtocolBroken for what cannot be said in HTTP."""
    method, length = request.method.upper(), len(request.body)
    fixed = _fixed(method, target.path, target.authority, tuple(request.headers))
    if length or method not in ("GET", "HEAD", "DELETE", "OPTIONS"):
        return b"%bContent-Length: %d\r\n\r\n" % (fixed, length)
    return fixed + b"\r\n"


@lru_cache(maxsize=1024)
def _fixed(method: str, path: str, authority: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Request line and headers but the body's length: the same for every request a channel's key sends."""
    if _TOKEN.fullmatch(method) is None:
        raise ProtocolBroken("The method is not valid.", "write")
    lines = [f"{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAccept-Encoding: gzip, deflate\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in checked(headers)]
    text = "".join(lines)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()

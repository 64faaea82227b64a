"""One HTTP request: its id, its key in all the ways keys come, its metadata for core."""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import time
from typing import Any

from sanic import Request

from front.settings import FrontSettings

logger = logging.getLogger("isthmus.front")
CREDENTIALS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "mj-api-secret", "cookie"})
HEADER_MOST = 1024
"""Characters of a header that core is told."""
REALTIME_KEY = "openai-insecure-api-key."


def new_request_id() -> str:
    """24 hex digits, ordered by time: 48 bits of milliseconds, 48 of chance."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big").hex() + os.urandom(6).hex()


def find_key(request: Request) -> str:
    """The API key, wherever the dialect puts it; "" where there is none."""
    headers = request.headers
    found = headers.get("authorization", "")
    if found:
        return found[7:].strip() if found[:7].lower() == "bearer " else found.strip()
    for name in ("x-api-key", "x-goog-api-key", "mj-api-secret"):
        if found := headers.get(name, ""):
            return found.strip()
    if request.query_string and (found := request.args.get("key", "")):
        return str(found)
    for piece in headers.get("sec-websocket-protocol", "").split(","):
        if piece.strip().startswith(REALTIME_KEY):
            return piece.strip().removeprefix(REALTIME_KEY)
    return ""


def client_address(request: Request, settings: FrontSettings) -> str:
    """The peer's address, or what the trusted proxies before it say."""
    peer = request.conn_info.client_ip if request.conn_info is not None else ""
    if settings.trusted_proxies:
        hops = [
            hop.strip() for hop in ",".join(request.headers.getall("x-forwarded-for", [])).split(",") if hop.strip()
        ]
        if len(hops) >= settings.trusted_proxies:
            claimed = hops[-settings.trusted_proxies]
            try:
                return str(ipaddress.ip_address(claimed))
            except ValueError:
                return str(peer)
    return str(peer)


def metadata(request: Request, settings: FrontSettings, request_id: str, key: str) -> list[tuple[str, str]]:
    """Metadata of a call with an API key. Non-ASCII keys are no keys."""
    pairs = [
        ("isthmus-request-id", request_id),
        ("isthmus-client-address", client_address(request, settings)),
    ]
    if key:
        pairs.append(("authorization", "Bearer " + key if key.isascii() and key.isprintable() else "Bearer ?"))
    if settings.front_secret:
        pairs.append(("isthmus-front-secret", settings.front_secret))
    return pairs


def client_headers(request: Request, names: tuple[str, ...]) -> tuple[str, str]:
    """The metadata that tells core some of the client's headers; credentials are never among them."""
    found = {
        name: str(request.headers[name])[:HEADER_MOST]
        for name in names
        if name in request.headers and name not in CREDENTIALS
    }
    return "isthmus-client-headers", json.dumps(found)


def stamp(headers: dict[str, str], request_id: str) -> dict[str, str]:
    """The headers with the request's id under all its names; Request-Id is what Anthropic's SDKs read."""
    headers["Request-Id"] = request_id
    headers["X-Request-Id"] = request_id
    headers["X-Oneapi-Request-Id"] = request_id
    return headers


def client_id(request: Request) -> str:
    """The id the client gave its request; kept beside ours."""
    given: Any = request.headers.get("x-request-id", "")
    return str(given)[:64] if str(given).isascii() else ""

"""Tencent Cloud: TC3-HMAC-SHA256 (cloud.tencent.com/document/api/1729/101843)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from core.authorise.interface import Outside
from core.errors import ChannelError
from core.vendors.interface import Call, VendorRequest
from core.vendors.tencent.keys import TencentKey, parse

ALGORITHM, SERVICE, TERMINATOR = "TC3-HMAC-SHA256", "hunyuan", "tc3_request"
SIGNED = ("content-type", "host", "x-tc-action")


async def authorise_tencent(wire: VendorRequest, call: Call, outside: Outside) -> VendorRequest:
    """Signs the final bytes. Raises ChannelError where the key is not one."""
    if any(name.lower() == "authorization" for name, _ in wire.headers):
        return wire
    try:
        key = parse(call.secret)
    except ValueError as error:
        raise ChannelError(str(error)) from None
    return sign(wire, key, outside.clock())


def sign(wire: VendorRequest, key: TencentKey, now: float) -> VendorRequest:
    """The request with X-TC-Timestamp and Authorization. now: Unix seconds."""
    request = canonical(wire)
    stamp, day = str(int(now)), datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%d")
    scope = f"{day}/{SERVICE}/{TERMINATOR}"
    text = "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
    made = b"TC3" + key.secret_key.encode()
    for piece in (day, SERVICE, TERMINATOR):
        made = hmac.digest(made, piece.encode(), "sha256")
    signature = hmac.digest(made, text.encode(), "sha256").hex()
    told = f"{ALGORITHM} Credential={key.secret_id}/{scope}, SignedHeaders={';'.join(SIGNED)}, Signature={signature}"
    return replace(wire, headers=(*wire.headers, ("X-TC-Timestamp", stamp), ("Authorization", told)))


def canonical(wire: VendorRequest) -> str:
    """The request as it is signed: method, path, query, signed headers, their names, the body's digest."""
    address = urlsplit(wire.url)
    # A header override may name another host: what goes out is what is signed.
    values = {"host": address.netloc, **{name.lower(): value for name, value in wire.headers}}
    told = "".join(f"{name}:{values[name].strip().lower()}\n" for name in SIGNED)
    digest = hashlib.sha256(wire.body).hexdigest()
    return "\n".join((wire.method, address.path or "/", address.query, told, ";".join(SIGNED), digest))

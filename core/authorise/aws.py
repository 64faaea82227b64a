"""AWS: Signature Version 4 over the final bytes, computed by botocore's signer."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import replace
from datetime import UTC, datetime

from core.authorise.interface import Outside
from core.vendors.bedrock.keys import AwsKey, parse
from core.vendors.interface import Call, VendorRequest

SERVICE = "bedrock"
"""The service's name in signatures of bedrock-runtime (its model's signingName)."""
_SIGNED = frozenset({"content-type"})
"""Of our headers, those that are signed beside host and date: proxies may touch others."""
_LARGE = 1 << 20
"""Bytes from which a body's digest is not computed on the event loop."""
_STAMP = "%Y%m%dT%H%M%SZ"
_LIBRARIES = ("botocore.auth", "botocore.awsrequest", "botocore.credentials", "botocore.eventstream")


async def authorise_aws(wire: VendorRequest, call: Call, outside: Outside) -> VendorRequest:
    """Signs for keys of the form AK|SK|region; API keys stand in the request already."""
    await _imported()
    key = parse(call)
    if key.bearer or any(name.lower() == "authorization" for name, _ in wire.headers):
        return wire
    now = outside.clock()
    if len(wire.body) > _LARGE:
        return await asyncio.to_thread(sign, wire, key, now)
    return sign(wire, key, now)


_ready = False


async def _imported() -> None:
    """Loads the libraries (0.3 to 0.4 s) off the event loop, once; the decoder of event streams needs them, too."""
    global _ready
    if not _ready:
        await asyncio.to_thread(lambda: [importlib.import_module(name) for name in _LIBRARIES])
        _ready = True


def sign(wire: VendorRequest, key: AwsKey, now: float) -> VendorRequest:
    """The request with X-Amz-Date and Authorization. now: Unix seconds."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signer = SigV4Auth(Credentials(key.access, key.secret, key.session or None), SERVICE, key.region)
    signed = {name: value for name, value in wire.headers if name.lower() in _SIGNED}
    stamp = datetime.fromtimestamp(now, UTC).strftime(_STAMP)
    request = AWSRequest(method=wire.method, url=wire.url, headers=signed, data=wire.body)
    # add_auth() reads the machine's clock; these are its steps with the time given.
    request.context["timestamp"] = stamp
    request.headers["X-Amz-Date"] = stamp
    if key.session:
        request.headers["X-Amz-Security-Token"] = key.session
    text = signer.string_to_sign(request, signer.canonical_request(request))
    names = signer.signed_headers(signer.headers_to_sign(request))
    credential = f"Credential={signer.scope(request)}, SignedHeaders={names}"
    authorization = f"AWS4-HMAC-SHA256 {credential}, Signature={signer.signature(text, request)}"
    more = [("X-Amz-Date", stamp), ("Authorization", authorization)]
    if key.session:
        more.append(("X-Amz-Security-Token", key.session))
    return replace(wire, headers=(*wire.headers, *more))

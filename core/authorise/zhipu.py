"""Zhipu: a token that signs for itself, made of the key (open.bigmodel.cn, SDK zhipuai: id.secret, HS256)."""

from __future__ import annotations

import asyncio
import importlib
import warnings
from dataclasses import replace

from core.authorise.interface import Outside
from core.errors import ChannelError
from core.vendors.interface import Call, VendorRequest

LIFETIME_SECONDS = 3600
"""Of a token; a new one is made for every request."""


async def authorise_zhipu(wire: VendorRequest, call: Call, outside: Outside) -> VendorRequest:
    """Puts the bare token into Authorization. Raises ChannelError where the key is not id.secret."""
    if any(name.lower() == "authorization" for name, _ in wire.headers):
        return wire
    await asyncio.to_thread(importlib.import_module, "jwt")
    token = signed(call.secret, outside.clock())
    return replace(wire, headers=(*wire.headers, ("Authorization", token)))


def signed(secret: str, now: float) -> str:
    """The token; now: Unix seconds. Times inside are milliseconds."""
    import jwt
    from jwt.warnings import InsecureKeyLengthWarning

    name, dot, key = secret.strip().partition(".")
    if not (name and dot and key):
        raise ChannelError("The channel's key must be id.secret.")
    moment = int(now * 1000)
    claims = {"api_key": name, "exp": moment + LIFETIME_SECONDS * 1000, "timestamp": moment}
    with warnings.catch_warnings():
        # The vendor's own secrets are shorter than the library likes.
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        return jwt.encode(claims, key, algorithm="HS256", headers={"sign_type": "SIGN"})

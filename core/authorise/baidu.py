"""Baidu's first form: an access token for the key's two halves (cloud.baidu.com/doc/WENXINWORKSHOP/s/Ilkkrb0i5)."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode, urlsplit

import orjson

from core.authorise.interface import Outside
from core.authorise.tokens import Token, failed
from core.errors import ChannelError, VendorBroken, VendorError
from core.upstream.interface import UpstreamFailure, UpstreamRequest
from core.vendors.interface import Call, VendorRequest
from core.vendors.shared.refusal import mask

EARLY_SECONDS = 3600
"""How long before its end a token is exchanged anew (New API's figure); they live for 30 days."""
MOST_SECONDS = 24 * 3600
"""Longest a token is kept: nobody tells us of one that was taken back before its 30 days."""
ANSWER_LIMIT = 64 << 10
"""Bytes of the token endpoint's answer."""


async def authorise_baidu(wire: VendorRequest, call: Call, outside: Outside) -> VendorRequest:
    """Puts the access token into the query. Raises ChannelError, VendorError."""
    client, bar, secret = call.secret.strip().partition("|")
    if not (client and bar and secret):
        raise ChannelError("The channel's key must be api key|secret.")
    address = urlsplit(wire.url)
    origin = f"{address.scheme}://{address.netloc}"

    async def obtain() -> Token:
        return await exchange(origin, client, secret, outside)

    token = await outside.tokens.get(f"baidu {origin} {call.secret}", outside.clock(), obtain)
    mark = "&" if address.query else "?"
    return replace(wire, url=f"{wire.url}{mark}{urlencode({'access_token': token})}")


async def exchange(origin: str, client: str, secret: str, outside: Outside) -> Token:
    """Asks for a token. Raises ChannelError where it is refused, VendorError where the way is at fault."""
    now = outside.clock()
    query = urlencode({"grant_type": "client_credentials", "client_id": client, "client_secret": secret})
    named = (("Content-Type", "application/json"), ("Accept", "application/json"))
    url = f"{origin}/oauth/2.0/token?{query}"
    request = UpstreamRequest("POST", url, named, b"", outside.timeouts, outside.proxy)
    try:
        answer = await outside.upstream.send(request)
        try:
            body = await answer.read(ANSWER_LIMIT)
        finally:
            await answer.aclose()
    except UpstreamFailure as failure:
        raise failed(failure) from failure
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    told = told if isinstance(told, dict) else {}
    token, seconds = told.get("access_token"), told.get("expires_in")
    if isinstance(token, str) and token:
        lives = min(seconds, MOST_SECONDS) if isinstance(seconds, int) and seconds > 0 else 0
        return Token(token, now + max(lives - EARLY_SECONDS, lives / 2))
    if told.get("error") or 400 <= answer.status < 500:
        said = mask(str(told.get("error_description") or told.get("error") or f"status {answer.status}"))
        raise ChannelError(f"Baidu gives the channel's key no token: {said}")
    if answer.status >= 500:
        raise VendorError("Baidu's tokens cannot be had.", http_status=answer.status)
    raise VendorBroken("Baidu's answer holds no token.")

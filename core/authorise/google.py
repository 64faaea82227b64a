"""Google Cloud: a service account's signed assertion, exchanged for an access token (RFC 7523)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import urlencode

import orjson

from core.authorise.interface import Outside
from core.authorise.tokens import Token, failed, until
from core.errors import ChannelError, VendorBroken, VendorError
from core.upstream.interface import UpstreamFailure, UpstreamRequest
from core.vendors.interface import Call, VendorRequest
from core.vendors.shared.refusal import mask
from core.vendors.vertex.keys import ServiceAccount, account_of

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME_SECONDS = 3600
"""Of an assertion: the longest that Google takes."""
ANSWER_LIMIT = 64 << 10
"""Bytes of the token endpoint's answer."""
_CREDENTIALS = frozenset({"authorization", "x-goog-api-key"})


async def authorise_google(wire: VendorRequest, call: Call, outside: Outside) -> VendorRequest:
    """Puts an access token on requests of service accounts; API keys stand in the request already."""
    if any(name.lower() in _CREDENTIALS for name, _ in wire.headers):
        return wire
    account = account_of(call)

    async def obtain() -> Token:
        return await exchange(account, outside)

    token = await outside.tokens.get(f"google {call.secret}", outside.clock(), obtain)
    return replace(wire, headers=(*wire.headers, ("Authorization", f"Bearer {token}")))


def assertion(account: ServiceAccount, now: float) -> str:
    """The signed JWT: RS256, by google-auth. Raises ChannelError where the private key is none."""
    from google.auth import crypt, jwt

    try:
        signer = crypt.RSASigner.from_string(account.private_key, account.private_key_id or None)
    except (ValueError, TypeError):
        raise ChannelError("The service account's private key cannot be read.") from None
    issued = int(now)
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": issued,
        "exp": issued + LIFETIME_SECONDS,
    }
    return bytes(jwt.encode(signer, claims)).decode()


async def exchange(account: ServiceAccount, outside: Outside) -> Token:
    """Asks for a token. Raises ChannelError where it is refused, VendorError where the way is at fault."""
    now = outside.clock()
    # In a thread: the first call loads the library, and a signature costs a millisecond.
    signed = await asyncio.to_thread(assertion, account, now)
    body = urlencode({"grant_type": GRANT, "assertion": signed}).encode()
    form = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
    request = UpstreamRequest("POST", account.token_uri, form, body, outside.timeouts, outside.proxy)
    try:
        answer = await outside.upstream.send(request)
        try:
            told = await answer.read(ANSWER_LIMIT)
        finally:
            await answer.aclose()
    except UpstreamFailure as failure:
        raise failed(failure) from failure
    return _token(answer.status, told, now)


def _token(status: int, body: bytes, now: float) -> Token:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    told = told if isinstance(told, dict) else {}
    if status == 429 or status >= 500:
        raise VendorError(f"The vendor's token endpoint answered with status {status}.", http_status=502)
    if status != 200:
        said = told.get("error_description") or told.get("error") or f"status {status}"
        raise ChannelError(f"The channel's service account was refused: {mask(str(said))}")
    value, seconds = told.get("access_token"), told.get("expires_in", LIFETIME_SECONDS)
    if not isinstance(value, str) or not value or not isinstance(seconds, int | float) or seconds <= 0:
        raise VendorBroken("The vendor's token endpoint told no token.")
    if not value.isascii() or not value.isprintable():
        raise VendorBroken("The vendor's token endpoint told a token that no header may hold.")
    return Token(value, until(now, min(seconds, LIFETIME_SECONDS)))

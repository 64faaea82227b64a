"""Calls to providers: within limits of size and time, no redirect followed, nothing of an answer told to anybody.

Token and user endpoints are the root administrator's word, as channels' addresses are. What another machine names,
or anybody could make us fetch (discovery documents, published keys), goes through the guard of core/fetch.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import grpc
from cachetools import TTLCache

from core.errors import IsthmusError
from core.fetch.fetcher import Budget, Fetcher
from core.fetch.rules import Refused, rules_of
from core.identity import id_token
from core.identity.provider import IN_HEADER, Provider
from core.upstream.interface import Timeouts, Upstream, UpstreamFailure, UpstreamRequest
from core.version import VERSION

logger = logging.getLogger("isthmus.identity")

SECONDS = 15.0
"""Longest one call may take."""
ANSWER_MOST = 1 << 20
TOKEN_MOST = 16_384
KEPT_SECONDS = 600
"""How long discovery documents and keys are believed."""
AGAIN_SECONDS = 30
"""Keys are fetched anew for a token with an unknown key at most so often."""
KEPT_MOST = 256
TURNSTILE = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
HEADERS = (("Accept", "application/json"), ("User-Agent", f"Isthmus/{VERSION}"))


class ProviderFailed(IsthmusError):
    """The provider did not answer as it should; people can only try again."""

    reason = "OAUTH_PROVIDER_FAILED"
    grpc_code = grpc.StatusCode.FAILED_PRECONDITION
    http_status = 424
    code = "oauth_provider_failed"
    default_message = "The provider did not answer as it should; try again."


class Web:
    """One a worker."""

    def __init__(self, upstream: Upstream, fetcher: Fetcher | None = None) -> None:
        self._upstream = upstream
        self._fetcher = fetcher or Fetcher(ANSWER_MOST, SECONDS, 16 * ANSWER_MOST)
        self._kept: TTLCache[str, tuple[float, dict[str, Any]]] = TTLCache(KEPT_MOST, KEPT_SECONDS)

    # -- plain calls --------------------------------------------------------------------------

    async def _call(self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes = b"") -> Any:
        """Status and what was answered: JSON, or a form as a dict. Raises ProviderFailed."""
        request = UpstreamRequest(method, url, (*HEADERS, *headers), body, Timeouts(SECONDS, SECONDS, SECONDS))
        try:
            async with asyncio.timeout(SECONDS):
                answer = await self._upstream.send(request)
                try:
                    raw = await answer.read(ANSWER_MOST)
                finally:
                    await answer.aclose()
        except (UpstreamFailure, TimeoutError) as error:
            host = urlsplit(url).hostname
            logger.warning("a provider could not be asked", extra={"host": host, "reason": str(error)})
            raise ProviderFailed() from None
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == FORM[1]:
            return answer.status, dict(parse_qsl(raw.decode("utf-8", "replace"), max_num_fields=50))
        try:
            return answer.status, json.loads(raw)
        except (ValueError, RecursionError):
            logger.warning("a provider gave no JSON", extra={"host": urlsplit(url).hostname, "status": answer.status})
            raise ProviderFailed() from None

    async def tokens(self, provider: Provider, form: Mapping[str, str]) -> dict[str, str]:
        """What a code is exchanged for: access_token, token_type, id_token. Raises ProviderFailed."""
        headers: tuple[tuple[str, str], ...] = (FORM,)
        asked = dict(form)
        if provider.auth_style == IN_HEADER:
            # RFC 6749, 2.3.1: each half encoded by itself.
            pair = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
            headers += (("Authorization", "Basic " + base64.b64encode(pair.encode()).decode()),)
        else:
            asked |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
        status, found = await self._call("POST", provider.token, headers, urlencode(asked).encode())
        if not isinstance(found, dict) or not 200 <= status < 300 or found.get("error"):
            code = found.get("error") if isinstance(found, dict) else ""
            logger.warning("a code was refused", extra={"provider": provider.slug, "status": status, "error": code})
            raise ProviderFailed("The provider did not take the code; sign in again.")
        told = {name: found.get(name) or "" for name in ("access_token", "token_type", "id_token")}
        token = told["access_token"]
        if (
            not isinstance(token, str)
            or not 0 < len(token) <= TOKEN_MOST
            or not (token.isascii() and token.isprintable())
        ):
            raise ProviderFailed()
        return {name: value for name, value in told.items() if isinstance(value, str)}

    async def person(self, provider: Provider, access_token: str) -> dict[str, Any]:
        """What the provider says of whoever signed in. Raises ProviderFailed."""
        status, found = await self._call("GET", provider.user, (("Authorization", f"Bearer {access_token}"),))
        if status != 200 or not isinstance(found, dict):
            raise ProviderFailed()
        return found

    async def wechat(self, server: str, token: str, code: str) -> str:
        """The WeChat id a code stands for; "" for a wrong one. Raises ProviderFailed."""
        url = f"{server.rstrip('/')}/api/wechat/user?{urlencode({'code': code})}"
        status, found = await self._call("GET", url, (("Authorization", token),) if token else ())
        if status != 200 or not isinstance(found, dict):
            raise ProviderFailed()
        person = found.get("data")
        return person if found.get("success") is True and isinstance(person, str) else ""

    async def turnstile(self, secret: str, response: str, address: str) -> bool:
        """Whether Cloudflare takes the answer for a person's (its siteverify). Raises ProviderFailed."""
        form = {"secret": secret, "response": response}
        if address:
            form["remoteip"] = address
        _, found = await self._call("POST", TURNSTILE, (FORM,), urlencode(form).encode())
        return isinstance(found, dict) and found.get("success") is True

    # -- behind the guard -----------------------------------------------------------------------

    async def document(self, url: str, raw: Mapping[str, str]) -> dict[str, Any]:
        """A JSON object behind an address. Raises Refused, which says why."""
        budget = Budget(self._fetcher.room, 2 * ANSWER_MOST)
        try:
            data = (await self._fetcher.fetch(url, rules_of(raw), budget)).data
        finally:
            budget.close()
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise Refused("it is no JSON") from None
        if not isinstance(found, dict):
            raise Refused("it is no JSON object")
        return found

    async def _held(self, url: str, raw: Mapping[str, str], older_than: float = KEPT_SECONDS) -> dict[str, Any]:
        """The same, kept for a while. Raises ProviderFailed."""
        held = self._kept.get(url)
        if held is not None and time.monotonic() - held[0] < older_than:
            return held[1]
        try:
            found = await self.document(url, raw)
        except Refused as refused:
            host = urlsplit(url).hostname
            logger.warning("a provider's document was not fetched", extra={"host": host, "reason": str(refused)})
            raise ProviderFailed() from None
        self._kept[url] = (time.monotonic(), found)
        return found

    async def discovered(self, provider: Provider, raw: Mapping[str, str]) -> dict[str, Any]:
        """An OpenID provider's own description, which must name itself. Raises ProviderFailed."""
        found = await self._held(provider.well_known, raw)
        issuer = found.get("issuer")
        if not isinstance(issuer, str) or not issuer or not isinstance(found.get("jwks_uri"), str):
            raise ProviderFailed()
        return found

    async def claims(
        self, provider: Provider, raw: Mapping[str, str], token: str, nonce: str, issuer: str
    ) -> dict[str, Any]:
        """Of an ID token that is right. issuer: what the callback said (RFC 9207), or "". Raises ProviderFailed."""
        known = await self.discovered(provider, raw)
        if issuer and issuer != known["issuer"]:
            raise ProviderFailed("The answer comes from another provider.")
        keys = await self._held(known["jwks_uri"], raw)
        wanted = {"issuer": known["issuer"], "client_id": provider.client_id, "nonce": nonce}
        try:
            try:
                return id_token.verify(token, keys, **wanted)
            except id_token.KeyUnknown:
                keys = await self._held(known["jwks_uri"], raw, AGAIN_SECONDS)
                return id_token.verify(token, keys, **wanted)
        except id_token.BadToken as bad:
            logger.warning("an ID token was refused", extra={"provider": provider.slug, "reason": str(bad)})
            raise ProviderFailed("The provider's proof is not valid; sign in again.") from None

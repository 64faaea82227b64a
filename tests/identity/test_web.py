"""The built-in providers and Turnstile at strict stand-ins, and how calls to providers fail."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from core.identity.provider import Provider, built_in
from core.identity.web import TURNSTILE, ProviderFailed, Web
from core.manage.oauth import Denied, read
from core.options.table import DEFAULTS
from core.settings import CoreSettings
from core.upstream.interface import Upstream, UpstreamAnswer, UpstreamRequest
from core.upstream.pool import open_upstream
from tests.servers import identity

RAW = {
    **DEFAULTS, "GitHubClientId": identity.CLIENT, "GitHubClientSecret": identity.SECRET, "GitHubOAuthEnabled": "true",
    "discord.client_id": identity.CLIENT, "discord.client_secret": identity.SECRET, "discord.enabled": "true",
    "LinuxDOClientId": identity.CLIENT, "LinuxDOClientSecret": identity.SECRET, "LinuxDOOAuthEnabled": "true",
    "LinuxDOMinimumTrustLevel": "2",
}  # fmt: skip
SITE = "https://site.example"


class Redirecting:
    """The real client, but every host is the stand-ins'; it keeps where requests were meant to go."""

    def __init__(self, upstream: Upstream, base: str) -> None:
        self._upstream, self._base = upstream, base
        self.asked: list[str] = []

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        parts = urlsplit(request.url)
        self.asked.append(f"{parts.scheme}://{parts.netloc}{parts.path}")
        inside = self._base + parts.path + (f"?{parts.query}" if parts.query else "")
        return await self._upstream.send(dataclasses.replace(request, url=inside))

    async def aclose(self) -> None:
        await self._upstream.aclose()


@pytest.fixture(scope="module")
def provider() -> Iterator[identity.Provider]:
    with identity.identity() as made:
        yield made


@pytest.fixture
async def upstream(provider: identity.Provider) -> AsyncIterator[Redirecting]:
    made = Redirecting(open_upstream(CoreSettings()), provider.base)
    yield made
    await made.aclose()


def known(slug: str) -> Provider:
    found = built_in(slug, RAW)
    assert found is not None
    return found


async def ask(web: Web, provider: identity.Provider, slug: str, person: dict[str, Any]) -> dict[str, Any]:
    wanted = known(slug)
    uri = wanted.redirect_uri(SITE)
    form = {"grant_type": "authorization_code", "code": provider.consent(person, redirect_uri=uri), "redirect_uri": uri}
    return await web.person(wanted, (await web.tokens(wanted, form))["access_token"])


async def test_github(provider: identity.Provider, upstream: Redirecting) -> None:
    person = {"id": 583231, "login": "octocat", "name": "The Octocat", "email": "octo@example.org"}
    told = read(known("github"), await ask(Web(upstream), provider, "github", person))
    assert (told.subject, told.username, told.display_name, told.email) == (
        "583231", "octocat", "The Octocat", "octo@example.org",
    )  # fmt: skip
    assert upstream.asked == ["https://github.com/login/oauth/access_token", "https://api.github.com/user"]
    with pytest.raises(ProviderFailed):  # told with status 200
        await Web(upstream).tokens(known("github"), {"grant_type": "authorization_code", "code": "x"})


async def test_discord(provider: identity.Provider, upstream: Redirecting) -> None:
    person = {"id": "80351110224678912", "username": "nelly", "global_name": None, "email": "n@example.org"}
    found = await ask(Web(upstream), provider, "discord", {**person, "verified": True})
    assert read(known("discord"), found).email == "n@example.org"
    told = read(known("discord"), {**person, "verified": False})
    assert (told.subject, told.display_name, told.email) == ("80351110224678912", "", "")
    assert upstream.asked[-1] == "https://discord.com/api/v10/users/@me"


async def test_linuxdo(provider: identity.Provider, upstream: Redirecting) -> None:
    provider.header_only = True
    try:
        found = await ask(Web(upstream), provider, "linuxdo", {"id": 9, "username": "neo", "trust_level": 2})
    finally:
        provider.header_only = False
    assert read(known("linuxdo"), found).subject == "9"
    for low in ({"trust_level": 1}, {"trust_level": None}, {}, {"trust_level": "high"}):
        with pytest.raises(Denied, match="Trust level 2"):
            read(known("linuxdo"), {"id": 9, **low})
    assert known("linuxdo").redirect_uri(SITE) == SITE + "/api/oauth/linuxdo"
    assert upstream.asked[0] == "https://connect.linux.do/oauth2/token"


@pytest.mark.parametrize(
    "person", [{}, {"id": 0}, {"id": ""}, {"id": None}, {"id": " 5"}, {"id": "x" * 300}, {"id": [5]}]
)
def test_nobody(person: dict[str, Any]) -> None:
    with pytest.raises(ProviderFailed):
        read(known("github"), person)


async def test_turnstile(provider: identity.Provider, upstream: Redirecting) -> None:
    web = Web(upstream)
    provider.turnstile = {"good": True}
    assert not await web.turnstile("wrong", "good", "")
    provider.turnstile = {"good": True}
    assert await web.turnstile("turnstile-secret", "good", "127.0.0.1")
    assert not await web.turnstile("turnstile-secret", "good", ""), "good once"
    assert upstream.asked[0] == TURNSTILE
    provider.answers = {"/turnstile/v0/siteverify": (503, "text/html", b"<html>")}
    try:
        with pytest.raises(ProviderFailed):
            await web.turnstile("turnstile-secret", "good", "")
    finally:
        provider.answers = {}


async def test_nobody_answers() -> None:
    upstream = open_upstream(CoreSettings())
    web = Web(Redirecting(upstream, "http://127.0.0.1:1"))
    with pytest.raises(ProviderFailed):
        await web.person(known("github"), "token")
    await upstream.aclose()

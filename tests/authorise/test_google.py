"""Service accounts: assertions that Google can verify, tokens kept and exchanged once at a time, errors told apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from core.authorise.google import authorise_google
from core.authorise.interface import Outside
from core.authorise.tokens import Token, Tokens, until
from core.errors import ChannelError, VendorError, VendorUnreachable
from core.settings import CoreSettings
from core.state.types import Channel
from core.upstream.interface import Timeouts
from core.upstream.pool import open_upstream
from core.vendors.interface import Call, VendorRequest
from tests.integration.house import free_port
from tests.servers.clouds import Clouds, clouds

WIRE = VendorRequest("POST", "https://v.example.com/x", (("Accept", "application/json"),), b"{}")


@pytest.fixture(scope="module")
def houses() -> Iterator[Clouds]:
    with clouds() as made:
        yield made


def call(secret: str, **settings: Any) -> Call:
    channel = Channel(1, 41, "c", (), "https://x", frozenset(), frozenset(), 0, 0, settings=settings)
    return Call(channel, secret, "m", "m", False)


class Clock:
    """Time as the test says."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def with_outside(run: Callable[[Outside, Clock], Awaitable[None]]) -> None:
    async def main() -> None:
        import time

        clock = Clock()
        clock.now = time.time()
        upstream = open_upstream(CoreSettings())
        try:
            await run(Outside(upstream, Tokens(), Timeouts(), clock=clock), clock)
        finally:
            await upstream.aclose()

    asyncio.run(main())


def bearer(wire: VendorRequest) -> str:
    return dict(wire.headers)["Authorization"]


def test_one_exchange_serves_all_until_shortly_before_its_end(houses: Clouds) -> None:
    google = houses.google
    google.exchanges, google.delay = 0, 0.2
    secret = google.account(houses.url)

    async def run(outside: Outside, clock: Clock) -> None:
        made = await asyncio.gather(*(authorise_google(WIRE, call(secret), outside) for _ in range(20)))
        assert {bearer(wire) for wire in made} == {"Bearer ya29.token-1"}
        assert google.exchanges == 1
        assert made[0].headers[0] == ("Accept", "application/json")
        clock.now += google.lifetime - 301
        assert bearer(await authorise_google(WIRE, call(secret), outside)) == "Bearer ya29.token-1"
        clock.now += 2
        google.delay = 0
        # The stand-in checks the assertion by its own clock: what lies an hour ahead it refuses.
        with pytest.raises(ChannelError):
            await authorise_google(WIRE, call(secret), outside)
        assert google.exchanges == 2
        clock.now -= google.lifetime
        outside.tokens = Tokens()
        assert bearer(await authorise_google(WIRE, call(secret), outside)) == "Bearer ya29.token-3"

    try:
        with_outside(run)
    finally:
        google.delay = 0


def test_a_caller_that_leaves_takes_nobody_along(houses: Clouds) -> None:
    google = houses.google
    google.exchanges, google.delay = 0, 0.2
    secret = google.account(houses.url)

    async def run(outside: Outside, clock: Clock) -> None:
        first = asyncio.create_task(authorise_google(WIRE, call(secret), outside))
        await asyncio.sleep(0)
        second = asyncio.create_task(authorise_google(WIRE, call(secret), outside))
        await asyncio.sleep(0.05)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert bearer(await second) == "Bearer ya29.token-1"
        assert google.exchanges == 1

    try:
        with_outside(run)
    finally:
        google.delay = 0


def test_each_key_has_its_own_token(houses: Clouds) -> None:
    google = houses.google

    async def run(outside: Outside, clock: Clock) -> None:
        keys = [google.account(houses.url), google.account(houses.url, client_id="2")]
        made = [bearer(await authorise_google(WIRE, call(key), outside)) for key in keys]
        assert len(set(made)) == 2

    with_outside(run)


def test_refusals_are_the_channels_and_broken_ways_are_not(houses: Clouds) -> None:
    google = houses.google

    async def run(outside: Outside, clock: Clock) -> None:
        good = json.loads(google.account(houses.url))
        try:
            google.failing = 400
            with pytest.raises(ChannelError, match="Invalid JWT Signature"):
                await authorise_google(WIRE, call(json.dumps(good)), outside)
            google.failing = 503
            with pytest.raises(VendorError) as failed:
                await authorise_google(WIRE, call(json.dumps(good)), outside)
            assert failed.value.http_status == 502
        finally:
            google.failing = 0
        nobody = {**good, "token_uri": f"http://127.0.0.1:{free_port()}/token"}
        with pytest.raises(VendorUnreachable):
            await authorise_google(WIRE, call(json.dumps(nobody)), outside)
        for broken in ("{", "[]", "{}", json.dumps({**good, "private_key": "none"})):
            with pytest.raises(ChannelError) as refused:
                await authorise_google(WIRE, call(broken), outside)
            assert good["private_key"] not in refused.value.message
        # A failure is not kept.
        assert bearer(await authorise_google(WIRE, call(json.dumps(good)), outside)).startswith("Bearer ya29.")

    with_outside(run)


def test_another_ones_key_is_refused(houses: Clouds) -> None:
    with clouds() as others:
        forged = {**json.loads(houses.google.account(houses.url)), "private_key": others.google.private_key}

    async def run(outside: Outside, clock: Clock) -> None:
        with pytest.raises(ChannelError, match="Invalid JWT"):
            await authorise_google(WIRE, call(json.dumps(forged)), outside)

    with_outside(run)


def test_what_stands_in_the_request_is_left_alone() -> None:
    outside = Outside(None, Tokens(), Timeouts())  # type: ignore[arg-type]
    for name in ("x-goog-api-key", "Authorization"):
        wire = VendorRequest("POST", "https://x", ((name, "mine"),), b"")
        assert asyncio.run(authorise_google(wire, call("{"), outside)) is wire


def test_a_refused_token_is_forgotten_and_no_other(houses: Clouds) -> None:
    google = houses.google

    async def run(outside: Outside, clock: Clock) -> None:
        keys = [google.account(houses.url), google.account(houses.url, client_id="2")]
        first, second = [bearer(await authorise_google(WIRE, call(key), outside)) for key in keys]
        outside.tokens.forget("")
        outside.tokens.forget(first)
        assert bearer(await authorise_google(WIRE, call(keys[0]), outside)) != first
        assert bearer(await authorise_google(WIRE, call(keys[1]), outside)) == second

    with_outside(run)


def test_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.authorise.tokens.MOST", 3)

    async def run() -> None:
        tokens, obtained = Tokens(), []

        async def get(key: str) -> None:
            async def obtain() -> Token:
                obtained.append(key)
                return Token(key, 10.0)

            assert await tokens.get(key, 0.0, obtain) == key

        for key in ("a", "b", "c", "a", "d", "a", "b"):
            await get(key)
        assert obtained == ["a", "b", "c", "d", "b"]

    asyncio.run(run())


def test_when_a_token_is_no_longer_used() -> None:
    assert until(100, 3600) == 3400
    assert until(100, 60) == 130

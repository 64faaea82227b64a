"""Limits of several nodes in one Redis: exact together; without it each node counts for itself, or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio as aioredis

from core.errors import Overloaded
from core.pacing import shared as module
from core.pacing.demand import REQUESTS, TOKENS, Demands, Meter, Place, Refused, subject
from core.pacing.open import open_pacing
from core.pacing.shared import Shared
from core.settings import CoreSettings
from tests.servers.redis import Server, redis_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with redis_server() as found:
        yield found


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes that wait long for Redis: one that waited too long counts for itself, on a slow machine, too."""
    monkeypatch.setattr(module, "PATIENCE", 5.0)


@pytest.fixture
async def nodes(server: Server, tmp_path: Path) -> AsyncIterator[list[Shared]]:
    """Three nodes on an empty Redis."""
    client = aioredis.from_url(server.address)
    await client.flushall()
    await client.aclose()
    made = []
    for number in range(3):
        data = tmp_path / str(number)
        data.mkdir()
        made.append(open_pacing(CoreSettings(data=data, redis=server.address)))
    yield made  # type: ignore[misc]
    for node in made:
        await node.close()


def one(meter: Meter | None = None, place: Place | None = None) -> Demands:
    return Demands((meter,) if meter else (), (place,) if place else ())


HOUR = 3600.0
"""So that nothing comes back while a test runs."""


async def test_nodes_share_a_limit_exactly(patience: None, nodes: list[Shared], server: Server) -> None:
    meter, waits = Meter(subject("k"), REQUESTS, 50, 1, HOUR), []

    async def ask(number: int) -> bool:
        try:
            await nodes[number % 3].take(one(meter), f"r{number}")
        except Refused as refused:
            waits.append(refused.wait_ms)
            return False
        return True

    got = await asyncio.gather(*(ask(number) for number in range(90)))
    assert sum(got) == 50
    assert all(0 < wait <= HOUR * 1000 / 50 + 2 for wait in waits)
    # Only minutes that are not over are kept, and they end by themselves.
    client = aioredis.from_url(server.address)
    keys = await client.keys("*")
    assert len(keys) == 1
    assert 0 < await client.ttl(keys[0]) <= HOUR + 2
    await client.aclose()


async def test_tokens_are_corrected_for_everybody(nodes: list[Shared]) -> None:
    meter = Meter(subject("t"), TOKENS, 1000, 900, HOUR)
    first = await nodes[0].take(one(meter), "r1")
    assert first[0].remaining == 100
    with pytest.raises(Refused):
        await nodes[1].take(one(meter), "r2")
    nodes[0].correct(meter, 20 - 900, "r1")
    nodes[0].leave(one(meter), "r1")
    await asyncio.gather(*nodes[0]._chores)
    assert (await nodes[1].take(one(meter), "r3"))[0].remaining == 80
    nodes[1].correct(meter, -5000, "r3")
    await asyncio.gather(*nodes[1]._chores)
    assert (await nodes[2].take(one(meter), "r4"))[0].remaining == 100


async def test_places_are_shared_and_given_back(nodes: list[Shared], monkeypatch: pytest.MonkeyPatch) -> None:
    place = one(place=Place(subject("p"), 2))
    await nodes[0].take(place, "a")
    await nodes[1].take(place, "b")
    with pytest.raises(Refused) as refused:
        await nodes[2].take(place, "c")
    assert (refused.value.kind, refused.value.limit) == ("concurrent requests", 2)
    nodes[0].leave(place, "a")
    await asyncio.gather(*nodes[0]._chores)
    monkeypatch.setattr(module, "STALE_SECONDS", 1)
    await nodes[2].take(place, "c")
    with pytest.raises(Refused):
        await nodes[0].take(place, "d")
    # c is never given back, as if its node were lost.
    for _ in range(100):
        try:
            await nodes[0].take(place, "d")
            break
        except Refused:
            await asyncio.sleep(0.1)
    else:
        raise AssertionError("a lost node's place was never free")


async def test_all_or_none(nodes: list[Shared]) -> None:
    full, free = Meter(subject("f"), REQUESTS, 1, 1, HOUR), Meter(subject("g"), REQUESTS, 5, 1, HOUR)
    await nodes[0].take(one(full), "r")
    for _ in range(3):
        with pytest.raises(Refused):
            await nodes[1].take(Demands((free, full), (Place(subject("q"), 1),)), "r")
    taken = await nodes[1].take(Demands((free,), (Place(subject("q"), 1),)), "r")
    assert taken[0].remaining == 4


@pytest.mark.parametrize("how", ["gone", "silent"])
async def test_without_redis_each_node_counts_for_itself(nodes: list[Shared], server: Server, how: str) -> None:
    meter = Meter(subject("k"), REQUESTS, 2, 1, HOUR)
    await nodes[0].take(one(meter), "r")
    server.stop() if how == "gone" else server.hang(True)
    try:
        for node in nodes[:2]:
            for number in range(2):
                await asyncio.wait_for(node.take(one(meter, Place(subject("p"), 5)), f"r{number}"), 5)
            with pytest.raises(Refused):
                await node.take(one(meter), "more")
            node.correct(meter, -1, "r0")
            node.leave(one(meter, Place(subject("p"), 5)), "r0")
            await node.take(one(meter), "after what was given back here")
    finally:
        server.start() if how == "gone" else server.hang(False)
    for node in nodes:
        node._away_until = 0.0
    # It is back: nodes count together again.
    other = Meter(subject("other"), REQUESTS, 2, 1, HOUR)
    await nodes[0].take(one(other), "x")
    await nodes[1].take(one(other), "y")
    with pytest.raises(Refused):
        await nodes[2].take(one(other), "z")


async def test_closed_without_redis(tmp_path: Path) -> None:
    settings = CoreSettings(data=tmp_path, redis="redis://127.0.0.1:1/0", limits_without_redis="closed")
    node = open_pacing(settings)
    with pytest.raises(Overloaded):
        await node.take(one(Meter(subject("k"), REQUESTS, 2, 1)), "r")
    await node.close()


async def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="REDIS_CONN_STRING") as refused:
        open_pacing(CoreSettings(data=tmp_path, redis="http://u:very-secret@h"))
    assert "very-secret" not in str(refused.value)


async def test_who_goes_while_it_is_asked_holds_nothing(nodes: list[Shared]) -> None:
    meter, place = Meter(subject("k"), REQUESTS, 1, 1, HOUR), Place(subject("p"), 1)
    for pauses in range(8):
        task = asyncio.ensure_future(nodes[0].take(one(meter, place), f"r{pauses}"))
        for _ in range(pauses):
            await asyncio.sleep(0)
        if task.done():
            nodes[0].correct(meter, -1, f"r{pauses}")
            nodes[0].leave(one(meter, place), f"r{pauses}")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while nodes[0]._chores:
            await asyncio.gather(*nodes[0]._chores)
        taken = await nodes[1].take(one(meter, place), "other")
        assert taken[0].remaining == 0, pauses
        nodes[1].correct(meter, -1, "other")
        nodes[1].leave(one(meter, place), "other")
        await asyncio.gather(*nodes[1]._chores)

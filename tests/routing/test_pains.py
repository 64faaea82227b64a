"""The promises of spec/pains.md under "Routing", each by its name, through a whole core."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from isthmus.v1 import chat_pb2, common_pb2

from core.routing.health import Health
from tests.node import Home, home
from tests.servers.vendor import Asked, Vendor, good, vendor


@pytest.fixture(scope="module")
def silicon() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


def refuse(status: str, extra: str = "", text: str = "no") -> Any:
    def answer(asked: Asked) -> None:
        asked.whole(json.dumps({"error": {"message": text}}).encode(), status=status, extra=extra)

    return answer


async def ask(house: Home, form: str = "") -> list[tuple[int, int]]:
    """The channels and keys that a request tried, in order; refused requests have them in the log alone."""
    chat = chat_pb2.ChatRequest()
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "hi"
    envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_CHAT, model="m")
    request = chat_pb2.GenerateRequest(envelope=envelope, chat=chat)
    if form:
        request.native.form = form
        request.native.body = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
    found = await house.chat.Generate(request, metadata=house.caller)
    return [(attempt.channel_id, attempt.key_index) for attempt in found.receipt.attempts]


async def test_never_twice_the_same_channel_or_key_while_another_remains(house: Home, silicon: Vendor) -> None:
    """N 7069, 2754, 6235: retries that draw the channel that just failed."""
    await house.options(RetryTimes="9")
    down = [f"down-{number}" for number in range(4)]
    silicon.behaviours.update(dict.fromkeys(down, refuse("500 Oops")))
    info = json.dumps({"is_multi_key": True, "multi_key_size": 2})
    await house.channel(silicon.url, "down-0\ndown-1", channel_info=info)
    await house.channel(silicon.url, "down-2")
    await house.channel(silicon.url, "down-3")
    before = collections.Counter(silicon.counts)
    last = await house.channel(silicon.url, "fine", priority=-1)
    tried = await ask(house)
    assert tried[-1][0] == last
    assert len(tried) == len(set(tried)), "no channel's key twice"
    assert max((silicon.counts - before)[name] for name in down) == 1


async def test_a_channel_cools_down_after_429_and_5xx(house: Home, silicon: Vendor) -> None:
    """N 7069: no cool-down after 429 or 5xx."""
    await house.options(RetryTimes="2")
    silicon.behaviours["busy"] = refuse("429 Slow down")
    await house.channel(silicon.url, "busy", priority=9)
    other = await house.channel(silicon.url, "calm")
    assert len(await ask(house)) == 2
    before = silicon.counts["busy"]
    assert [await ask(house) for _ in range(5)] == [[(other, 0)]] * 5
    assert silicon.counts["busy"] == before, "it is left alone while it cools down"


async def test_half_open_probes_are_real_traffic(house: Home, silicon: Vendor) -> None:
    """A breaker with half-open probes by real traffic: one request tries, its success closes the breaker."""
    await house.options(RetryTimes="2")
    silicon.behaviours["back"] = refuse("503 Down", "Retry-After: 1000\r\n")
    first = await house.channel(silicon.url, "back", priority=9)
    second = await house.channel(silicon.url, "spare")
    await ask(house)
    health: Health = house.node.relay.health
    silicon.behaviours["back"] = good
    assert await ask(house) == [(second, 0)], "not before its time"
    health._entries[first, 0].free_at = time.monotonic() - 0.001
    before = silicon.counts["back"]
    assert await ask(house) == [(first, 0)], "the probe is a client's own request"
    assert silicon.counts["back"] == before + 1
    assert health.free_at(first, 0) == 0, "and closes the breaker"


@pytest.mark.parametrize(
    ("extra", "text", "seconds"),
    [("Retry-After: 40\r\n", "no", 40), ("", "Rate limit reached. Please try again in 1m30s.", 90)],
)
async def test_retry_after_and_quota_reset_texts_are_that_keys_cool_down(
    house: Home, silicon: Vendor, extra: str, text: str, seconds: int
) -> None:
    """`retry-after` and quota-reset texts honoured as cool-down of that key, and of no other."""
    await house.options(RetryTimes="3")
    silicon.behaviours["one"] = refuse("429 Slow down", extra, text)
    info = json.dumps({"is_multi_key": True, "multi_key_size": 2, "multi_key_mode": "polling"})
    made = await house.channel(silicon.url, "one\ntwo", channel_info=info)
    now = time.monotonic()
    while not silicon.counts["one"]:
        assert (await ask(house))[-1] == (made, 1)
    health = house.node.relay.health
    assert seconds - 1 <= health.free_at(made, 0) - now <= seconds + 20
    assert health.free_at(made, 1) == 0
    silicon.counts["one"] = 0
    silicon.behaviours["one"] = good


async def test_within_a_priority_the_clients_dialect_comes_first(house: Home, silicon: Vendor) -> None:
    """N 4755: conversion where a native channel stands beside."""
    for number in range(4):
        await house.channel(silicon.url, f"other-{number}", type=14)
    own = await house.channel(silicon.url, "own", type=1)
    await house.channel(silicon.url, "higher-none", type=14, priority=-1)
    await house.options(isthmus__prefer_same_dialect="true")
    assert {(await ask(house, "openai.chat"))[0][0] for _ in range(6)} == {own}


async def test_a_dead_vendor_costs_no_money_and_no_second_probe(house: Home, silicon: Vendor) -> None:
    """N 3454: no test is sent while real traffic tells; nothing but clients' requests reached the vendor."""
    silicon.behaviours["dead"] = refuse("500 Oops")
    await house.channel(silicon.url, "dead")
    for _ in range(3):
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(house)
    assert silicon.counts["dead"] == 3

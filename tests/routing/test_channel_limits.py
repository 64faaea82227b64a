"""Limits of channels, weights by the clock, choice by pace and cost."""

from __future__ import annotations

import asyncio
import collections
import json
import random
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from isthmus.client import ApiError
from isthmus.v1 import admin_pb2, chat_pb2, common_pb2

from core.routing.choose import Plan
from core.routing.guides import Guides
from core.routing.health import Health
from core.routing.meters import ENTRY, Meters
from core.routing.speed import STALE_SECONDS, Speed
from core.state.channel_extras import ChannelLimits, Window, extras, weight_at
from core.state.snapshot import abilities_of
from core.state.types import Channel
from tests.node import METADATA, Home, eventually, home
from tests.routing.test_choose import channel
from tests.servers.vendor import Asked, Vendor, good, vendor


def plan(channels: list[Channel], guides: Guides, seed: int = 1) -> Plan:
    tiers = abilities_of(channels)["default"]["m"]
    return Plan([("default", tiers)], 9, Health(), random.Random(seed), model="m", guides=guides)


# -- limits ---------------------------------------------------------------------------------------


def test_a_full_channel_is_passed_over_and_never_asked() -> None:
    meters, limits = Meters(), ChannelLimits(rpm=1)
    channels = [channel(1, 9, limits=limits), channel(2, 1)]
    meters.take(1, 0, 5.0)
    made = plan(channels, Guides(meters=meters))
    found = made.next(5.0)
    assert found is not None
    assert (found.channel.id, made.full) == (2, "rpm")
    made = plan(channels[:1], Guides(meters=meters))
    assert made.next(5.0) is None, "not even where nothing else remains"
    assert made.full == "rpm"


def test_each_limit_and_how_it_frees() -> None:
    meters = Meters()
    taken = meters.take(1, 100, 0.0)
    assert meters.full(1, ChannelLimits(concurrency=1), 0, 0.0) == "concurrency"
    assert meters.full(1, ChannelLimits(tpm=150), 100, 0.0) == "tpm"
    meters.give(taken, 20, 1.0)
    meters.give(taken, 20, 1.0)
    assert meters.running(1) == 0, "given back once"
    assert meters.full(1, ChannelLimits(tpm=150), 100, 1.0) == "", "what was estimated is corrected"
    assert meters.full(1, ChannelLimits(rpm=1), 0, 59.0) == "rpm"
    assert meters.full(1, ChannelLimits(rpm=1), 0, 90.0) == "rpm", "the minute slides"
    assert meters.full(1, ChannelLimits(rpm=1), 0, 121.0) == ""
    assert meters.full(9, ChannelLimits(tpm=10), 5000, 0.0) == "", "what is larger than the limit goes alone"


def test_workers_of_a_node_share_the_table_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    one, two = Meters(tmp_path, 0), Meters(tmp_path, 1)
    one.take(7, 10, 0.0)
    two.take(7, 10, 0.0)
    assert (one.running(7), two.running(7), two.spent(7, 0.0)) == (2, 2, (2, 20))
    again = Meters(tmp_path, 1)
    assert one.running(7) == again.running(7) == 1
    assert (tmp_path / "channel-meters").stat().st_size == 4096 * ENTRY
    for made in (one, two, again):
        made.close()


def test_many_channels_never_grow_the_table() -> None:
    meters = Meters()
    for number in range(1, 10_000):
        meters.give(meters.take(number, 1, 0.0), 1, 0.0)
    assert meters.running(9_999) == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (5, "isthmus"), ({"x": 1}, "isthmus.x"), ({"limits": {"rps": 1}}, "limits.rps"),
        ({"limits": {"rpm": -1}}, "limits.rpm"), ({"limits": {"rpm": True}}, "limits.rpm"), ({"cost": -1}, "cost"),
        ({"weights": [{"weight": 1, "from": "8", "to": "9:00"}]}, "weights.0.from"),
        ({"weights": [{"weight": 1, "from": "08:00", "to": "08:00"}]}, "weights.0.to"),
        ({"weights": [{"weight": 1, "days": [0], "from": "08:00", "to": "09:00"}]}, "weights.0.days"),
        ({"weights": [{"weight": -1, "from": "08:00", "to": "09:00"}]}, "weights.0.weight"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(wrong: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        extras({"isthmus": wrong})


# -- weights by the clock -------------------------------------------------------------------------


def test_weights_by_the_clock() -> None:
    (window,) = extras({"isthmus": {"weights": [{"days": [5], "from": "22:00", "to": "06:00", "weight": 7}]}}).windows
    day = 24 * 60
    friday = 4 * day
    wanted = {friday + 21 * 60: 1, friday + 22 * 60: 7, friday + day + 5 * 60: 7, friday + day + 6 * 60: 1, 60: 1}
    assert {minute: weight_at(1, (window,), minute) for minute in wanted} == wanted
    sunday_night = Window(frozenset({6}), 22 * 60, 6 * 60, 9)
    assert weight_at(1, (sunday_night,), 60) == 9, "Monday, one o'clock"


def test_a_weight_of_zero_gets_nothing_while_its_hour_lasts() -> None:
    night = Window(frozenset(range(7)), 0, 6 * 60, 0)
    channels = [channel(1, weight=5, windows=(night,)), channel(2, weight=5)]
    for minute, wanted in ((60, {2}), (12 * 60, {1, 2})):
        seen = set()
        for seed in range(40):
            found = plan(channels, Guides(minute=lambda minute=minute: minute), seed).next(0.0)
            assert found is not None
            seen.add(found.channel.id)
        assert seen == wanted


# -- pace and cost --------------------------------------------------------------------------------


def drawn(channels: list[Channel], guides: Guides, times: int = 600) -> collections.Counter[int]:
    made = plan(channels, guides)
    return collections.Counter(
        made._weigh([(item, list(item.keys)) for item in channels], 1.0)[0].id for _ in range(times)
    )


def test_of_two_the_quicker_one_and_unknown_ones_are_tried() -> None:
    speed = Speed()
    speed.note(1, "m", 900, 0.0)
    speed.note(2, "m", 100, 0.0)
    seen = drawn([channel(1), channel(2)], Guides(speed=speed))
    assert 0.68 < seen[2] / 600 < 0.82, "3 of 4 pairs hold it"
    seen = drawn([channel(1), channel(2), channel(3)], Guides(speed=speed))
    assert seen[3] > seen[2] > seen[1] > 0
    late = Speed()
    late.note(1, "m", 900, 0.0)
    assert late.of(1, "m", STALE_SECONDS + 1) is None, "a channel that was slow once is asked again"


def test_averages_move() -> None:
    speed = Speed()
    for value in (100, 200):
        speed.note(1, "m", value, 0.0)
    assert speed.of(1, "m", 0.0) == pytest.approx(120)


def test_of_two_the_cheaper_one_then_the_quicker() -> None:
    speed = Speed()
    speed.note(1, "m", 900, 0.0)
    speed.note(2, "m", 100, 0.0)
    seen = drawn([channel(1, cost=0.5), channel(2, cost=1.0)], Guides(speed=speed, by_cost=True))
    assert seen[1] > seen[2]
    seen = drawn([channel(1), channel(2)], Guides(speed=speed, by_cost=True))
    assert seen[2] > seen[1]


# -- through the pipeline -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def silicon() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


async def ask(house: Home) -> int:
    chat = chat_pb2.ChatRequest()
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "hi"
    envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_CHAT, model="m")
    found = await house.chat.Generate(chat_pb2.GenerateRequest(envelope=envelope, chat=chat), metadata=house.caller)
    return int(found.receipt.attempts[-1].channel_id)


async def refusal(house: Home) -> ApiError | None:
    try:
        await ask(house)
    except grpc.aio.AioRpcError as error:
        return ApiError.of(error)
    return None


def settings(**limits: int) -> str:
    return json.dumps({"isthmus": {"limits": limits}})


async def test_the_next_channel_takes_what_a_full_one_cannot(house: Home, silicon: Vendor) -> None:
    first = await house.channel(silicon.url, "narrow", priority=9, settings=settings(rpm=2))
    second = await house.channel(silicon.url, "wide")
    assert [await ask(house) for _ in range(4)] == [first, first, second, second]


async def test_where_every_channel_is_full_the_client_is_told_when_to_come_back(house: Home, silicon: Vendor) -> None:
    await house.channel(silicon.url, "only", settings=settings(tpm=40))
    told = [one for one in [await refusal(house) for _ in range(6)] if one is not None]
    assert {(error.reason, error.http_status) for error in told} == {("RATE_LIMITED", 429)}
    assert 0 < silicon.counts["only"] < 5


async def test_a_place_is_given_back_however_a_request_ends(house: Home, silicon: Vendor) -> None:
    go = threading.Event()

    def wait(asked: Asked) -> None:
        go.wait(20)
        good(asked)

    silicon.behaviours["one"] = wait
    made = await house.channel(silicon.url, "one", settings=settings(concurrency=1))
    meters = house.node.relay.guide.meters
    running = asyncio.create_task(ask(house))

    async def there() -> bool:
        return meters.running(made) == 1

    async def gone() -> bool:
        return meters.running(made) == 0

    await eventually(there)
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(house)
    running.cancel()
    await asyncio.wait([running])
    await eventually(gone)
    go.set()
    silicon.behaviours["one"] = lambda asked: asked.whole(b"{}", status="500 Oops")
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(house)
    assert meters.running(made) == 0
    silicon.behaviours["one"] = good
    assert await ask(house) == made
    assert meters.running(made) == 0


async def test_settings_are_checked_where_they_are_written(house: Home) -> None:
    wanted = admin_pb2.Channel(name="c", type=1, secret="k", models=["m"], settings_json=settings(rps=1))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.admin.CreateChannels(admin_pb2.CreateChannelsRequest(channel=wanted), metadata=METADATA)
    assert "settings.isthmus.limits.rps" in ApiError.of(refused.value).message
    made = await house.channel("http://127.0.0.1:9", "old", settings='{"isthmus": 5}')
    assert "settings.isthmus" in house.node.state.snapshot.channels[made].defect, "what was written otherwise is told"

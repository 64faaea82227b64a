"""The dry run: who would be asked, how likely, and why others would not; nothing is changed by it."""

from __future__ import annotations

import collections
import json
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from isthmus.client import ApiError
from isthmus.v1 import chat_pb2, common_pb2, routing_pb2

from core.routing.choose import Plan
from core.routing.guides import Guides
from core.routing.health import Health
from core.routing.speed import Speed
from core.state.snapshot import abilities_of
from tests.node import METADATA, Home, home
from tests.routing.test_choose import channel


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


async def explain(house: Home, model: str = "m", group: str = "", **fields: Any) -> routing_pb2.ExplainResponse:
    envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_CHAT, model=model, group=group)
    found: routing_pb2.ExplainResponse = await house.routing.Explain(
        routing_pb2.ExplainRequest(envelope=envelope, **fields), metadata=METADATA
    )
    return found


def limits(**counts: int) -> str:
    return json.dumps({"isthmus": {"limits": counts}})


@pytest.mark.parametrize("guided", [False, True])
def test_the_chances_told_are_those_of_the_draw(guided: bool) -> None:
    channels = [channel(1, 5, weight=1), channel(2, 5, weight=3), channel(3, 5, weight=0), channel(4, 1)]
    speed = Speed()
    for number, milliseconds in ((1, 50), (2, 900)):
        speed.note(number, "m", milliseconds, 0.0)
    guides = Guides(speed=speed) if guided else Guides()

    def plan(seed: int) -> Plan:
        tiers = abilities_of(channels)["default"]["m"]
        return Plan([("default", tiers)], 3, Health(), random.Random(seed), model="m", guides=guides)

    group, told = plan(0).first(1.0)
    chances = {one.id: chance for one, chance in told}
    assert group == "default"
    assert sum(chances.values()) == pytest.approx(1)
    assert chances == pytest.approx({1: 0.4375, 2: 0.5625, 3: 0} if guided else {1: 0.25, 2: 0.75, 3: 0})
    drawn: collections.Counter[int] = collections.Counter()
    for seed in range(3000):
        found = plan(seed).next(1.0)
        assert found is not None
        drawn[found.channel.id] += 1
    for number, chance in chances.items():
        assert abs(drawn[number] / 3000 - chance) < 0.05


async def test_each_channel_is_told_with_its_reason_and_nothing_is_changed(house: Home) -> None:
    url = "http://127.0.0.1:9"
    ids = {
        "likely": await house.channel(url, "a", weight=3, priority=5),
        "less": await house.channel(url, "b", weight=1, priority=5, model_mapping='{"m": "vendor-m"}'),
        "later": await house.channel(url, "c", priority=1),
        "cooling": await house.channel(url, "d", weight=9, priority=5),
        "full": await house.channel(url, "e", weight=9, priority=5, settings=limits(rpm=1)),
        "by hand": await house.channel(url, "f", status=2),
        "vip": await house.channel(url, "g", group="vip"),
        "broken": await house.channel(url, "h", setting="["),
        "another": await house.channel(url, "i", models="other"),
    }  # fmt: skip
    relay = house.node.relay
    relay.health.failure(ids["cooling"], 0, 401, 0, time.monotonic())
    relay.guide.meters.take(ids["full"], 5, time.monotonic())
    before = (relay.health.free_at(ids["cooling"], 0), relay.guide.meters.spent(ids["full"], time.monotonic())[0])
    found = await explain(house)
    told = {option.channel_id: option for option in found.options}
    assert ids["another"] not in told
    state = {name: told[channel_id].state for name, channel_id in ids.items() if name != "another"}
    assert state == {
        "likely": "ready", "less": "ready", "later": "ready", "cooling": "cooling_down", "full": "full",
        "by hand": "disabled", "vip": "other_group", "broken": "broken",
    }  # fmt: skip
    assert [told[ids[name]].chance for name in ("likely", "less", "later", "cooling")] == [0.75, 0.25, 0, 0]
    assert found.options[0].channel_id == ids["likely"]
    assert told[ids["less"]].upstream_model == "vendor-m"
    assert told[ids["cooling"]].free_in_ms > 0
    assert (told[ids["full"]].reason, list(told[ids["full"]].spent)[2]) == ("rpm", 1)
    assert "vip" in told[ids["vip"]].reason
    assert list(found.groups) == ["default"]
    assert found.prompt_tokens > 0
    assert before == (relay.health.free_at(ids["cooling"], 0), 1)
    relay.health._entries[ids["cooling"], 0].free_at = 0.5
    await explain(house)
    assert relay.health.free_at(ids["cooling"], 0) == 0.5, "a dry run is no probe"


async def test_what_would_be_dropped_and_refused(house: Home) -> None:
    await house.channel("http://127.0.0.1:9", "claude", type=14)
    await house.channel("http://127.0.0.1:9", "open", type=1)
    chat = chat_pb2.ChatRequest()
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "hi"
    chat.sampling.seed = 7
    told = {option.name: option for option in (await explain(house, chat=chat, form="openai.chat")).options}
    assert (told["open"].native, told["open"].form, list(told["open"].dropped)) == (True, "openai.chat", [])
    assert (told["claude"].native, told["claude"].form) == (False, "anthropic.messages")
    assert "sampling.seed" in told["claude"].dropped
    refused = await explain(house, model="nobody-serves-it")
    assert (refused.refusal.reason, len(refused.options)) == ("MODEL_NOT_FOUND", 0)
    refused = await explain(house, group="not-a-group")
    assert {option.state for option in refused.options} == {"other_group"}
    await house.options(SelfUseModeEnabled="false")
    assert (await explain(house)).refusal.reason == "PRICE_NOT_SET"


async def test_by_whose_key(house: Home) -> None:
    await house.channel("http://127.0.0.1:9", "x")
    limited = await house.node.store.keys.create(
        1, "z" * 48, 0, name="z", unlimited_quota=True, expired_time=-1, model_limits_enabled=True, model_limits="other"
    )
    assert (await explain(house, key_id=limited.id)).refusal.reason == "MODEL_NOT_ALLOWED"
    assert not (await explain(house, account_id=1)).refusal.reason
    for fields in ({"key_id": 999}, {"account_id": 999}):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await explain(house, **fields)
        assert ApiError.of(refused.value).reason == "RECORD_NOT_FOUND"

"""Routing: priorities, weights, health, never twice while another remains."""

from __future__ import annotations

import collections
import random

import pytest

from core.errors import ChannelError, GroupNotAllowed, ModelNotAllowed, ModelNotFound, NoChannel
from core.pricing.tables import PriceTables
from core.routing.choose import Plan, make_plan
from core.routing.health import Health
from core.routing.mapping import map_model
from core.routing.retry import should_retry
from core.state.options import Options
from core.state.snapshot import abilities_of
from core.state.types import Account, Channel, ChannelKey, Key, Principal, Snapshot


def channel(number: int, priority: int = 0, weight: int = 0, keys: int = 1, **more: object) -> Channel:
    return Channel(
        id=number,
        type=1000,
        name=str(number),
        keys=tuple(ChannelKey(index, f"k{index}") for index in range(keys)),
        base_url="http://127.0.0.1:1",
        models=frozenset({"m"}),
        groups=frozenset({"default"}),
        priority=priority,
        weight=weight,
        **more,  # type: ignore[arg-type]
    )


def plan(channels: list[Channel], health: Health | None = None, seed: int = 1, model: str = "m", **key: object) -> Plan:
    options = {"RetryTimes": "5"}
    found = {item.id: item for item in channels}
    snapshot = Snapshot(1, found, abilities_of(channels), Options.parse(options), PriceTables.parse(options))
    fields = {"models": None, "group": "", **key}
    account = Account(1, "a", 1, 1, "default", 1)
    caller = Key(1, 1, "k", 1, -1, 0, networks=(), cross_group_retry=False, **fields)  # type: ignore[arg-type]
    return make_plan(snapshot, Principal(account, caller), model, "", health or Health(), random.Random(seed), 0.0)


def test_higher_priorities_come_first_and_retries_go_down() -> None:
    made = plan([channel(1, 0), channel(2, 10), channel(3, 5)])
    order = []
    while len(order) < 3 and (candidate := made.next(0.0)):
        order.append(candidate.channel.id)
        made.failed(candidate)
    assert order == [2, 3, 1]


def test_weights_are_shares() -> None:
    seen = collections.Counter(
        plan([channel(1, weight=1), channel(2, weight=3), channel(3)], seed=seed).next(0.0).channel.id
        for seed in range(2000)
    )
    assert seen[3] == 0
    assert 2.4 < seen[2] / seen[1] < 3.8


def test_never_twice_while_another_remains() -> None:
    for seed in range(50):
        made = plan([channel(1), channel(2, keys=2), channel(3)], seed=seed)
        used = []
        for _ in range(4):
            candidate = made.next(0.0)
            assert candidate is not None
            used.append((candidate.channel.id, candidate.key.index))
            made.failed(candidate)
        assert len(set(used)) == 4
        assert len({number for number, _ in used[:3]}) == 3


def test_a_lone_channel_is_tried_again() -> None:
    made = plan([channel(1)])
    for _ in range(6):
        candidate = made.next(0.0)
        assert candidate is not None
        made.failed(candidate)
    assert made.next(0.0) is None


def test_cooling_channels_are_passed_over_but_never_refused() -> None:
    health = Health()
    health.failure(1, 0, 429, 30_000, 0.0)
    assert {plan([channel(1), channel(2)], health, seed).next(1.0).channel.id for seed in range(20)} == {2}
    assert plan([channel(1)], health).next(1.0).channel.id == 1
    assert health.available(1, 0, 31.0)


def test_a_long_outage_does_not_break_the_breaker() -> None:
    health = Health()
    for _ in range(3000):
        health.failure(1, 0, 500, 0, 0.0)
        health.failure(2, 0, 429, 0, 0.0)
    assert 0 < health.free_at(1, 0) <= 60
    assert 0 < health.free_at(2, 0) <= 60


def test_refusals() -> None:
    with pytest.raises(ModelNotFound):
        plan([channel(1)], model="unknown")
    with pytest.raises(ModelNotAllowed):
        plan([channel(1)], models=frozenset({"other"}))
    with pytest.raises(GroupNotAllowed):
        plan([channel(1)], group="secret")
    with pytest.raises(NoChannel):
        plan([channel(1)], group="vip")


def test_mapping_follows_chains_and_refuses_loops() -> None:
    assert map_model(channel(1, model_mapping={"a": "b", "b": "c", "c": "c"}), "a") == "c"
    with pytest.raises(ChannelError):
        map_model(channel(1, model_mapping={"a": "b", "b": "a"}), "a")


@pytest.mark.parametrize(
    ("status", "again"),
    [(200, False), (400, False), (401, True), (408, False), (429, True), (500, True), (504, False), (524, False)],
)
def test_what_is_retried(status: int, again: bool) -> None:
    assert should_retry(status, Options.parse({})) is again

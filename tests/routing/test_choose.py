"""Routing: priorities, weights, health, never twice while another remains."""

from __future__ import annotations

import collections
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import (
    ChannelError,
    ChannelPinRefused,
    GroupNotAllowed,
    ModelNotAllowed,
    ModelNotFound,
    NoChannel,
    VendorError,
)
from core.pricing.tables import PriceTables
from core.routing.choose import Plan, make_plan
from core.routing.health import PROBE_SECONDS, RETRY_AFTER_MOST, Health
from core.routing.mapping import map_model, map_status
from core.routing.retry import is_final, should_disable, should_retry
from core.state.options import Options
from core.state.snapshot import abilities_of
from core.state.types import Account, Channel, ChannelKey, Key, Principal, Snapshot


def channel(number: int, priority: int = 0, weight: int = 0, keys: int = 1, **more: object) -> Channel:
    return Channel(
        id=number,
        type=more.pop("type", 1000),  # type: ignore[arg-type]
        name=str(number),
        keys=tuple(ChannelKey(index, f"k{index}") for index in range(keys)),
        base_url="http://127.0.0.1:1",
        priority=priority,
        weight=weight,
        **{"models": frozenset({"m"}), "groups": frozenset({"default"}), **more},  # type: ignore[arg-type]
    )


def plan(
    channels: list[Channel],
    health: Health | None = None,
    seed: int = 1,
    model: str = "m",
    form: str = "",
    options: dict[str, str] | None = None,
    pinned: int = 0,
    account_group: str = "default",
    bound: bool = False,
    **key: object,
) -> Plan:
    options = {"RetryTimes": "5", **(options or {})}
    found = {item.id: item for item in channels}
    snapshot = Snapshot(1, found, abilities_of(channels), Options.parse(options), PriceTables.parse(options))
    fields = {"models": None, "group": "", "cross_group_retry": False, **key}
    account = Account(1, "a", 100, 1, account_group, 1)
    caller = Key(1, 1, "k", 1, -1, 0, networks=(), **fields)  # type: ignore[arg-type]
    principal = Principal(account, caller, pinned)
    return make_plan(snapshot, principal, model, form, health or Health(), random.Random(seed), 0.0, bound=bound)


def tried(made: Plan, most: int = 20, now: float = 0.0) -> list[int]:
    """The channels of a request whose every attempt fails."""
    order: list[int] = []
    while len(order) < most and (candidate := made.next(now)):
        order.append(candidate.channel.id)
        made.failed(candidate)
    return order


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


@settings(max_examples=15)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=5), st.integers(0, 2**32))
def test_shares_follow_the_weights(weights: list[int], seed: int) -> None:
    channels = [channel(number, weight=weight) for number, weight in enumerate(weights, 1)]
    even, draws = not sum(weights), 3000
    made, ready = plan(channels, seed=seed), [(item, list(item.keys)) for item in channels]
    # The draw itself, without the plan around it.
    seen = collections.Counter(made._weigh(ready)[0].id for _ in range(draws))
    for number, weight in enumerate(weights, 1):
        share = 1 / len(weights) if even else weight / sum(weights)
        # Five standard deviations: one run in two million fails by chance.
        assert abs(seen[number] - draws * share) <= 5 * math.sqrt(draws * share * (1 - share)) + 1e-9


def test_each_retry_goes_one_priority_down_and_the_lowest_is_repeated() -> None:
    channels = [channel(1, 9), channel(2, 9), channel(3, 5), channel(4, 1), channel(5, 1)]
    for seed in range(20):
        order = tried(plan(channels, seed=seed, options={"RetryTimes": "3"}))
        assert [next(item.priority for item in channels if item.id == number) for number in order] == [9, 5, 1, 1]
        assert len(set(order)) == 4


def test_retry_times_bounds_the_tries() -> None:
    channels = [channel(number) for number in range(1, 9)]
    assert len(tried(plan(channels, options={"RetryTimes": "0"}))) == 1
    assert len(tried(plan(channels, options={"RetryTimes": "2"}))) == 3


AUTO = {"AutoGroups": '["vip", "default", "secret"]', "RetryTimes": "1"}


def grouped() -> list[Channel]:
    vip, default, secret = (frozenset({name}) for name in ("vip", "default", "secret"))
    return [
        channel(1, groups=vip), channel(2, groups=vip), channel(3, groups=vip),
        channel(4, groups=default), channel(5, groups=default),
        channel(6, groups=secret),
    ]  # fmt: skip


def test_auto_stays_in_the_first_group_that_serves_the_model() -> None:
    order = tried(plan(grouped(), options=AUTO, group="auto"))
    assert len(order) == 2
    assert set(order) <= {1, 2, 3}
    only_default = [item for item in grouped() if "vip" not in item.groups]
    assert set(tried(plan(only_default, options=AUTO, group="auto"))) == {4, 5}


def test_cross_group_retry_goes_on_and_counts_anew() -> None:
    order = tried(plan(grouped(), options=AUTO, group="auto", cross_group_retry=True))
    assert len(order) == 4
    assert set(order[:2]) <= {1, 2, 3}
    assert set(order[2:]) == {4, 5}


def test_another_group_comes_before_a_channel_that_failed() -> None:
    channels = [channel(1, groups=frozenset({"vip"})), channel(2)]
    assert tried(plan(channels, options=AUTO, group="auto", cross_group_retry=True)) == [1, 2, 2]


def test_the_group_of_a_candidate_is_the_one_it_was_found_in() -> None:
    made = plan(grouped(), options=AUTO, group="auto", cross_group_retry=True)
    found = []
    while candidate := made.next(0.0):
        found.append(candidate.group)
        made.failed(candidate)
    assert found == ["vip", "vip", "default", "default"]


def test_groups_that_may_be_used() -> None:
    special = {
        "group_ratio_setting.group_special_usable_group": '{"default": {"-:vip": "", "+:gold": "", "iron": ""}}',
        "GroupRatio": '{"default": 1, "vip": 1, "gold": 1}',
    }
    channels = [channel(1, groups=frozenset({"default", "vip", "gold", "iron", "own"}))]
    assert tried(plan(channels, options=special, group="gold"))
    with pytest.raises(GroupNotAllowed):
        plan(channels, options=special, group="vip")
    # Usable, but without a ratio any more.
    with pytest.raises(GroupNotAllowed):
        plan(channels, options=special, group="iron")
    # The user's own group needs no entry.
    assert tried(plan(channels, options=special, account_group="own"))


def test_wildcard_names_find_channels_and_pass_model_limits() -> None:
    gizmo = channel(1, models=frozenset({"gpt-4-gizmo-*"}))
    assert plan([gizmo], model="gpt-4-gizmo-g-123").next(0.0) is not None
    assert plan([gizmo], model="gpt-4-gizmo-g-123", models=frozenset({"gpt-4-gizmo-*"})).next(0.0) is not None
    exact = channel(2, models=frozenset({"gpt-4-gizmo-g-123"}))
    assert plan([gizmo, exact], model="gpt-4-gizmo-g-123").next(0.0).channel.id == 2


def test_a_pinned_channel_is_tried_once_whatever_its_models() -> None:
    channels = [channel(1), channel(7, models=frozenset({"other"}))]
    assert tried(plan(channels, pinned=7, models=frozenset({"x"}))) == [7]
    with pytest.raises(ChannelPinRefused):
        plan(channels, pinned=8)


def test_the_clients_own_form_comes_first_within_a_priority() -> None:
    prefer = {"isthmus.prefer_same_dialect": "true"}
    mistral, openai, lower = channel(1, 5, 99, type=42), channel(2, 5, 1, type=1), channel(3, 1, type=1)
    for seed in range(20):
        order = tried(
            plan([mistral, openai, lower], seed=seed, form="openai.chat", options={**prefer, "RetryTimes": "1"})
        )
        assert order[0] == 2
    seen = {plan([mistral, openai], seed=seed, form="openai.chat").next(0.0).channel.id for seed in range(200)}
    assert seen == {1, 2}
    looped = channel(4, 5, 99, type=1, model_mapping={"m": "n", "n": "m"})
    assert plan([looped, openai], form="openai.chat", options=prefer).next(0.0).channel.id == 2


def test_polling_takes_keys_in_turn_and_a_retry_another_key() -> None:
    polled = channel(21, keys=3, multi_key_mode="polling")
    assert [plan([polled], seed=seed).next(0.0).key.index for seed in range(6)] == [0, 1, 2, 0, 1, 2]
    for seed in range(20):
        made = plan([channel(22, keys=3, multi_key_mode="random")], seed=seed)
        indexes = []
        for _ in range(3):
            candidate = made.next(0.0)
            indexes.append(candidate.key.index)
            made.failed(candidate)
        assert sorted(indexes) == [0, 1, 2]


def test_only_the_failing_key_cools_down() -> None:
    health = Health()
    health.failure(1, 0, 429, 30_000, 0.0)
    assert {plan([channel(1, keys=2)], health, seed).next(1.0).key.index for seed in range(20)} == {1}


def test_half_open_lets_exactly_one_caller_probe() -> None:
    health = Health()
    health.failure(1, 0, 429, 10_000, 0.0)
    both = [channel(1, 9), channel(2, 1)]
    assert [plan(both, health).next(11.0).channel.id for _ in range(5)] == [1, 2, 2, 2, 2]
    # The probe fails: the pause is longer, nobody goes there.
    health.failure(1, 0, 429, 0, 11.0)
    assert plan(both, health).next(12.0).channel.id == 2
    # After it one goes again, and succeeds: the breaker is closed for all.
    assert plan(both, health).next(200.0).channel.id == 1
    health.success(1, 0, 201.0)
    assert [plan(both, health).next(201.0).channel.id for _ in range(3)] == [1, 1, 1]


def test_a_probe_that_ends_without_an_answer_frees_its_place() -> None:
    health = Health()
    health.failure(1, 0, 503, 5_000, 0.0)
    both = [channel(1, 9), channel(2, 1)]
    assert plan(both, health).next(6.0).channel.id == 1
    health.released(1, 0)
    assert plan(both, health).next(6.0).channel.id == 1
    health.failure(1, 0, 400, 0, 6.0)
    assert plan(both, health).next(6.0).channel.id == 1
    # One that never comes back is given up.
    assert plan(both, health).next(7.0).channel.id == 2
    assert plan(both, health).next(7.0 + PROBE_SECONDS).channel.id == 1


def test_a_pause_is_as_long_as_the_vendor_says() -> None:
    health = Health()
    health.failure(1, 0, 503, 7_000, 100.0)
    assert health.free_at(1, 0) == 107.0
    health.failure(1, 0, 429, 10**9, 100.0)
    assert health.free_at(1, 0) == 100.0 + RETRY_AFTER_MOST
    for _ in range(2):
        health.failure(2, 0, 500, 0, 0.0)
    assert health.available(2, 0, 0.0)
    health.failure(2, 0, 500, 0, 0.0)
    assert not health.available(2, 0, 0.5)


def test_the_options_say_what_is_retried() -> None:
    default = Options.parse({})
    again = {status for status in range(100, 600) if should_retry(status, default)}
    expected = {*range(100, 200), *range(300, 400), *range(401, 408), *range(409, 500)}
    expected |= {*range(500, 504), *range(505, 524), *range(525, 600)}
    assert again == expected
    assert should_retry(600, default)
    assert should_retry(0, default)
    only = Options.parse({"AutomaticRetryStatusCodes": "200-299,429,504"})
    assert {status for status in range(100, 600) if should_retry(status, only)} == {429}


def test_xais_safety_refusals_are_final() -> None:
    said = VendorError("Content violates usage guidelines. SAFETY_CHECK_TYPE_BIO", http_status=403)
    assert is_final(said, channel(1, type=48))
    assert not is_final(said, channel(1, type=1))
    assert not is_final(VendorError("no", http_status=403), channel(1, type=48))


def test_what_disables_a_channel() -> None:
    on = {"AutomaticDisableChannelEnabled": "true"}
    options = Options.parse(on)
    assert should_disable(401, "", options, channel(1))
    assert should_disable(400, "your CREDIT balance is too low, sorry", options, channel(1))
    assert not should_disable(500, "oops", options, channel(1))
    assert not should_disable(401, "", options, channel(1, auto_ban=False))
    assert not should_disable(401, "", Options.parse({}), channel(1))
    changed = Options.parse({**on, "AutomaticDisableStatusCodes": "500-503", "AutomaticDisableKeywords": "Moon\n"})
    assert should_disable(502, "", changed, channel(1))
    assert should_disable(400, "to the moon", changed, channel(1))
    assert not should_disable(401, "", changed, channel(1))


def test_statuses_are_mapped() -> None:
    mapped = channel(1, status_code_mapping={400: 500})
    assert map_status(mapped, 400) == 500
    assert map_status(mapped, 401) == 401


def test_what_a_vendor_holds_goes_to_channels_of_its_form_alone() -> None:
    """The better priority does not help where the vendor cannot go on from an answer it never gave."""
    chats = [channel(1, priority=9, type=40), channel(2, type=40), channel(3, priority=-1)]
    for seed in range(5):
        found = plan(chats, seed=seed, form="openai.responses", bound=True).next(0.0)
        assert found is not None
        assert found.channel.id == 3
    alone = plan(chats[:1], form="openai.responses", bound=True).next(0.0)
    assert alone is not None
    assert alone.channel.id == 1
    free = plan(chats, form="openai.responses").next(0.0)
    assert free is not None
    assert free.channel.id == 1

"""Affinity: how conversations are known, where they stay, when they leave."""

from __future__ import annotations

import collections
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.pipeline.affine import PARSED_MOST, at_path
from core.routing.affinity import Affinity, Conversation, rule_number
from core.routing.choose import Candidate, Plan
from core.routing.guides import Guides
from core.routing.health import Health
from core.state.affinity_rules import NAME, Policy, rules
from core.state.options import Options
from core.state.snapshot import abilities_of
from core.state.types import Channel
from tests.node import METADATA, Home, home
from tests.routing.test_choose import channel
from tests.servers.vendor import Asked, Vendor, vendor


def kept(name: str = "c", channel_id: int = 0, key_index: int = 0) -> Conversation:
    seed = name.encode().ljust(8, b"\0")[:8]
    return Conversation(name.encode(), seed, None, "f", 60, "", channel_id, key_index)


def plan(
    channels: list[Channel], health: Health | None = None, conversation: Conversation | None = None, tries: int = 9
) -> Plan:
    tiers = abilities_of(channels)["default"]["m"]
    guides = Guides(conversation)
    return Plan([("default", tiers)], tries, health or Health(), random.Random(1), guides=guides)


def first(made: Plan) -> Candidate:
    found = made.next(1.0)
    assert found is not None
    return found


def test_a_conversation_goes_on_where_it_was_whatever_the_priorities() -> None:
    channels = [channel(1, 9), channel(2, 5, keys=4), channel(3, 1)]
    found = first(plan(channels, conversation=kept(channel_id=2, key_index=3)))
    assert (found.channel.id, found.key.index) == (2, 3)


def test_affinity_yields_to_a_dead_channel_at_once() -> None:
    """spec/pains.md: affinity that holds on to a dead channel (N 6078)."""
    channels, health = [channel(1), channel(2)], Health()
    health.failure(1, 0, 401, 0, 0.0)
    assert first(plan(channels, health, kept(channel_id=1))).channel.id == 2, "already known to be dead"
    made = plan(channels, conversation=kept(channel_id=1))
    dead = first(made)
    made.failed(dead)
    assert (dead.channel.id, first(made).channel.id) == (1, 2), "found out by this very request"


def test_a_key_that_cools_down_is_left_and_the_channel_is_not() -> None:
    health = Health()
    health.failure(2, 3, 429, 0, 0.0)
    found = first(plan([channel(1), channel(2, keys=4)], health, kept(channel_id=2, key_index=3)))
    assert found.channel.id == 2
    assert found.key.index != 3


def test_a_channel_that_is_gone_is_no_place() -> None:
    made = plan([channel(1), channel(2)], conversation=kept(channel_id=7))
    assert not made.holds(7)
    assert first(made).channel.id in (1, 2)


def test_unknown_conversations_go_where_their_name_says_by_weight() -> None:
    """Workers that share nothing agree, and the shares are the weights'."""
    channels = [channel(1, weight=1, keys=3), channel(2, weight=3, keys=3), channel(3, weight=0)]
    counts: collections.Counter[int] = collections.Counter()
    for number in range(2000):
        one, two = (first(plan(channels, conversation=kept(f"c{number}"))) for _ in range(2))
        assert (one.channel.id, one.key.index) == (two.channel.id, two.key.index)
        counts[one.channel.id] += 1
    assert counts[3] == 0
    assert 0.70 < counts[2] / 2000 < 0.80


def test_only_the_conversations_of_a_lost_channel_move() -> None:
    channels, health = [channel(number) for number in range(1, 6)], Health()
    names = [f"c{number}" for number in range(300)]
    before = {name: first(plan(channels, conversation=kept(name))).channel.id for name in names}
    health.failure(3, 0, 401, 0, 0.0)
    after = {name: first(plan(channels, health, kept(name))).channel.id for name in names}
    assert all(after[name] == before[name] for name in names if before[name] != 3)
    assert 3 not in after.values()
    assert len({after[name] for name in names if before[name] == 3}) > 1, "and they do not all go to one"


def test_memory_is_bounded_and_expires() -> None:
    memory = Affinity()
    for number in range(50):
        memory.remember(kept(f"c{number}"), number + 1, 0, 10, 0.0)
    assert sum(memory.counts(1.0).values()) == 10
    newest, oldest = kept("c49"), kept("c0")
    memory.recall(newest, 59.0)
    memory.recall(oldest, 59.0)
    assert (newest.channel_id, oldest.channel_id) == (50, 0)
    late = kept("c49")
    memory.recall(late, 60.0)
    assert late.channel_id == 0


def test_clearing_by_rule_and_all() -> None:
    memory = Affinity()
    (rule,) = rules('[{"name": "r", "key_sources": [{"type": "context_int", "key": "id"}]}]')
    ruled = Conversation(b"k", b"s" * 8, rule, "f", 60)
    memory.remember(ruled, 1, 0, 10, 0.0)
    memory.remember(kept(), 1, 0, 10, 0.0)
    assert memory.clear("another") == 0
    assert memory.forget_numbered(rule_number("r")) == 1
    assert memory.clear() == 1


def test_use_of_caches_is_counted() -> None:
    memory, conversation = Affinity(), kept()
    memory.used(conversation, usage_pb2.Usage(input_tokens=100, output_tokens=5), 7)
    memory.used(conversation, usage_pb2.Usage(input_tokens=100, output_tokens=5, cached_tokens=90), 9)
    found = memory.use("conversation", "", "f")
    assert (found.hit, found.total, found.prompt_tokens, found.cached_tokens, found.last_seen_at) == (1, 2, 200, 90, 9)
    assert memory.use("another", "", "f").total == 0


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ([1], "0 needs an object"), ([{}], "0.name"), ([{"name": "a"}], "0.key_sources"),
        ([{"name": "a", "key_sources": [{"type": "x"}]}], "0.key_sources.0.type"),
        ([{"name": "a", "key_sources": [{"type": "gjson"}]}], "0.key_sources.0.path"),
        ([{"name": "a", "key_sources": [{"type": "context_int", "key": "password"}]}], "0.key_sources.0.key"),
        ([{"name": "a", "key_sources": [{"type": "gjson", "path": "a"}], "model_regex": ["("]}], "0.model_regex"),
        ([{"name": "a", "key_sources": [{"type": "gjson", "path": "a"}], "ttl_seconds": -1}], "0.ttl_seconds"),
        ([{"name": "a", "key_sources": [{"type": "gjson", "path": "a"}]}] * 2, "one name"),
        ({}, "array"),
    ],
)  # fmt: skip
def test_wrong_rules_are_named(rule: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        rules(json.dumps(rule))
    assert Policy.parse({**Options.parse({}).raw, NAME: json.dumps(rule)}).rules == ()


def test_the_default_rules_know_the_two_clients() -> None:
    policy = Options.parse({}).affinity
    assert [rule.name for rule in policy.matching("gpt-5", "/v1/responses")] == ["codex cli trace"]
    assert [rule.name for rule in policy.matching("claude-x", "/v1/messages")] == ["claude cli trace"]
    assert policy.matching("gpt-5", "/v1/chat/completions") == ()
    assert policy.headers == ()


@pytest.mark.parametrize("filler", ["", "x" * (PARSED_MOST + 1)])
def test_paths_into_bodies_of_any_length(filler: str) -> None:
    body = json.dumps({"a": {"b": [{"c": "v"}], "n": 5}, "f": filler, "m": {"user": "u"}}).encode()
    assert at_path(body, "m.user") == "u"
    assert at_path(body, "a.n") == 5
    assert at_path(body, "a.none") is None
    assert at_path(b"[", "a") is None
    if not filler:
        assert at_path(body, "a.b.0.c") == "v"


# -- through the pipeline -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def silicon() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


RULE = [{"name": "r", "key_sources": [{"type": "gjson", "path": "prompt_cache_key"}], "include_rule_name": True,
         "skip_retry_on_failure": True}]  # fmt: skip


async def ask(house: Home, name: str = "", text: str = "hi", headers: str = "") -> chat_pb2.GenerateResponse:
    chat = chat_pb2.ChatRequest()
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = text
    chat.caching.key = name
    envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_CHAT, model="m")
    metadata = house.caller + ((("isthmus-client-headers", headers),) if headers else ())
    found: chat_pb2.GenerateResponse = await house.chat.Generate(
        chat_pb2.GenerateRequest(envelope=envelope, chat=chat), metadata=metadata
    )
    return found


def served_by(found: chat_pb2.GenerateResponse) -> int:
    return int(found.receipt.attempts[-1].channel_id)


async def test_a_conversation_stays_yields_and_stays_where_it_went(house: Home, silicon: Vendor) -> None:
    await house.options(channel_affinity_setting__rules=json.dumps(RULE), RetryTimes="3")
    ids = [await house.channel(silicon.url, f"stay-{number}") for number in range(4)]
    home_id = served_by(await ask(house, "talk"))
    assert {served_by(await ask(house, "talk")) for _ in range(6)} == {home_id}
    assert len({served_by(await ask(house, f"talk-{number}")) for number in range(24)}) > 1, "others go elsewhere"
    dead = f"stay-{ids.index(home_id)}"

    def down(asked: Asked) -> None:
        asked.whole(b"{}", status="503 Down")

    silicon.behaviours[dead] = down
    moved = await ask(house, "talk")
    assert len(moved.receipt.attempts) == 2, "it yields in the same request, though its rule says no retry"
    del silicon.behaviours[dead]
    assert {served_by(await ask(house, "talk")) for _ in range(6)} == {served_by(moved)}, "switch_on_success"


async def test_what_a_well_channel_refuses_is_not_retried_where_the_rule_says_so(house: Home, silicon: Vendor) -> None:
    await house.options(channel_affinity_setting__rules=json.dumps(RULE), RetryTimes="3")
    for number in range(3):
        await house.channel(silicon.url, f"well-{number}")
    home_id = served_by(await ask(house, "talk"))

    def refuse(asked: Asked) -> None:
        asked.whole(b'{"error":{"message":"no"}}', status="422 No")

    for number in range(3):
        silicon.behaviours[f"well-{number}"] = refuse
    before = sum(silicon.counts.values())
    with pytest.raises(Exception, match="no"):
        await ask(house, "talk")
    assert sum(silicon.counts.values()) - before == 1
    before = sum(silicon.counts.values())
    with pytest.raises(Exception, match="no"):
        await ask(house, "a new talk")
    assert sum(silicon.counts.values()) - before > 1, "with nothing remembered nothing is lost by a retry"
    assert home_id


async def test_conversations_stay_by_how_they_began(house: Home, silicon: Vendor) -> None:
    """spec/pains.md: channel and key stay with a conversation."""
    await house.options(isthmus__keep_conversations="true")
    info = json.dumps({"is_multi_key": True, "multi_key_size": 3})
    for number in range(3):
        keys = "\n".join(f"began-{number}-{place}" for place in range(3))
        await house.channel(silicon.url, keys, channel_info=info)
    places = set()
    for _ in range(8):
        attempt = (await ask(house, text="the first thing said")).receipt.attempts[-1]
        places.add((attempt.channel_id, attempt.key_index))
    assert len(places) == 1
    assert len({served_by(await ask(house, text=f"another {number}")) for number in range(30)}) == 3


async def test_headers_name_conversations(house: Home, silicon: Vendor) -> None:
    rule = [
        {"name": "h", "user_agent_include": ["Codex"], "key_sources": [{"type": "request_header", "key": "X-Session"}]}
    ]
    await house.options(channel_affinity_setting__rules=json.dumps(rule))
    for number in range(3):
        await house.channel(silicon.url, f"head-{number}")
    assert house.node.state.snapshot.options.affinity.headers == ("user-agent", "x-session")
    for number in range(12):
        await ask(house, headers=json.dumps({"user-agent": "codex/1", "x-session": f"s{number}"}))
    assert sum(house.node.relay.guide.affinity.counts(0).values()) == 12
    await ask(house, headers=json.dumps({"user-agent": "curl", "x-session": "s99"}))
    await ask(house, headers="not json")
    assert sum(house.node.relay.guide.affinity.counts(0).values()) == 12
    assert METADATA

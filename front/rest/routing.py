"""Channels at work, for administrators: rounds of tests."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import routing_pb2

from front.rest.manager import Call, Level, Raw, Route

CONFLICT = 409
CHANNEL_TEST = "channel_test"


def begun(found: routing_pb2.Round, started: bool) -> Any:
    """New API's reply to what begins a task; 409 where one is under way."""
    data = {"task_id": found.task_id, "status": found.status}
    if started:
        return data
    told = {"success": False, "message": "Such a round is under way.", "data": {**data, "type": found.type}}
    return Raw(told, CONFLICT)


async def test_all(c: Call) -> Any:
    """Begins a round over every channel that was not disabled by hand."""
    found = await c.m.routing.TestChannels(routing_pb2.TestChannelsRequest(), metadata=c.who)
    return begun(found.round, found.started)


async def abort_tests(c: Call) -> Any:
    """Ends the round of tests that is under way."""
    found = await c.m.routing.AbortRound(routing_pb2.AbortRoundRequest(type=CHANNEL_TEST), metadata=c.who)
    return {"task_id": found.round.task_id, "status": found.round.status}


async def affinity(c: Call) -> Any:
    """What is remembered of conversations. Root."""
    found = await c.m.routing.GetAffinity(routing_pb2.GetAffinityRequest(), metadata=c.who)
    return {
        "enabled": found.enabled,
        "total": found.total,
        "unknown": found.by_rule.get("conversation", 0),
        "by_rule_name": {name: count for name, count in sorted(found.by_rule.items()) if name != "conversation"},
        "cache_capacity": found.capacity,
        "cache_algo": "lru",
    }


async def clear_affinity(c: Call) -> Any:
    """Forgets conversations, all or a rule's. Root."""
    asked = routing_pb2.ClearAffinityRequest(all=c.flag("all"), rule_name=c.text("rule_name"))
    if asked.all == bool(asked.rule_name):
        return Raw({"success": False, "message": "Say all=true, or name a rule by rule_name."}, 400)
    return {"deleted": (await c.m.routing.ClearAffinity(asked, metadata=c.who)).deleted}


async def cache_use(c: Call) -> Any:
    """What vendors' caches held of a conversation's prompts."""
    asked = routing_pb2.GetCacheUseRequest(
        rule_name=c.text("rule_name"), fingerprint=c.text("key_fp"), group=c.text("using_group")
    )
    if not asked.rule_name or not asked.fingerprint:
        return Raw({"success": False, "message": "rule_name and key_fp are wanted."}, 400)
    found = await c.m.routing.GetCacheUse(asked, metadata=c.who)
    return {
        "rule_name": asked.rule_name,
        "using_group": asked.group,
        "key_fp": asked.fingerprint,
        "cached_token_rate_mode": "cached_over_prompt",
        "hit": found.hit,
        "total": found.total,
        "window_seconds": found.window_seconds,
        "prompt_tokens": found.prompt_tokens,
        "completion_tokens": found.completion_tokens,
        "total_tokens": found.prompt_tokens + found.completion_tokens,
        "cached_tokens": found.cached_tokens,
        "prompt_cache_hit_tokens": found.cached_tokens,
        "last_seen_at": found.last_seen_at,
    }


async def ops(c: Call) -> Any:
    """How often a request is tried again."""
    found = await c.m.routing.GetRetries(routing_pb2.GetRetriesRequest(), metadata=c.who)
    return {"retry_times": found.retry_times}


ROUTES = (
    Route("GET", "/api/channel/ops", Level.ADMIN, ops),
    Route("GET", "/api/channel/test", Level.ADMIN, test_all),
    Route("DELETE", "/api/channel/test", Level.ADMIN, abort_tests),
    Route("GET", "/api/option/channel_affinity_cache", Level.ROOT, affinity),
    Route("DELETE", "/api/option/channel_affinity_cache", Level.ROOT, clear_affinity),
    Route("GET", "/api/log/channel_affinity_usage_cache", Level.ADMIN, cache_use),
)

"""Affinity's memory: what is told of it, how it is cleared."""

from __future__ import annotations

import time

from isthmus.v1 import routing_pb2

from core.errors import InvalidRequest
from core.manage import fields
from core.routing.affinity import rule_number
from core.services.context import Services
from core.store import changes

NAME_MOST = 64


def told(services: Services) -> routing_pb2.GetAffinityResponse:
    """Conversations that this worker remembers."""
    policy = services.state.snapshot.options.affinity
    counts = services.guide.affinity.counts(time.monotonic())
    return routing_pb2.GetAffinityResponse(
        enabled=policy.enabled, total=sum(counts.values()), by_rule=counts, capacity=policy.most
    )


async def clear(services: Services, request: routing_pb2.ClearAffinityRequest) -> int:
    """Forgets them here at once, elsewhere with the next look at the feed. Raises InvalidRequest."""
    name = fields.text(request.rule_name, "rule_name", NAME_MOST)
    if bool(name) == request.all:
        raise InvalidRequest("Name a rule, or all.", param="rule_name")
    deleted = services.guide.affinity.clear(name)
    database = services.store.database
    await database.write(lambda: changes.note(database, changes.AFFINITY, rule_number(name)))
    return deleted


def cache_use(services: Services, request: routing_pb2.GetCacheUseRequest) -> routing_pb2.GetCacheUseResponse:
    """What caches held of a conversation. Raises InvalidRequest."""
    name = fields.text(request.rule_name, "rule_name", NAME_MOST)
    fingerprint = fields.text(request.fingerprint, "key_fp", NAME_MOST)
    if not name or not fingerprint:
        raise InvalidRequest("A rule and a fingerprint are wanted.", param="key_fp" if name else "rule_name")
    found = services.guide.affinity.use(name, fields.text(request.group, "using_group", NAME_MOST), fingerprint)
    return routing_pb2.GetCacheUseResponse(
        hit=found.hit,
        total=found.total,
        prompt_tokens=found.prompt_tokens,
        completion_tokens=found.completion_tokens,
        cached_tokens=found.cached_tokens,
        window_seconds=found.window_seconds,
        last_seen_at=found.last_seen_at,
    )

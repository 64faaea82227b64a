"""Usage as Converse tells it, made one: cache reads and writes lie outside inputTokens there, inside here."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import usage_pb2

from core.vendors.shared.counts import Reader


def normalise(raw: Any) -> usage_pb2.Usage | None:
    """A TokenUsage object; None where there is none."""
    if not isinstance(raw, dict) or not raw:
        return None
    read = Reader()
    cached = read.count(raw, "cacheReadInputTokens")
    written = read.count(raw, "cacheWriteInputTokens")
    split = {"5m": 0, "1h": 0}
    details = raw.get("cacheDetails")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("ttl") in split:
            split[detail["ttl"]] += read.count(detail, "inputTokens")
    other = max(0, written - sum(split.values()))
    usage = usage_pb2.Usage(
        input_tokens=read.count(raw, "inputTokens") + cached + sum(split.values()) + other,
        cached_tokens=cached,
        cache_write_5m_tokens=split["5m"],
        cache_write_1h_tokens=split["1h"],
        cache_write_other_tokens=other,
        output_tokens=read.count(raw, "outputTokens"),
        raw=orjson.dumps(raw),
        convention=usage_pb2.USAGE_CONVENTION_BEDROCK,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )
    usage.corrections.extend(read.corrections)
    return usage

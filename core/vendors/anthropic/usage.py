"""Usage as Anthropic tells it, made one: cache reads and writes lie outside input_tokens there, inside here."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import usage_pb2

from core.vendors.shared.counts import Reader


def merge(known: dict[str, Any], later: Any) -> dict[str, Any]:
    """The usage so far with what a later event tells: counts are cumulative, what is absent or null stays."""
    if not isinstance(later, dict):
        return known
    return {**known, **{name: value for name, value in later.items() if value is not None}}


def normalise(raw: dict[str, Any]) -> usage_pb2.Usage:
    """A usage object of the Messages API. Writes are split by their time to live where that is told."""
    read = Reader()
    cached = read.count(raw, "cache_read_input_tokens")
    written = read.count(raw, "cache_creation_input_tokens")
    split = raw.get("cache_creation")
    short, long = read.count(split, "ephemeral_5m_input_tokens"), read.count(split, "ephemeral_1h_input_tokens")
    output = read.count(raw, "output_tokens")
    details = raw.get("output_tokens_details")
    thinking = read.count(details, "thinking_tokens") or read.count(raw, "thinking_tokens")
    other = max(0, written - short - long)
    usage = usage_pb2.Usage(
        input_tokens=read.count(raw, "input_tokens") + cached + short + long + other,
        cached_tokens=cached,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        cache_write_other_tokens=other,
        output_tokens=output,
        reasoning_tokens=read.within("thinking", thinking, output, "output tokens"),
        raw=orjson.dumps(raw),
        convention=usage_pb2.USAGE_CONVENTION_ANTHROPIC,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )
    tools = raw.get("server_tool_use")
    for name in tools if isinstance(tools, dict) else ():
        calls = read.count(tools, name)
        if calls and name.endswith("_requests"):
            usage.tool_calls[name.removesuffix("_requests")] = calls
    usage.corrections.extend(read.corrections)
    return usage

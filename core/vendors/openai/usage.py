"""Usage as OpenAI-shaped vendors tell it, made one."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from isthmus.v1 import usage_pb2

from core.vendors.shared.counts import LIMIT, Reader

SEARCHES = (("num_sources_used", "search_source"), ("num_search_queries", "search_query"))
"""xAI's and Perplexity's counts: no calls of a web search tool, so under names that have no built-in price."""


def of_answer(answer: dict[str, Any]) -> usage_pb2.Usage | None:
    """The usage of an answer or a stream's chunk, wherever the vendor put it; None where there is none.

    Places: usage (OpenAI and nearly all), choices[].usage (Moonshot), x_groq.usage (Groq), meta.tokens and
    usage at the side; timings (llama.cpp's server) adds cache_n.
    """
    found = answer.get("usage")
    if not isinstance(found, dict) or not found:
        found = None
        for choice in answer.get("choices") or ():
            if isinstance(choice, dict) and isinstance(choice.get("usage"), dict) and choice["usage"]:
                found = choice["usage"]
    if found is None:
        groq = answer.get("x_groq")
        found = groq.get("usage") if isinstance(groq, dict) else None
    timings = answer.get("timings")
    if isinstance(found, dict) and found:
        return normalise(found, timings if isinstance(timings, dict) else None)
    return None


def normalise(raw: dict[str, Any], timings: dict[str, Any] | None = None) -> usage_pb2.Usage:
    """An OpenAI-shaped usage object: input counts cache reads and writes, output counts reasoning.

    DeepSeek: prompt_cache_hit_tokens. Moonshot and Zhipu: cached_tokens at the top or in
    prompt_tokens_details. xAI: reasoning tokens outside completion_tokens, total says so.
    OpenRouter: cost in USD. New API: usage_semantic, claude_cache_creation_*.
    Counts below zero or beyond reason become 0, parts beyond their whole are cut; both are
    named in corrections.
    """
    if timings is None and (plain := _plain(raw)) is not None:
        return plain
    read = Reader()
    given = read.count(raw, "prompt_tokens", "input_tokens")
    output = read.count(raw, "completion_tokens", "output_tokens")
    total = read.count(raw, "total_tokens")
    prompt = raw.get("prompt_tokens_details") or raw.get("input_tokens_details")
    answer = raw.get("completion_tokens_details") or raw.get("output_tokens_details")
    reasoning = read.count(answer, "reasoning_tokens") or read.count(raw, "reasoning_tokens")
    if reasoning and total and given + output + reasoning == total:
        output += reasoning
    cached = (
        read.count(prompt, "cached_tokens", "cache_read_tokens")
        or read.count(raw, "cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
        or read.count(timings, "cache_n")
    )
    if not given:
        given = read.count(raw, "prompt_cache_hit_tokens") + read.count(raw, "prompt_cache_miss_tokens")
    if not given and not output and total:
        given = total
    written = read.count(prompt, "cache_write_tokens", "cache_creation_tokens", "cached_creation_tokens")
    written = written or read.count(raw, "cache_creation_input_tokens")
    short = read.count(raw, "claude_cache_creation_5_m_tokens")
    hour = read.count(raw, "claude_cache_creation_1_h_tokens")
    written = max(written, short + hour)
    anthropic = raw.get("usage_semantic") == "anthropic"
    if anthropic or ((short or hour) and not raw.get("usage_semantic") and not raw.get("usage_source")):
        # A gateway passes Anthropic's counts on in OpenAI's shape: cache parts are outside of the prompt.
        given += cached + written
    cached = read.within("cached tokens", cached, given, "input tokens")
    written = read.within("cache writes", written, given - cached, "the rest of the input tokens")
    usage = usage_pb2.Usage(
        input_tokens=given,
        cached_tokens=cached,
        cache_write_5m_tokens=min(short, written),
        cache_write_1h_tokens=min(hour, max(0, written - short)),
        cache_write_other_tokens=max(0, written - short - hour),
        input_audio_tokens=read.within("audio", read.count(prompt, "audio_tokens"), given, "input tokens"),
        input_image_tokens=read.within("images", read.count(prompt, "image_tokens"), given, "input tokens"),
        input_video_tokens=read.within("video", read.count(prompt, "video_tokens"), given, "input tokens"),
        output_tokens=output,
        reasoning_tokens=read.within("reasoning", reasoning, output, "output tokens"),
        output_audio_tokens=read.within("audio", read.count(answer, "audio_tokens"), output, "output tokens"),
        output_image_tokens=read.within("images", read.count(answer, "image_tokens"), output, "output tokens"),
        accepted_prediction_tokens=read.count(answer, "accepted_prediction_tokens"),
        rejected_prediction_tokens=read.count(answer, "rejected_prediction_tokens"),
        raw=orjson.dumps(raw),
        convention=usage_pb2.USAGE_CONVENTION_ANTHROPIC if anthropic else usage_pb2.USAGE_CONVENTION_OPENAI,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
        vendor_cost=cost(raw),
    )
    for name, tool in SEARCHES:
        if searched := read.count(raw, name):
            usage.tool_calls[tool] = searched
    usage.corrections.extend(read.corrections)
    return usage


_COUNTS = frozenset(("prompt_tokens", "completion_tokens", "total_tokens"))
_PROMPT = frozenset(("cached_tokens", "audio_tokens"))
_ANSWER = frozenset(("reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"))
_PLAIN = _COUNTS | {"prompt_tokens_details", "completion_tokens_details"}
_NOTHING: dict[str, Any] = {}


def _plain(raw: dict[str, Any]) -> usage_pb2.Usage | None:
    """OpenAI's own object with plausible counts, which is what nearly every answer holds; None for any other."""
    prompt = raw.get("prompt_tokens_details") or _NOTHING
    answer = raw.get("completion_tokens_details") or _NOTHING
    if type(prompt) is not dict or type(answer) is not dict:
        return None
    if not (raw.keys() <= _PLAIN and prompt.keys() <= _PROMPT and answer.keys() <= _ANSWER):
        return None
    given, output = raw.get("prompt_tokens"), raw.get("completion_tokens", 0)
    cached, heard = prompt.get("cached_tokens") or 0, prompt.get("audio_tokens") or 0
    thought, said = answer.get("reasoning_tokens") or 0, answer.get("audio_tokens") or 0
    taken = answer.get("accepted_prediction_tokens") or 0
    refused = answer.get("rejected_prediction_tokens") or 0
    total = raw.get("total_tokens") or 0
    for count in (given, output, total, cached, heard, thought, said, taken, refused):
        if type(count) is not int or not 0 <= count <= LIMIT:
            return None
    # Reasoning outside of the output (xAI), and parts beyond their whole, are the long way's business.
    if not given or cached > given or heard > given or said > output or thought > output:
        return None
    if thought and total == given + output + thought:
        return None
    return usage_pb2.Usage(
        input_tokens=given,
        cached_tokens=cached,
        input_audio_tokens=heard,
        output_tokens=output,
        reasoning_tokens=thought,
        output_audio_tokens=said,
        accepted_prediction_tokens=taken,
        rejected_prediction_tokens=refused,
        raw=orjson.dumps(raw),
        convention=usage_pb2.USAGE_CONVENTION_OPENAI,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )


def cost(raw: dict[str, Any]) -> str:
    """What the vendor says it cost in USD (OpenRouter: cost), as a plain decimal."""
    told = raw.get("cost")
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return ""
    try:
        exact = Decimal(str(told))
    except InvalidOperation:
        return ""
    return f"{exact:f}" if exact.is_finite() and exact >= 0 else ""

"""usageMetadata, made one."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import usage_pb2

from core.vendors.shared.counts import Reader


def of_answer(answer: dict[str, Any]) -> usage_pb2.Usage | None:
    """The usage of an answer or a stream's chunk; None where it tells none."""
    found = answer.get("usageMetadata")
    if not isinstance(found, dict) or not found:
        return None
    usage = normalise(found)
    count = searches(answer)
    if count:
        usage.tool_calls["google_search"] = count
    return usage


def normalise(raw: dict[str, Any]) -> usage_pb2.Usage:
    """The prompt's count holds what was cached; prompts of tools and thoughts stand outside the sums and are added."""
    read = Reader()
    prompt = read.count(raw, "promptTokenCount")
    tools = read.count(raw, "toolUsePromptTokenCount")
    thoughts = read.count(raw, "thoughtsTokenCount")
    answer = read.count(raw, "candidatesTokenCount", "responseTokenCount")
    total = read.count(raw, "totalTokenCount")
    if "candidatesTokenCount" not in raw and "responseTokenCount" not in raw and total > prompt + tools + thoughts:
        answer = total - prompt - tools - thoughts
    given, output = prompt + tools, answer + thoughts
    parts_in = _modalities(raw.get("promptTokensDetails"), read)
    for name, count in _modalities(raw.get("toolUsePromptTokensDetails"), read).items():
        parts_in[name] = parts_in.get(name, 0) + count
    parts_out = _modalities(raw.get("candidatesTokensDetails") or raw.get("responseTokensDetails"), read)
    usage = usage_pb2.Usage(
        input_tokens=given,
        cached_tokens=read.within("cached tokens", read.count(raw, "cachedContentTokenCount"), given, "input tokens"),
        tool_use_prompt_tokens=tools,
        input_audio_tokens=read.within("audio", parts_in.get("AUDIO", 0), given, "input tokens"),
        input_image_tokens=read.within("images", parts_in.get("IMAGE", 0), given, "input tokens"),
        input_video_tokens=read.within("video", parts_in.get("VIDEO", 0), given, "input tokens"),
        output_tokens=output,
        reasoning_tokens=thoughts,
        output_audio_tokens=read.within("audio", parts_out.get("AUDIO", 0), output, "output tokens"),
        output_image_tokens=read.within("images", parts_out.get("IMAGE", 0), output, "output tokens"),
        raw=orjson.dumps(raw),
        convention=usage_pb2.USAGE_CONVENTION_GEMINI,
        source=usage_pb2.USAGE_SOURCE_VENDOR,
    )
    usage.corrections.extend(read.corrections)
    return usage


def _modalities(details: Any, read: Reader) -> dict[str, int]:
    """Tokens by modality."""
    found: dict[str, int] = {}
    for item in details if isinstance(details, list) else ():
        if isinstance(item, dict) and isinstance(item.get("modality"), str):
            found[item["modality"]] = found.get(item["modality"], 0) + read.count(item, "tokenCount")
    return found


def searches(answer: dict[str, Any]) -> int:
    """Searches the vendor ran for the answer."""
    count = 0
    candidates = answer.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else ():
        grounding = candidate.get("groundingMetadata") if isinstance(candidate, dict) else None
        queries = grounding.get("webSearchQueries") if isinstance(grounding, dict) else None
        count += len(queries) if isinstance(queries, list) else 0
    return count

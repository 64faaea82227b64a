"""Thinking, effort and sampling, within what the model takes."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2

from core.vendors.anthropic.decode import DIALECT
from core.vendors.anthropic.models import LIMITED_OFF, Facts, budget_of, effort_of, nearest

EFFORTS = {
    chat_pb2.EFFORT_MINIMAL: "minimal",
    chat_pb2.EFFORT_LOW: "low",
    chat_pb2.EFFORT_MEDIUM: "medium",
    chat_pb2.EFFORT_HIGH: "high",
    chat_pb2.EFFORT_XHIGH: "xhigh",
    chat_pb2.EFFORT_MAX: "max",
}
LEAST_BUDGET = 1024
"""The API takes no smaller one."""


def think(request: chat_pb2.ChatRequest, body: dict[str, Any], facts: Facts, dropped: list[str]) -> None:
    """Sets thinking and output_config.effort."""
    reasoning = request.reasoning
    extra = orjson.loads(reasoning.extensions.by_dialect.get(DIALECT, b"{}"))
    effort = EFFORTS.get(reasoning.effort, "")
    if "thinking" in extra:
        # The dialect's own word; null: it said nothing of thinking, and effort stands for itself.
        if extra["thinking"] is not None:
            body["thinking"] = extra["thinking"]
        _effort(effort, body, facts, dropped)
    elif _is_off(reasoning):
        _off(body, facts, dropped)
    elif effort or reasoning.mode or reasoning.HasField("budget_tokens"):
        _on(reasoning, effort, body, facts, dropped)
    if reasoning.summary and reasoning.summary != "none" and not facts.omits_thoughts:
        dropped.append("reasoning.summary")
    if reasoning.context:
        dropped.append("reasoning.context")


def _is_off(reasoning: chat_pb2.Reasoning) -> bool:
    off = reasoning.mode == chat_pb2.REASONING_MODE_OFF or reasoning.effort == chat_pb2.EFFORT_NONE
    return off or (reasoning.HasField("budget_tokens") and reasoning.budget_tokens == 0)


def _effort(effort: str, body: dict[str, Any], facts: Facts, dropped: list[str]) -> None:
    """The nearest effort the model has; another than asked for is named."""
    if not effort:
        return
    if not facts.efforts:
        dropped.append("reasoning.effort")
        return
    found = nearest(effort, facts.efforts)
    if found != effort:
        dropped.append("reasoning.effort")
    body.setdefault("output_config", {})["effort"] = found


def _off(body: dict[str, Any], facts: Facts, dropped: list[str]) -> None:
    if facts.off:
        body["thinking"] = {"type": facts.off}
        if facts.off != "disabled":
            dropped.append("reasoning.mode")
    elif facts.adaptive:
        # Such a model always thinks: as little as it can.
        dropped.append("reasoning.mode")
        _effort("low", body, facts, dropped)


def _on(reasoning: chat_pb2.Reasoning, effort: str, body: dict[str, Any], facts: Facts, dropped: list[str]) -> None:
    budget = reasoning.budget_tokens if reasoning.HasField("budget_tokens") and reasoning.budget_tokens > 0 else 0
    if not facts.budget and not facts.adaptive:
        dropped.append("reasoning")
        return
    if reasoning.mode == chat_pb2.REASONING_MODE_BETWEEN_TOOLS:
        if facts.off == "between_tools":
            body["thinking"] = {"type": "between_tools"}
        else:
            dropped.append("reasoning.mode")
        _effort(effort, body, facts, dropped)
        return
    if facts.budget and (budget or not facts.adaptive):
        wanted = max(LEAST_BUDGET, budget or budget_of(effort or "medium"))
        room = body["max_tokens"] - 1
        if room < LEAST_BUDGET:
            dropped.append("reasoning")
            return
        if budget and min(wanted, room) != budget:
            dropped.append("reasoning.budget_tokens")
        thinking: dict[str, Any] = {"type": "enabled", "budget_tokens": min(wanted, room)}
        if budget:
            _effort(effort, body, facts, dropped)
    else:
        thinking = {"type": "adaptive"}
        if budget:
            dropped.append("reasoning.budget_tokens")
        _effort(effort or (effort_of(budget) if budget else ""), body, facts, dropped)
    told = not reasoning.HasField("include_thoughts") or reasoning.include_thoughts
    if told and facts.omits_thoughts and reasoning.summary != "none":
        thinking["display"] = "summarized"
    elif not told:
        thinking["display"] = "omitted"
    body["thinking"] = thinking


def settle(body: dict[str, Any], model: str, facts: Facts, dropped: list[str]) -> None:
    """Takes back what cannot stand beside thinking, or beside each other."""
    thinking = body.get("thinking") or {}
    choice = body.get("tool_choice") or {}
    active = thinking.get("type") in ("enabled", "adaptive", "between_tools") or (not thinking and not facts.sampling)
    if choice.get("type") in ("any", "tool"):
        if not facts.forced_tools:
            dropped.append("tool_choice")
            body["tool_choice"] = {**choice, "type": "auto"}
            body["tool_choice"].pop("name", None)
        elif thinking.get("type") in ("enabled", "adaptive"):
            # A forced call leaves no room for thoughts.
            dropped.append("reasoning.mode")
            thinking = _without(body, facts)
    if thinking.get("type") == "enabled" and bare_call(body["messages"]):
        # Anthropic wants the thoughts that led to a call before it; there are none to show.
        dropped.append("reasoning.mode")
        _without(body, facts)
    effort = (body.get("output_config") or {}).get("effort")
    limited = model.rpartition("/")[2] in LIMITED_OFF
    if limited and (body.get("thinking") or {}).get("type") == "disabled" and effort in ("xhigh", "max"):
        body["output_config"]["effort"] = "high"
        dropped.append("reasoning.effort")
    _sampling(body, facts, active and (body.get("thinking") or {}).get("type") != "disabled", dropped)


def _without(body: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """Takes thinking out of the body; what stands there then."""
    body.pop("thinking", None)
    if facts.off == "disabled":
        body["thinking"] = {"type": "disabled"}
    return body.get("thinking") or {}


def bare_call(messages: list[dict[str, Any]]) -> bool:
    """Whether the last turn answers calls of a turn that shows no thoughts."""
    if len(messages) < 2 or messages[-1]["role"] != "user":
        return False
    before = messages[-2]["content"]
    if messages[-2]["role"] != "assistant" or not isinstance(before, list):
        return False
    kinds = [block.get("type") for block in before if isinstance(block, dict)]
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")


def _sampling(body: dict[str, Any], facts: Facts, thinking: bool, dropped: list[str]) -> None:
    named = []
    if not facts.sampling:
        named = [name for name in ("temperature", "top_p", "top_k") if name in body]
    else:
        if thinking:
            named = [name for name in ("temperature", "top_k") if name in body and body.get(name) != 1]
            if body.get("top_p", 1) < 0.95:
                named.append("top_p")
        if "temperature" in body and "temperature" not in named and "top_p" in body and not facts.both_sampling:
            named.append("top_p")
        if body.get("temperature", 0) > 1 and "temperature" not in named:
            body["temperature"] = 1
            dropped.append("sampling.temperature")
    for name in named:
        body.pop(name, None)
        dropped.append(f"sampling.{name}")

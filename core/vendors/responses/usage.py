"""Usage as the Responses form tells it, with the calls of tools that are billed apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.v1 import usage_pb2

from core.vendors.openai.usage import normalise
from core.vendors.shared.counts import Reader
from core.vendors.shared.values import text

COUNTED = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}
"""Items that vendors bill by the call -> their name in Usage.tool_calls."""

QUALITIES = frozenset({"low", "medium", "high"})


def of_response(response: dict[str, Any]) -> usage_pb2.Usage | None:
    """The usage of a response object; None where it tells none.

    input_tokens counts cached_tokens and cache_write_tokens, output_tokens counts
    reasoning_tokens. tool_usage.web_search tells billable searches; where it is not
    there, finished search items are counted. Pages opened and texts found in them are no searches.
    """
    raw = response.get("usage")
    if not isinstance(raw, dict) or not raw:
        return None
    usage = normalise(raw)
    output, tools = response.get("output"), response.get("tools")
    calls = count_calls(output if isinstance(output, list) else ())
    told = response.get("tool_usage")
    searches = told.get("web_search") if isinstance(told, dict) else None
    if isinstance(searches, dict):
        calls["web_search"] = Reader().count(searches, "num_requests")
    if any(_is_preview(tool) for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else False:
        calls["web_search_preview"] = calls.pop("web_search", 0)
    for name, count in calls.items():
        if count:
            usage.tool_calls[name] = count
    return usage


def _is_preview(tool: dict[str, Any]) -> bool:
    return text(tool.get("type")).startswith("web_search_preview")


def count_calls(items: Iterable[Any]) -> dict[str, int]:
    """Finished calls by name."""
    calls: dict[str, int] = {}
    for item in items:
        if not isinstance(item, dict) or item.get("status") != "completed":
            continue
        name = COUNTED.get(text(item.get("type")))
        action = item.get("action")
        if name == "web_search" and isinstance(action, dict) and action.get("type", "search") != "search":
            continue
        if name == "image_generation":
            name += picture(item)
        if name:
            calls[name] = calls.get(name, 0) + 1
    return calls


def picture(item: dict[str, Any]) -> str:
    """What a picture's price goes by: _low, _medium or _high (also where it is not told), and _long beside squares."""
    quality, size = text(item.get("quality")), text(item.get("size"))
    width, _, height = size.partition("x")
    return f"_{quality if quality in QUALITIES else 'high'}{'_long' if width != height and height else ''}"

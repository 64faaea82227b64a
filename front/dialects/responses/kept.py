"""Turns of the Responses dialect that the gateway keeps: put before a new input, listed, told. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import orjson

from front.errors import bad

PAGE = 20
PAGE_MOST = 100
_PREFIXES = {
    "message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs",
    "custom_tool_call": "ctc", "custom_tool_call_output": "ctco",
}  # fmt: skip


class Turn(Protocol):
    """A kept turn, as core tells it."""

    id: str
    input_json: bytes
    response_json: bytes


def continued(source: dict[str, Any], turns: Iterable[Turn]) -> None:
    """Puts a conversation before the input that follows it, as if its client had sent the whole of it."""
    items = [_bare(item) for turn in turns for item in (*_given(turn), *_said(turn))]
    given = source.get("input")
    if given is not None and not isinstance(given, str | list):
        raise bad("input must be a string or an array of items.", "input")
    source["input"] = [*items, *_items(given)]
    source.pop("previous_response_id", None)


def input_items(turns: list[Any], query: Mapping[str, str]) -> bytes:
    """The page of a list that a query asks for: what the last turn's answer was made from. Raises FrontError 400."""
    items: list[Any] = []
    for turn in turns:
        items += [_named(item, turn.id, place) for place, item in enumerate(_given(turn))]
        if turn is not turns[-1]:
            items += _said(turn)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad("order must be asc or desc.", "order")
    if order == "desc":
        items.reverse()
    limit = query.get("limit", str(PAGE))
    if not (limit.isdecimal() and 1 <= int(limit[:6]) <= PAGE_MOST):
        raise bad(f"limit must be a number from 1 to {PAGE_MOST}.", "limit")
    places = {item.get("id"): place for place, item in enumerate(items) if isinstance(item, dict)}
    for name in ("after", "before"):
        if name in query and query[name] not in places:
            raise bad(f"{name} names no item of this list.", name)
    first = places[query["after"]] + 1 if "after" in query else 0
    last = places[query["before"]] if "before" in query else len(items)
    page = items[first:last][: int(limit)]
    return orjson.dumps(
        {
            "object": "list",
            "data": page,
            "first_id": page[0].get("id") if page else None,
            "last_id": page[-1].get("id") if page else None,
            "has_more": first + len(page) < last,
        }
    )


def deleted(response_id: str) -> bytes:
    """What is told of an answer that is forgotten."""
    return orjson.dumps({"id": response_id, "object": "response", "deleted": True})


def _items(given: Any) -> list[Any]:
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return list(given) if isinstance(given, list) else []


def _given(turn: Turn) -> list[Any]:
    return _items(orjson.loads(turn.input_json)) if turn.input_json else []


def _said(turn: Turn) -> list[Any]:
    answer = orjson.loads(turn.response_json)
    output = answer.get("output") if isinstance(answer, dict) else None
    return output if isinstance(output, list) else []


_MADE_HERE = frozenset({"message", "function_call", "custom_tool_call"})


def _bare(item: Any) -> Any:
    """An item without the id we made for it: no vendor knows that."""
    if not isinstance(item, dict) or item.get("type", "message") not in _MADE_HERE:
        return item
    return {name: value for name, value in item.items() if name != "id"}


def _named(item: Any, response_id: str, place: int) -> Any:
    """An item with its type, and an id that stays the same."""
    if not isinstance(item, dict):
        return item
    kind = item.get("type") or "message"
    made = {"type": kind, **item}
    if not isinstance(made.get("id"), str) or not made["id"]:
        tail = hashlib.sha256(f"{response_id} {place}".encode()).hexdigest()[:32]
        made["id"] = f"{_PREFIXES.get(kind, 'item')}_{tail}"
    if kind == "message" and isinstance(made.get("content"), str):
        kind = "output_text" if made.get("role") == "assistant" else "input_text"
        made["content"] = [{"type": kind, "text": made["content"]}]
    return made

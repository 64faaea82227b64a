"""Who of a provider's people may come in: conditions on the provider's answer, joined by and, or. Pure."""

from __future__ import annotations

import json
import math
from typing import Any

from core.identity.paths import MISSING, pieces, value_at

OPERATORS = (
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "contains", "not_contains", "exists", "not_exists",
)  # fmt: skip
DEEP_MOST = 5
CONDITIONS_MOST = 100
TEXT_MOST = 16_384


def parse(text: str) -> dict[str, Any] | None:
    """A policy; None where there is none. Raises ValueError, which says what is wrong."""
    if not text.strip():
        return None
    if len(text) > TEXT_MOST:
        raise ValueError(f"it has more than {TEXT_MOST} characters")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if _count(found, 1) > CONDITIONS_MOST:
        raise ValueError(f"it has more than {CONDITIONS_MOST} conditions")
    return dict(found)


def _count(policy: Any, deep: int) -> int:
    """How many conditions a policy has, where it is one. Raises ValueError."""
    if deep > DEEP_MOST:
        raise ValueError(f"groups are nested more than {DEEP_MOST} deep")
    if not isinstance(policy, dict) or policy.get("logic", "and") not in ("and", "or", ""):
        raise ValueError("a group is {logic: and|or, conditions: [...], groups: [...]}")
    conditions, groups = policy.get("conditions") or [], policy.get("groups") or []
    if not isinstance(conditions, list) or not isinstance(groups, list) or not (conditions or groups):
        raise ValueError("a group has a list of conditions, or of groups")
    for condition in conditions:
        if not isinstance(condition, dict) or not isinstance(condition.get("field"), str):
            raise ValueError("a condition is {field, op, value}")
        pieces(condition["field"])
        if condition.get("op") not in OPERATORS:
            raise ValueError(f"op must be one of {', '.join(OPERATORS)}")
        if condition["op"] in ("in", "not_in") and not isinstance(condition.get("value"), list):
            raise ValueError(f"the value of {condition['op']} is a list")
    return len(conditions) + sum(_count(group, deep + 1) for group in groups)


def allows(policy: dict[str, Any], document: Any) -> bool:
    """Whether somebody of whom the provider says this may come in. The policy was parsed."""
    told = [_holds(condition, document) for condition in policy.get("conditions") or []]
    told += [allows(group, document) for group in policy.get("groups") or []]
    return any(told) if policy.get("logic") == "or" else all(told)


def _holds(condition: dict[str, Any], document: Any) -> bool:
    """What is missing equals nothing, and is neither more nor less than anything."""
    operator, wanted = condition["op"], condition.get("value")
    found = value_at(document, condition["field"])
    if operator == "exists":
        return found is not MISSING
    if operator == "not_exists":
        return found is MISSING
    if operator in ("ne", "not_in", "not_contains"):
        opposite = {"ne": "eq", "not_in": "in", "not_contains": "contains"}[operator]
        return not _holds({**condition, "op": opposite}, document)
    if found is MISSING or found is None:
        return operator == "eq" and found is None and wanted is None
    if operator == "eq":
        return _same(found, wanted)
    if operator == "in":
        return any(_same(found, each) for each in wanted or ())
    if operator == "contains":
        if isinstance(found, list):
            return any(_same(each, wanted) for each in found)
        return isinstance(found, str) and isinstance(wanted, str) and wanted in found
    left, right = _number(found), _number(wanted)
    if left is None or right is None:
        return False
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[operator]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON; a number equals the text that says it, and so do true and false."""
    if isinstance(left, bool) or isinstance(right, bool):
        return str(left).lower() == str(right).lower()
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return bool(left == right)
    first, second = _number(left), _number(right)
    if first is not None and second is not None and not (isinstance(left, str) and isinstance(right, str)):
        return first == second
    return str(left) == str(right)

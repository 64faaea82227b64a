"""A channel's parameter override: flat members, or a list of operations on the parsed body."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from core.errors import ChannelError, InvalidRequest

MISSING = object()


def apply(body: Any, override: Mapping[str, Any]) -> Any:
    """The body after the override; body is changed in place. Raises ChannelError, InvalidRequest."""
    operations = override.get("operations")
    if not isinstance(operations, list):
        body.update(override)
        return body
    for operation in operations:
        if not isinstance(operation, dict):
            raise ChannelError("The channel's parameter override holds an operation that is no object.")
        if _conditions(body, operation):
            _run(body, operation)
    return body


def _steps(path: str) -> list[str]:
    return [step for step in path.split(".") if step]


def _get(body: Any, path: str) -> Any:
    """The value at a path such as messages.0.content; -1 is the last element."""
    for step in _steps(path):
        if isinstance(body, dict) and step in body:
            body = body[step]
        elif isinstance(body, list) and (at := _index(body, step)) is not None:
            body = body[at]
        else:
            return MISSING
    return body


def _index(items: list[Any], step: str) -> int | None:
    if not re.fullmatch(r"-?\d{1,9}", step):
        return None
    number = int(step)
    return number if -len(items) <= number < len(items) else None


def _parent(body: Any, path: str, make: bool) -> tuple[Any, str]:
    steps = _steps(path)
    if not steps:
        raise ChannelError("The channel's parameter override names an empty path.")
    for step in steps[:-1]:
        if isinstance(body, dict):
            if make and step not in body:
                body[step] = {}
            body = body.get(step)
        elif isinstance(body, list) and (at := _index(body, step)) is not None:
            body = body[at]
        else:
            return None, steps[-1]
    return body, steps[-1]


def _set(body: Any, path: str, value: Any) -> None:
    parent, step = _parent(body, path, True)
    if isinstance(parent, dict):
        parent[step] = value
    elif isinstance(parent, list) and (at := _index(parent, step)) is not None:
        parent[at] = value


def _delete(body: Any, path: str) -> None:
    parent, step = _parent(body, path, False)
    if isinstance(parent, dict):
        parent.pop(step, None)
    elif isinstance(parent, list) and (at := _index(parent, step)) is not None:
        del parent[at]


def _ordered(left: Any, right: Any, test: Callable[[Any, Any], bool]) -> bool:
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return numbers and test(left, right)


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "full": lambda a, b: bool(a == b),
    "prefix": lambda a, b: isinstance(a, str) and a.startswith(str(b)),
    "suffix": lambda a, b: isinstance(a, str) and a.endswith(str(b)),
    "contains": lambda a, b: (isinstance(a, str) and str(b) in a) or (isinstance(a, list) and b in a),
    "gt": lambda a, b: _ordered(a, b, lambda x, y: x > y),
    "gte": lambda a, b: _ordered(a, b, lambda x, y: x >= y),
    "lt": lambda a, b: _ordered(a, b, lambda x, y: x < y),
    "lte": lambda a, b: _ordered(a, b, lambda x, y: x <= y),
}


def _conditions(body: Any, operation: dict[str, Any]) -> bool:
    conditions = operation.get("conditions") or []
    if isinstance(conditions, dict):
        conditions = [{"path": path, "mode": "full", "value": value} for path, value in conditions.items()]
    results = [_condition(body, condition) for condition in conditions]
    if not results:
        return True
    return all(results) if str(operation.get("logic", "OR")).upper() == "AND" else any(results)


def _condition(body: Any, condition: dict[str, Any]) -> bool:
    test = _TESTS.get(str(condition.get("mode", "full")))
    if test is None:
        raise ChannelError(f"The channel's parameter override has an unknown condition: {condition.get('mode')}")
    found = _get(body, str(condition.get("path", "")))
    if found is MISSING:
        return bool(condition.get("pass_missing_key"))
    return test(found, condition.get("value")) != bool(condition.get("invert"))


def _extend(old: Any, new: Any, front: bool) -> Any:
    """Prepend and append: texts are joined, lists grow, objects are merged."""
    if isinstance(old, str):
        return str(new) + old if front else old + str(new)
    if isinstance(old, list):
        more = new if isinstance(new, list) else [new]
        return more + old if front else old + more
    if isinstance(old, dict) and isinstance(new, dict):
        return {**new, **old} if front else {**old, **new}
    return new


_TEXT: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "trim_prefix": lambda text, op: text.removeprefix(str(op.get("value", ""))),
    "trim_suffix": lambda text, op: text.removesuffix(str(op.get("value", ""))),
    "ensure_prefix": lambda text, op: (
        text if text.startswith(str(op.get("value", ""))) else str(op.get("value", "")) + text
    ),
    "ensure_suffix": lambda text, op: (
        text if text.endswith(str(op.get("value", ""))) else text + str(op.get("value", ""))
    ),
    "trim_space": lambda text, op: text.strip(),
    "to_lower": lambda text, op: text.lower(),
    "to_upper": lambda text, op: text.upper(),
    "replace": lambda text, op: text.replace(str(op.get("from", "")), str(op.get("to", ""))),
    "regex_replace": lambda text, op: re.sub(str(op.get("from", "")), str(op.get("to", "")), text),
}


def _run(body: Any, operation: dict[str, Any]) -> None:
    mode = str(operation.get("mode", ""))
    path = str(operation.get("path", ""))
    if mode == "delete":
        _delete(body, path)
    elif mode in ("move", "copy"):
        value = _get(body, str(operation.get("from", "")))
        if value is not MISSING:
            if mode == "move":
                _delete(body, str(operation.get("from", "")))
            _set(body, str(operation.get("to", "")), value)
    elif mode in ("set", "prepend", "append"):
        old = _get(body, path)
        if operation.get("keep_origin") and old is not MISSING:
            return
        value = operation.get("value")
        _set(body, path, value if mode == "set" or old is MISSING else _extend(old, value, mode == "prepend"))
    elif mode in _TEXT:
        old = _get(body, path)
        if isinstance(old, str):
            try:
                _set(body, path, _TEXT[mode](old, operation))
            except re.error:
                raise ChannelError("The channel's parameter override holds a bad pattern.") from None
    elif mode == "return_error":
        raise InvalidRequest(str(operation.get("value") or "The channel refuses this request."))
    else:
        raise ChannelError(f"The channel's parameter override has an operation that is not known: {mode}")

"""Arguments of a call told in pieces: partialArgs, each a JSON path and a value; strings may go on."""

from __future__ import annotations

import re
from typing import Any

import orjson

from core.vendors.interface import BadAnswer

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,5})\]|\[['\"]([^'\"\]]*)['\"]\]")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")


class PartialArguments:
    """Puts pieces together."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {}
        self._going_on: set[str] = set()

    def take(self, called: dict[str, Any]) -> None:
        """A functionCall's pieces. Raises BadAnswer where a path is none."""
        if isinstance(called.get("args"), dict):
            self._whole.update(called["args"])
        pieces = called.get("partialArgs")
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                self._put(piece)

    def text(self) -> str:
        """The arguments so far, as JSON."""
        return orjson.dumps(self._whole).decode()

    def _put(self, piece: dict[str, Any]) -> None:
        path = str(piece.get("jsonPath") or "")
        name = next((name for name in _VALUES if name in piece), None)
        if name is None:
            return
        value = None if name == "nullValue" else piece[name]
        holder, step = self._holder(path)
        if path in self._going_on and isinstance(value, str):
            value = str(holder[step]) + value
        holder[step] = value
        if piece.get("willContinue"):
            self._going_on.add(path)
        else:
            self._going_on.discard(path)

    def _holder(self, path: str) -> tuple[Any, Any]:
        """The object or array that holds a path's value, made where it is not there, and the last step."""
        steps: list[Any] = []
        at = 1 if path.startswith("$") else 0
        while at < len(path):
            found = _STEP.match(path, at)
            if found is None:
                raise BadAnswer("a path of partial arguments cannot be read")
            steps.append(int(found[2]) if found[2] is not None else found[1] or found[3] or "")
            at = found.end()
        if not steps:
            raise BadAnswer("a path of partial arguments is empty")
        holder: Any = self._whole
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            fits = isinstance(holder, list if isinstance(step, int) else dict)
            if not fits:
                raise BadAnswer("a path of partial arguments does not fit the others")
            if isinstance(step, int):
                holder.extend([None] * (step + 1 - len(holder)))
            if following is None:
                break
            inner: Any = holder[step] if isinstance(step, int) else holder.get(step)
            if inner is None:
                inner = [] if isinstance(following, int) else {}
                holder[step] = inner
            holder = inner
        return holder, steps[-1]

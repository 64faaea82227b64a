"""Answers relayed in the Responses form itself: bytes in, bytes out, usage read on the way."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import usage_pb2

from core.errors import InvalidRequest
from core.vendors.interface import BadAnswer, Call
from core.vendors.responses import decode
from core.vendors.responses import usage as usages
from core.vendors.responses.faults import fault_of
from core.vendors.responses.stream import OPENERS
from core.vendors.shared import scan
from core.vendors.shared.relay import BlockRelay, data, unescaped

_DELTA = re.compile(rb'"delta"[ ]?:[ ]?"((?:[^"\\]++|\\.)*+)"')
_BLANK = re.compile(rb"\n\r?\n")
_READ = ("usage", "tool_usage", "tools", "output")
"""Members of the last response object that usage is read from."""
HELD_LIMIT = 256 << 10
"""Bytes of opening events that wait for what follows them."""
_WAITS = OPENERS - {"response.queued"}
_ENDS = frozenset({"response.completed", "response.incomplete", "response.cancelled"})


class ResponsesRelay(BlockRelay):
    """Implements NativeRelay. Only events that hold a response object or an error are looked into.

    The opening events wait until something follows them: a vendor that opens a response
    and fails at once has answered nothing, and another channel may be asked.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._asked = orjson.dumps(call.asked)
        self._rename = call.asked != call.sent
        self._held = bytearray()
        self._open = False
        self._last: bytes | None = None

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's, read when asked for; None while it told none."""
        if self._last is not None:
            self._usage = _usage(self._last) or self._usage
            self._last = None
        return self._usage

    @usage.setter
    def usage(self, usage: usage_pb2.Usage | None) -> None:
        self._last, self._usage = None, usage

    def _tail(self) -> bytes | None:
        return None

    def _block(self, block: bytes) -> bytes:
        if b'"response"' in block or b'"error"' in block:
            block = self._each(block)
        if not block:
            return b""
        self._count(block)
        if self._held:
            block = bytes(self._held) + block
            self._held.clear()
        self._open = True
        return block

    def _count(self, block: bytes) -> None:
        """Adds what the block's deltas say; sound and pictures are no text."""
        if b'"response.audio.delta"' in block:
            events = _BLANK.split(block)
            block = b"\n".join(event for event in events if b'"response.audio.delta"' not in event)
        if text := b"".join(_DELTA.findall(block)):
            self.delivered.add(unescaped(text))

    def _each(self, block: bytes) -> bytes:
        """Event by event; nothing follows the one that ends the response."""
        out: list[bytes] = []
        at = 0
        for blank in _BLANK.finditer(block):
            event = block[at : blank.end()]
            at = blank.end()
            if b'"response"' in event or b'"error"' in event:
                event = self._look(event, bool(out))
            if event:
                out.append(event)
            if self._over():
                break
        else:
            out.append(block[at:])
        return b"".join(out)

    def _look(self, event: bytes, opened: bool) -> bytes:
        """The event as it is passed on; b"" where it waits."""
        raw = data(event)
        try:
            members = {member.name: member for member in scan.members(raw)}
            kind = _loads(raw, members.get("type"))
            if kind == "error" or kind == "response.failed" or (kind is None and "error" in members):
                return self._failed(event, raw, members)
            response = members.get("response")
            if response is None or not isinstance(kind, str):
                return event
            changed = raw[response.value : response.end]
            if kind in _ENDS:
                self.finished = True
                self._last = changed
            if self._rename and kind in (*_ENDS, *OPENERS):
                changed = _renamed(changed, self._asked)
                event = _with(event, raw, raw[: response.value] + changed + raw[response.end :])
        except (InvalidRequest, orjson.JSONDecodeError):
            return event
        if kind in _WAITS and not self._open and not opened and len(self._held) + len(event) <= HELD_LIMIT:
            self._held += event
            return b""
        return event

    def _failed(self, event: bytes, raw: bytes, members: dict[str, scan.Member]) -> bytes:
        """Notes the fault; the event with its message masked."""
        parsed = orjson.loads(raw)
        self.fault = fault = fault_of(parsed, self._call.secret)
        response = members.get("response")
        if response is None:
            told = {key: value for key, value in parsed.items() if key not in ("message", "code", "param", "error")}
            told = {"type": "error", **told, "code": fault.vendor_code or None, "message": fault.message}
            lead = raw[: scan.space_end(raw, 0)]
            return _with(event, raw, lead + orjson.dumps({**told, "param": fault.param or None}))
        body = raw[response.value : response.end]
        self._last = body
        error = {**(parsed["response"].get("error") or {}), "message": fault.message}
        sets = {"error": orjson.dumps(error)}
        if self._rename:
            sets["model"] = self._asked
        body = scan.change(body, sets, set(), {})
        return _with(event, raw, raw[: response.value] + body + raw[response.end :])


def _loads(raw: bytes, member: scan.Member | None) -> Any:
    return None if member is None else orjson.loads(raw[member.value : member.end])


def _with(event: bytes, raw: bytes, changed: bytes) -> bytes:
    """The event with other data; its other lines are kept."""
    if event.count(raw) == 1:
        return event.replace(raw, changed)
    lines = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    return b"\n".join([*lines, b"data: " + b"\ndata: ".join(changed.split(b"\n"))]) + b"\n\n"


def _renamed(response: bytes, asked: bytes) -> bytes:
    """The response object with the model's name as asked for."""
    if b'"model"' not in response:
        return response
    return scan.change(response, {"model": asked}, set(), {})


def _usage(response: bytes) -> usage_pb2.Usage | None:
    """The usage of a response object in bytes; of its output only where a counted tool may be in it."""
    try:
        members = {member.name: member for member in scan.members(response)}
        counted = any(word.encode() in response for word in usages.COUNTED)
        read = {name: _loads(response, members.get(name)) for name in (_READ if counted else _READ[:2])}
    except (InvalidRequest, orjson.JSONDecodeError):
        return None
    return usages.of_response(read)


def relay_whole(body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
    """A whole answer with the model's name as asked for, and usage. Raises BadAnswer, also where it failed."""
    answer = decode.parse(body)
    if said := decode.failure(answer, call.secret):
        raise BadAnswer(said)
    usage = usages.of_response(answer)
    if call.asked == call.sent:
        return body, usage
    try:
        return _renamed(body, orjson.dumps(call.asked)), usage
    except InvalidRequest:
        raise BadAnswer("it is not a JSON object") from None

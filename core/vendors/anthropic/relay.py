"""A stream of the Messages form relayed in its own form: bytes in, bytes out, usage read on the way."""

from __future__ import annotations

import re
from typing import Any

import orjson
from isthmus.v1 import usage_pb2

from core.errors import InvalidRequest
from core.vendors.anthropic import usage as usages
from core.vendors.interface import Call
from core.vendors.shared import refusal, scan
from core.vendors.shared.relay import BLANK, BlockRelay, data, json, unescaped

_STRING = rb'"((?:[^"\\]++|\\.)*+)"'
_TEXT = re.compile(rb'"(?:text|thinking|partial_json)"[ ]?:[ ]?' + _STRING)
_TYPE = rb'"type"[ \t]*:[ \t]*'
_SPECIAL = re.compile(_TYPE + rb'"(message_start|message_delta|message_stop|error)"')
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class AnthropicRelay(BlockRelay):
    """Implements NativeRelay. Only message_start, message_delta, message_stop and error are looked into.

    Their types cannot be met inside a JSON string, where the quotes would be escaped.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._usage_events: list[bytes] = []
        self._told: dict[str, Any] = {}
        self._stopped = False

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's so far, read when asked for; None while it told none."""
        if self._usage_events:
            for event in self._usage_events:
                parsed = json(event) or {}
                message = parsed.get("message")
                holder = message if isinstance(message, dict) else parsed
                self._told = usages.merge(self._told, holder.get("usage"))
            self._usage_events = []
            self._usage = usages.normalise(self._told) if self._told else None
        return self._usage

    @usage.setter
    def usage(self, usage: usage_pb2.Usage | None) -> None:
        self._usage_events, self._usage = [], usage

    def _tail(self) -> bytes | None:
        return STOP if self._stopped else None

    def _block(self, block: bytes) -> bytes:
        if _SPECIAL.search(block):
            block = self._each(block)
        found = _TEXT.findall(block)
        if found:
            self.delivered.add(unescaped(b"".join(found)))
        return block

    def _each(self, block: bytes) -> bytes:
        """Event by event, where one of them means more than content."""
        out: list[bytes] = []
        at = 0
        for blank in BLANK.finditer(block):
            event = block[at : blank.end()]
            at = blank.end()
            found = _SPECIAL.search(event)
            kind = found[1] if found else b""
            if kind == b"error" and self._is_fault(event):
                return b"".join(out)
            if kind == b"message_start":
                self._usage_events.append(data(event))
                event = self._renamed(event)
            elif kind == b"message_delta":
                self._usage_events.append(data(event))
                self._stopped = True
            out.append(event)
            if kind == b"message_stop":
                self.finished = True
                return b"".join(out)
        return b"".join(out) + block[at:]

    def _is_fault(self, event: bytes) -> bool:
        parsed = json(data(event))
        if parsed is None or parsed.get("type") != "error":
            return False
        self.fault = refusal.fault(parsed.get("error") or parsed, self._call.secret)
        return True

    def _renamed(self, event: bytes) -> bytes:
        """message_start with the model's name as the client asked for it."""
        at = event.find(b"{")
        if self._call.asked == self._call.sent or at < 0:
            return event
        try:
            message = next(member for member in scan.members(event, at) if member.name == "message")
            end = scan.value_end(event, message.value)
            inner = scan.change(event[message.value : end], {"model": orjson.dumps(self._call.asked)}, set(), {})
        except (InvalidRequest, StopIteration):
            return event
        return event[: message.value] + inner + event[end:]

"""A stream of lines relayed in its own form."""

from __future__ import annotations

import re

import orjson
from isthmus.v1 import common_pb2, usage_pb2

from core.errors import InvalidRequest
from core.pricing.count import Delivered
from core.vendors.interface import BadAnswer, Call, DeliveredText
from core.vendors.ollama import decode
from core.vendors.shared import refusal, scan
from core.vendors.shared.relay import unescaped
from core.vendors.shared.values import text

_SAID = re.compile(rb'"(?:content|thinking|response)"[ ]?:[ ]?"((?:[^"\\]++|\\.)*+)"')
_DONE = re.compile(rb'"done"[ ]?:[ ]?true')
"""The quotes of such words would be escaped inside a string."""


class OllamaRelay:
    """Implements NativeRelay: out are whole lines."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._rest = bytearray()
        self.usage: usage_pb2.Usage | None = None
        self.finished = False
        self.fault: common_pb2.Fault | None = None
        self.delivered: DeliveredText = Delivered(call.sent)

    def feed(self, chunk: bytes) -> bytes:
        """Whole lines that may be passed on now. Raises BadAnswer where one is too long, or no JSON."""
        if self.finished or self.fault is not None:
            return b""
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            self._rest += chunk
            if len(self._rest) > self._call.house.event_limit:
                raise BadAnswer("a line of the stream is too long")
            return b""
        block = bytes(self._rest) + chunk[:cut]
        self._rest = bytearray(chunk[cut:])
        return self._block(block)

    def end(self) -> bytes:
        """What is left. Raises BadAnswer where the stream was cut."""
        left, self._rest = bytes(self._rest), bytearray()
        out = b"" if self.finished or self.fault is not None or not left.strip() else self._block(left + b"\n")
        if not self.finished and self.fault is None:
            raise BadAnswer("the stream was cut")
        return out

    def _block(self, block: bytes) -> bytes:
        out = []
        for line in block.splitlines(keepends=True):
            if not line.strip():
                continue
            if not line.rstrip().endswith(b"}") or b'"error"' in line or _DONE.search(line):
                told = decode.parse(line, "a line of the stream")
                if told.get("error"):
                    self.fault = refusal.fault({"message": text(told["error"])}, self._call.secret)
                    break
                if told.get("done") is True:
                    self.finished, self.usage = True, decode.usage(told)
            if said := b"".join(_SAID.findall(line)):
                self.delivered.add(unescaped(said))
            out.append(self._renamed(line) if self._call.asked != self._call.sent else line)
            if self.finished:
                break
        return b"".join(out)

    def _renamed(self, line: bytes) -> bytes:
        """The line with the model's name as the client asked for it."""
        return renamed(line, self._call)


def renamed(body: bytes, call: Call) -> bytes:
    """An answer or line with the model's name as the client asked for it. Raises BadAnswer."""
    if call.asked == call.sent or b'"model"' not in body:
        return body
    try:
        return scan.change(body, {"model": orjson.dumps(call.asked)}, set(), {})
    except InvalidRequest:
        raise BadAnswer("it is not a JSON object") from None

"""A Converse stream relayed in its own form: an AWS event stream in, the same out, usage read on the way."""

from __future__ import annotations

from isthmus.v1 import common_pb2, usage_pb2

from core.pricing.count import Delivered
from core.vendors.bedrock import refusal
from core.vendors.bedrock import usage as usages
from core.vendors.bedrock.frames import Frame, Frames
from core.vendors.interface import BadAnswer, Call, DeliveredText
from core.vendors.shared.values import text


class ConverseRelay:
    """Implements NativeRelay; what it passes on are whole messages of the event stream."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._frames = Frames()
        self._held = bytearray()
        self._stopped = False
        self.usage: usage_pb2.Usage | None = None
        self.finished = False
        self.fault: common_pb2.Fault | None = None
        self.delivered: DeliveredText = Delivered(call.sent)

    def feed(self, chunk: bytes) -> bytes:
        """Whole messages that may be passed on now. Raises BadAnswer."""
        self._held += chunk
        passed = 0
        for frame in self._frames.feed(chunk):
            if self.finished or self.fault is not None:
                break
            if frame.failed:
                said = text(frame.payload.get("message")) or frame.kind
                self.fault = refusal.fault(frame.kind, said, self._call)
                break
            passed += frame.size
            self._look(frame)
        out = bytes(self._held[:passed])
        del self._held[:passed]
        return out

    def end(self) -> bytes:
        """Nothing is left. Raises BadAnswer where the stream was cut."""
        if not self.finished and self.fault is None:
            self._frames.end()
            if not self._stopped:
                raise BadAnswer("the stream was cut")
            self.finished = True
        return b""

    def _look(self, frame: Frame) -> None:
        if frame.kind == "contentBlockDelta":
            delta = frame.payload.get("delta")
            for value in delta.values() if isinstance(delta, dict) else ():
                inner = value.get("text") or value.get("input") if isinstance(value, dict) else value
                self.delivered.add(text(inner))
        elif frame.kind == "messageStop":
            self._stopped = True
        elif frame.kind == "metadata":
            self.usage = usages.normalise(frame.payload.get("usage")) or self.usage
            self.finished = self._stopped

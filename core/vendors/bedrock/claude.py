"""Claude on Bedrock: Anthropic's Messages form by InvokeModel, its streams as AWS event streams."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace

import orjson
from isthmus.v1 import chat_pb2, common_pb2

from core.vendors.anthropic.clouds import invoked
from core.vendors.anthropic.encode import encode
from core.vendors.anthropic.messages import AnthropicMessages
from core.vendors.anthropic.relay import AnthropicRelay
from core.vendors.anthropic.stream import AnthropicDecoder
from core.vendors.bedrock import refusal
from core.vendors.bedrock.address import counted_id, headers, id_of, url
from core.vendors.bedrock.frames import Frame, Frames
from core.vendors.interface import BadAnswer, Call, ChatEvent, VendorRefusal, VendorRequest
from core.vendors.shared import scan

VERSION = "bedrock-2023-05-31"


class BedrockClaude(AnthropicMessages):
    """Implements ChatForm for a row. Without state."""

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Everything: the cloud's edition takes bytes alone."""
        return True

    def _sent(self, body: bytes, call: Call, dropped: tuple[str, ...], tail: str) -> VendorRequest:
        body, model = invoked(body, call, VERSION, betas=True, left=("model", "stream"))
        method = "invoke-with-response-stream" if call.stream else "invoke"
        return VendorRequest("POST", url(call, id_of(call, model), method), headers(self._row, call), body, dropped)

    def decoder(self, call: Call) -> AnthropicDecoder:
        """For a stream."""
        return _Decoder(call)

    def relay(self, call: Call) -> AnthropicRelay:
        """For a stream whose client speaks Anthropic's form: it is given server-sent events."""
        return _Relay(call)

    def count_request(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical turn for CountTokens. Raises InvalidRequest, ChannelError."""
        body, dropped = encode(request, call, self._row)
        return _counting(self._request(body, call, dropped, native=False), call)

    def splice_count(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes for CountTokens. Raises InvalidRequest, ChannelError."""
        return _counting(self._request(native.body, call, (), native=True), call)

    def counted(self, body: bytes, call: Call) -> int:
        """What the member inputTokens says. Raises BadAnswer."""
        return super().counted(scan.change(body, {}, set(), {"inputTokens": "input_tokens"}), call)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call)


def _counting(made: VendorRequest, call: Call) -> VendorRequest:
    """The request InvokeModel would be, inside CountTokens."""
    body = orjson.dumps({"input": {"invokeModel": {"body": base64.b64encode(made.body).decode()}}})
    return replace(made, url=url(call, counted_id(call.sent), "count-tokens"), body=body)


class _Unframed:
    """Server-sent events out of frames, so that Anthropic's decoder and relay read them."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._frames = Frames()
        self._broken = ""

    def feed(self, chunk: bytes) -> bytes:
        """Whole server-sent events; what was whole before damage is given first. Raises BadAnswer."""
        if self._broken:
            raise BadAnswer(self._broken)
        events: list[bytes] = []
        for frame in self._frames.feed(chunk):
            try:
                events.append(self._event(frame))
            except BadAnswer as damage:
                self._broken = str(damage)
                break
        return b"".join(events)

    def end(self) -> None:
        """Raises BadAnswer where the stream was damaged or cut."""
        if self._broken:
            raise BadAnswer(self._broken)
        self._frames.end()

    def _event(self, frame: Frame) -> bytes:
        if frame.failed:
            message = refusal.masked(str(frame.payload.get("message") or frame.kind), self._call)
            error = {"type": refusal.anthropic_type(frame.kind), "message": message}
            return b"event: error\ndata: " + orjson.dumps({"type": "error", "error": error}) + b"\n\n"
        if frame.kind != "chunk":
            return b""
        try:
            data = base64.b64decode(frame.payload.get("bytes") or "", validate=True)
            kind = orjson.loads(data)["type"]
        except (binascii.Error, ValueError, TypeError, KeyError):
            raise BadAnswer("a chunk of the stream is not an event") from None
        return b"event: " + str(kind).encode() + b"\ndata: " + data.replace(b"\n", b" ") + b"\n\n"


class _Decoder(AnthropicDecoder):
    """Implements ChatDecoder."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._unframed = _Unframed(call)

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer."""
        return super().feed(self._unframed.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where the stream was cut."""
        if not self.finished:
            self._unframed.end()
        return super().end()


class _Relay(AnthropicRelay):
    """Implements NativeRelay."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._unframed = _Unframed(call)

    def feed(self, chunk: bytes) -> bytes:
        """Server-sent events that may be passed on now. Raises BadAnswer."""
        events = self._unframed.feed(chunk)
        return super().feed(events) if events else b""

    def end(self) -> bytes:
        """What is left. Raises BadAnswer where the stream was cut."""
        if not self._over():
            self._unframed.end()
        return super().end()

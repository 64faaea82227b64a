"""Bedrock's Converse as one object per vendor row."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.vendors.anthropic.again import without_thoughts
from core.vendors.bedrock import decode, refusal
from core.vendors.bedrock import usage as usages
from core.vendors.bedrock.address import headers, id_of, url
from core.vendors.bedrock.encode import encode
from core.vendors.bedrock.prompt import system_prompt
from core.vendors.bedrock.relay import ConverseRelay
from core.vendors.bedrock.stream import ConverseDecoder
from core.vendors.interface import Call, VendorRefusal, VendorRequest
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.options import passes_through
from core.vendors.shared.splice import splice
from core.vendors.table import Row


class BedrockConverse:
    """Implements ChatForm for a row. Without state."""

    name = decode.DIALECT

    def __init__(self, row: Row) -> None:
        self._row = row

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Everything: it takes bytes and objects of S3."""
        return True

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises InvalidRequest, UnsupportedFeature, ChannelError."""
        body, dropped = encode(request, call)
        return self._request(body, call, dropped, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._request(native.body, call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            allowed = call.channel.settings.get("allow_service_tier")
            return Changes(deletes={"serviceTier"} if "serviceTier" in names and not allowed else set())

        body = splice(body, call, rules, system_prompt=system_prompt, native=native)
        method = "converse-stream" if call.stream else "converse"
        address = url(call, id_of(call, call.sent), method)
        return VendorRequest("POST", address, headers(self._row, call), body, dropped)

    def again(self, refusal: VendorRefusal, wire: VendorRequest, call: Call) -> VendorRequest | None:
        """Without the thoughts whose signature was refused; None where that was not it."""
        return None if passes_through(call) else without_thoughts(refusal, wire)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        return decode.decode(body, call)

    def decoder(self, call: Call) -> ConverseDecoder:
        """For a stream."""
        return ConverseDecoder(call)

    def relay(self, call: Call) -> ConverseRelay:
        """For a stream whose client speaks this form."""
        return ConverseRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes, which name no model, and usage. Raises BadAnswer."""
        return body, usages.normalise(decode.parse(body).get("usage"))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call)

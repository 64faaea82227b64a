"""Cohere's chat form, version 2, as one object per vendor row.

https://docs.cohere.com/reference/chat, https://docs.cohere.com/docs/streaming
"""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.vendors.cohere import decode
from core.vendors.cohere.encode import FORM, encode
from core.vendors.cohere.stream import CohereDecoder, CohereRelay
from core.vendors.interface import Call, VendorRefusal, VendorRequest
from core.vendors.openai.prompt import system_prompt
from core.vendors.shared import carry, refusal
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import splice
from core.vendors.table import Row


class CohereChat:
    """Implements ChatForm for a row. Without state."""

    name = FORM

    def __init__(self, row: Row) -> None:
        self._row = row

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Documents, of which it takes the text."""
        return kind == "file"

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises InvalidRequest, ChannelError."""
        body, dropped = encode(request, call)
        return self._request(body, call, dropped, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._request(carry.stripped(native.body), call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            changes = Changes()
            if look("model") != call.sent:
                changes.sets["model"] = call.sent
            return changes

        body = splice(body, call, rules, system_prompt=system_prompt, native=native)
        path = self._row.cohere_chat
        return VendorRequest("POST", url(self._row, path, call, call.sent), headers(self._row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        return decode.decode(body, call)

    def decoder(self, call: Call) -> CohereDecoder:
        """For a stream."""
        return CohereDecoder(call)

    def relay(self, call: Call) -> CohereRelay:
        """For a stream whose client speaks this form."""
        return CohereRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes, which name no model, and usage. Raises BadAnswer."""
        return body, decode.usage(decode.parse(body).get("usage"))

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)

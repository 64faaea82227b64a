"""The Responses form as one object per vendor row."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.vendors.interface import Call, VendorRefusal, VendorRequest
from core.vendors.responses import decode
from core.vendors.responses.encode import encode
from core.vendors.responses.names import DIALECT
from core.vendors.responses.relay import ResponsesRelay, relay_whole
from core.vendors.responses.rules import changes_of, system_prompt
from core.vendors.responses.stream import ResponsesDecoder
from core.vendors.shared import refusal
from core.vendors.shared.azure import AZURE
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import splice
from core.vendors.table import Row


class OpenAIResponses:
    """Implements ChatForm for a row. Without state."""

    name = DIALECT

    def __init__(self, row: Row) -> None:
        self._row = row
        self.compacts = row.compact

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Sound, which it takes as data."""
        return kind == "audio"

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises InvalidRequest, ChannelError."""
        body, dropped = encode(request, call, self._row)
        return self._request(body, call, dropped, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._request(native.body, call, (), native=True)

    def _request(
        self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool, tail: str = ""
    ) -> VendorRequest:
        row = self._row

        def rules(names: list[str], look: Look) -> Changes:
            return changes_of(row, call, body, names, look)

        out = splice(body, call, rules, system_prompt=system_prompt, native=native)
        path, _, query = self._path(call).partition("?")
        path = f"{path}{tail}?{query}" if query else path + tail
        return VendorRequest("POST", url(row, path, call, call.sent), headers(row, call), out, dropped)

    def tailed(self, native: common_pb2.Native, tail: str, call: Call) -> VendorRequest:
        """The client's own bytes to an address below the form's. Raises InvalidRequest, ChannelError."""
        return self._request(native.body, call, (), native=True, tail=tail)

    def _path(self, call: Call) -> str:
        """The row's path; Azure's goes by the resource's kind and the channel's settings."""
        if self._row.number != AZURE:
            return self._row.responses
        pinned = quote(str(call.channel.settings.get("azure_responses_version") or ""), safe="")
        host = urlsplit(call.channel.base_url).hostname or ""
        if host.endswith("cognitiveservices.azure.com"):
            return f"/openai/responses?api-version={pinned or '{version}'}"
        return f"/openai/v1/responses?api-version={pinned}" if pinned else self._row.responses

    def about(self, method: str, response_id: str, tail: str, query: str, call: Call) -> VendorRequest:
        """A request about an answer that the vendor keeps: tail is /cancel, /input_items, or nothing."""
        path, _, told = self._path(call).partition("?")
        path = f"{path}/{quote(response_id, safe='')}{tail}"
        if asked := "&".join(filter(None, (told, query))):
            path = f"{path}?{asked}"
        body = b"{}" if method == "POST" else b""
        return VendorRequest(method, url(self._row, path, call, ""), headers(self._row, call), body)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        return decode.decode(body, call)

    def decoder(self, call: Call) -> ResponsesDecoder:
        """For a stream."""
        return ResponsesDecoder(call)

    def relay(self, call: Call) -> ResponsesRelay:
        """For a stream whose client speaks this form."""
        return ResponsesRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes with the model's name as asked for, and usage. Raises BadAnswer."""
        return relay_whole(body, call)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)

"""OpenAI's chat form as one object per vendor row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson
from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.errors import InvalidRequest
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.openai import decode
from core.vendors.openai import usage as usages
from core.vendors.openai.encode import encode
from core.vendors.openai.prompt import system_prompt
from core.vendors.openai.relay import OpenAIRelay
from core.vendors.openai.rules import chat_changes
from core.vendors.openai.stream import OpenAIDecoder
from core.vendors.shared import carry, refusal, scan
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.identity import header_word, session_of
from core.vendors.shared.splice import splice
from core.vendors.table import Row


class OpenAIChat:
    """Implements ChatForm for a row. Without state."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.name = row.chat_form
        self.wants_of_its_own = row.media_bytes

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Files and sound, which the form takes as data; all of it where the vendor takes no addresses."""
        return kind in ("file", "audio") or self._row.media_bytes

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature, InvalidRequest, ChannelError."""
        body, dropped = encode(request, call, self._row)
        made = self._request(body, call, dropped, native=False)
        header = self._row.session_header
        session = header_word(request.caching.key or session_of(request.identity.user)) if header else ""
        return replace(made, headers=(*made.headers, (header, session))) if session else made

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._request(carry.stripped(native.body), call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        row = self._row
        model, refused = call.sent, set[str]()

        def rules(names: list[str], look: Look) -> Changes:
            nonlocal model, refused
            changes = chat_changes(row, call, names, look)
            refused = changes.dropped
            model = str(changes.sets.get("model", call.sent))
            return changes

        body = splice(body, call, rules, system_prompt=system_prompt, native=native)
        if refused:
            dropped = (*dropped, *sorted(refused))
        return self._sent(body, call, model, dropped)

    def _sent(self, body: bytes, call: Call, model: str, dropped: tuple[str, ...]) -> VendorRequest:
        """The body under the vendor's address; clouds that serve the form have others."""
        row = self._row
        return VendorRequest("POST", url(row, row.chat, call, model), headers(row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        return decode.decode(body, call)

    def decoder(self, call: Call) -> OpenAIDecoder:
        """For a stream."""
        return OpenAIDecoder(call)

    def relay(self, call: Call) -> OpenAIRelay:
        """For a stream whose client speaks this form."""
        return OpenAIRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes with the model's name as asked for, and usage. Raises BadAnswer."""
        answer = decode.parse(body)
        decode.choices_of(answer, call)
        if call.asked != call.sent or b'"success"' in body:
            body = renamed(body, call)
        return body, usages.of_answer(answer)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def renamed(body: bytes, call: Call) -> bytes:
    """A whole answer with the model's name as the client asked for it. Raises BadAnswer.

    {success, data} (OpenRouter's enterprise envelope) is opened.
    """
    try:
        members = {member.name: member for member in scan.members(body)}
        if "choices" not in members and "success" in members and "data" in members:
            body = body[members["data"].value : members["data"].end]
            members = {member.name: member for member in scan.members(body)}
        if call.asked == call.sent or "model" not in members:
            return body
        return scan.change(body, {"model": orjson.dumps(call.asked)}, set(), {})
    except InvalidRequest:
        raise BadAnswer("it is not a JSON object") from None

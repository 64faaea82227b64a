"""Anthropic's Messages form as one object per vendor row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson
from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.errors import InvalidRequest
from core.vendors.anthropic import decode, rules
from core.vendors.anthropic.again import without_thoughts
from core.vendors.anthropic.encode import encode
from core.vendors.anthropic.headers import headers, url
from core.vendors.anthropic.prompt import system_prompt
from core.vendors.anthropic.relay import AnthropicRelay
from core.vendors.anthropic.signature import SIGNERS, without_unsound
from core.vendors.anthropic.stream import AnthropicDecoder
from core.vendors.interface import BadAnswer, Call, ChatDecoder, VendorRefusal, VendorRequest
from core.vendors.shared import carry, refusal, scan
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.identity import FOREIGN_USER_MOST, user_of
from core.vendors.shared.options import passes_through
from core.vendors.shared.splice import splice
from core.vendors.table import Row

COUNT = "/count_tokens"
NOT_COUNTED = (
    "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "service_tier",
    "inference_geo", "container", "diagnostics",
)  # fmt: skip
"""Members of a request that count_tokens refuses."""


class AnthropicMessages:
    """Implements ChatForm for a row. Without state."""

    name = decode.DIALECT

    def __init__(self, row: Row) -> None:
        self._row = row

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """What is not behind TLS, and files that may be something else than PDF."""
        return not url.startswith("https://") or (kind == "file" and not url.partition("?")[0].lower().endswith(".pdf"))

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises InvalidRequest, ChannelError."""
        body, dropped = encode(request, call, self._row)
        return self._request(body, call, dropped, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes, less thinking whose signature the vendor would refuse. Raises InvalidRequest."""
        return self._request(native.body, call, (), native=True)

    def _request(
        self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool, tail: str = ""
    ) -> VendorRequest:
        def rule(names: list[str], look: Look) -> Changes:
            changes = rules.changes(call, names, look)
            if self._row.owner not in SIGNERS and "metadata" in names:
                _short_user(changes, look)
            return changes

        if native:
            body = carry.stripped(body)
        if native and not passes_through(call):
            messages = next((member for member in scan.members(body) if member.name == "messages"), None)
            cleaned = without_unsound(body, messages, self._row.owner in SIGNERS)
            if cleaned is not None:
                body = scan.change(body, {"messages": cleaned}, set(), {})
                dropped = ("parts.thinking",)
        body = splice(body, call, rule, system_prompt=system_prompt, native=native)
        return self._sent(body, call, dropped, tail)

    def _sent(self, body: bytes, call: Call, dropped: tuple[str, ...], tail: str) -> VendorRequest:
        """The body under the vendor's address; clouds that serve the form have others."""
        return VendorRequest("POST", url(self._row, call, tail), headers(self._row, call), body, dropped)

    def again(self, refusal: VendorRefusal, wire: VendorRequest, call: Call) -> VendorRequest | None:
        """Without the thoughts whose signature was refused; None where that was not it."""
        return None if passes_through(call) else without_thoughts(refusal, wire)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        return decode.decode(body, call)

    def decoder(self, call: Call) -> ChatDecoder:
        """For a stream."""
        return AnthropicDecoder(call)

    def relay(self, call: Call) -> AnthropicRelay:
        """For a stream whose client speaks this form."""
        return AnthropicRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes with the model's name as asked for, and usage. Raises BadAnswer."""
        answer = decode.parse(body)
        if call.asked != call.sent and "model" in answer:
            try:
                body = scan.change(body, {"model": orjson.dumps(call.asked)}, set(), {})
            except InvalidRequest:
                raise BadAnswer("it is not a JSON object") from None
        return body, decode.usage_of(answer)

    def count_request(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical turn for count_tokens. Raises InvalidRequest, ChannelError."""
        body, dropped = encode(request, call, self._row)
        return self._counted(self._request(body, call, dropped, native=False, tail=COUNT))

    def splice_count(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes for count_tokens. Raises InvalidRequest, ChannelError."""
        return self._counted(self._request(native.body, call, (), native=True, tail=COUNT))

    @staticmethod
    def _counted(made: VendorRequest) -> VendorRequest:
        """Without the members that count_tokens does not know."""
        return replace(made, body=scan.change(made.body, {}, set(NOT_COUNTED), {}))

    def counted(self, body: bytes, call: Call) -> int:
        """input_tokens. Raises BadAnswer."""
        try:
            told = orjson.loads(body)["input_tokens"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise BadAnswer("there is no count") from None
        if not isinstance(told, int) or isinstance(told, bool) or told < 0:
            raise BadAnswer("the count is not a number")
        return told

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _short_user(changes: Changes, look: Look) -> None:
    """Vendors that merely speak the form take users of 128 characters; Claude Code's are longer."""
    told = look("metadata")
    user = told.get("user_id") if isinstance(told, dict) else None
    if isinstance(user, str) and len(user) > FOREIGN_USER_MOST:
        changes.sets["metadata"] = {**told, "user_id": user_of(user, FOREIGN_USER_MOST)}

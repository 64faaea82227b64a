"""Ollama's chat and generate forms as one object each per vendor row.

https://docs.ollama.com/api/chat, https://docs.ollama.com/api/generate
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.ollama import decode
from core.vendors.ollama.decode import OllamaDecoder
from core.vendors.ollama.encode import FORM, encode
from core.vendors.ollama.relay import OllamaRelay, renamed
from core.vendors.openai.prompt import system_prompt
from core.vendors.shared import carry, refusal
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import SystemPrompt, splice
from core.vendors.table import Row

GENERATE = "ollama.generate"


class OllamaChat:
    """Implements ChatForm for a row. Without state."""

    name = FORM
    path = "/api/chat"
    prompt: SystemPrompt | None = staticmethod(system_prompt)

    def __init__(self, row: Row) -> None:
        self._row = row

    wants_of_its_own = False

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Everything: it takes bytes alone."""
        return True

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises InvalidRequest, ChannelError."""
        body, dropped = encode(request, call)
        return self._request(orjson.dumps(body), call, dropped, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._request(carry.stripped(native.body), call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            changes = Changes()
            if look("model") != call.sent:
                changes.sets["model"] = call.sent
            return changes

        body = splice(body, call, rules, system_prompt=self.prompt, native=native)
        address = url(self._row, self.path, call, call.sent)
        return VendorRequest("POST", address, headers(self._row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        return decode.decode(body, call)

    def decoder(self, call: Call) -> OllamaDecoder:
        """For a stream."""
        return OllamaDecoder(call)

    def relay(self, call: Call) -> OllamaRelay:
        """For a stream whose client speaks this form."""
        return OllamaRelay(call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The answer's bytes with the model's name as asked for, and usage. Raises BadAnswer."""
        found = decode.parse(body)
        if not isinstance(found.get("message"), dict) and not isinstance(found.get("response"), str):
            raise BadAnswer("there is no message")
        return renamed(body, call), decode.usage(found)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


class OllamaGenerate(OllamaChat):
    """Implements ChatForm for a row: one prompt, maybe with instructions. Without state."""

    name = GENERATE
    path = "/api/generate"
    prompt = None

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature where it is a conversation."""
        plain = chat_pb2.ChatRequest()
        plain.CopyFrom(request)
        said = plain.extensions.by_dialect.pop(GENERATE, b"")
        body, dropped = encode(plain, call)
        messages: list[dict[str, Any]] = body.pop("messages")
        asked = [message for message in messages if message["role"] == "user"]
        told = [message["content"] for message in messages if message["role"] == "system"]
        if len(asked) != 1 or len(asked) + len(told) != len(messages) or "tools" in body:
            raise UnsupportedFeature("Ollama's generate answers one prompt.", param="messages")
        extra: dict[str, Any] = orjson.loads(said) if said else {}
        options = {**extra.pop("options", {}), **body.pop("options", {})}
        made: dict[str, Any] = {"model": body.pop("model"), "prompt": asked[0]["content"]}
        if told:
            made["system"] = "\n".join(told)
        if "images" in asked[0]:
            made["images"] = asked[0]["images"]
        made.update(body)
        if options:
            made["options"] = options
        made.update({key: value for key, value in extra.items() if key not in made})
        return self._request(orjson.dumps(made), call, dropped, native=False)

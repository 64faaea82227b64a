"""Compaction: a conversation of the Responses form made shorter by its vendor. Only clients of the form ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.v1 import chat_pb2, common_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.responses.form import OpenAIResponses

TAIL = "/compact"


class Compacting:
    """The form in the shape of one that answers whole, so that an attempt is made in the same way."""

    def __init__(self, form: OpenAIResponses) -> None:
        self._form = form
        self.name = form.name

    def encode(self, request: chat_pb2.ChatRequest, call: Call) -> VendorRequest:
        """Nobody but clients of the form asks. Raises UnsupportedFeature."""
        raise UnsupportedFeature("Only conversations in the Responses form are compacted.", param="input")

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes. Raises InvalidRequest, ChannelError."""
        return self._form.tailed(native, TAIL, call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """The compacted conversation as it came, and usage. Raises BadAnswer."""
        return self._form.relay_whole(body, call)

    def decode(self, body: bytes, call: Call) -> Any:
        """Asked where no usage was told: there is nothing to count it by. Raises BadAnswer."""
        raise BadAnswer("no usage is told")

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return self._form.refusal(status, headers, body, call)


def compacting(forms: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of a vendor's chat forms the one that compacts, if any. Raises UnsupportedFeature."""
    for form in forms:
        if isinstance(form, OpenAIResponses) and form.compacts:
            return (Compacting(form),)
    raise UnsupportedFeature(
        "This model's channel does not compact conversations: only OpenAI's Responses API does. Shorten the input "
        "instead, or have the model sum it up.",
        param="model",
    )

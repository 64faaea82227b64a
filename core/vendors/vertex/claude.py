"""Claude on Vertex AI: Anthropic's Messages form by rawPredict and streamRawPredict."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import orjson

from core.vendors.anthropic.clouds import DATED, invoked
from core.vendors.anthropic.headers import told
from core.vendors.anthropic.messages import COUNT, AnthropicMessages
from core.vendors.interface import Call, VendorRefusal, VendorRequest
from core.vendors.shared import scan
from core.vendors.table import Row
from core.vendors.vertex.address import headers, masked, publisher

VERSION = "vertex-2023-10-16"
_DATE = re.compile(r"-(20\d{6})$")
_SECOND = {"claude-3-5-sonnet@20241022": "claude-3-5-sonnet-v2@20241022"}
"""Names that are told apart otherwise here."""


class VertexClaude(AnthropicMessages):
    """Implements ChatForm for a row. Without state."""

    def __init__(self, row: Row) -> None:
        # It is Anthropic's own model that looks at signatures, whoever the house is.
        super().__init__(replace(row, owner="anthropic"))

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Everything: the cloud's edition takes bytes alone."""
        return True

    def _sent(self, body: bytes, call: Call, dropped: tuple[str, ...], tail: str) -> VendorRequest:
        body, model = invoked(body, call, VERSION, betas=False, left=("model",))
        name = model_name(model)
        method = "rawPredict"
        if tail == COUNT:
            body = scan.change(body, {"model": orjson.dumps(name)}, set(), {})
            name = "count-tokens"
        elif call.stream:
            method = "streamRawPredict"
        beta = {key: value for key, value in told(call).items() if key == "anthropic-beta"}
        address = publisher(call, "anthropic", name, method, "alt=sse" if method != "rawPredict" else "")
        return VendorRequest("POST", address, headers(self._row, call, beta), body, dropped)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        found = super().refusal(status, headers, body, call)
        return replace(found, message=masked(found.message, call))


def model_name(name: str) -> str:
    """Anthropic's name as this house writes it: the date behind an @."""
    made = _DATE.sub(r"@\1", DATED.get(name, name))
    return _SECOND.get(made, made)

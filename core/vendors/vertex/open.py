"""Open models on Vertex AI: OpenAI's chat form at one address for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from core.vendors.interface import Call, VendorRefusal, VendorRequest
from core.vendors.openai.chat import OpenAIChat
from core.vendors.shared import scan
from core.vendors.vertex.address import endpoint, headers, masked

HOUSES = (
    ("llama", "meta"), ("deepseek", "deepseek-ai"), ("qwen", "qwen"), ("gpt-oss", "openai"), ("kimi", "moonshotai"),
    ("minimax", "minimaxai"), ("glm", "zai-org"), ("gemma", "google"),
)  # fmt: skip
"""Beginnings of names, and the publisher that the address wants before them."""


class VertexOpen(OpenAIChat):
    """Implements ChatForm for a row. Without state."""

    def _sent(self, body: bytes, call: Call, model: str, dropped: tuple[str, ...]) -> VendorRequest:
        named = model_name(model)
        if named != model:
            body = scan.change(body, {"model": orjson.dumps(named)}, set(), {})
        return VendorRequest("POST", endpoint(call), headers(self._row, call), body, dropped)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        found = super().refusal(status, headers, body, call)
        return replace(found, message=masked(found.message, call))


def model_name(name: str) -> str:
    """The name with its publisher."""
    house = next((house for start, house in HOUSES if name.startswith(start)), "")
    return name if "/" in name or not house else f"{house}/{name}"

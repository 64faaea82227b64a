"""Gemini on Vertex AI: the form of generateContent, less what the cloud's edition of it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from core.vendors.gemini.chat import COUNT, GeminiChat
from core.vendors.interface import Call, VendorRefusal, VendorRequest
from core.vendors.shared import scan
from core.vendors.shared.options import on
from core.vendors.vertex.address import headers, masked, publisher

UNKNOWN = {
    "store": "state.store", "serviceTier": "placement.service_tier", "service_tier": "placement.service_tier",
    "continuationToken": "state.continuation_token", "model": "",
}  # fmt: skip
"""Members of the developer API's requests that this edition refuses, and their canonical names."""
COUNTED = frozenset(
    ["contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config"]
)
"""Members that countTokens takes."""
_TURN = ("generateContentRequest", "generate_content_request")
_RESPONSES = (b'"functionResponse"', b'"function_response"')


class VertexGemini(GeminiChat):
    """Implements ChatForm for a row. Without state."""

    def _sent(self, body: bytes, call: Call, model: str, method: str, dropped: tuple[str, ...]) -> VendorRequest:
        members = {member.name: member for member in scan.members(body)}
        if method == COUNT:
            turn = next((members[name] for name in _TURN if name in members), None)
            if turn is not None:
                body = body[turn.value : turn.end]
                members = {member.name: member for member in scan.members(body)}
            left = {name for name in members if name not in COUNTED}
        else:
            left = {name for name in members if name in UNKNOWN}
            dropped = (*dropped, *(UNKNOWN[name] for name in sorted(left) if UNKNOWN[name]))
        body = scan.change(body, {}, left, {})
        if any(word in body for word in _RESPONSES) and on(call, "gemini.remove_function_response_id_enabled"):
            body = _without_ids(body)
        query = "alt=sse" if method.startswith("stream") else ""
        return VendorRequest(
            "POST", publisher(call, "google", model, method, query), headers(self._row, call), body, dropped
        )

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        found = super().refusal(status, headers, body, call)
        return replace(found, message=masked(found.message, call))


def _without_ids(body: bytes) -> bytes:
    """Results of calls without the calls' ids, which older models here refuse; order tells them apart."""
    parsed = orjson.loads(body)
    contents = parsed.get("contents")
    changed = False
    for content in contents if isinstance(contents, list) else ():
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            for name in ("functionResponse", "function_response"):
                found: Any = part.get(name) if isinstance(part, dict) else None
                if isinstance(found, dict) and found.pop("id", None) is not None:
                    changed = True
    return orjson.dumps(parsed) if changed else body

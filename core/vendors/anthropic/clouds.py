"""The Messages form as clouds take it that serve Claude under addresses of their own."""

from __future__ import annotations

import orjson

from core.vendors.anthropic.headers import told
from core.vendors.interface import Call
from core.vendors.shared import scan


def invoked(body: bytes, call: Call, version: str, betas: bool, left: tuple[str, ...]) -> tuple[bytes, str]:
    """The body as clouds take it, with version (and betas) and without what the address says; the model it named."""
    members = {member.name: member for member in scan.members(body)}
    named = members.get("model")
    model = orjson.loads(body[named.value : named.end]) if named is not None else call.sent
    if not isinstance(model, str) or model == call.asked:
        model = call.sent
    sets = {} if "anthropic_version" in members else {"anthropic_version": orjson.dumps(version)}
    said = told(call).get("anthropic-beta", "")
    if betas and said and "anthropic_beta" not in members:
        sets["anthropic_beta"] = orjson.dumps([name.strip() for name in said.split(",") if name.strip()])
    return scan.change(body, sets, {name for name in left if name in members}, {}), model


DATED = {
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
}
"""Anthropic's shorter names, which clouds know with their dates only; from 4.6 on names have none."""

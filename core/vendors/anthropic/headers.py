"""Addresses and headers of Messages requests."""

from __future__ import annotations

from core.vendors.anthropic import options
from core.vendors.anthropic.decode import DIALECT
from core.vendors.interface import Call
from core.vendors.shared import headers as shared
from core.vendors.table import MESSAGE_PLANS, V1_MESSAGES, Row

VERSION = "2023-06-01"
"""What goes out where the client named no version."""
KEPT = ("anthropic-version", "anthropic-beta")
"""The client's headers that belong to the form."""


def url(row: Row, call: Call, tail: str = "") -> str:
    """The address: base, path, and ?beta=true where the client sent it or the channel says so."""
    base = call.channel.base_url.rstrip("/")
    path = row.messages
    if base in MESSAGE_PLANS:
        base, path = MESSAGE_PLANS[base], V1_MESSAGES
    native = call.native
    query = native.query if native is not None and native.form == DIALECT else ""
    if not query and call.channel.settings.get("claude_beta_query"):
        query = "beta=true"
    return base + path + tail + (f"?{query}" if query else "")


def headers(row: Row, call: Call) -> tuple[tuple[str, str], ...]:
    """Content type, credentials, version and betas, and the channel's own headers. Raises ChannelError."""
    kept = {"anthropic-version": VERSION, **told(call)}
    for name, value in options.headers(call, call.sent).items():
        held = kept.get(name, "") if name == "anthropic-beta" else ""
        told_already = [piece.strip() for piece in held.split(",") if piece.strip()]
        kept[name] = ",".join(dict.fromkeys([*told_already, *value.split(",")])) if told_already else value
    return shared.headers(row, call, row.messages_auth, kept.items())


def told(call: Call) -> dict[str, str]:
    """Version and betas as the client said them."""
    native = call.native
    said = {header.name: header.value for header in native.headers} if native and native.form == DIALECT else {}
    return {name: said[name] for name in KEPT if said.get(name)}
